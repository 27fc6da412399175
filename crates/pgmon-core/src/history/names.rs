//! Which series there are.

use super::database::Database;
use super::symbols::Symbols;
use crate::metric::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A name under which series are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name as on the page: of a histogram its `_sum`, `_count` or `_bucket`.
    pub name: String,
    /// What it measures.
    pub kind: Kind,
    /// The names of its labels without `cluster` and `db`.
    pub labels: Vec<String>,
    /// How many series have it.
    pub series: usize,
}

/// The names in these databases; of those that are not `own`, of what belongs to the whole server.
pub(super) fn of<'d>(symbols: &Symbols, databases: impl Iterator<Item = (&'d Database, bool)>) -> Vec<Name> {
    let mut found = BTreeMap::<&str, (Kind, BTreeSet<&str>, usize)>::new();
    for (database, own) in databases {
        for kept in database.groups().iter().filter(|k| own || k.is_server_wide()) {
            for (_, metric, _) in kept.group.select(|_, _| true) {
                let entry = found.entry(symbols.text(metric.name));
                let (_, labels, series) = entry.or_insert_with(|| (metric.kind, BTreeSet::new(), 0));
                labels.extend(metric.labels.iter().map(|l| symbols.text(*l)));
                labels.extend(kept.datname().map(|_| "datname"));
                *series += 1;
            }
        }
    }
    let name = |(name, (kind, labels, series)): (&str, (Kind, BTreeSet<&str>, usize))| {
        let labels = labels.into_iter().map(str::to_owned).collect();
        Name { name: name.to_owned(), kind, labels, series }
    };
    found.into_iter().map(name).collect()
}
