//! A configuration before it has types: every value knows where it was read.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::Diagnostic;

/// Where something was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In no place of its own, such as what is missing.
    Nowhere,
    /// In a file. Line and column count from 1, columns in characters.
    File { file: Arc<str>, line: usize, column: usize },
    /// In an environment variable.
    Env(Arc<str>),
    /// In an option of the command line.
    Flag(&'static str),
}

impl Place {
    /// A diagnostic about this place.
    pub(crate) fn says(&self, pointer: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        let (file, line, column) = match self {
            Self::Nowhere => (String::new(), None, None),
            Self::File { file, line, column } => (file.to_string(), Some(*line), Some(*column)),
            Self::Env(name) => (name.to_string(), None, None),
            Self::Flag(name) => ((*name).to_owned(), None, None),
        };
        Diagnostic { file, line, column, pointer: pointer.into(), message: message.into(), hint: None }
    }

    /// What comes later replaces what came before: defaults, file, environment, command line.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Nowhere => 0,
            Self::File { .. } => 1,
            Self::Env(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value and where it was read. Has no `Debug`: there are secrets in it.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) data: Data,
}

/// A value.
#[derive(Clone)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String, Style),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// How a text was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it stands: a text and nothing else.
    Exact,
    /// From a variable: the key decides whether it is a number or a text.
    Loose,
}

/// A key with its value.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) key: String,
    /// Where the key was read.
    pub(crate) at: Place,
    pub(crate) node: Node,
    /// A key that has no value at all, as in `{key}`.
    pub(crate) bare: bool,
}

impl Node {
    pub(crate) fn new(at: Place, data: Data) -> Self {
        Self { at, data }
    }

    /// The members of a map, else none.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.data {
            Data::Map(members) => members,
            _ => &[],
        }
    }

    /// The member of a map with this key.
    pub(crate) fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    /// The value at a JSON Pointer, and the place of its key (of the value itself in a list). For what
    /// is missing, the nearest value around it.
    pub(crate) fn locate(&self, pointer: &str) -> (&Place, &Node) {
        let (mut at, mut node) = (&self.at, self);
        for step in pointer.split('/').skip(1) {
            let step = unescape(step);
            match &node.data {
                Data::Map(members) => match members.iter().find(|member| member.key == step) {
                    Some(member) => (at, node) = (&member.at, &member.node),
                    None => break,
                },
                Data::List(items) => match step.parse::<usize>().ok().and_then(|n| items.get(n)) {
                    Some(item) => (at, node) = (&item.at, item),
                    None => break,
                },
                _ => break,
            }
        }
        (at, node)
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text, _) => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Map(members) => Value::Object(
                members.iter().map(|m| (m.key.clone(), m.node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }
}

/// A pointer with one more step.
pub(crate) fn join(pointer: &str, step: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", step.to_string().replace('~', "~0").replace('/', "~1"))
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Reads a scalar as YAML 1.2's core schema does. `None`: it is a text.
pub(crate) fn read_scalar(text: &str) -> Option<Data> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Data::Null),
        "true" | "True" | "TRUE" => return Some(Data::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Data::Bool(false)),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    // Rust reads "inf", "nan" and "infinity" as numbers, which YAML does not.
    if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(Data::Number(number.into()));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(Data::Number(number.into()));
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Data::Number)
}

fn radix(digits: &str, radix: u32) -> Option<Data> {
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    Some(Data::Number(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Value> {
        read_scalar(text).map(|data| Node::new(Place::Nowhere, data).to_json())
    }

    #[test]
    fn reads_scalars_of_yaml_1_2() {
        assert_eq!(read("0x1F"), Some(31.into()));
        assert_eq!(read("0o17"), Some(15.into()));
        assert_eq!(read("-1.5e3"), Some((-1500.0).into()));
        assert_eq!(read("+12"), Some(12.into()));
        assert_eq!(read("~"), Some(Value::Null));
        assert_eq!(read("True"), Some(true.into()));
        for text in ["yes", "off", "inf", ".nan", "0x", "1_000", "1:30", "0o9", "-", "0x+1", "1e999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
