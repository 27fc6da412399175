//! What pgmon itself knows of a database.

use super::queries;
use pgmon_collect::history::UP;
use pgmon_collect::poller::fleet::Cell;
use pgmon_core::metric::{Desc, Families, Family, Value};
use pgmon_core::snapshot::{CollectorState, Outcome, Snapshot, Up, query_name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const INFO: Desc = Desc::gauge("pg_info", "Always 1; the labels describe the server.", &["version", "major"]);
const STARTED: Desc =
    Desc::gauge("pg_postmaster_start_time_seconds", "Start of the server as a Unix time in seconds.", &[]);
const IN_RECOVERY: Desc = Desc::gauge("pg_in_recovery", "Whether the server is a standby: 1 or 0.", &[]);
const TLS: Desc =
    Desc::gauge("pgmon_connection_tls", "Whether pgmon's connection is encrypted: 1 or 0.", &[]);
const REFUSED: Desc = Desc::gauge(
    "pgmon_refused",
    "Whether the database is left alone because pgmon's role could write: 1 or 0.",
    &[],
);
const QUARANTINED: Desc = Desc::gauge(
    "pgmon_quarantined",
    "Whether the database failed so often that it is probed at growing intervals: 1 or 0.",
    &[],
);
const CONNECTS: Desc =
    Desc::counter("pgmon_connects_total", "Connections that pgmon opened to the database.", &[]);
const CONNECT_ERRORS: Desc =
    Desc::counter("pgmon_connect_errors_total", "Attempts to connect to the database that failed.", &[]);
const DROPPED: Desc = Desc::counter(
    "pgmon_series_dropped_total",
    "Series left out of rounds because of limits.series_per_family or limits.series_per_database.",
    &[],
);
const DURATION: Desc = Desc::histogram(
    "pgmon_scrape_duration_seconds",
    "Time that a round of the loop spent in statements, in seconds.",
    &["loop"],
);
const SUCCESS: Desc = Desc::gauge(
    "pgmon_last_scrape_success",
    "Whether every statement of the loop's last round ran: 1 or 0.",
    &["loop"],
);
const ERRORS: Desc =
    Desc::counter("pgmon_errors_total", "Collector runs of the loop that failed.", &["loop"]);
const MISSED: Desc = Desc::counter(
    "pgmon_missed_ticks_total",
    "Rounds of the loop that were left out because it was late.",
    &["loop"],
);
const DEGRADED: Desc =
    Desc::gauge("pgmon_loop_degraded", "Whether the loop does not fit its time budget: 1 or 0.", &["loop"]);
const LAST: Desc = Desc::gauge(
    "pgmon_last_scrape_timestamp_seconds",
    "Start of the loop's last round as a Unix time in seconds.",
    &["loop"],
);
const INTERVAL: Desc =
    Desc::gauge("pgmon_loop_interval_seconds", "Interval of the loop in seconds.", &["loop"]);
const COLLECTOR_DURATION: Desc = Desc::gauge(
    "pgmon_collector_duration_seconds",
    "Time that the collector's last run spent in statements, in seconds.",
    &["collector"],
);
const COLLECTOR_SUCCESS: Desc = Desc::gauge(
    "pgmon_collector_success",
    "Whether the collector's last run succeeded: 1 or 0.",
    &["collector"],
);
const COLLECTOR_ERRORS: Desc =
    Desc::counter("pgmon_collector_errors_total", "Runs of the collector that failed.", &["collector"]);
const BLIND: Desc = Desc::gauge(
    "pgmon_blind",
    "Always 1: the collector misses figures, and the label says what it needs.",
    &["collector", "needs"],
);
const AGE: Desc = Desc::gauge(
    "pgmon_snapshot_age_seconds",
    "Age in seconds of the newest figures of the loop, when the page was rendered.",
    &["loop"],
);
const SCRAPE_SUCCESS: Desc = Desc::gauge(
    "pg_scrape_success",
    "Whether the database answers and every statement of the last round of each loop ran: 1 or 0.",
    &[],
);
const SCRAPE_DURATION: Desc = Desc::gauge(
    "pg_scrape_duration_seconds",
    "Time that the last rounds of all loops spent in statements, in seconds.",
    &[],
);

/// Families of each watched database that no collector fills, in the order in which the documentation
/// lists them.
pub const OF_A_DATABASE: &[&Desc] = &[
    &UP,
    &INFO,
    &STARTED,
    &IN_RECOVERY,
    &TLS,
    &REFUSED,
    &QUARANTINED,
    &CONNECTS,
    &CONNECT_ERRORS,
    &DROPPED,
    &SCRAPE_SUCCESS,
    &SCRAPE_DURATION,
    &AGE,
    &SUCCESS,
    &DURATION,
    &ERRORS,
    &MISSED,
    &DEGRADED,
    &LAST,
    &INTERVAL,
    &COLLECTOR_SUCCESS,
    &COLLECTOR_DURATION,
    &COLLECTOR_ERRORS,
    &BLIND,
    &queries::SUCCESS,
    &queries::DURATION,
    &queries::ERRORS,
    &queries::SERIES,
    &queries::RESULTS_DROPPED,
    &queries::OVER_LIMIT,
];

/// What pgmon itself knows of a database, and of those that are visited from it.
pub(super) fn families(s: &Snapshot, roamed: &[CollectorState], cell: &Cell, now: Duration) -> Vec<Family> {
    let totals = cell.totals();
    let mut out = Families::new();
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    // Before the first attempt nobody knows.
    if s.up != Up::Pending {
        out.push(&UP, &[], flag(s.up.is_up()));
    }
    if let (Some(server), true) = (&s.server, s.up.is_up()) {
        out.push(&INFO, &[&server.version_text, &server.version.major().to_string()], 1.0);
        out.push(&STARTED, &[], server.started_at.as_microsecond() as f64 / 1e6);
        out.push(&IN_RECOVERY, &[], flag(server.in_recovery));
        out.push(&TLS, &[], flag(server.tls));
    }
    out.push(&REFUSED, &[], flag(matches!(s.up, Up::Refused { .. })));
    out.push(&QUARANTINED, &[], flag(s.quarantined_until.is_some()));
    out.push(&CONNECTS, &[], s.connects as f64);
    out.push(&CONNECT_ERRORS, &[], s.connect_errors as f64);
    out.push(&DROPPED, &[], (totals.dropped + cell.cardinality().dropped_of_queries()) as f64);
    out.push_opt(&SCRAPE_SUCCESS, &[], scraped(s).map(flag));
    out.push_opt(
        &SCRAPE_DURATION,
        &[],
        s.loops.iter().filter_map(|l| l.last).map(|(_, d)| d.as_secs_f64()).reduce(|a, b| a + b),
    );
    for l in &s.loops {
        let name = &[l.name.name()];
        out.push(&INTERVAL, name, l.interval.as_secs_f64());
        out.push(&ERRORS, name, l.errors as f64);
        out.push(&MISSED, name, l.missed as f64);
        out.push(&DEGRADED, name, flag(l.degraded.is_some()));
        out.push_value(&DURATION, name, Value::Histogram(l.durations.clone()));
        // A loop that cannot run because the database is down has not succeeded.
        if l.last.is_some() || !matches!(s.up, Up::Up | Up::Pending) {
            out.push(&SUCCESS, name, flag(l.success && s.up.is_up()));
        }
        let newest = s.collectors.iter().filter(|c| c.in_loop == l.name).filter_map(|c| c.good.as_ref());
        let newest = newest.map(|good| good.at_mono).max();
        out.push_opt(&AGE, name, newest.map(|at| now.saturating_sub(at).as_secs_f64()));
        if let Some((at, _)) = l.last {
            out.push(&LAST, name, at.as_microsecond() as f64 / 1e6);
        }
    }
    for c in s.collectors.iter().filter(|c| c.custom.is_none()) {
        let name = &[c.collector.as_str()];
        match &c.outcome {
            Outcome::Ok | Outcome::Failed { .. } => {
                out.push(&COLLECTOR_DURATION, name, c.duration.as_secs_f64());
                out.push(&COLLECTOR_SUCCESS, name, flag(c.outcome == Outcome::Ok && s.up.is_up()));
            }
            Outcome::Skipped { .. } if c.stride > 1 || c.errors > 0 => {
                out.push(&COLLECTOR_SUCCESS, name, 0.0)
            }
            Outcome::Blind | Outcome::Unsupported | Outcome::Skipped { .. } => {}
        }
    }
    // Summed up: a collector runs in each of the databases, and may lack the same several times.
    let errors = totals.errors.iter().filter(|(name, _)| query_name(name).is_none());
    let mut errors: BTreeMap<&str, u64> = errors.map(|(name, n)| (name.as_str(), *n)).collect();
    let mut blind = BTreeSet::<(&str, &str)>::new();
    for c in s.collectors.iter().chain(roamed).filter(|c| c.custom.is_none()) {
        errors.entry(&c.collector).or_default();
        blind.extend(c.blind.iter().map(|b| (c.collector.as_str(), b.needs.as_str())));
    }
    for (collector, errors) in errors {
        out.push(&COLLECTOR_ERRORS, &[collector], errors as f64);
    }
    for (collector, needs) in blind {
        out.push(&BLIND, &[collector, needs], 1.0);
    }
    queries::families(s, roamed, &totals, &mut out);
    out.into_vec()
}

/// Whether all that was to be read of a database was; `None` if nothing has been tried yet.
fn scraped(s: &Snapshot) -> Option<bool> {
    match s.up {
        Up::Pending => None,
        Up::Up => s.loops.iter().filter(|l| l.ended_mono.is_some()).map(|l| l.success).reduce(|a, b| a && b),
        Up::Down { .. } | Up::Refused { .. } => Some(false),
    }
}
