//! Is vacuum keeping up, and if not, why?

use super::horizon::Holders;
use super::starvation;
use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::Source;
use crate::thresholds::vacuum::{BEHIND, DEAD_RATIO, DEAD_ROWS, FEW_ROWS, RECENT_SECONDS};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::{
    progress, settings, stale_statistics, table_age, tables, xmin_horizon,
};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `autovacuum`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Autovacuum")]
pub struct Panels {
    /// Tables, those under the greatest pressure first.
    pub tables: Panel<VacuumTable>,
    /// What vacuums and analyzes are doing now.
    pub workers: Panel<progress::Row>,
    /// Who keeps dead rows from being removed, worst first.
    pub xmin_holders: Panel<xmin_horizon::Row>,
    /// Tables whose statistics are old.
    pub stale_statistics: Panel<StaleTable>,
    /// The server's settings of autovacuum.
    pub settings: Panel<settings::Row>,
}

/// A table as autovacuum sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VacuumTable {
    /// How bad it is.
    pub level: Level,
    /// The greatest of its pressures: dead rows, inserted rows, changed rows, each in relation to what brings
    /// a vacuum or analyze. 1 = due.
    pub pressure: Option<f64>,
    /// Dead rows of all rows, 0-1.
    pub dead_ratio: Option<f64>,
    /// What its dead rows take up, bytes, about: by the mean width of a row.
    pub dead_bytes_estimate: Option<f64>,
    /// Seconds since the last vacuum, by hand or by autovacuum; absent if there was none.
    pub last_vacuum_seconds_ago: Option<f64>,
    /// Seconds since the last analyze, by hand or by autovacuum; absent if there was none.
    pub last_analyze_seconds_ago: Option<f64>,
    /// Age of its oldest transaction id in relation to what forces a vacuum, 0-1 and above.
    pub freeze_ratio: Option<f64>,
    /// Its own settings of autovacuum, each `name=value`.
    pub overrides: Vec<String>,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: tables::Row,
}

/// A table whose statistics are old.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StaleTable {
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: stale_statistics::Row,
}

/// The collectors behind it.
pub const ON: &[&str] = &[
    "tables",
    "progress",
    "xmin_horizon",
    "table_age",
    "stale_statistics",
    "settings",
    "connections",
    "locks",
];

/// What is wrong with vacuum.
pub fn judge(s: &Source<'_>) -> Judgement {
    let rows = s.list::<tables::Row>("tables");
    let due = rows.iter().filter(|r| pressure(r).is_some_and(|p| p >= 1.0)).count();
    let good = match due {
        0 => "No table waits for a vacuum.".to_owned(),
        due => format!("Autovacuum keeps up: {} due.", words::counted(due, "table is", "tables are")),
    };
    let mut found = Judgement::new(good).rests_on(s, &["tables"]);
    if !rows.is_empty() && rows.iter().all(|row| !is_known(row)) {
        found.unknown.get_or_insert_with(|| "dead rows and vacuums of the tables are not known".into());
    }
    if setting(s, "autovacuum").is_some_and(|v| v == "off") {
        let evidence = "the setting autovacuum is off: dead rows pile up in all tables, until wraparound";
        found.push(
            problem("autovacuum_off", Level::Crit, PageName::Autovacuum, "Autovacuum is off", evidence)
                .remedy(super::settings::mend(s, "autovacuum")),
        );
    }
    let off = !found.problems.is_empty();
    let holders = Holders::new(s);
    let (mut suffering, mut waiting) = (Vec::new(), Vec::new());
    for row in rows {
        let (level, hint) = look(&holders, s, row);
        let Some(hint) = hint.filter(|_| level > Level::Ok) else { continue };
        let name = remedy::shown(&row.schema, &row.name);
        if off && row.autovacuum_enabled == Some(false) && !is_off_for(row) {
            continue;
        }
        if let Some(holder) = held(s, &holders, row) {
            // One cause is one problem, however many tables it has got.
            let dead = words::count(row.dead_tuples.unwrap_or(0) as f64);
            suffering.push((holder, format!("{name} has {dead} dead rows, {}", ago(s, row))));
            continue;
        }
        if let Some(starved) = starvation::look(s, row).filter(|starved| starved.level == level) {
            waiting.push((row, starved));
            continue;
        }
        let title = "Vacuum does not keep up";
        let problem =
            problem(format!("vacuum:{name}"), level, PageName::Autovacuum, title, format!("{name}: {hint}"));
        found.push(problem.about(name).remedy(mend(&holders, s, row)));
    }
    found.extend(holders.problems(&suffering));
    found.extend(starvation::problems(s, &waiting));
    found.extend(stale(s));
    found
}

