//! Secrets that are kept in files of their own: `password_file`, `dsn_file` and the like.

use std::io::Read;
use std::path::Path;

use crate::Diagnostic;
use crate::schema::Shape;
use crate::tree::{Data, Member, Node, Style, join};

/// The largest file that is read for one secret (bytes).
const LARGEST: u64 = 64 * 1024;

/// Reads every file that a key `x_file` names, and sets the secret `x` to what is in it.
pub(crate) fn read_all(node: &mut Node, shape: Shape<'_>, pointer: &str, faults: &mut Vec<Diagnostic>) {
    match &mut node.data {
        Data::Map(members) => {
            let mut read = Vec::new();
            for member in members.iter_mut() {
                let below = join(pointer, &member.key);
                let Some(property) = shape.property(&member.key) else { continue };
                read_all(&mut member.node, property, &below, faults);
                let secret =
                    member.key.strip_suffix("_file").and_then(|base| Some((base, shape.property(base)?)));
                if let (Some((base, base_shape)), Data::Text(path, _)) = (secret, &member.node.data)
                    && base_shape.is("x-secret")
                    && !path.is_empty()
                {
                    match read_secret(Path::new(path)) {
                        Ok(text) => read.push((base.to_owned(), member.at.clone(), text)),
                        Err(message) => faults.push(member.node.at.says(below, message)),
                    }
                }
            }
            for (key, at, text) in read {
                if let Some(other) = members.iter().find(|member| member.key == key && !is_empty(member)) {
                    let message = format!("{key} is given as well ({}); keep one of them", other.at);
                    faults.push(at.says(join(pointer, format!("{key}_file")), message));
                    continue;
                }
                members.retain(|member| member.key != key);
                let node = Node::new(at.clone(), Data::Text(text, Style::Exact));
                members.push(Member { key, at, node, bare: false });
            }
        }
        Data::List(items) => {
            let Some(shape) = shape.items() else { return };
            for (n, item) in items.iter_mut().enumerate() {
                read_all(item, shape, &join(pointer, n), faults);
            }
        }
        _ => {}
    }
}

fn is_empty(member: &Member) -> bool {
    matches!(&member.node.data, Data::Text(text, _) if text.is_empty())
}

/// The content of a file with a secret, without its last line break. An error names the file and never
/// what is in it.
pub fn read_secret(path: &Path) -> Result<String, String> {
    let failed = |what: &str| format!("cannot read {}: {what}", path.display());
    // A pipe or device could keep the start waiting for ever.
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is no regular file"));
    }
    let file = std::fs::File::open(path).map_err(|error| failed(&error.to_string()))?;
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| failed(&error.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(failed("it is larger than 64 KiB"));
    }
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(failed("it is empty"));
    }
    Ok(text.to_owned())
}
