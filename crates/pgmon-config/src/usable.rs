//! What can be used of a configuration that has faults: so the rules between keys are checked as well, and all
//! faults are told at once.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Diagnostic;
use crate::tree::{Data, Node, join};

/// Reads what is right. Also answers which sections could not be read at all.
pub(crate) fn read<T: DeserializeOwned + Default>(
    root: &Node,
    faults: &[Diagnostic],
    without: &[&str],
) -> (T, Vec<String>) {
    let (mut usable, mut lost) = (Map::new(), Vec::new());
    for member in root.members().iter().filter(|member| !without.contains(&member.key.as_str())) {
        let pointer = join("", &member.key);
        let section = pruned(&member.node, &pointer, faults).map(|value| (member.key.clone(), value));
        match section {
            Some((key, value)) if fits::<T>(&key, &value) => {
                usable.insert(key, value);
            }
            _ => lost.push(pointer),
        }
    }
    (serde_json::from_value(Value::Object(usable)).unwrap_or_default(), lost)
}

/// Reads an entry of a list as far as it is right.
pub(crate) fn entry<T: DeserializeOwned>(item: &Node, pointer: &str, faults: &[Diagnostic]) -> Option<T> {
    serde_json::from_value(pruned(item, pointer, faults)?).ok()
}

fn fits<T: DeserializeOwned>(key: &str, value: &Value) -> bool {
    let alone = Value::Object(Map::from_iter([(key.to_owned(), value.clone())]));
    serde_json::from_value::<T>(alone).is_ok()
}

/// The value without what is faulty; entries of lists keep their numbers.
fn pruned(node: &Node, pointer: &str, faults: &[Diagnostic]) -> Option<Value> {
    if !faults.iter().any(|fault| is_within(&fault.pointer, pointer)) {
        return Some(node.to_json());
    }
    if faults.iter().any(|fault| fault.pointer == pointer) {
        return None;
    }
    match &node.data {
        Data::Map(members) => {
            let right = members.iter().filter_map(|member| {
                Some((member.key.clone(), pruned(&member.node, &join(pointer, &member.key), faults)?))
            });
            Some(Value::Object(right.collect()))
        }
        Data::List(items) => {
            let right = items.iter().enumerate().map(|(n, item)| {
                pruned(item, &join(pointer, n), faults).unwrap_or_else(|| Value::Object(Map::new()))
            });
            Some(right.collect())
        }
        _ => None,
    }
}

fn is_within(pointer: &str, outer: &str) -> bool {
    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Keeps the faults that do not merely follow from those that were known before.
pub(crate) fn keep_new(found: Vec<Diagnostic>, known: &[Diagnostic], lost: &[String]) -> Vec<Diagnostic> {
    let follows = |fault: &Diagnostic| {
        known
            .iter()
            .map(|other| &other.pointer)
            .chain(lost)
            .filter(|pointer| !pointer.is_empty())
            .any(|pointer| is_within(pointer, &fault.pointer) || is_within(&fault.pointer, pointer))
    };
    found.into_iter().filter(|fault| !follows(fault)).collect()
}
