//! How far is the server from stopping to take writes?

use super::horizon::Holders;
use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::Source;
use crate::thresholds::{multixacts, vacuum};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::{table_age, wraparound, xmin_horizon};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `wraparound`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Wraparound")]
pub struct Panels {
    /// The server's databases, oldest first.
    pub databases: Panel<DatabaseAge>,
    /// The oldest tables.
    pub tables: Panel<TableAge>,
    /// Who keeps ids from being frozen, worst first.
    pub xmin_holders: Panel<xmin_horizon::Row>,
}

/// A database.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DatabaseAge {
    /// How bad it is.
    pub level: Level,
    /// The worst of its ages in relation to the 2 billion ids that there are, 0-1.
    pub used_ratio: f64,
    /// The worst of its ages in relation to what forces autovacuum, 0-1 and above.
    pub freeze_ratio: f64,
    /// All that was read.
    #[serde(flatten)]
    pub row: wraparound::Row,
}

/// A table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TableAge {
    /// How bad it is.
    pub level: Level,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: table_age::Row,
}

/// The collectors behind it.
pub const ON: &[&str] = &["wraparound", "table_age", "xmin_horizon"];

/// Ids that there are.
const IDS: f64 = 2_147_483_648.0;

/// What is wrong with wraparound.
pub fn judge(s: &Source<'_>) -> Judgement {
    let rows = s.list::<wraparound::Row>("wraparound");
    let worst = rows.iter().max_by(|a, b| used(a).total_cmp(&used(b)));
    let good = match worst {
        Some(row) => {
            let left = match row.seconds_until_protection {
                Some(left) => format!(", at the present rate enough for {}", words::seconds(left)),
                None => String::new(),
            };
            format!("{} of the transaction ids are used up{left}.", words::percent(used(row)))
        }
        None => "No database is old.".to_owned(),
    };
    let mut found = Judgement::new(good).rests_on(s, &["wraparound"]);
    for row in rows {
        let level = look(s, row);
        if level <= Level::Ok {
            continue;
        }
        let xids = level_of_xids(s, row) >= level_of_multixacts(row);
        let (what, age) = if xids { ("transaction id", row.xid_age) } else { ("multixact", row.mxid_age) };
        let evidence = format!(
            "the oldest {what} of {} is {} old; at {} the server stops taking writes",
            row.datname,
            words::count(age as f64),
            words::count(IDS)
        );
        let title = if xids { "Transaction ids run out" } else { "Multixacts run out" };
        found.push(
            problem(format!("wraparound:{}", row.datname), level, PageName::Wraparound, title, evidence)
                .about(row.datname.clone())
                .remedy(oldest(s, row)),
        );
    }
    let forced = rows.iter().find(|r| freeze(r) > vacuum::FREEZE_OVERDUE && look(s, r) <= Level::Ok);
    if let Some(row) = forced {
        let [xids, multixacts] = freezes(row);
        let (what, limit) = if xids >= multixacts {
            ("transactions", row.freeze_max_age)
        } else {
            ("multixacts", row.multixact_freeze_max_age)
        };
        let evidence = format!(
            "{} is {} of the age at which autovacuum is forced, and was not frozen (limit: {} {what})",
            row.datname,
            words::percent(freeze(row)),
            words::count(limit as f64)
        );
        let title = "Freezing is overdue";
        found.push(
            problem("freeze_overdue", Level::Warn, PageName::Wraparound, title, evidence)
                .about(row.datname.clone())
                .remedy(oldest(s, row)),
        );
    }
    found
}

/// The worst of its ages of all ids that there are.
fn used(row: &wraparound::Row) -> f64 {
    row.xid_age.max(row.mxid_age) as f64 / IDS
}

fn freeze(row: &wraparound::Row) -> f64 {
    let [xids, multixacts] = freezes(row);
    xids.max(multixacts)
}

fn freezes(row: &wraparound::Row) -> [f64; 2] {
    let of = |age: i64, limit: i64| if limit > 0 { age as f64 / limit as f64 } else { 0.0 };
    [of(row.xid_age, row.freeze_max_age), of(row.mxid_age, row.multixact_freeze_max_age)]
}

