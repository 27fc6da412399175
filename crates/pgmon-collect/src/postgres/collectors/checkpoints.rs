//! Checkpoints and who writes buffers: one family over all versions, from `pg_stat_bgwriter` up to 16
//! and from `pg_stat_checkpointer` after.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use crate::postgres::origin::Origin;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

mod recent;
use recent::Recent;

#[cfg(test)]
mod tests;

/// The server's checkpoint figures; counters run since their `*_stats_reset`.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "CheckpointsRow")]
pub struct Row {
    /// Checkpoints due by `checkpoint_timeout`; up to 16 on a standby: restartpoints.
    pub timed: i64,
    /// Checkpoints asked for: `max_wal_size` was reached, or by `CHECKPOINT`, a backup, `CREATE DATABASE` and the like.
    pub requested: i64,
    /// Checkpoints done, without those skipped for want of activity (18+).
    pub done: Option<i64>,
    /// Restartpoints due by time (17+).
    pub restartpoints_timed: Option<i64>,
    /// Restartpoints asked for (17+).
    pub restartpoints_requested: Option<i64>,
    /// Restartpoints done (17+).
    pub restartpoints_done: Option<i64>,
    /// Time spent writing files in checkpoints, seconds.
    pub write_seconds: f64,
    /// Time spent syncing files in checkpoints, seconds.
    pub sync_seconds: f64,
    /// Buffers written by checkpoints.
    pub buffers_written: i64,
    /// SLRU buffers written by checkpoints (18+).
    pub slru_written: Option<i64>,
    /// Buffers written by the background writer.
    pub buffers_clean: i64,
    /// How often the background writer stopped because it had written too many.
    pub maxwritten_clean: i64,
    /// Buffers allocated.
    pub buffers_alloc: i64,
    /// Buffers written by backends themselves (up to 16; later in `pg_stat_io`).
    pub buffers_backend: Option<i64>,
    /// How often a backend had to sync by itself (up to 16).
    pub buffers_backend_fsync: Option<i64>,
    /// When the last checkpoint (on a standby: restartpoint) began.
    pub last_checkpoint_at: Option<Time>,
    /// How long ago that is, seconds.
    pub last_checkpoint_age_seconds: Option<f64>,
    /// WAL since that checkpoint's redo position, bytes: what a crash would have to replay.
    pub redo_lag_bytes: Option<i64>,
    /// The timeline of the last checkpoint.
    pub timeline: Option<i64>,
    /// Of a primary: the timeline that it writes on, as the first part of a WAL file's name (hexadecimal).
    #[serde(skip)]
    pub written_timeline: Option<String>,
    /// When the checkpoint counters began.
    pub checkpointer_stats_reset: Option<Time>,
    /// When the background writer's counters began.
    pub bgwriter_stats_reset: Option<Time>,
    /// How far back the figures of the last time go, seconds: an hour at most, as far as pgmon has seen it.
    #[sqlx(skip)]
    pub recent_seconds: Option<f64>,
    /// Checkpoints due by time in it.
    #[sqlx(skip)]
    pub recent_timed: Option<i64>,
    /// Checkpoints asked for in it.
    #[sqlx(skip)]
    pub recent_requested: Option<i64>,
}

const TIMED: Desc = Desc::counter(
    "pg_checkpoints_timed_total",
    "Checkpoints due by checkpoint_timeout, also those skipped for want of activity.",
    &[],
);
const REQUESTED: Desc = Desc::counter(
    "pg_checkpoints_requested_total",
    "Checkpoints requested: max_wal_size was reached, or by CHECKPOINT, a backup, CREATE DATABASE and the like.",
    &[],
);
const DONE: Desc = Desc::counter("pg_checkpoints_done_total", "Checkpoints done (PostgreSQL 18+).", &[]);
const RESTART_TIMED: Desc = Desc::counter(
    "pg_restartpoints_timed_total",
    "Restartpoints of a standby due by time (PostgreSQL 17+; before in pg_checkpoints_timed_total).",
    &[],
);
const RESTART_REQUESTED: Desc = Desc::counter(
    "pg_restartpoints_requested_total",
    "Restartpoints of a standby requested (PostgreSQL 17+; before in pg_checkpoints_requested_total).",
    &[],
);
const RESTART_DONE: Desc =
    Desc::counter("pg_restartpoints_done_total", "Restartpoints of a standby done (PostgreSQL 17+).", &[]);
const WRITE_TIME: Desc = Desc::counter(
    "pg_checkpoint_write_seconds_total",
    "Time that checkpoints spent writing files, seconds.",
    &[],
);
const SYNC_TIME: Desc = Desc::counter(
    "pg_checkpoint_sync_seconds_total",
    "Time that checkpoints spent syncing files, seconds.",
    &[],
);
const WRITTEN: Desc =
    Desc::counter("pg_checkpoint_buffers_written_total", "Shared buffers written by checkpoints.", &[]);