fn stale(s: &Source<'_>) -> Option<crate::page::Problem> {
    let alerts = &s.rules.alerts;
    let (warn, crit) =
        (alerts.stats_stale_warn_hours as f64 * 3600.0, alerts.stats_stale_crit_hours as f64 * 3600.0);
    let rows = s.list::<stale_statistics::Row>("stale_statistics").iter();
    let mut bad: Vec<(Level, &stale_statistics::Row)> = rows
        .filter(|r| r.ratio.is_some_and(|ratio| ratio >= 1.0) && r.live_rows.is_some_and(|n| n >= FEW_ROWS))
        .filter_map(|r| {
            let age = r.analyzed_seconds? + s.age("stale_statistics");
            Some((level(age, warn, crit), r)).filter(|(level, _)| *level > Level::Ok)
        })
        .collect();
    bad.sort_by_key(|b| std::cmp::Reverse(b.0));
    let (worst, row) = bad.first()?;
    let name = remedy::shown(&row.schema_name, &row.table_name);
    let more = match bad.len() - 1 {
        0 => String::new(),
        more => format!(", and {}", words::counted(more, "other table", "other tables")),
    };
    let evidence = format!(
        "{name} was analyzed {} ago and has changed by {} of what brings an analyze{more}",
        words::seconds(row.analyzed_seconds.unwrap_or_default() + s.age("stale_statistics")),
        words::percent(row.ratio.unwrap_or_default()),
    );
    Some(
        problem("stale_statistics", *worst, PageName::Autovacuum, "Statistics are old", evidence)
            .about(name)
            .remedy(Some(remedy::on_primary(s, remedy::analyze(&row.schema_name, &row.table_name)))),
    )
}

/// Whether the statistics are old. Partitioned tables are all listed; of those only what is known to be old is.
fn is_stale(s: &Source<'_>, row: &stale_statistics::Row) -> bool {
    let warn = s.rules.alerts.stats_stale_warn_hours as f64 * 3600.0;
    !row.partition_parent
        || row.never_analyzed == Some(true)
        || row.analyzed_seconds.is_some_and(|age| age >= warn)
}

fn stale_table(s: &Source<'_>, row: &stale_statistics::Row) -> StaleTable {
    let hint = if row.partition_parent {
        Some("partitioned: autovacuum analyzes its partitions, and never the table as a whole".to_owned())
    } else if row.autovacuum_enabled == Some(false) {
        Some("autovacuum is off for it: nothing analyzes it".to_owned())
    } else {
        None
    };
    let analyze = remedy::analyze(&row.schema_name, &row.table_name);
    let mut row = row.clone();
    row.analyzed_seconds = row.analyzed_seconds.map(|ago| ago + s.age("stale_statistics"));
    StaleTable { hint, remedy: Some(remedy::on_primary(s, analyze)), row }
}

/// Who keeps the dead rows of a table from being removed, if it was vacuumed lately and they are still there.
fn held<'a>(s: &Source<'_>, holders: &Holders<'a>, row: &tables::Row) -> Option<&'a xmin_horizon::Row> {
    let vacuumed = last_vacuum(row)?;
    let recent = vacuumed < RECENT_SECONDS;
    let behind = row.vacuum_pressure.is_some_and(|p| p >= BEHIND)
        && row.dead_tuples.is_some_and(|dead| dead >= FEW_ROWS);
    (recent && behind && row.autovacuum_enabled != Some(false))
        .then(|| holders.since(vacuumed + s.age("tables")))
        .flatten()
}

fn ago(s: &Source<'_>, row: &tables::Row) -> String {
    last_vacuum(row)
        .map(|ago| ago + s.age("tables"))
        .map_or("never vacuumed".to_owned(), |s| format!("vacuumed {} ago", words::seconds(s)))
}

fn is_known(row: &tables::Row) -> bool {
    row.counts_known || row.dead_tuples.is_some()
}

fn setting<'a>(s: &Source<'a>, name: &str) -> Option<&'a str> {
    let rows: &Vec<settings::Row> = s.current("settings")?;
    rows.iter().find(|r| r.name == name)?.setting.as_deref()
}

/// Whether autovacuum is off for just this table, and not for all.
fn is_off_for(row: &tables::Row) -> bool {
    row.options.iter().flatten().any(|option| tables::turns_autovacuum_off(option))
}

