//! Which indexes are waste, and which are broken?

use crate::judge::{Judgement, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Role, Unit};
use crate::source::{Source, role_of};
use crate::thresholds::indexes::{LARGE, LONG};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::indexes;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `indexes`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Indexes")]
pub struct Panels {
    /// Indexes with something to say of: invalid, unused, duplicate ones.
    pub findings: Panel<IndexRow>,
    /// All indexes that are looked at, largest first.
    pub indexes: Panel<IndexRow>,
}

/// An index.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct IndexRow {
    /// How bad it is.
    pub level: Level,
    /// Why it must not be dropped, whatever its scans: `primary key`, `unique`, `constraint`,
    /// `replica identity`, `part of a partitioned index`, `foreign key`.
    pub kept_for: Vec<&'static str>,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done; never a DROP INDEX if there is something in [`Self::kept_for`].
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: indexes::Row,
}

/// The collectors behind it.
pub const ON: &[&str] = &["indexes"];

/// What is wrong with indexes.
pub fn judge(s: &Source<'_>) -> Judgement {
    let rows = s.list::<indexes::Row>("indexes");
    let good = match rows.iter().filter(|r| r.is_unused || r.is_duplicate || r.is_prefix).count() {
        0 => "No index is broken, unused or there twice.".to_owned(),
        n => format!(
            "No index is broken; {} may be dispensable.",
            words::counted(n, "small or young one", "small or young ones")
        ),
    };
    let mut found = Judgement::new(good).rests_on(s, &["indexes"]);
    found.extend(rows.iter().filter_map(|row| {
        let (level, hint) = look(row);
        let hint = hint.filter(|_| level > Level::Ok)?;
        let name = remedy::shown(&row.schema, &row.name);
        let title = if row.is_invalid { "An index is invalid" } else { "An index is waste" };
        let id = format!("index:{name}");
        let problem = problem(id, level, PageName::Indexes, title, format!("{name}: {hint}"));
        Some(problem.about(name).remedy(mend(s, rows, row)))
    }));
    found
}

/// Why an index must stay, whatever its scans.
fn kept_for(row: &indexes::Row) -> Vec<&'static str> {
    let reasons = [
        (row.is_primary, "primary key"),
        (row.is_unique && !row.is_primary, "unique"),
        (row.is_exclusion, "exclusion constraint"),
        (row.is_constraint && !row.is_primary && !row.is_exclusion, "constraint"),
        (row.is_replica_identity, "replica identity"),
        (row.is_partition, "part of a partitioned index"),
        (row.referenced_by_foreign_key, "foreign key"),
    ];
    reasons.into_iter().filter_map(|(holds, why)| holds.then_some(why)).collect()
}

fn size(row: &indexes::Row) -> i64 {
    row.bytes.unwrap_or(row.estimated_bytes)
}

/// How bad an index is, and why.
fn look(row: &indexes::Row) -> (Level, Option<String>) {
    let bytes = words::bytes(size(row) as f64);
    if row.is_invalid {
        let hint = format!("invalid: writes keep it up ({bytes}), and no query uses it");
        return (Level::Warn, Some(hint));
    }
    let large = if size(row) >= LARGE { Level::Warn } else { Level::Ok };
    if row.is_duplicate || row.is_prefix {
        let other = row.instead.as_deref().unwrap_or("another one");
        let how = if row.is_duplicate { "the same as" } else { "the beginning of" };
        return (large, Some(format!("{how} {}, and takes up {bytes}", remedy::shown(&row.schema, other))));
    }
    if row.is_unused {
        let Some(age) = row.stats_age_seconds else {
            return (Level::Ok, Some(format!("not scanned, {bytes}; since when is not known")));
        };
        let level = if age >= LONG { large } else { Level::Ok };
        return (level, Some(format!("not scanned for {}, and takes up {bytes}", words::seconds(age))));
    }
    (Level::Ok, None)
}

