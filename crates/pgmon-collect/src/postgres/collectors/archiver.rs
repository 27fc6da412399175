//! The WAL archiver: whether it works, and what waits for it.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

#[cfg(test)]
mod tests;

/// The archiver's figures; counters run since `stats_reset`.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ArchiverRow")]
pub struct Row {
    /// `archive_mode`: `off`, `on`, `always`.
    pub mode: String,
    /// Whether this server archives: with `on` a standby does not.
    pub active: bool,
    /// Files archived.
    pub archived: i64,
    /// Attempts that failed.
    pub failed: i64,
    /// The file archived last.
    pub last_archived_wal: Option<String>,
    /// How long ago, seconds.
    pub last_archived_age_seconds: Option<f64>,
    /// The file that failed last.
    pub last_failed_wal: Option<String>,
    /// How long ago, seconds.
    pub last_failed_age_seconds: Option<f64>,
    /// Whether nothing was archived since the last failure, although it should be.
    pub failing: bool,
    /// Complete WAL segments past the last archived one; absent if that is not known.
    pub backlog_segments: Option<i64>,
    /// Bytes in a WAL segment.
    pub segment_bytes: i64,
    /// When the counters began.
    pub stats_reset: Option<Time>,
}

const ENABLED: Desc =
    Desc::gauge("pg_archiver_enabled", "1 if archive_mode is on or always, otherwise 0.", &[]);
const ARCHIVED: Desc = Desc::counter("pg_archiver_archived_total", "WAL files archived.", &[]);
const FAILED: Desc =
    Desc::counter("pg_archiver_failed_total", "Attempts to archive a WAL file that failed.", &[]);
const ARCHIVED_AGE: Desc = Desc::gauge(
    "pg_archiver_last_archived_age_seconds",
    "Time since the last WAL file was archived, seconds; absent if none was.",
    &[],
);
const FAILED_AGE: Desc = Desc::gauge(
    "pg_archiver_last_failed_age_seconds",
    "Time since an attempt to archive failed last, seconds; absent if none did.",
    &[],
);
const FAILING: Desc = Desc::gauge(
    "pg_archiver_failing",
    "1 if the last attempt to archive failed, otherwise 0; absent while archiving is off, as on a standby unless archive_mode is always.",
    &[],
);
const BACKLOG: Desc = Desc::gauge(
    "pg_archiver_backlog_segments",
    "Complete WAL segments that are not archived yet, by the name of the last archived one; absent if that is unknown.",
    &[],
);

/// See the module's head.
#[derive(Debug)]
pub struct Archiver;

impl Collector for Archiver {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "archiver",
        title: "WAL archiver",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("archiver/pg12.sql"))],
        follow_ups: &[],
        families: &[&ENABLED, &ARCHIVED, &FAILED, &ARCHIVED_AGE, &FAILED_AGE, &FAILING, &BACKLOG],
        needs: &[],
        blind_effect: "whether WAL is archived",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows.iter().take(1) {
            let enabled = row.mode != "off";
            out.push(&ENABLED, &[], f64::from(u8::from(enabled)));
            out.push(&ARCHIVED, &[], row.archived as f64);
            out.push(&FAILED, &[], row.failed as f64);
            out.push_opt(&ARCHIVED_AGE, &[], row.last_archived_age_seconds.map(|s| s.max(0.0)));
            out.push_opt(&FAILED_AGE, &[], row.last_failed_age_seconds.map(|s| s.max(0.0)));
            if row.active {
                out.push(&FAILING, &[], f64::from(u8::from(row.failing)));
            }
            out.push_opt(&BACKLOG, &[], row.backlog_segments.map(|n| n as f64));
        }
        Vec::new()
    }
}