const SLRU_WRITTEN: Desc = Desc::counter(
    "pg_checkpoint_slru_written_total",
    "SLRU buffers written by checkpoints (PostgreSQL 18+).",
    &[],
);
const CLEAN: Desc =
    Desc::counter("pg_bgwriter_buffers_clean_total", "Shared buffers written by the background writer.", &[]);
const MAXWRITTEN: Desc = Desc::counter(
    "pg_bgwriter_maxwritten_clean_total",
    "Times that the background writer stopped a scan because it had written too many buffers.",
    &[],
);
const ALLOC: Desc = Desc::counter("pg_buffers_alloc_total", "Shared buffers allocated.", &[]);
const BACKEND: Desc = Desc::counter(
    "pg_buffers_backend_total",
    "Shared buffers written by backends themselves (PostgreSQL 12-16; later in the figures of pg_stat_io).",
    &[],
);
const BACKEND_FSYNC: Desc = Desc::counter(
    "pg_buffers_backend_fsync_total",
    "Times that a backend had to sync a file by itself (PostgreSQL 12-16).",
    &[],
);
const LAST: Desc = Desc::gauge(
    "pg_last_checkpoint_timestamp_seconds",
    "When the last checkpoint (on a standby: restartpoint) began, seconds since 1970.",
    &[],
);
const AGE: Desc = Desc::gauge(
    "pg_last_checkpoint_age_seconds",
    "How long ago the last checkpoint (on a standby: restartpoint) began, seconds by the server's clock.",
    &[],
);
const REDO: Desc = Desc::gauge(
    "pg_checkpoint_redo_lag_bytes",
    "WAL since the redo position of the last checkpoint, bytes: what recovery from a crash would replay.",
    &[],
);
const TIMELINE: Desc =
    Desc::gauge("pg_timeline_id", "The timeline of the last checkpoint; it grows at each promotion.", &[]);

/// See the module's head.
#[derive(Debug)]
pub struct Checkpoints {
    /// Where the counters are from that `recent` compares.
    from: Option<(Origin, Option<Time>)>,
    recent: Recent,
}

impl Collector for Checkpoints {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "checkpoints",
        title: "Checkpoints and background writer",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[
            pg(12, include_str!("checkpoints/pg12.sql")),
            pg(17, include_str!("checkpoints/pg17.sql")),
            pg(18, include_str!("checkpoints/pg18.sql")),
        ],
        follow_ups: &[],
        families: &[
            &TIMED,
            &REQUESTED,
            &DONE,
            &RESTART_TIMED,
            &RESTART_REQUESTED,
            &RESTART_DONE,
            &WRITE_TIME,
            &SYNC_TIME,
            &WRITTEN,
            &SLRU_WRITTEN,
            &CLEAN,
            &MAXWRITTEN,
            &ALLOC,
            &BACKEND,
            &BACKEND_FSYNC,
            &LAST,
            &AGE,
            &REDO,
            &TIMELINE,
        ],
        needs: &[],
        blind_effect: "how often and how long checkpoints run",
    };

    fn new(_settings: &Settings) -> Self {
        Self { from: None, recent: Recent::default() }
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        let Some(row) = rows.first_mut() else { return };
        let from = Some((Origin::of(&cx.facts), row.checkpointer_stats_reset));
        if self.from != from {
            (self.from, self.recent) = (from, Recent::default());
        }
        if let Some((over, timed, requested)) = self.recent.add(cx.mono, row.timed, row.requested) {
            row.recent_seconds = Some(over.as_secs_f64());
            (row.recent_timed, row.recent_requested) = (Some(timed), Some(requested));
        }
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows.iter().take(1) {
            for (desc, value) in [
                (&TIMED, Some(row.timed)),
                (&REQUESTED, Some(row.requested)),
                (&DONE, row.done),
                (&RESTART_TIMED, row.restartpoints_timed),
                (&RESTART_REQUESTED, row.restartpoints_requested),
                (&RESTART_DONE, row.restartpoints_done),
                (&WRITTEN, Some(row.buffers_written)),
                (&SLRU_WRITTEN, row.slru_written),
                (&CLEAN, Some(row.buffers_clean)),
                (&MAXWRITTEN, Some(row.maxwritten_clean)),
                (&ALLOC, Some(row.buffers_alloc)),
                (&BACKEND, row.buffers_backend),
                (&BACKEND_FSYNC, row.buffers_backend_fsync),
                // A restartpoint may be newer than what was replayed when the statement began.
                (&REDO, row.redo_lag_bytes.map(|b| b.max(0))),
                (&TIMELINE, row.timeline),
            ] {
                out.push_opt(desc, &[], value.map(|v| v as f64));
            }
            out.push(&WRITE_TIME, &[], row.write_seconds);
            out.push(&SYNC_TIME, &[], row.sync_seconds);
            out.push_opt(&LAST, &[], row.last_checkpoint_at.map(|t| t.0.as_duration().as_secs_f64()));
            out.push_opt(&AGE, &[], row.last_checkpoint_age_seconds.map(|s| s.max(0.0)));
        }
        Vec::new()
    }
}
