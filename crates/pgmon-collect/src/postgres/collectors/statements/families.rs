//! What a round's entries look like to its readers.

use super::entry::{Entry, Figures};
use super::histogram::Histogram;
use super::latency::Moments;
use super::percentile::{Method, p95};
use super::{Before, Info, Row};
use crate::postgres::facts::Facts;
use pgmon_core::metric::{Desc, Families};
use std::sync::Arc;

const QPS: Desc = Desc::gauge(
    "pg_qps",
    "Statements a second that clients ran in this database over the last interval, as pg_stat_statements counted them; without those of pgmon's own role, unless that is a superuser.",
    &[],
);
const MEAN: Desc = Desc::gauge(
    "pg_query_latency_seconds_mean",
    "Mean execution time in seconds of the statements that clients ran in this database over the last interval; without those of pgmon's own role, unless that is a superuser; absent without any.",
    &[],
);
const P95: Desc = Desc::gauge(
    "pg_query_latency_seconds_p95",
    "95th percentile in seconds of execution times over the last interval; pg_query_latency_p95_info says how it was got. From the histograms of pg_stat_monitor (2.1+) it is exact to the width of a bucket, in which its place is estimated. Else it is an estimate: each statement's times are taken to be log-normal with the mean and deviation that they had in the interval, weighted by its calls. Without the statements of pgmon's own role, unless that is a superuser; absent without any.",
    &[],
);
const P95_METHOD: Desc = Desc::gauge(
    "pg_query_latency_p95_info",
    "Always 1; the label says how pg_query_latency_seconds_p95 was got: histogram (of pg_stat_monitor) or estimate.",
    &["method"],
);
const CALLS: Desc = Desc::counter(
    "pg_stmt_calls_total",
    "Calls of a top statement by all roles but pgmon's own (unless that is a superuser); it grows also when the server drops a part of the entries.",
    &["queryid"],
);
const TIME: Desc = Desc::counter(
    "pg_stmt_time_seconds_total",
    "Execution time of a top statement in seconds.",
    &["queryid"],
);
const PLAN_TIME: Desc = Desc::counter(
    "pg_stmt_plan_seconds_total",
    "Planning time of a top statement in seconds; absent unless pg_stat_statements.track_planning is or was on.",
    &["queryid"],
);
const ROWS: Desc =
    Desc::counter("pg_stmt_rows_total", "Rows that a top statement returned or affected.", &["queryid"]);
const BLKS_HIT: Desc = Desc::counter(
    "pg_stmt_shared_blks_hit_total",
    "Blocks that a top statement found in the buffer cache.",
    &["queryid"],
);
const BLKS_READ: Desc = Desc::counter(
    "pg_stmt_shared_blks_read_total",
    "Blocks that a top statement had to read into the buffer cache.",
    &["queryid"],
);
const BLK_READ_TIME: Desc = Desc::counter(
    "pg_stmt_blk_read_seconds_total",
    "Seconds that a top statement spent on reading blocks; absent unless track_io_timing is or was on.",
    &["queryid"],
);
const TEMP_WRITTEN: Desc = Desc::counter(
    "pg_stmt_temp_blks_written_total",
    "Blocks of temporary files that a top statement wrote.",
    &["queryid"],
);
const WAL: Desc =
    Desc::counter("pg_stmt_wal_bytes_total", "Bytes of WAL that a top statement wrote.", &["queryid"]);
const ENTRIES: Desc = Desc::gauge(
    "pg_stmt_entries",
    "Entries that pg_stat_statements holds for all databases of the server, counted every ten rounds.",
    &[],
);
const ENTRIES_MAX: Desc = Desc::gauge(
    "pg_stmt_entries_max",
    "Entries that pg_stat_statements can hold (pg_stat_statements.max); beyond that it drops the least used.",
    &[],
);
const DEALLOC: Desc = Desc::counter(
    "pg_stmt_dealloc_total",
    "How often pg_stat_statements dropped its least used entries to make room.",
    &[],
);
const STATS_RESET: Desc = Desc::gauge(
    "pg_stmt_stats_reset_timestamp_seconds",
    "When all statistics of pg_stat_statements were last reset, Unix time.",
    &[],
);

/// All families.
pub const ALL: &[&Desc] = &[
    &QPS,
    &MEAN,
    &P95,
    &P95_METHOD,
    &CALLS,
    &TIME,
    &PLAN_TIME,
    &ROWS,
    &BLKS_HIT,
    &BLKS_READ,
    &BLK_READ_TIME,
    &TEMP_WRITTEN,
    &WAL,
    &ENTRIES,
    &ENTRIES_MAX,
    &DEALLOC,
    &STATS_RESET,
];

/// What all statements did in an interval.
pub struct Overall {
    pub calls: f64,
    pub exec_ms: f64,
    times: Vec<Moments>,
}