fn pressure(row: &tables::Row) -> Option<f64> {
    [row.vacuum_pressure, row.insert_pressure, row.analyze_pressure].into_iter().flatten().reduce(f64::max)
}

/// Seconds from a table's last vacuum to when it was looked at.
pub(super) fn last_vacuum(row: &tables::Row) -> Option<f64> {
    last(row.vacuumed_seconds_ago, row.autovacuumed_seconds_ago)
}

fn last(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::min)
}

/// How bad a table is, and why.
fn look(holders: &Holders<'_>, s: &Source<'_>, row: &tables::Row) -> (Level, Option<String>) {
    let dead = row.dead_tuples.unwrap_or(0);
    let ratio = row.pct_dead.map(|p| p / 100.0).unwrap_or(0.0);
    let behind = row.vacuum_pressure.is_some_and(|p| p >= BEHIND) && dead >= FEW_ROWS;
    if row.autovacuum_enabled == Some(false) && dead >= FEW_ROWS {
        let which = if is_off_for(row) { "it" } else { "the whole server" };
        let hint =
            format!("autovacuum is off for {which}, and it has {} dead rows", words::count(dead as f64));
        return (Level::Warn, Some(hint));
    }
    let ago = ago(s, row);
    if behind {
        let times = row.vacuum_pressure.unwrap_or_default();
        let hint =
            format!("{} dead rows, {times:.1} times what brings a vacuum; {ago}", words::count(dead as f64));
        if let Some(holder_row) = held(s, holders, row) {
            let (what, _) = holders.say(holder_row);
            let hint = format!(
                "{hint}, but {what} keeps rows of the last {} transactions from being removed",
                words::count(holder_row.xid_age as f64)
            );
            return (Level::Warn, Some(hint));
        }
        return match starvation::look(s, row).filter(|starved| starved.level > Level::Ok) {
            Some(starved) => (starved.level, Some(format!("{hint}; {}", starvation::reason(s)))),
            None => (Level::Warn, Some(hint)),
        };
    }
    if let Some(starved) = starvation::look(s, row).filter(|starved| starved.level > Level::Ok) {
        return (starved.level, Some(starvation::hint(s, row, starved)));
    }
    if dead > DEAD_ROWS && ratio > DEAD_RATIO {
        let hint =
            format!("{} of its rows are dead ({}); {ago}", words::percent(ratio), words::count(dead as f64));
        return (Level::Warn, Some(hint));
    }
    let due = match pressure(row) {
        Some(p) if p >= 1.0 => Some("due: autovacuum comes when a worker is free".to_owned()),
        _ => None,
    };
    let level = if is_known(row) { Level::Ok } else { Level::Unknown };
    (level, due)
}

fn mend(holders: &Holders<'_>, s: &Source<'_>, row: &tables::Row) -> Option<Remedy> {
    // Another vacuum would remove nothing.
    if let Some(row) = held(s, holders, row) {
        return holders.say(row).1;
    }
    let mend = if is_off_for(row) {
        remedy::enable_autovacuum(&row.schema, &row.name)
    } else {
        remedy::vacuum(&row.schema, &row.name)
    };
    Some(remedy::on_primary(s, mend))
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let worker = |r: &&progress::Row| r.command.contains("vacuum") || r.command.contains("analyze");
    let panels = Panels {
        tables: s
            .panel("Tables", &["tables"], "There is no table.", || {
                let holders = Holders::new(s);
                let rows = s.rows::<Vec<tables::Row>>("tables")?.iter();
                let mut rows: Vec<VacuumTable> = rows.map(|row| table(&holders, s, row)).collect();
                let key = |t: &VacuumTable| (t.level, t.pressure.unwrap_or(-1.0));
                rows.sort_by(|a, b| key(b).partial_cmp(&key(a)).unwrap_or(std::cmp::Ordering::Equal));
                Some(rows)
            })
            .since_reset(super::stats_reset_age(s)),
        workers: s.panel("Vacuums and analyzes that run", &["progress"], "None runs.", || {
            Some(s.rows::<Vec<progress::Row>>("progress")?.iter().filter(worker).cloned().collect())
        }),
        xmin_holders: s.panel(
            "Who keeps dead rows from being removed",
            &["xmin_horizon"],
            "Nobody does.",
            || {
                let rows = s.rows::<Vec<xmin_horizon::Row>>("xmin_horizon")?;
                Some(Holders::of(s, rows).rows().cloned().collect())
            },
        ),
        stale_statistics: s.panel(
            "Old statistics",
            &["stale_statistics"],
            "The statistics of all tables are recent.",
            || {
                let rows: &Vec<stale_statistics::Row> = s.rows("stale_statistics")?;
                Some(rows.iter().filter(|row| is_stale(s, row)).map(|row| stale_table(s, row)).collect())
            },
        ),
        settings: s.panel("Settings", &["settings"], "None can be seen.", || {
            let about = |r: &&settings::Row| r.name.contains("autovacuum") || r.name.starts_with("vacuum_");
            Some(s.rows::<Vec<settings::Row>>("settings")?.iter().filter(about).cloned().collect())
        }),
    };
    judge(s).page(s, figures(s), panels)
}

