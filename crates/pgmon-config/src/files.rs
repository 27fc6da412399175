//! Secrets that are kept in files of their own: `password_file`, `dsn_file` and the like.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Diagnostic;
use crate::Secret;
use crate::schema::Shape;
use crate::tree::{Data, Member, Node, Style, join};

/// The largest file that is read for one secret (bytes).
const LARGEST: u64 = 64 * 1024;

/// Reads every file that a key `x_file` names, and sets the secret `x` to what is in it. `files` learns
/// which those are, whether or not they could be read.
pub(crate) fn read_all(
    node: &mut Node,
    shape: Shape<'_>,
    pointer: &str,
    files: &mut BTreeSet<PathBuf>,
    faults: &mut Vec<Diagnostic>,
) {
    match &mut node.data {
        Data::Map(members) => {
            let mut read = Vec::new();
            for member in members.iter_mut() {
                let below = join(pointer, &member.key);
                let Some(property) = shape.key(&member.key) else { continue };
                read_all(&mut member.node, property, &below, files, faults);
                let secret =
                    member.key.strip_suffix("_file").and_then(|base| Some((base, shape.property(base)?)));
                if let (Some((base, base_shape)), Data::Text(path, _)) = (secret, &member.node.data)
                    && base_shape.is("x-secret")
                    && !path.is_empty()
                {
                    files.insert(path.into());
                    match read_text(Path::new(path)) {
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
                read_all(item, shape, &join(pointer, n), files, faults);
            }
        }
        _ => {}
    }
}

fn is_empty(member: &Member) -> bool {
    matches!(&member.node.data, Data::Text(text, _) if text.is_empty())
}

/// The secret in a file: its content without the last line break. The error names the file and what is
/// wrong with it, and nothing that is in it.
pub fn read_secret(path: &Path) -> Result<Secret, String> {
    read_text(path).map(Secret::new)
}

fn read_text(path: &Path) -> Result<String, String> {
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
