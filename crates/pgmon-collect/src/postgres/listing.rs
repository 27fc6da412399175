//! The SQL that pgmon runs, as text: what `pgmon sql` prints. It is the SQL that runs, not a copy.

use super::collector::{Floor, Need, Query, Registered, Scope};
use super::{audit, doctor};
use pgmon_core::version::ExtVersion;
use std::fmt::Write as _;

/// What runs besides the collectors: name, what it is for, and its statements.
pub(crate) type Other = (&'static str, &'static str, &'static [(&'static str, &'static [Query])]);

pub(crate) const OTHERS: &[Other] = &[
    ("facts", "on connecting and every hour", super::facts::STATEMENTS),
    (
        "pulse",
        "in every hot_path round, and after another entry had the connection: is it still the same server?",
        super::driver::STATEMENTS,
    ),
    ("databases", "with `discover`, before each round over the databases", super::roamer::STATEMENTS),
    ("audit", "on connecting and every hour", audit::STATEMENTS),
    (
        "clusters",
        "on each peer of a configured Manatee shard, every `interval`",
        crate::clusters::manatee::STATEMENTS,
    ),
    ("doctor", "by `pgmon doctor`", doctor::STATEMENTS),
];

/// How each statement runs; printed above all of them.
const ENVELOPE: &str = "\
-- All SQL that pgmon runs. Each statement runs alone, in a transaction of its own:
--   BEGIN READ ONLY; SET LOCAL statement_timeout = ...; SET LOCAL lock_timeout = ...;
--   SET LOCAL search_path = pg_catalog and the schemas of the extensions; <statement>; COMMIT

";

/// There is no such collector.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no collector {name:?}{}; there are: {known}", nearest.map(|n| format!(", did you mean {n:?}?")).unwrap_or_default())]
pub struct UnknownCollector {
    /// What was asked for.
    pub name: String,
    /// The most similar name, if one is.
    pub nearest: Option<&'static str>,
    /// All names.
    pub known: String,
}

/// The statements of one collector, or of all and of what runs besides them, for PostgreSQL `major`
/// (of all versions without it).
///
/// Where a text depends on an extension's version, those up to the one that `major` ships are printed:
/// an upgraded server may still have an older one.
pub fn listing(
    collectors: &[Registered],
    name: Option<&str>,
    major: Option<u16>,
) -> Result<String, UnknownCollector> {
    let mut out = String::new();
    if name.is_none() {
        out.push_str(ENVELOPE);
    }
    for registered in collectors.iter().filter(|r| name.is_none_or(|n| n == r.spec.name)) {
        collector(&mut out, registered, major);
    }
    for (other, when, statements) in OTHERS.iter().filter(|o| name.is_none_or(|n| n == o.0)) {
        heading(&mut out, &format!("{other}: {when}"));
        for (title, queries) in *statements {
            statement(&mut out, title, queries, major);
        }
    }
    match name {
        Some(name) if out.is_empty() => Err(unknown(collectors, name)),
        _ => Ok(out),
    }
}

fn unknown(collectors: &[Registered], name: &str) -> UnknownCollector {
    let names = || collectors.iter().map(|r| r.spec.name).chain(OTHERS.iter().map(|o| o.0));
    let similar = names().map(|n| (strsim::jaro_winkler(&name.to_lowercase(), n), n));
    let nearest = similar.filter(|(score, _)| *score > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    UnknownCollector {
        name: name.to_owned(),
        nearest: nearest.map(|(_, n)| n),
        known: names().collect::<Vec<_>>().join(", "),
    }
}

fn collector(out: &mut String, registered: &Registered, major: Option<u16>) {
    let spec = registered.spec;
    let scope = match spec.scope {
        Scope::Server => "once a server",
        Scope::Database => "in each database",
        Scope::Entry => "in the entry's database",
    };
    heading(out, &format!("{}: {} (loop {}, {scope})", spec.name, spec.title, spec.in_loop));
    if !spec.needs.is_empty() {
        let needs: Vec<String> = spec.needs.iter().copied().map(Need::label).collect();
        let _ = writeln!(out, "-- needs {}; not seen without: {}", needs.join(", "), spec.blind_effect);
    }
    statement(out, "", spec.queries, major);
    for group in statements(spec.follow_ups) {
        statement(out, "as needed, afterwards", group, major);
    }
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "--\n-- {text}\n--");
}

/// Follow-ups stand in one list: a text whose floor is not above the one before begins a new statement.
pub fn statements(queries: &[Query]) -> Vec<&[Query]> {
    queries.chunk_by(|a, b| rises(a.floor, b.floor)).collect()
}

/// Whether `b` is a later floor of the same thing.
pub(crate) fn rises(a: Floor, b: Floor) -> bool {
    match (a, b) {
        (Floor::Pg(a), Floor::Pg(b)) => a < b,
        (Floor::Ext(a, v), Floor::Ext(b, w)) => a == b && v < w,
        _ => false,
    }
}

fn statement(out: &mut String, title: &str, queries: &[Query], major: Option<u16>) {
    let title = if title.is_empty() { String::new() } else { format!("{title}, ") };
    let mut printed = false;
    for (i, query) in queries.iter().enumerate() {
        let next = queries.get(i + 1).map(|q| q.floor).filter(|n| rises(query.floor, *n));
        let chosen = match (query.floor, major) {
            (_, None) => true,
            // The last one that is met; a floor of another kind after it would be met as well.
            (Floor::Pg(floor), Some(major)) => {
                floor <= major && !matches!(next, Some(Floor::Pg(n)) if n <= major)
            }
            (Floor::Ext(name, floor), Some(major)) => shipped(name, major).is_none_or(|v| floor <= v),
        };
        if !chosen {
            continue;
        }
        printed = true;
        let range = match (query.floor, next) {
            (Floor::Pg(a), Some(Floor::Pg(b))) if b - a == 1 => format!("PostgreSQL {a}"),
            (Floor::Pg(a), Some(Floor::Pg(b))) => format!("PostgreSQL {a} to {}", b - 1),
            (Floor::Pg(a), _) => format!("PostgreSQL {a} and later"),
            (Floor::Ext(name, a), Some(Floor::Ext(_, b))) => format!("{name} from {a}, before {b}"),
            (Floor::Ext(name, a), _) => format!("{name} {a} and later"),
        };
        let _ = writeln!(out, "-- {title}{range}:\n{};\n", query.sql.trim_end());
    }
    if !printed {
        let _ = writeln!(out, "-- {title}not on PostgreSQL {}\n", major.unwrap_or_default());
    }
}

/// The version of an extension that comes with PostgreSQL `major`, where texts depend on it.
fn shipped(extension: &str, major: u16) -> Option<ExtVersion> {
    (extension == "pg_stat_statements").then_some(match major {
        ..=12 => ExtVersion(1, 7),
        13 => ExtVersion(1, 8),
        14 => ExtVersion(1, 9),
        15 | 16 => ExtVersion(1, 10),
        17 => ExtVersion(1, 11),
        18.. => ExtVersion(1, 12),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::collector::{ext, pg};
    use crate::postgres::collectors::ALL;

    #[test]
    fn every_text_of_every_collector_is_printed() {
        let all = listing(ALL, None, None).unwrap();
        for registered in ALL {
            for query in registered.spec.queries.iter().chain(registered.spec.follow_ups) {
                assert!(all.contains(query.sql.trim_end()), "{}", registered.spec.name);
            }
            assert!(listing(ALL, Some(registered.spec.name), Some(12)).is_ok());
        }
        assert!(all.contains("-- audit:") && all.contains("pg_parameter_acl"));
        assert!(!listing(ALL, Some("audit"), Some(14)).unwrap().contains("pg_parameter_acl"));
        assert!(
            listing(ALL, Some("audit"), Some(14)).unwrap().contains("-- parameters, not on PostgreSQL 14")
        );
    }

    /// All `.sql` files under a folder.
    fn sql_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|p| p.is_dir());
        let sql = files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "sql"));
        sql.chain(folders.iter().flat_map(|f| sql_files(f))).collect()
    }

    #[test]
    fn no_sql_file_is_left_out() {
        let all = listing(ALL, None, None).unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
        for file in sql_files(&folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(
                all.contains(text.trim_end()),
                "{} is not printed by `pgmon sql`: name it in its collector's queries or follow_ups",
                file.display()
            );
        }
    }

    #[test]
    fn a_version_chooses_the_text_that_runs_there() {
        let queries = &[pg(12, "-- a"), pg(14, "-- b"), pg(17, "-- c")];
        let at = |major| {
            let mut out = String::new();
            statement(&mut out, "", queries, major);
            out
        };
        assert_eq!(at(Some(13)), "-- PostgreSQL 12 to 13:\n-- a;\n\n");
        assert_eq!(at(Some(16)), "-- PostgreSQL 14 to 16:\n-- b;\n\n");
        assert_eq!(at(Some(18)), "-- PostgreSQL 17 and later:\n-- c;\n\n");
        assert_eq!(at(None).matches("-- PostgreSQL").count(), 3);
    }

    #[test]
    fn an_upgraded_server_may_keep_an_old_extension() {
        let name = "pg_stat_statements";
        let mut out = String::new();
        statement(
            &mut out,
            "",
            &[ext(name, (1, 4), "-- a"), ext(name, (1, 9), "-- b"), ext(name, (1, 11), "-- c")],
            Some(16),
        );
        assert_eq!(
            out,
            "-- pg_stat_statements from 1.4, before 1.9:\n-- a;\n\n-- pg_stat_statements from 1.9, before 1.11:\n-- b;\n\n"
        );
    }

    #[test]
    fn follow_ups_are_told_apart_by_their_floors() {
        let list = [
            pg(12, "a"),
            pg(14, "a"),
            pg(12, "b"),
            ext("x", (1, 0), "c"),
            ext("x", (1, 2), "c"),
            ext("y", (1, 3), "d"),
        ];
        let sizes: Vec<usize> = statements(&list).iter().map(|s| s.len()).collect();
        assert_eq!(sizes, [2, 1, 2, 1]);
    }

    #[test]
    fn a_wrong_name_says_the_nearest() {
        let error = listing(ALL, Some("conections"), None).unwrap_err();
        assert_eq!(error.nearest, Some("connections"));
        assert!(
            error
                .to_string()
                .starts_with("there is no collector \"conections\", did you mean \"connections\"?")
        );
        assert_eq!(listing(ALL, Some("zzzz"), None).unwrap_err().nearest, None);
    }
}
