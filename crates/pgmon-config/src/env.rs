//! Environment variables and options of the command line, laid over the tree of the file.
//!
//! Which variable sets which key follows from the schema: a new key has its variable at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::schema::Shape;
use crate::tree::{Data, Member, Node, Place, Style, join};
use crate::{Diagnostic, Overrides, suggest, yaml};

const PREFIX: &str = "PGMON_";

/// Variables with the prefix that are no keys of the file: the binary reads them, or an orchestrator
/// sets them for a service that is called pgmon.
const OTHERS: [&str; 6] = ["CONFIG", "DATA_DIR", "CACHE", "FLUSH_INTERVAL_SECS", "LOG", "PORT"];

/// Beginnings of such variables.
const OTHER_PREFIXES: [&str; 4] = ["TEST_", "LOG_", "PORT_", "SERVICE_"];

/// One step from a value to one below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

/// Lays the environment and the options of the command line over the tree.
pub(crate) fn overlay(
    root: &mut Node,
    shape: Shape<'_>,
    env: &BTreeMap<String, String>,
    overrides: &Overrides,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (name, value) in env {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        // Compose files and manifests pass on what is not set as an empty variable.
        if value.is_empty() || is_other(rest) {
            continue;
        }
        match resolve(rest, shape, None) {
            Some((path, shape)) => found.push((path, name, value, shape)),
            None => others.push((rest, name, value)),
        }
    }
    lay(root, shape, found, faults);
    // Keys of a map's sections, such as a service: of those that are there by now.
    let mut found = Vec::new();
    for (rest, name, value) in others {
        match resolve(rest, shape, Some(root)) {
            Some((path, shape)) => found.push((path, name, value, shape)),
            None => warnings.push(unknown(name, shape)),
        }
    }
    lay(root, shape, found, faults);
    let flags = [
        ("--dsn", &["dsn"][..], overrides.dsn.as_ref().map(crate::Secret::expose)),
        ("--cluster", &["cluster"], overrides.cluster.as_deref()),
        ("--bind", &["http", "bind"], overrides.bind.as_deref()),
        ("FILE", &["queries_file"], overrides.queries_file.as_deref()),
        ("--web.config.file", &["http", "web_config_file"], overrides.web_config_file.as_deref()),
    ];
    if overrides.queries_file.is_some()
        && let Data::Map(members) = &mut root.data
    {
        members.retain(|member| member.key != "queries");
    }
    for (flag, path, value) in flags {
        let Some(value) = value else { continue };
        let node = Node::new(Place::Flag(flag), Data::Text(value.to_owned(), Style::Exact));
        set_key(root, shape, path, node, faults);
    }
}

/// A variable: what it sets, its name and value, and the shape of what it sets.
type Found<'f, 's> = (Vec<Step>, &'f String, &'f String, Shape<'s>);

fn lay(root: &mut Node, shape: Shape<'_>, mut found: Vec<Found<'_, '_>>, faults: &mut Vec<Diagnostic>) {
    // Whole sections and lists before their parts, lists in the order of their numbers.
    found.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then_with(|| a.0.cmp(&b.0)));
    for (path, name, value, leaf) in found {
        let at = Place::Env(Arc::from(name.as_str()));
        let Some(node) = read(value, &at, leaf, faults) else { continue };
        set(root, shape, &path, node, faults);
    }
}

fn is_other(rest: &str) -> bool {
    OTHERS.contains(&rest) || OTHER_PREFIXES.iter().any(|prefix| rest.starts_with(prefix))
}

/// The key that a variable (without its prefix) sets, and its shape. Keys have underscores in them, so
/// every way of cutting the name is tried; the schema's test sees to it that only one fits. Sections of a map
/// are those that `node`, which has this shape, has.
fn resolve<'s>(rest: &str, shape: Shape<'s>, node: Option<&Node>) -> Option<(Vec<Step>, Shape<'s>)> {
    if rest.is_empty() {
        return Some((Vec::new(), shape));
    }
    if let Some(items) = shape.items() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let index = rest.get(..digits)?.parse().ok()?;
        return below(Step::Index(index), rest.get(digits..)?, items, None);
    }
    if let Some(section) = shape.sections() {
        return node.into_iter().flat_map(Node::members).find_map(|member| {
            let after = rest.strip_prefix(&variable_part(&member.key))?;
            below(Step::Key(member.key.clone()), after, section, Some(&member.node))
        });
    }
    shape.properties().find_map(|(key, property)| {
        std::iter::once(key).chain(property.aliases()).find_map(|name| {
            let after = rest.strip_prefix(&name.to_ascii_uppercase())?;
            let inside = node.and_then(|node| node.member(key)).map(|member| &member.node);
            below(Step::Key(key.to_owned()), after, property, inside)
        })
    })
}

/// A name as variables write it: `db-api` is `DB_API`.
fn variable_part(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(letter).collect()
}

fn below<'s>(
    step: Step,
    after: &str,
    shape: Shape<'s>,
    node: Option<&Node>,
) -> Option<(Vec<Step>, Shape<'s>)> {
    let rest = match after.strip_prefix('_') {
        Some(rest) if !rest.is_empty() => rest,
        None if after.is_empty() => "",
        _ => return None,
    };
    let (mut path, shape) = resolve(rest, shape, node)?;
    path.insert(0, step);
    Some((path, shape))
}

