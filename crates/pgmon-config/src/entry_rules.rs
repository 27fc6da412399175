//! What the rules between keys find in one entry of a list or map.

use crate::tree::Node;
use crate::{Diagnostic, Spot, load, usable};

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something that is there.
    Wrong,
    /// Something that is not: it may be there under a name that is misspelt.
    Missing,
}

/// The faults and warnings of one entry.
pub(crate) struct Found<'c> {
    root: &'c Node,
    pointer: &'c str,
    faults: Vec<(Kind, Diagnostic)>,
    warnings: Vec<Diagnostic>,
}

impl<'c> Found<'c> {
    /// Nothing yet, of the entry at `pointer`.
    pub fn new(root: &'c Node, pointer: &'c str) -> Self {
        Self { root, pointer, faults: Vec::new(), warnings: Vec::new() }
    }

    fn at(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        let pointer =
            if key.is_empty() { self.pointer.to_owned() } else { format!("{}/{key}", self.pointer) };
        Spot::new(self.root.locate(&pointer).0, pointer).says(message)
    }

    /// What is at a key.
    pub fn node(&self, key: &str) -> &'c Node {
        self.root.locate(&format!("{}/{key}", self.pointer)).1
    }

    /// A key is wrong; an empty one stands for the entry.
    pub fn fault(&mut self, key: &str, message: impl Into<String>) {
        self.hinted(key, message, None);
    }

    /// The same, with what to do about it.
    pub fn hinted(&mut self, key: &str, message: impl Into<String>, hint: Option<&str>) {
        let fault = Diagnostic { hint: hint.map(str::to_owned), ..self.at(key, message) };
        self.faults.push((Kind::Wrong, fault));
    }

    /// A key is not there.
    pub fn missing(&mut self, key: &str, message: impl Into<String>, hint: Option<&str>) {
        let fault = Diagnostic { hint: hint.map(str::to_owned), ..self.at(key, message) };
        self.faults.push((Kind::Missing, fault));
    }

    /// A key has another effect than one would think.
    pub fn warn(&mut self, key: &str, message: impl Into<String>) {
        let warning = self.at(key, message);
        self.warnings.push(warning);
    }

    /// The faults that are no mere result of those that are `known`; adds the warnings to `warnings`.
    pub fn into_faults(self, known: &[Diagnostic], warnings: &mut Vec<Diagnostic>) -> Vec<Diagnostic> {
        warnings.extend(self.warnings);
        let misspelt = load::is_faulty(known, self.pointer);
        let faults = self.faults.into_iter().filter(|(kind, _)| !misspelt || *kind == Kind::Wrong);
        faults.map(|(_, fault)| fault).collect()
    }

    /// Adds what is new to `faults` and `warnings`; whether the entry can be used.
    pub fn tell(self, faults: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) -> bool {
        let known = load::is_faulty(faults, self.pointer);
        let found = self.into_faults(faults, warnings);
        let sound = found.is_empty() && !known;
        faults.append(&mut usable::keep_new(found, faults, &[]));
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Data, Place};

    #[test]
    fn what_is_missing_is_not_told_of_an_entry_with_a_misspelt_key() {
        let root = Node { at: Place::Nowhere, data: Data::Map(Vec::new()) };
        let found = || {
            let mut found = Found::new(&root, "/services/x");
            found.missing("", "there is no url", None);
            found.fault("port", "a port needs a host, which is missing");
            found.warn("tls", "has no effect");
            found
        };
        let pointers = |all: &[Diagnostic]| all.iter().map(|d| d.pointer.clone()).collect::<Vec<_>>();
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        assert!(!found().tell(&mut faults, &mut warnings));
        assert_eq!(pointers(&faults), ["/services/x", "/services/x/port"]);
        assert_eq!(pointers(&warnings), ["/services/x/tls"]);
        let mut faults = vec![Diagnostic { pointer: "/services/x/ulr".to_owned(), ..faults[0].clone() }];
        assert!(!found().tell(&mut faults, &mut warnings));
        assert_eq!(pointers(&faults), ["/services/x/ulr", "/services/x/port"], "whatever the words are");
        assert!(!Found::new(&root, "/services/x").tell(&mut faults, &mut warnings));
        assert!(Found::new(&root, "/services/y").tell(&mut faults, &mut warnings));
    }
}
