//! Will inserts fail, or fall into a DEFAULT partition?

use crate::judge::{Judgement, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::Source;
use crate::thresholds::partitions::NEAR;
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::partitions;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `partitions`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Partitions")]
pub struct Panels {
    /// Partitioned tables, those that run out first on top.
    pub tables: Panel<PartitionedTable>,
}

/// A partitioned table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "PartitionedTableRow")]
pub struct PartitionedTable {
    /// How bad it is.
    pub level: Level,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: partitions::Parent,
}

/// The collectors behind it.
pub const ON: &[&str] = &["partitions"];

/// What is wrong with partitions.
pub fn judge(s: &Source<'_>) -> Judgement {
    let rows = s.list::<partitions::Parent>("partitions");
    let next = rows.iter().filter_map(|r| left(s, r)).filter(|left| *left > 0.0).reduce(f64::min);
    let good = match (rows.len(), next) {
        (0, _) => "There is no partitioned table.".to_owned(),
        (n, Some(next)) => format!(
            "{} partitions ahead; the first runs out in {}.",
            words::counted(n, "partitioned table has", "partitioned tables have"),
            words::seconds(next)
        ),
        (n, None) => {
            format!(
                "Nothing is missing from {}.",
                words::counted(n, "partitioned table", "partitioned tables")
            )
        }
    };
    let mut found = Judgement::new(good).rests_on(s, &["partitions"]);
    if let Some(row) = rows.iter().find(|row| look(s, row).0 == Level::Unknown) {
        let name = remedy::shown(&row.schema, &row.name);
        found.unknown.get_or_insert_with(|| format!("the bounds of partitions of {name} could not be read"));
    }
    found.extend(rows.iter().filter_map(|row| {
        let (level, hint) = look(s, row);
        let hint = hint.filter(|_| level > Level::Unknown)?;
        let name = remedy::shown(&row.schema, &row.name);
        let title = if is_empty(row) || level == Level::Crit && left(s, row).is_none_or(|left| left <= 0.0) {
            "Inserts fail"
        } else {
            "Partitions are missing"
        };
        let id = format!("partitions:{name}");
        let problem = problem(id, level, PageName::Partitions, title, format!("{name}: {hint}"));
        Some(problem.about(name).remedy(mend(s, row)))
    }));
    found
}

/// Seconds until its last partition ends: what was read, less the time since then.
fn left(s: &Source<'_>, row: &partitions::Parent) -> Option<f64> {
    row.horizon_seconds.map(|left| left - s.age("partitions"))
}

/// Whether no row has a place in it.
fn is_empty(row: &partitions::Parent) -> bool {
    row.partitions == 0 && row.default_partition.is_none()
}

/// How bad a partitioned table is, and why.
fn look(s: &Source<'_>, row: &partitions::Parent) -> (Level, Option<String>) {
    let left = left(s, row);
    let default = row.default_partition.is_some();
    let what = if default { "rows fall into the DEFAULT partition" } else { "inserts fail" };
    // Who uses it would know: it may just be made.
    if is_empty(row) {
        return (Level::Warn, Some("it has no partition: every insert fails".to_owned()));
    }
    if row.missing == Some(true) {
        return match left {
            Some(left) if left <= 0.0 => {
                let hint = format!("the last partition ended {} ago: {what}", words::seconds(-left));
                (if default { Level::Warn } else { Level::Crit }, Some(hint))
            }
            Some(left) => {
                let level = if left < NEAR && !default { Level::Crit } else { Level::Warn };
                (level, Some(format!("in {} {what}", words::seconds(left))))
            }
            None => (Level::Warn, Some(format!("for some of the time ahead {what}"))),
        };
    }
    if let Some(rows) = row.default_rows.filter(|rows| *rows > 0.0) {
        let hint = format!("{} rows are in the DEFAULT partition", words::count(rows));
        return (Level::Warn, Some(hint));
    }
    if let Some(gaps) = row.gaps.filter(|gaps| *gaps > 0) {
        let gaps = usize::try_from(gaps).unwrap_or(usize::MAX);
        // Rows go by the hash of their key: nobody can mean to leave some out, and there is no DEFAULT.
        if row.strategy == "hash" {
            let gaps = words::counted(gaps, "remainder has", "remainders have");
            return (Level::Crit, Some(format!("{gaps} no partition: inserts of such rows fail now")));
        }
        let gaps = words::counted(gaps, "gap", "gaps");
        return (Level::Warn, Some(format!("{gaps} between the partitions: there {what}")));
    }
    if row.unreadable_bounds > 0 {
        return (Level::Unknown, Some("bounds of its partitions could not be read".to_owned()));
    }
    let hint = left.map(|left| match left > 0.0 {
        true => format!("runs out in {}", words::seconds(left)),
        false => format!("ran out {} ago", words::seconds(-left)),
    });
    (Level::Ok, hint)
}

fn mend(s: &Source<'_>, row: &partitions::Parent) -> Option<Remedy> {
    // The bounds of others cannot be told from what is known.
    if row.missing != Some(true) || row.strategy != "range" || row.key_columns != Some(1) {
        return None;
    }
    let (from, to) = (row.newest_upper.as_deref()?, row.next_upper?);
    Some(remedy::on_primary(s, remedy::next_partition(&row.schema, &row.name, from, &to.0.to_string())))
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let panels = Panels {
        tables: s.panel("Partitioned tables", &["partitions"], "There is no partitioned table.", || {
            let rows: &Vec<partitions::Parent> = s.rows("partitions")?;
            let mut all: Vec<PartitionedTable> = rows
                .iter()
                .map(|row| {
                    let (level, hint) = look(s, row);
                    let row_now = partitions::Parent { horizon_seconds: left(s, row), ..row.clone() };
                    PartitionedTable { level, hint, remedy: mend(s, row), row: row_now }
                })
                .collect();
            let left_of = |t: &PartitionedTable| t.row.horizon_seconds.unwrap_or(f64::INFINITY);
            all.sort_by(|a, b| b.level.cmp(&a.level).then(left_of(a).total_cmp(&left_of(b))));
            Some(all)
        }),
    };
    let rows: Option<&Vec<partitions::Parent>> = s.current("partitions");
    // What has run out is no time to go: it is said in words.
    let all_left = || rows.into_iter().flatten().filter_map(|r| Some((left(s, r)?, r)));
    let first = all_left().filter(|(left, _)| *left > 0.0).min_by(|a, b| a.0.total_cmp(&b.0));
    let least = first.map(|(left, _)| left);
    let over = all_left().filter(|(left, _)| *left <= 0.0).min_by(|a, b| a.0.total_cmp(&b.0));
    let runway = over.map_or(Level::Ok, |(_, row)| look(s, row).0).max(match first {
        Some((_, row)) => look(s, row).0,
        None => Level::Unknown,
    });
    let over = over.map(|(left, row)| {
        format!("{} ran out {} ago", remedy::shown(&row.schema, &row.name), words::seconds(-left))
    });
    let in_default = rows.map(|rows| rows.iter().filter_map(|r| r.default_rows).sum::<f64>());
    let figures = vec![
        Figure::new("tables", "Partitioned tables", Unit::Count, rows.map(|rows| rows.len() as f64)),
        Figure::new("runway", "Until the first runs out", Unit::Seconds, least).at(runway).note(over),
        Figure::new("default_rows", "Rows in DEFAULT partitions", Unit::Count, in_default),
    ];
    judge(s).page(s, figures, panels)
}
