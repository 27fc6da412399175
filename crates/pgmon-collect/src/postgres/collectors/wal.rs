//! WAL written: how much, how fast, and what it waited for.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use jiff::Timestamp;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The server's WAL figures; counters run since `stats_reset`.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "WalRow")]
pub struct Row {
    /// Whether the server is a standby, which writes no WAL of its own.
    pub in_recovery: bool,
    /// The WAL position, bytes since the cluster was made: what is written, on a standby what is replayed.
    pub position_bytes: Option<i64>,
    /// WAL generated, bytes; before 14 the same as the position, absent on a standby.
    pub written_bytes: Option<i64>,
    /// WAL records generated (14+).
    pub records: Option<i64>,
    /// Full-page images among them (14+).
    pub full_page_images: Option<i64>,
    /// How often WAL had to be written out because the buffers were full (14+).
    pub buffers_full: Option<i64>,
    /// Writes of WAL buffers to disk (14 to 17).
    pub writes: Option<i64>,
    /// Syncs of WAL files (14 to 17).
    pub syncs: Option<i64>,
    /// Time spent writing, seconds (14 to 17, with `track_wal_io_timing`).
    pub write_seconds: Option<f64>,
    /// Time spent syncing, seconds (14 to 17, with `track_wal_io_timing`).
    pub sync_seconds: Option<f64>,
    /// When the counters began, where they can be reset (14+).
    pub stats_reset: Option<Time>,
    /// How fast the position moves, bytes per second since the round before; absent on a standby.
    #[sqlx(skip)]
    pub bytes_per_second: Option<f64>,
}

const BYTES: Desc = Desc::counter(
    "pg_wal_bytes_written_total",
    "WAL generated, bytes; a transaction's part may come at its end. Before PostgreSQL 14 the WAL position, and absent on a standby.",
    &[],
);
const RATE: Desc = Desc::gauge(
    "pg_wal_bytes_per_second",
    "How fast the WAL position moves, bytes per second since the round before, with what a segment switch skips; absent on a standby.",
    &[],
);
const POSITION: Desc = Desc::gauge(
    "pg_wal_position_bytes",
    "The WAL position, bytes since the cluster was made: written on a primary, replayed on a standby.",
    &[],
);
const RECORDS: Desc = Desc::counter("pg_wal_records_total", "WAL records generated (PostgreSQL 14+).", &[]);
const IMAGES: Desc =
    Desc::counter("pg_wal_fpi_total", "Full-page images in WAL generated (PostgreSQL 14+).", &[]);
const FULL: Desc = Desc::counter(
    "pg_wal_buffers_full_total",
    "Times that WAL was written to disk because the WAL buffers were full (PostgreSQL 14+).",
    &[],
);
const WRITES: Desc = Desc::counter(
    "pg_wal_writes_total",
    "Writes of WAL buffers to disk (PostgreSQL 14-17; later in the figures of pg_stat_io).",
    &[],
);
const SYNCS: Desc = Desc::counter(
    "pg_wal_syncs_total",
    "Syncs of WAL files (PostgreSQL 14-17; later in the figures of pg_stat_io).",
    &[],
);
const WRITE_TIME: Desc = Desc::counter(
    "pg_wal_write_seconds_total",
    "Time spent writing WAL, seconds (PostgreSQL 14-17, only with track_wal_io_timing).",
    &[],
);
const SYNC_TIME: Desc = Desc::counter(
    "pg_wal_sync_seconds_total",
    "Time spent syncing WAL, seconds (PostgreSQL 14-17, only with track_wal_io_timing).",
    &[],
);

/// Where a primary's WAL stood at the end of a round.
#[derive(Debug, Clone, PartialEq)]
struct Before {
    system_identifier: Option<String>,
    started_at: Timestamp,
    at: Duration,
    position: i64,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Wal {
    before: Option<Before>,
}

impl Wal {
    /// The rate is taken from the position and not from `pg_stat_wal`: a long transaction's WAL arrives
    /// there all at once, and it can be reset.
    fn rate(&mut self, row: &Row, cx: &Cx) -> Option<f64> {
        let now = (!row.in_recovery).then_some(row.position_bytes).flatten().map(|position| Before {
            system_identifier: cx.facts.system_identifier.clone(),
            started_at: cx.facts.started_at,
            at: cx.mono,
            position,
        });
        let before = std::mem::replace(&mut self.before, now);
        let (before, now) = (before?, self.before.as_ref()?);
        // The same data: known by its identifier, or else because the server has run on.
        let same = match (&before.system_identifier, &now.system_identifier) {
            (Some(a), Some(b)) => a == b,
            _ => before.started_at == now.started_at,
        };
        let seconds = now.at.checked_sub(before.at)?.as_secs_f64();
        (same && now.position >= before.position && seconds > 0.0)
            .then(|| (now.position - before.position) as f64 / seconds)
    }
}

impl Collector for Wal {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "wal",
        title: "WAL",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[
            pg(12, include_str!("wal/pg12.sql")),
            pg(14, include_str!("wal/pg14.sql")),
            pg(18, include_str!("wal/pg18.sql")),
        ],
        follow_ups: &[],
        families: &[
            &BYTES,
            &RATE,
            &POSITION,
            &RECORDS,
            &IMAGES,
            &FULL,
            &WRITES,
            &SYNCS,
            &WRITE_TIME,
            &SYNC_TIME,
        ],
        needs: &[],
        blind_effect: "how much WAL is written",
    };

    fn new(_settings: &Settings) -> Self {
        Self::default()
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        if let Some(row) = rows.first_mut() {
            row.bytes_per_second = self.rate(row, cx);
        }
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows.iter().take(1) {
            for (desc, value) in [
                (&BYTES, row.written_bytes),
                (&POSITION, row.position_bytes),
                (&RECORDS, row.records),
                (&IMAGES, row.full_page_images),
                (&FULL, row.buffers_full),
                (&WRITES, row.writes),
                (&SYNCS, row.syncs),
            ] {
                out.push_opt(desc, &[], value.map(|v| v as f64));
            }
            out.push_opt(&RATE, &[], row.bytes_per_second);
            out.push_opt(&WRITE_TIME, &[], row.write_seconds);
            out.push_opt(&SYNC_TIME, &[], row.sync_seconds);
        }
        Vec::new()
    }
}
