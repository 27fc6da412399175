//! `databases_file` and `queries_file`: lists in files of their own, SitRep's among them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::interpolate::{Dollar, Variables, interpolate};
use crate::normalise::Renamed;
use crate::schema::Shape;
use crate::tree::{Data, Member, Node, Place, Style, join};
use crate::yaml::is_word;
use crate::{Diagnostic, load, normalise, suggest};

/// Where SitRep looks for its databases if no variable says where.
const SITREPS_DATABASES: &str = "databases.json";

/// SitRep's variables for the two files, and the keys that they stand for.
const VARIABLES: [(&str, &str); 2] =
    [("DBS_CONFIG_FILE", "databases_file"), ("QUERIES_FILE", "queries_file")];

/// A key with a list, and the key with the file that has more of it.
struct Kind {
    list: &'static str,
    file: &'static str,
    /// The key under which the file may have its list, if it is no list itself.
    inside: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind { list: "databases", file: "databases_file", inside: "databases" },
    Kind { list: "queries", file: "queries_file", inside: "queries" },
];

/// The entries of a list that are from a file.
struct Origin {
    list: String,
    from: usize,
    file: String,
    /// The pointer of the list within the file.
    within: String,
}

impl Origin {
    /// Makes a pointer into the file one into the whole.
    fn globalise(&self, diagnostic: &mut Diagnostic) {
        if let Some((n, rest)) = diagnostic.pointer.strip_prefix(&self.within).and_then(nth) {
            diagnostic.pointer = format!("{}{rest}", join(&self.list, self.from + n));
        }
    }

    /// Makes a pointer into the whole one into the file.
    fn localise(&self, diagnostic: &mut Diagnostic) {
        if diagnostic.file == self.file
            && let Some((n, rest)) = diagnostic.pointer.strip_prefix(&self.list).and_then(nth)
            && let Some(n) = n.checked_sub(self.from)
        {
            diagnostic.pointer = format!("{}{rest}", join(&self.within, n));
        }
    }
}

