//! Where keys were read, for faults that show only when a value is used.

use std::collections::BTreeMap;
use std::fmt;

use crate::Diagnostic;
use crate::tree::{Data, Node, Place, join};

/// Where a key or an entry of a list was read. Printed as `queries.json:12`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The file's path, the environment variable or the option of the command line.
    pub file: String,
    /// The line in the file (from 1); `None` outside of files.
    pub line: Option<usize>,
    /// The column in the line (characters, from 1); `None` outside of files.
    pub column: Option<usize>,
    /// The JSON Pointer within the file.
    pub pointer: String,
}

impl Spot {
    pub(crate) fn new(at: &Place, pointer: impl Into<String>) -> Self {
        let Diagnostic { file, line, column, pointer, .. } = at.says(pointer, "");
        Self { file, line, column, pointer }
    }

    /// A diagnostic about this place.
    pub fn says(&self, message: impl Into<String>) -> Diagnostic {
        let Self { file, line, column, pointer } = self.clone();
        Diagnostic { file, line, column, pointer, message: message.into(), hint: None }
    }

    /// A diagnostic about a key of what is here.
    pub fn says_of(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        let mut diagnostic = self.says(message);
        diagnostic.pointer = join(&self.pointer, key);
        diagnostic
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

/// Where the keys of some sections were read, by JSON Pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// The places of these sections and of everything in them.
    pub(crate) fn of(root: &Node, sections: &[&str]) -> Self {
        let mut places = BTreeMap::from([(String::new(), root.at.clone())]);
        for member in root.members().iter().filter(|member| sections.contains(&member.key.as_str())) {
            places.insert(join("", &member.key), member.at.clone());
            note(&member.node, &join("", &member.key), &mut places);
        }
        Self(places)
    }

    /// A diagnostic about a key; about the nearest one around it if it is not there.
    pub fn says(&self, pointer: &str, message: impl Into<String>) -> Diagnostic {
        let mut around = pointer;
        loop {
            if let Some(at) = self.0.get(around) {
                return at.says(pointer, message);
            }
            match around.rfind('/').and_then(|end| around.get(..end)) {
                Some(outer) => around = outer,
                None => return Place::Nowhere.says(pointer, message),
            }
        }
    }

    /// Gives a diagnostic that has none its place, by its pointer.
    pub fn locate(&self, diagnostic: Diagnostic) -> Diagnostic {
        if !diagnostic.file.is_empty() {
            return diagnostic;
        }
        Diagnostic { hint: diagnostic.hint, ..self.says(&diagnostic.pointer, diagnostic.message) }
    }
}

fn note(node: &Node, pointer: &str, places: &mut BTreeMap<String, Place>) {
    match &node.data {
        Data::Map(members) => {
            for member in members {
                let below = join(pointer, &member.key);
                places.insert(below.clone(), member.at.clone());
                note(&member.node, &below, places);
            }
        }
        Data::List(items) => {
            for (n, item) in items.iter().enumerate() {
                let below = join(pointer, n);
                places.insert(below.clone(), item.at.clone());
                note(item, &below, places);
            }
        }
        _ => {}
    }
}
