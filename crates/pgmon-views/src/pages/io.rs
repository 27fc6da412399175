//! Who reads and writes, and does the cache hold?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Problem, Unit};
use crate::source::Source;
use crate::words;
use pgmon_collect::postgres::collectors::{database, io, slru, temp, throughput};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `io`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Io")]
pub struct Panels {
    /// Reads and writes by who does them (16+).
    pub processes: Panel<io::Row>,
    /// Blocks, rows, conflicts and the like of the databases.
    pub databases: Panel<database::Row>,
    /// Blocks of the entry's database and its cache hits.
    pub throughput: Panel<throughput::Row>,
    /// Temporary files of the entry's database.
    pub temp: Panel<temp::Row>,
    /// The small caches of transaction states.
    pub slru: Panel<slru::Row>,
}

/// The collectors behind it.
pub const ON: &[&str] = &["io", "database", "throughput", "temp", "slru"];

/// What is wrong with input and output.
pub fn judge(s: &Source<'_>) -> Judgement {
    let row = s.list::<throughput::Row>("throughput").first();
    let good = match row.and_then(|r| r.cache_hit_ratio) {
        Some(ratio) => format!("The cache serves {} of what is read.", words::percent(ratio)),
        None => "Nothing was read lately.".to_owned(),
    };
    let mut found = Judgement::new(good).rests_on(s, &["throughput"]);
    found.extend(temp_surge(s));
    for row in s.list::<database::Row>("database") {
        let Some(failures) = row.checksum_failures.filter(|n| *n > 0) else { continue };
        let name = row.datname.clone().unwrap_or_else(|| "the shared catalogs".to_owned());
        let evidence = format!(
            "{} of {name} had a wrong checksum: the storage lost or changed data",
            words::counted(usize::try_from(failures).unwrap_or(usize::MAX), "page", "pages")
        );
        found.push(
            problem(format!("checksum:{name}"), Level::Crit, PageName::Io, "Data is damaged", evidence)
                .about(name)
                .since(row.checksum_last_failure.map(|at| at.0)),
        );
    }
    found
}

/// Whether much is spilled to temporary files now.
fn temp_surge(s: &Source<'_>) -> Option<Problem> {
    let alerts = &s.rules.alerts;
    let rate = s.metric("temp", TEMP_RATE, &[])?;
    let (warn, crit) = (alerts.temp_surge_warn_bytes_per_sec, alerts.temp_surge_crit_bytes_per_sec);
    let level = level(rate, warn as f64, crit as f64);
    let evidence = format!("{} is written to temporary files a second", words::bytes(rate));
    let title = "Queries spill to temporary files";
    (level > Level::Ok).then(|| problem("temp_surge", level, PageName::Io, title, evidence))
}

const TEMP_RATE: &str = "pg_temp_bytes_per_second";

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let reset = super::stats_reset_age(s);
    let hidden = |name: Option<&str>| {
        s.rules.hide_postgres_defaults && name.is_some_and(pgmon_core::label::is_postgres_default)
    };
    let shared =
        s.rows::<Vec<database::Row>>("database").is_some_and(|r| r.iter().any(|r| r.datname.is_none()));
    let databases = s.panel("Databases", &["database"], "There is none.", || {
        let rows: &Vec<database::Row> = s.rows("database")?;
        Some(rows.iter().filter(|r| !hidden(r.datname.as_deref())).cloned().collect())
    });
    let panels = Panels {
        processes: s.plain("Who reads and writes", "io", "Nobody has read or written."),
        databases: match shared {
            true => {
                databases.note("The row without a database is that of the catalogs that all share.".into())
            }
            false => databases,
        },
        throughput: s.plain("Blocks of this database", "throughput", "Nothing was read.").since_reset(reset),
        temp: s.plain("Temporary files of this database", "temp", "There was none.").since_reset(reset),
        slru: s.plain("Small caches", "slru", "They were not used."),
    };
    let counter = |id, label, unit, collector, metric| {
        let figure = Figure::new(id, label, unit, s.metric(collector, metric, &[]));
        // From 15 on the server does not say when it began to count, until somebody resets it.
        let never = figure.value.filter(|_| reset.is_none());
        let note = never.map(|_| "counted since its statistics began: never reset".to_owned());
        figure.counter(metric, &[]).since_reset(reset).note(note)
    };
    let alerts = &s.rules.alerts;
    let figures = vec![
        Figure::new(
            "cache_hit_ratio",
            "Cache hits",
            Unit::Ratio,
            s.metric("throughput", "pg_cache_hit_ratio", &[]),
        )
        .gauge("pg_cache_hit_ratio", &[]),
        Figure::new(
            "temp_rate",
            "Temporary files written",
            Unit::BytesPerSecond,
            s.metric("temp", TEMP_RATE, &[]),
        )
        .gauge(TEMP_RATE, &[])
        .judged(alerts.temp_surge_warn_bytes_per_sec as f64, alerts.temp_surge_crit_bytes_per_sec as f64),
        counter("temp_bytes", "Temporary files", Unit::Bytes, "temp", "pg_temp_bytes_total"),
        counter("temp_files", "Number of temporary files", Unit::Count, "temp", "pg_temp_files_total"),
    ];
    judge(s).page(s, figures, panels)
}
