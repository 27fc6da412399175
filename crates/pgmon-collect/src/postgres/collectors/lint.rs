//! Tests that hold for every registered collector, without a server.
//!
//! They fail with a list of all that is wrong, each with the collector, the text and the line.

mod sql;

use super::ALL;
use crate::postgres::collector::{Floor, Query};
use crate::postgres::listing::{OTHERS, rises, statements};
use pgmon_core::metric::Kind;
use pgmon_core::version::PgVersion;
use std::collections::{BTreeMap, BTreeSet};

/// Gauges that the documents named like counters.
const MISNAMED_GAUGES: &[&str] = &["pg_blocked_sessions_total"];
/// Counters that the documents named like gauges.
const MISNAMED_COUNTERS: &[&str] = &[];

fn check(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problems:\n  {}", problems.len(), problems.join("\n  "));
}

fn floor(query: &Query) -> String {
    match query.floor {
        Floor::Pg(major) => format!("pg{major}"),
        Floor::Ext(name, version) => format!("{name} {version}"),
    }
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.ends_with('_')
        && !name.contains("__")
}

#[test]
fn all_sql_is_qualified_commented_and_only_reads() {
    let mut problems = Vec::new();
    let mut lint = |of: &str, query: &Query| {
        problems
            .extend(sql::problems(query.sql).into_iter().map(|p| format!("{of} ({}): {p}", floor(query))));
    };
    for registered in ALL {
        let spec = registered.spec;
        spec.queries.iter().chain(spec.follow_ups).for_each(|q| lint(spec.name, q));
    }
    for (name, _, statements) in OTHERS {
        statements.iter().flat_map(|(_, queries)| *queries).for_each(|q| lint(name, q));
    }
    check(problems);
}

#[test]
fn floors_rise_and_begin_within_the_supported_versions() {
    let mut problems = Vec::new();
    for registered in ALL {
        let spec = registered.spec;
        if spec.queries.is_empty() {
            problems.push(format!("{}: has no query", spec.name));
        }
        // In `queries` the last floor that is met wins, so each kind must rise; a text for an
        // extension may stand after one that needs none.
        for (i, later) in spec.queries.iter().enumerate() {
            for earlier in spec.queries.iter().take(i) {
                let same = matches!(
                    (earlier.floor, later.floor),
                    (Floor::Pg(_), Floor::Pg(_)) | (Floor::Ext(..), Floor::Ext(..))
                );
                let other_extension =
                    matches!((earlier.floor, later.floor), (Floor::Ext(a, _), Floor::Ext(b, _)) if a != b);
                if same && !other_extension && !rises(earlier.floor, later.floor) {
                    problems.push(format!(
                        "{}: {} stands after {}: the oldest first",
                        spec.name,
                        floor(later),
                        floor(earlier)
                    ));
                }
            }
        }
        let versions = PgVersion::OLDEST_MAJOR..=PgVersion::NEWEST_MAJOR;
        for query in spec.queries.iter().chain(spec.follow_ups) {
            if matches!(query.floor, Floor::Pg(major) if !versions.contains(&major)) {
                problems.push(format!("{}: {} is not a supported version", spec.name, floor(query)));
            }
        }
        for group in statements(spec.follow_ups) {
            let texts: BTreeSet<&str> = group.iter().map(|q| q.sql).collect();
            if texts.len() < group.len() {
                problems.push(format!("{}: two floors of a follow-up have the same text", spec.name));
            }
        }
    }
    check(problems);
}

#[test]
fn specs_are_complete_and_their_names_unique() {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let others: BTreeSet<&str> = OTHERS.iter().map(|o| o.0).collect();
    for registered in ALL {
        let spec = registered.spec;
        let name = spec.name;
        if !is_snake_case(name) {
            problems.push(format!("{name}: a collector's name is lower-case words with `_`"));
        }
        if !names.insert(name) || others.contains(name) {
            problems.push(format!("{name}: there is another collector or part of `pgmon sql` of this name"));
        }
        // `xmin` is the name of a column.
        let capital = spec.title.starts_with(char::is_uppercase) || spec.title.starts_with("xmin ");
        if !capital || spec.title.ends_with('.') {
            problems.push(format!(
                "{name}: title {:?} must be a head line: capital first, no full stop",
                spec.title
            ));
        }
        let can_be_blind =
            !spec.needs.is_empty() || spec.queries.first().is_some_and(|q| matches!(q.floor, Floor::Ext(..)));
        if (can_be_blind && spec.blind_effect.is_empty()) || spec.blind_effect.ends_with('.') {
            problems.push(format!("{name}: blind_effect must say what is not seen, without a full stop"));
        }
        // Also that it is made without a panic.
        let schema = serde_json::to_value((registered.row_schema)()).unwrap();
        if schema.get("type").and_then(|t| t.as_str()) != Some("array") && schema.get("properties").is_none()
        {
            problems.push(format!("{name}: row_schema describes neither a list nor an object"));
        }
    }
    check(problems);
}

#[test]
fn families_are_valid_and_each_belongs_to_one_collector() {
    let mut problems = Vec::new();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for registered in ALL {
        for desc in registered.spec.families {
            let (collector, name) = (registered.spec.name, desc.name);
            let mut say = |what: &str| problems.push(format!("{collector}: {name}: {what}"));
            if let Some(owner) = owners.insert(name, collector) {
                say(&format!("is a family of {owner} as well: one family, one collector"));
            }
            if !is_snake_case(name) {
                say("a family's name is lower-case words with `_`");
            }
            let total = name.ends_with("_total");
            match desc.kind {
                Kind::Counter if !total && !MISNAMED_COUNTERS.contains(&name) => {
                    say("a counter ends in `_total`");
                }
                Kind::Gauge | Kind::Histogram | Kind::Summary
                    if total && !MISNAMED_GAUGES.contains(&name) =>
                {
                    say("only a counter ends in `_total`");
                }
                _ => {}
            }
            if ["_bucket", "_sum", "_created"].iter().any(|s| name.ends_with(s)) {
                say("ends like a part of a histogram");
            }
            for wrong in
                ["_ms", "_milliseconds", "_minutes", "_hours", "_days", "_kb", "_mb", "_percent", "_pct"]
            {
                if name.trim_end_matches("_total").ends_with(wrong) {
                    say("base units: seconds, bytes, ratio");
                }
            }
            if !desc.help.ends_with('.') || desc.help.len() < 10 || desc.help.contains('\n') {
                say(&format!("help {:?} must be a sentence on one line with a full stop", desc.help));
            }
            let labels: BTreeSet<&str> = desc.labels.iter().copied().collect();
            if labels.len() < desc.labels.len() {
                say("has a label twice");
            }
            for label in labels {
                if !is_snake_case(label) {
                    say(&format!("label {label:?} is lower-case words with `_`"));
                }
                if ["cluster", "db", "le", "quantile", "pid", "query", "usename", "user"].contains(&label) {
                    say(&format!("label {label:?} is added by the renderer, reserved, or unbounded"));
                }
            }
        }
    }
    check(problems);
}