fn look(s: &Source<'_>, row: &wraparound::Row) -> Level {
    level_of_xids(s, row).max(level_of_multixacts(row))
}

fn level_of_xids(s: &Source<'_>, row: &wraparound::Row) -> Level {
    let alerts = &s.rules.alerts;
    level(row.xid_age as f64, alerts.wraparound_warn_tx_age as f64, alerts.wraparound_crit_tx_age as f64)
}

fn level_of_multixacts(row: &wraparound::Row) -> Level {
    level(row.mxid_age as f64 / IDS, multixacts::WARN, multixacts::CRIT)
}

/// What freezes the oldest table of a database, if its tables are the ones that are known.
fn oldest(s: &Source<'_>, row: &wraparound::Row) -> Option<Remedy> {
    if s.database().as_deref() != Some(row.datname.as_str()) {
        return None;
    }
    s.list::<table_age::Row>("table_age").first().and_then(|table| mend(s, table))
}

fn mend(s: &Source<'_>, row: &table_age::Row) -> Option<Remedy> {
    (!row.temporary).then(|| remedy::on_primary(s, remedy::freeze(&row.schema_name, &row.table_name)))
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let alerts = &s.rules.alerts;
    let panels = Panels {
        databases: s.panel("Databases", &["wraparound"], "There is none.", || {
            let rows: &Vec<wraparound::Row> = s.rows("wraparound")?;
            let mut all: Vec<DatabaseAge> = rows
                .iter()
                .map(|row| DatabaseAge {
                    level: look(s, row),
                    used_ratio: used(row),
                    freeze_ratio: freeze(row),
                    row: row.clone(),
                })
                .collect();
            all.sort_by(|a, b| b.used_ratio.total_cmp(&a.used_ratio));
            Some(all)
        }),
        tables: s.panel("Oldest tables", &["table_age"], "There is no table.", || {
            let rows: &Vec<table_age::Row> = s.rows("table_age")?;
            let one = |row: &table_age::Row| TableAge {
                level: level(
                    row.xid_age as f64,
                    alerts.wraparound_warn_tx_age as f64,
                    alerts.wraparound_crit_tx_age as f64,
                ),
                remedy: (row.ratio >= 1.0).then(|| mend(s, row)).flatten(),
                row: row.clone(),
            };
            Some(rows.iter().map(one).collect())
        }),
        xmin_holders: s.panel("Who keeps ids from being frozen", &["xmin_horizon"], "Nobody does.", || {
            let rows = s.rows::<Vec<xmin_horizon::Row>>("xmin_horizon")?;
            Some(Holders::of(s, rows).rows().cloned().collect())
        }),
    };
    judge(s).page(s, figures(s), panels)
}

/// The figures.
pub fn figures(s: &Source<'_>) -> Vec<Figure> {
    // What runs once in a while stands beside figures of this minute.
    let age = s.standing("wraparound").age_seconds.filter(|age| *age >= 60.0);
    let taken = age.map(|age| format!("taken {} ago", words::seconds(age)));
    let alerts = &s.rules.alerts;
    let gauge = |id, label, unit, metric| {
        Figure::new(id, label, unit, s.metric("wraparound", metric, &[])).gauge(metric, &[])
    };
    vec![
        gauge("xid_age", "Age of the oldest transaction id", Unit::Transactions, "pg_wraparound_tx_age")
            .of(Some(IDS))
            .judged(alerts.wraparound_warn_tx_age as f64, alerts.wraparound_crit_tx_age as f64)
            .note(taken.clone()),
        gauge(
            "multixact_age",
            "Age of the oldest multixact",
            Unit::Transactions,
            "pg_wraparound_multixact_age",
        )
        .of(Some(IDS))
        .judged(multixacts::WARN * IDS, multixacts::CRIT * IDS)
        .note(taken),
        gauge("xids", "Transaction ids a second", Unit::PerSecond, "pg_xid_consumption_per_second"),
        gauge(
            "until",
            "Until the server stops, at this rate",
            Unit::Seconds,
            "pg_wraparound_projected_seconds",
        ),
    ]
}