fn unknown(name: &str, shape: Shape<'_>) -> Diagnostic {
    let mut names = Vec::new();
    variables(shape, "PGMON", &mut names);
    // Without the prefix, which would make every name look like every other.
    let bare = |name: &'_ str| name.strip_prefix(PREFIX).map(str::to_owned).unwrap_or_default();
    names.iter_mut().for_each(|name| *name = bare(name));
    let nearest = suggest::nearest(&bare(name), names.iter().map(String::as_str));
    let mut warning = Place::Env(Arc::from(name)).says("", "unknown variable, it has no effect");
    warning.hint = nearest.map(|nearest| format!("did you mean {PREFIX}{nearest}?"));
    warning
}

/// The names of all variables.
pub(crate) fn variables(shape: Shape<'_>, prefix: &str, names: &mut Vec<String>) {
    for (key, property) in shape.properties() {
        let name = format!("{prefix}_{}", key.to_ascii_uppercase());
        variables(property, &name, names);
        names.push(name);
    }
    if let Some(items) = shape.items() {
        variables(items, &format!("{prefix}_0"), names);
    }
}

/// Makes a node of a variable's text. A section or list is YAML, which JSON is as well; everything else
/// is taken as it stands.
fn read(value: &str, at: &Place, shape: Shape<'_>, faults: &mut Vec<Diagnostic>) -> Option<Node> {
    // An entry that may be a text of its own, such as a key, is one unless it has the form of more.
    let alone =
        |shape: Shape<'_>, forms: &[char]| shape.short().is_some() && !value.trim_start().starts_with(forms);
    let text = || Node::new(at.clone(), Data::Text(value.to_owned(), Style::Exact));
    if alone(shape, &['{']) {
        return Some(text());
    }
    if shape.items().is_some_and(|items| alone(items, &['[', '-'])) {
        return Some(Node::new(at.clone(), Data::List(vec![text()])));
    }
    if shape.takes("object") || shape.takes("array") {
        return yaml::parse(value, &|_, _| at.clone(), faults);
    }
    Some(Node::new(at.clone(), Data::Text(value.to_owned(), Style::Loose)))
}

/// Sets the value at a path of keys.
pub(crate) fn set_key(
    root: &mut Node,
    shape: Shape<'_>,
    path: &[&str],
    value: Node,
    faults: &mut Vec<Diagnostic>,
) {
    let path: Vec<_> = path.iter().map(|key| Step::Key((*key).to_owned())).collect();
    set(root, shape, &path, value, faults);
}

fn set(root: &mut Node, shape: Shape<'_>, path: &[Step], value: Node, faults: &mut Vec<Diagnostic>) {
    let at = value.at.clone();
    let (mut node, mut shape, mut pointer) = (root, shape, String::new());
    for step in path {
        match step {
            Step::Key(key) => {
                if matches!(node.data, Data::Null) {
                    *node = Node::new(at.clone(), Data::Map(Vec::new()));
                }
                // Anything but a map is wrong there, which the schema will say.
                let Data::Map(members) = &mut node.data else { return };
                if let Some(twin) = twin(shape, key) {
                    members.retain(|m| m.key != twin || m.node.at.rank() >= at.rank());
                }
                let n = members.iter().position(|m| m.key == *key).unwrap_or_else(|| {
                    let node = Node::new(at.clone(), Data::Null);
                    members.push(Member { key: key.clone(), at: at.clone(), node, bare: false });
                    members.len() - 1
                });
                pointer = join(&pointer, key);
                let Some(next) = shape.key(key) else { return };
                shape = next;
                node = &mut members[n].node;
            }
            Step::Index(n) => {
                if matches!(node.data, Data::Null) {
                    *node = Node::new(at.clone(), Data::List(Vec::new()));
                }
                let Data::List(items) = &mut node.data else { return };
                if *n > items.len() {
                    let message = format!("the list has {} entries, so the next is {0}", items.len());
                    faults.push(at.says(join(&pointer, n), message));
                    return;
                }
                if *n == items.len() {
                    items.push(Node::new(at.clone(), Data::Null));
                }
                pointer = join(&pointer, n);
                let Some(next) = shape.items() else { return };
                shape = next;
                node = &mut items[*n];
            }
        }
    }
    *node = value;
}

/// The other way to give the same value: `password` and `password_file`.
fn twin(shape: Shape<'_>, key: &str) -> Option<String> {
    let (base, twin) = match key.strip_suffix("_file") {
        Some(base) => (base.to_owned(), base.to_owned()),
        None => (key.to_owned(), format!("{key}_file")),
    };
    // A list and the file with more of it go together.
    shape.property(&base).filter(|base| base.is("x-secret"))?;
    shape.property(&twin).map(|_| twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let schema = crate::schema();
        let mut names = Vec::new();
        variables(Shape(&schema), "PGMON", &mut names);
        assert!(names.len() > 80, "{}", names.len());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in &names {
            let (path, shape) = resolve(name.strip_prefix(PREFIX).unwrap(), Shape(&schema), None).unwrap();
            assert_eq!(shape.0["x-env"].as_str(), Some(name.as_str()), "{path:?}");
            assert!(!is_other(name.strip_prefix(PREFIX).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_list_is_set_by_number() {
        let schema = crate::schema();
        let (path, _) = resolve("DATABASES_12_PASSWORD_FILE", Shape(&schema), None).unwrap();
        let key = |key: &str| Step::Key(key.to_owned());
        assert_eq!(path, [key("databases"), Step::Index(12), key("password_file")]);
        for name in
            ["DATABASES_", "DATABASES_X", "DATABASES_0_", "DATABASES_99999999999999999999_DSN", "CLUSTERZ"]
        {
            assert!(resolve(name, Shape(&schema), None).is_none(), "{name}");
        }
    }
}
