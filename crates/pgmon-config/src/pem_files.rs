//! Files for TLS that are named where nobody reads them before a connection is made.

use std::path::Path;

use crate::Diagnostic;
use crate::tree::{Data, Node, join};

/// Begins a certificate.
pub(crate) const CERTIFICATE: (&str, &str) = ("-----BEGIN CERTIFICATE-----", "certificate");

/// Ends the line that begins a private key of any kind.
pub(crate) const KEY: (&str, &str) = ("PRIVATE KEY-----", "private key");

/// Keys of services and clusters that name such a file.
const KEYS: [(&str, (&str, &str)); 4] =
    [("ca_file", CERTIFICATE), ("cert_file", CERTIFICATE), ("key_file", KEY), ("sslrootcert", CERTIFICATE)];

/// What is wrong with a file that must have `what`, which `mark` shows.
pub(crate) fn fault(key: &str, path: &Path, (mark, what): (&str, &str)) -> Option<String> {
    let shown = path.display();
    match std::fs::read(path) {
        Err(error) => Some(format!("{key} {shown} cannot be read: {error}")),
        Ok(bytes) if !bytes.windows(mark.len()).any(|part| part == mark.as_bytes()) => {
            Some(format!("{key} {shown} has no {what} in PEM format"))
        }
        Ok(_) => None,
    }
}

/// The files of services and clusters that cannot be used as they are. They may have come by the time of a check.
pub(crate) fn unready(root: &Node, unready: &mut Vec<Diagnostic>) {
    for section in ["services", "clusters"] {
        if let Some(member) = root.member(section) {
            look_into(&member.node, &join("", section), unready);
        }
    }
}

fn look_into(node: &Node, pointer: &str, unready: &mut Vec<Diagnostic>) {
    match &node.data {
        Data::Map(members) => {
            for member in members {
                let below = join(pointer, &member.key);
                let known = KEYS.iter().find(|(key, _)| *key == member.key);
                if let (Some((key, of)), Data::Text(path, _)) = (known, &member.node.data)
                    && !path.is_empty()
                    && let Some(message) = fault(key, Path::new(path), *of)
                {
                    let mut diagnostic = member.node.at.says(below.clone(), message);
                    diagnostic.hint =
                        Some("pgmon starts, and the check fails until it is as it must be".to_owned());
                    unready.push(diagnostic);
                }
                look_into(&member.node, &below, unready);
            }
        }
        Data::List(items) => {
            for (n, item) in items.iter().enumerate() {
                look_into(item, &join(pointer, n), unready);
            }
        }
        _ => {}
    }
}
