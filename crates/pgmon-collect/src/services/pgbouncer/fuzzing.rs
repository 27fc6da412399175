//! What a pooler's console shows, taken apart without one.

use super::figures::{self, Told};
use super::table::Table;
use super::{evidence, version};
use crate::services::probe::Found;
use pgmon_core::metric::Value;
use std::time::Duration;

/// Samples that one pooler has at most: each figure for each database that is shown.
const MOST_SAMPLES: usize = 5_000;

/// Takes a text for what `SHOW POOLS`, `STATS`, `LISTS`, `DATABASES`, `STATE` and `VERSION` show: tables with an empty
/// line between them, a row a line, the first with the names of the columns, cells with a `|` between them. A cell
/// `NULL` is none.
pub fn rows(text: &str) {
    let mut tables = text.split("\n\n").map(table);
    let mut next = || tables.next().unwrap_or_default();
    let (pools, stats, lists, databases, state) = (next(), next(), next(), next(), next());
    let _ = version(&next());
    for (name, table) in [("SHOW POOLS", &pools), ("SHOW DATABASES", &databases)] {
        let _ = evidence(name, table, Duration::ZERO);
    }
    let state = (!state.columns.is_empty()).then_some(state);
    let told = Told { pools, stats, lists, databases, state };
    let mut found = Found::default();
    let _ = figures::take(&told, &mut found);
    let families = found.families.into_vec();
    let samples = || families.iter().flat_map(|family| &family.samples);
    assert!(samples().count() <= MOST_SAMPLES, "{} samples", samples().count());
    for sample in samples() {
        assert!(matches!(sample.value, Value::Number(number) if number.is_finite()), "{sample:?}");
        for label in &*sample.labels {
            assert!(label.len() <= 128 && !label.contains(char::is_control), "{label:?}");
        }
    }
    for family in &families {
        let mut seen = std::collections::HashSet::new();
        assert!(family.samples.iter().all(|s| seen.insert(&s.labels)), "{} twice", family.desc.name());
    }
}

fn table(text: &str) -> Table {
    let cells = |line: &str| -> Vec<Option<String>> {
        line.split('|').map(|cell| (cell != "NULL").then(|| cell.to_owned())).collect()
    };
    let mut lines = text.lines().map(cells);
    let columns = lines.next().unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect();
    Table { columns, rows: lines.collect() }
}
