//! What columns rows have: as the API's description has them, so that a list without rows has them, too.
//!
//! `build.rs` takes them out of `docs/openapi.json`, which a test holds to the types. Making them of the types at run
//! time would take much code and memory for what never changes.

use pgmon_views::{Level, State, UpState};
use serde::Serialize;
use serde_json::Value;

/// A line for each list: its path, its name, and its columns, of which those that may be missing end in `?` and
/// those that say how bad something is have their type behind a colon.
const COLUMNS: &str = include_str!(concat!(env!("OUT_DIR"), "/columns.txt"));

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values from good to bad, if it says how bad something is.
    pub severity: Option<Vec<Value>>,
    /// Whether rows may be without it.
    pub optional: bool,
}

impl Column {
    /// A column whose values are what they are.
    pub fn plain(name: String) -> Self {
        Self { name, severity: None, optional: false }
    }
}

/// The columns of a panel or list in the answer of a path below `/api/v1/`.
pub fn of(path: &str, list: &str) -> Vec<Column> {
    let of_list = COLUMNS.lines().find_map(|line| {
        let mut words = line.split(' ');
        (words.next() == Some(path) && words.next() == Some(list)).then_some(words)
    });
    of_list.into_iter().flatten().map(column).collect()
}

fn column(word: &str) -> Column {
    let (word, optional) = word.strip_suffix('?').map_or((word, false), |word| (word, true));
    let (name, kind) = word.split_once(':').unwrap_or((word, ""));
    Column { name: name.to_owned(), severity: severity(kind), optional }
}

/// The values of a type that says how bad something is, from good to bad.
fn severity(kind: &str) -> Option<Vec<Value>> {
    match kind {
        "Level" => Some(written(&[Level::Ok, Level::Unknown, Level::Warn, Level::Crit])),
        "State" => {
            let all =
                [State::Ok, State::Unsupported, State::Pending, State::Degraded, State::Stale, State::Error];
            Some(written(&all))
        }
        "UpState" => Some(written(&[UpState::Up, UpState::Pending, UpState::Refused, UpState::Down])),
        _ => None,
    }
}

fn written<T: Serialize>(all: &[T]) -> Vec<Value> {
    all.iter().filter_map(|value| serde_json::to_value(value).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(columns: &[Column]) -> Vec<&str> {
        columns.iter().map(|c| c.name.as_str()).collect()
    }

    #[test]
    fn columns_are_those_of_the_description() {
        let fleet = of("targets", "targets");
        assert_eq!(names(&fleet)[..3], ["cluster", "db", "level"]);
        let level = fleet.iter().find(|c| c.name == "level").unwrap().severity.clone().unwrap();
        assert_eq!(level, ["ok", "unknown", "warn", "crit"]);
        assert!(fleet.iter().any(|c| c.name == "up" && c.severity.is_some()));
        let optional: Vec<&str> = fleet.iter().filter(|c| c.optional).map(|c| c.name.as_str()).collect();
        assert_eq!(optional, ["transactions_history", "connections_history"]);
        assert!(fleet[0].severity.is_none() && of("overview", "nope").is_empty());
        // Fields of a type within the row stand among its own.
        let tables = of("autovacuum", "tables");
        assert!(tables.iter().any(|c| c.name == "level") && tables.iter().any(|c| c.name == "relation"));
        assert_eq!(names(&of("history", "metrics"))[..2], ["metric", "kind"]);
        assert!(!of("statements/{queryid}", "statement").is_empty());
    }
}