/// What may be done. Whoever runs all that the page offers keeps an index for each set of columns that had one.
fn mend(s: &Source<'_>, rows: &[indexes::Row], row: &indexes::Row) -> Option<Remedy> {
    let free = kept_for(row).is_empty() && !row.covers_foreign_key;
    if row.is_invalid {
        let bound = row.is_constraint || row.is_primary || row.is_partition;
        let remedy = if is_leftover(&row.name) && !bound {
            remedy::drop_leftover_index(&row.schema, &row.name)
        } else {
            remedy::repair_index(&row.schema, &row.name, !bound)
        };
        return Some(remedy::on_primary(s, remedy));
    }
    // What a standby scans does not say what the primary and other standbys do.
    if !free || role_of(s.own) != Role::Primary {
        return None;
    }
    if row.is_duplicate || row.is_prefix {
        let stays = stays(rows, row)?;
        return Some(remedy::drop_redundant_index(&row.schema, &row.name, stays));
    }
    let named = || rows.iter().any(|r| r.schema == row.schema && r.instead.as_deref() == Some(&row.name));
    let long = row.stats_age_seconds.is_some_and(|age| age >= LONG);
    (row.is_unused && long && !named()).then(|| remedy::drop_index(&row.schema, &row.name))
}

/// The index that stays if this one goes and all others go that may: the end of the chain of `instead`.
fn stays<'a>(rows: &'a [indexes::Row], row: &'a indexes::Row) -> Option<&'a str> {
    let mut name = row.instead.as_deref()?;
    // As many steps as there are indexes: a ring of them has no end.
    for _ in rows {
        let Some(next) = rows.iter().find(|r| r.schema == row.schema && r.name == name) else {
            return Some(name);
        };
        if next.is_invalid {
            return None;
        }
        match next.instead.as_deref().filter(|_| next.is_duplicate || next.is_prefix) {
            Some(further) => name = further,
            None => return Some(name),
        }
    }
    None
}

/// Whether a REINDEX CONCURRENTLY has left it behind, by its name: `x_ccnew`, `x_ccold1`.
fn is_leftover(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.ends_with("_ccnew") || name.ends_with("_ccold")
}

fn index(s: &Source<'_>, rows: &[indexes::Row], row: &indexes::Row) -> IndexRow {
    let (level, hint) = look(row);
    IndexRow { level, kept_for: kept_for(row), hint, remedy: mend(s, rows, row), row: row.clone() }
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let rows = s.rows::<Vec<indexes::Row>>("indexes");
    let age = rows.and_then(|rows| rows.first()).and_then(|r| r.stats_age_seconds);
    let panels = Panels {
        findings: s
            .panel("Findings", &["indexes"], "No index is invalid, unused or there twice.", || {
                let rows = rows?;
                let mut found: Vec<IndexRow> =
                    rows.iter().filter(|r| look(r).1.is_some()).map(|row| index(s, rows, row)).collect();
                found.sort_by_key(|i| std::cmp::Reverse((i.level, size(&i.row))));
                Some(found)
            })
            .since_reset(age),
        indexes: s
            .panel("Indexes", &["indexes"], "There is no index.", || {
                let rows = rows?;
                let mut all: Vec<IndexRow> = rows.iter().map(|row| index(s, rows, row)).collect();
                all.sort_by_key(|i| std::cmp::Reverse(size(&i.row)));
                Some(all)
            })
            .since_reset(age),
    };
    judge(s).page(s, figures(s), panels)
}

fn figures(s: &Source<'_>) -> Vec<Figure> {
    let gauge = |id, label, unit, metric| {
        Figure::new(id, label, unit, s.metric("indexes", metric, &[])).gauge(metric, &[])
    };
    vec![
        gauge("invalid", "Invalid", Unit::Count, "pg_invalid_indexes"),
        gauge("unused", "Unused", Unit::Count, "pg_unused_indexes"),
        gauge("unused_bytes", "Size of unused ones", Unit::Bytes, "pg_unused_index_bytes"),
        gauge("duplicate", "Duplicates", Unit::Count, "pg_duplicate_indexes"),
    ]
}