fn figures(s: &Source<'_>) -> Vec<Figure> {
    let rows: Option<&Vec<tables::Row>> = s.current("tables");
    // Of tables that nothing is known of, there is no count; without a table it is 0.
    let counted = rows.filter(|rows| rows.is_empty() || rows.iter().any(is_known));
    let due = counted.map(|rows| rows.iter().filter(|r| r.vacuum_pressure >= Some(1.0)).count() as f64);
    let worst = rows.and_then(|rows| rows.iter().filter_map(pressure).reduce(f64::max));
    let dead = counted.map(|rows| rows.iter().filter_map(|r| r.dead_tuples).sum::<i64>() as f64);
    let gauge = |id, label, metric| {
        Figure::new(id, label, Unit::Count, s.metric("connections", metric, &[])).gauge(metric, &[])
    };
    vec![
        gauge("workers", "Autovacuum workers", "pg_autovacuum_workers").of(s.metric(
            "connections",
            "pg_autovacuum_max_workers",
            &[],
        )),
        Figure::new("due", "Tables due for a vacuum", Unit::Count, due),
        starvation::figure(s),
        Figure::new("pressure", "Greatest pressure (1 = due)", Unit::Count, worst),
        Figure::new("dead_rows", "Dead rows in the tables that are listed", Unit::Count, dead),
        Figure::new("xmin_age", "Oldest transaction that is still needed", Unit::Transactions, oldest(s))
            .note(s.unknown("xmin_horizon")),
    ]
}

/// The age of the oldest holder of the horizon. Where some are hidden, none that can be seen is not 0.
fn oldest(s: &Source<'_>) -> Option<f64> {
    let rows: &Vec<xmin_horizon::Row> = s.current("xmin_horizon")?;
    let none = s.unknown("xmin_horizon").is_none().then_some(0);
    rows.iter().map(|row| row.xid_age).max().or(none).map(|age| age as f64)
}

fn table(holders: &Holders<'_>, s: &Source<'_>, row: &tables::Row) -> VacuumTable {
    let (level, hint) = look(holders, s, row);
    let mut now = row.clone();
    let later = s.age("tables");
    for ago in [
        &mut now.vacuumed_seconds_ago,
        &mut now.autovacuumed_seconds_ago,
        &mut now.analyzed_seconds_ago,
        &mut now.autoanalyzed_seconds_ago,
    ] {
        *ago = ago.map(|ago| ago + later);
    }
    let age = s.rows::<Vec<table_age::Row>>("table_age").and_then(|rows| {
        rows.iter().find(|a| a.schema_name == row.schema && a.table_name == row.name).map(|a| a.ratio)
    });
    let width = row
        .live_tuples
        .zip(row.dead_tuples)
        .map(|(live, dead)| live.saturating_add(dead))
        .filter(|all| *all > 0)
        .map(|all| row.pages as f64 * s.block_size() / all as f64);
    let own = |option: &&String| option.starts_with("autovacuum") || option.starts_with("toast.autovacuum");
    VacuumTable {
        level,
        pressure: pressure(row),
        dead_ratio: row.pct_dead.map(|p| p / 100.0),
        dead_bytes_estimate: width.zip(row.dead_tuples).map(|(width, dead)| width * dead as f64),
        last_vacuum_seconds_ago: last(now.vacuumed_seconds_ago, now.autovacuumed_seconds_ago),
        last_analyze_seconds_ago: last(now.analyzed_seconds_ago, now.autoanalyzed_seconds_ago),
        freeze_ratio: age,
        overrides: row.options.iter().flatten().filter(own).cloned().collect(),
        hint,
        remedy: (level > Level::Ok).then(|| mend(holders, s, row)).flatten(),
        row: now,
    }
}