impl Overall {
    /// Of the statements that clients sent: what those ran in turn is part of their time.
    pub fn of(now: &[Entry], before: Option<&Before>) -> Option<Self> {
        let before = before?;
        let mut all = Self { calls: 0.0, exec_ms: 0.0, times: Vec::new() };
        for entry in now.iter().filter(|e| e.is_toplevel()) {
            let (figures, times) = entry.since(&before.entries);
            if figures.calls > 0.0 {
                all.calls += figures.calls;
                all.exec_ms += figures.exec_ms;
                all.times.push(times);
            }
        }
        Some(all)
    }

    /// Rate and latency.
    pub fn push(&self, seconds: f64, histogram: Option<&Histogram<'_>>, out: &mut Families) {
        out.push(&QPS, &[], self.calls / seconds);
        if self.calls > 0.0 {
            out.push(&MEAN, &[], self.exec_ms / self.calls / 1e3);
        }
        if let Some((ms, method)) = p95(&self.times, histogram) {
            out.push(&P95, &[], ms / 1e3);
            out.push(&P95_METHOD, &[method.name()], 1.0);
        }
    }
}

/// Which times the server takes. One that it does not take is 0 everywhere: that is not a figure.
pub struct Detail {
    planning: bool,
    io: bool,
}

impl Detail {
    /// By the setting, or because some session had it on.
    pub fn of(now: &[Entry], facts: &Facts) -> Self {
        Self {
            planning: now.iter().any(|e| e.figures.plan_ms > 0.0),
            io: facts.setting_on("track_io_timing") == Some(true)
                || now.iter().any(|e| e.figures.blk_read_ms > 0.0),
        }
    }
}

/// A statement's counters.
pub fn push(queryid: &str, total: &Figures, detail: &Detail, out: &mut Families) {
    out.push(&CALLS, &[queryid], total.calls);
    out.push(&TIME, &[queryid], total.exec_ms / 1e3);
    out.push(&ROWS, &[queryid], total.rows);
    out.push(&BLKS_HIT, &[queryid], total.blks_hit);
    out.push(&BLKS_READ, &[queryid], total.blks_read);
    out.push(&TEMP_WRITTEN, &[queryid], total.temp_written);
    out.push(&WAL, &[queryid], total.wal_bytes);
    if detail.planning {
        out.push(&PLAN_TIME, &[queryid], total.plan_ms / 1e3);
    }
    if detail.io {
        out.push(&BLK_READ_TIME, &[queryid], total.blk_read_ms / 1e3);
    }
}

/// What `pg_stat_statements` says of itself.
pub fn push_info(info: &Info, facts: &Facts, out: &mut Families) {
    out.push_opt(&ENTRIES, &[], info.entries);
    out.push_opt(&ENTRIES_MAX, &[], facts.setting("pg_stat_statements.max"));
    out.push_opt(&DEALLOC, &[], info.dealloc);
    out.push_opt(&STATS_RESET, &[], info.stats_reset.map(|t| t.as_microsecond() as f64 / 1e6));
}

/// What a statement did in an interval.
pub struct Interval {
    pub figures: Figures,
    pub seconds: f64,
    /// The 95th percentile, ms.
    pub p95: Option<(f64, Method)>,
    /// Execution time of all statements.
    pub all_ms: f64,
}

/// A statement's row.
pub fn row(
    queryid: i64,
    text: Option<Arc<str>>,
    total: &Figures,
    interval: Option<&Interval>,
    detail: &Detail,
) -> Row {
    let known = |value: f64| value.is_finite().then_some(value);
    let ratio = |part: f64, whole: f64| if whole > 0.0 { known(part / whole) } else { None };
    Row {
        queryid: queryid.to_string(),
        text,
        calls_per_second: interval.and_then(|i| ratio(i.figures.calls, i.seconds)),
        rows_per_second: interval.and_then(|i| ratio(i.figures.rows, i.seconds)),
        mean_ms: interval.and_then(|i| ratio(i.figures.exec_ms, i.figures.calls)),
        p95_ms: interval.and_then(|i| i.p95).map(|(ms, _)| ms),
        p95_method: interval.and_then(|i| i.p95).map(|(_, method)| method),
        time_share: interval.and_then(|i| ratio(i.figures.exec_ms, i.all_ms)),
        hit_ratio: interval.and_then(|i| ratio(i.figures.blks_hit, i.figures.blks_hit + i.figures.blks_read)),
        calls: total.calls,
        time_seconds: total.exec_ms / 1e3,
        rows: total.rows,
        shared_blks_hit: total.blks_hit,
        shared_blks_read: total.blks_read,
        temp_blks_written: total.temp_written,
        wal_bytes: known(total.wal_bytes),
        plan_seconds: if detail.planning { known(total.plan_ms / 1e3) } else { None },
        blk_read_seconds: detail.io.then_some(total.blk_read_ms / 1e3),
    }
}