/// The first step of a pointer if it is a number, and the rest.
fn nth(pointer: &str) -> Option<(usize, &str)> {
    let pointer = pointer.strip_prefix('/')?;
    let (n, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
    Some((n.parse().ok()?, rest))
}

/// Which entries are from which file.
#[derive(Default)]
pub(crate) struct Origins {
    origins: Vec<Origin>,
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
    renamed: Renamed,
}

impl Origins {
    /// Rewrites pointers into the whole so that they point into the file that is named beside them.
    pub(crate) fn localise(&self, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics {
            self.renamed.restore(diagnostic);
            self.origins.iter().for_each(|origin| origin.localise(diagnostic));
        }
    }
}

/// Sets the keys of the files from SitRep's variables, where nothing else is set.
pub(crate) fn overlay_sitrep(root: &mut Node, env: &BTreeMap<String, String>) {
    let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
    for (variable, key) in VARIABLES {
        if let Some(path) = var(variable)
            && !is_set(root, key)
        {
            put(root, key, Place::Env(variable.into()), path);
        }
    }
    // Who sets only the others relies on the default of this one.
    let sitrep = ["QUERIES_FILE", "EXPORTER_API_KEY"].into_iter().find(|name| var(name).is_some());
    let watched = ["dsn", "dsn_file", "databases", "databases_file"].iter().any(|key| is_set(root, key));
    if let Some(variable) = sitrep
        && !watched
        && Path::new(SITREPS_DATABASES).is_file()
    {
        put(root, "databases_file", Place::Env(variable.into()), SITREPS_DATABASES);
    }
}

fn is_set(root: &Node, key: &str) -> bool {
    root.member(key).is_some_and(|member| !matches!(member.node.data, Data::Null))
}

fn put(root: &mut Node, key: &str, at: Place, text: &str) {
    let Data::Map(members) = &mut root.data else { return };
    members.retain(|member| member.key != key);
    let node = Node::new(at.clone(), Data::Text(text.to_owned(), Style::Exact));
    members.push(Member { key: key.to_owned(), at, node, bare: false });
}

/// Reads the files and adds their entries to the lists of the whole.
pub(crate) fn read_all(
    root: &mut Node,
    shape: Shape<'_>,
    env: &BTreeMap<String, String>,
    renamed: Renamed,
    faults: &mut Vec<Diagnostic>,
) -> Origins {
    let mut origins = Origins { renamed, ..Origins::default() };
    for kind in &KINDS {
        let Some((at, path)) = root.member(kind.file).and_then(|member| match &member.node.data {
            Data::Text(path, _) if !path.is_empty() => Some((member.at.clone(), PathBuf::from(path))),
            _ => None,
        }) else {
            continue;
        };
        let (Some(list_shape), Data::Map(members)) = (shape.property(kind.list), &mut root.data) else {
            continue;
        };
        origins.files.push(path.clone());
        let text = match load::read(&path) {
            Ok(text) => text,
            Err(message) => {
                let pointer = join("", kind.file);
                faults.push(at.says(pointer, format!("cannot read {}: {message}", path.display())));
                continue;
            }
        };
        let before = faults.len();
        let Some(node) = load::parse(Some(&path), &text, faults) else {
            name_the_format(&path, faults.get_mut(before..).unwrap_or_default());
            continue;
        };
        let Some((within, mut list)) = list_of(kind, node, faults) else { continue };
        normalise::rename_aliases(&mut list, list_shape, &within, &mut origins.renamed, faults);
        interpolate(&mut list, list_shape, Variables { env, dollar: Dollar::Plain }, &within, faults);
        normalise::fit(&mut list, list_shape, path.parent());
        let Data::List(mut items) = list.data else { continue };
        if kind.list == "databases" {
            items.iter_mut().for_each(|item| {
                sitreps_tls(item);
                sitreps_port(item);
            });
        }
        let target = match members.iter().position(|member| member.key == kind.list) {
            Some(n) => n,
            None => {
                let node = Node::new(at.clone(), Data::List(Vec::new()));
                members.push(Member { key: kind.list.to_owned(), at: at.clone(), node, bare: false });
                members.len() - 1
            }
        };
        let Some(Data::List(all)) = members.get_mut(target).map(|member| &mut member.node.data) else {
            continue;
        };
        let origin =
            Origin { list: join("", kind.list), from: all.len(), file: path.display().to_string(), within };
        faults.get_mut(before..).unwrap_or_default().iter_mut().for_each(|fault| origin.globalise(fault));
        origins.origins.push(origin);
        all.append(&mut items);
    }
    origins
}

/// The list of a file: the file itself, or what it has under its one key.
fn list_of(kind: &Kind, node: Node, faults: &mut Vec<Diagnostic>) -> Option<(String, Node)> {
    let members = match node.data {
        Data::List(_) => return Some((String::new(), node)),
        Data::Map(members) => members,
        _ => {
            let message = format!("expected a list, or `{}` with a list", kind.inside);
            faults.push(node.at.says("", message));
            return None;
        }
    };
    let mut list = None;
    for member in members {
        if member.key == kind.inside {
            match member.node.data {
                Data::List(_) => list = Some((join("", kind.inside), member.node)),
                _ => faults.push(member.at.says(join("", kind.inside), "expected a list")),
            }
        } else if is_word(&member.key) && !member.bare {
            let mut fault = member.at.says(join("", &member.key), "unknown key");
            fault.hint = match suggest::nearest(&member.key, [kind.inside]) {
                Some(near) => Some(format!("did you mean {near}?")),
                None => Some(format!("this file has `{}` and nothing else", kind.inside)),
            };
            faults.push(fault);
        } else {
            faults.push(member.at.says("", "unknown key (not repeated here, as it may be part of a value)"));
        }
    }
    if list.is_none() && faults.is_empty() {
        faults.push(node.at.says("", format!("`{}` is missing", kind.inside)));
    }
    list
}

/// SitRep connects without TLS, and its file has no key for it: where the file says nothing of TLS, a
/// server that has none is no reason to leave a database out. A warning says so.
fn sitreps_tls(entry: &mut Node) {
    let at = entry.at.clone();
    let Data::Map(members) = &mut entry.data else { return };
    let says = |keys: &[&str]| members.iter().any(|member| keys.contains(&member.key.as_str()));
    if says(&["host"]) && !says(&["dsn", "dsn_file", "sslmode"]) {
        let node = Node::new(at.clone(), Data::Text("prefer".to_owned(), Style::Exact));
        members.push(Member { key: "sslmode".to_owned(), at, node, bare: false });
    }
}

/// SitRep takes a port in quotes for one without.
fn sitreps_port(entry: &mut Node) {
    let Data::Map(members) = &mut entry.data else { return };
    for member in members.iter_mut().filter(|member| member.key == "port") {
        if let Data::Text(text, _) = &member.node.data
            && let Ok(port) = text.parse::<u16>()
        {
            member.node.data = Data::Number(port.into());
        }
    }
}

/// Both formats are read as YAML, of which JSON is a part; who wrote JSON is told of JSON.
fn name_the_format(path: &Path, faults: &mut [Diagnostic]) {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        for fault in faults {
            fault.message = fault.message.replace("invalid YAML", "invalid JSON");
        }
    }
}
