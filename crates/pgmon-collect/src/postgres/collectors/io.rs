//! Reads, writes and the like by kind of process, object and context (`pg_stat_io`, 16+).

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::origin::Origin;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::collections::BTreeMap;

/// What one kind of process did to one kind of object in one context since the last reset;
/// `null` where it never does such a thing.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "IoRow")]
pub struct Row {
    /// `client backend`, `autovacuum worker`, `checkpointer`, ...
    pub backend_type: String,
    /// `relation`, `temp relation` or `wal` (18+).
    pub object: String,
    /// `normal`, `vacuum`, `bulkread`, `bulkwrite` or `init` (18+).
    pub context: String,
    /// Reads.
    pub reads: Option<i64>,
    /// Writes.
    pub writes: Option<i64>,
    /// Blocks handed to the kernel for writing back.
    pub writebacks: Option<i64>,
    /// Extensions of a relation.
    pub extends: Option<i64>,
    /// Blocks found in the buffer cache.
    pub hits: Option<i64>,
    /// Blocks thrown out of the buffer cache or a ring to make room.
    pub evictions: Option<i64>,
    /// Ring buffers used again.
    pub reuses: Option<i64>,
    /// `fsync` calls.
    pub fsyncs: Option<i64>,
    /// Bytes read.
    pub read_bytes: Option<i64>,
    /// Bytes written.
    pub write_bytes: Option<i64>,
    /// Bytes by which relations grew.
    pub extend_bytes: Option<i64>,
    /// Time spent on reads, seconds; `null` unless `track_io_timing` (for WAL `track_wal_io_timing`) is on.
    pub read_seconds: Option<f64>,
    /// The same on writes.
    pub write_seconds: Option<f64>,
    /// The same on handing blocks to the kernel.
    pub writeback_seconds: Option<f64>,
    /// The same on extensions.
    pub extend_seconds: Option<f64>,
    /// The same on `fsync` calls.
    pub fsync_seconds: Option<f64>,
}

const LABELS: &[&str] = &["backend_type", "object", "context"];

const READS: Desc =
    Desc::counter("pg_io_reads_total", "Reads by kind of process, object and context.", LABELS);
const WRITES: Desc =
    Desc::counter("pg_io_writes_total", "Writes by kind of process, object and context.", LABELS);
const WRITEBACKS: Desc = Desc::counter(
    "pg_io_writebacks_total",
    "Blocks handed to the kernel for writing back, by kind of process, object and context.",
    LABELS,
);
const EXTENDS: Desc = Desc::counter(
    "pg_io_extends_total",
    "Extensions of relations by kind of process, object and context.",
    LABELS,
);
const HITS: Desc = Desc::counter(
    "pg_io_hits_total",
    "Blocks found in the buffer cache by kind of process, object and context.",
    LABELS,
);
const EVICTIONS: Desc = Desc::counter(
    "pg_io_evictions_total",
    "Blocks thrown out of a buffer to make room, by kind of process, object and context.",
    LABELS,
);
const REUSES: Desc = Desc::counter(
    "pg_io_reuses_total",
    "Buffers of a ring that were used again, by kind of process, object and context.",
    LABELS,
);
const FSYNCS: Desc =
    Desc::counter("pg_io_fsyncs_total", "fsync calls by kind of process, object and context.", LABELS);
const READ_BYTES: Desc =
    Desc::counter("pg_io_read_bytes_total", "Bytes read by kind of process, object and context.", LABELS);
const WRITE_BYTES: Desc =
    Desc::counter("pg_io_write_bytes_total", "Bytes written by kind of process, object and context.", LABELS);
const EXTEND_BYTES: Desc = Desc::counter(
    "pg_io_extend_bytes_total",
    "Bytes by which relations were extended, by kind of process, object and context.",
    LABELS,
);
const READ_SECONDS: Desc = Desc::counter(
    "pg_io_read_seconds_total",
    "Seconds spent on reads; absent unless track_io_timing (for WAL track_wal_io_timing) is on.",
    LABELS,
);
const WRITE_SECONDS: Desc = Desc::counter(
    "pg_io_write_seconds_total",
    "Seconds spent on writes; absent unless track_io_timing (for WAL track_wal_io_timing) is on.",
    LABELS,
);
const WRITEBACK_SECONDS: Desc = Desc::counter(
    "pg_io_writeback_seconds_total",
    "Seconds spent on handing blocks to the kernel for writing back; absent unless track_io_timing is on.",
    LABELS,
);
const EXTEND_SECONDS: Desc = Desc::counter(
    "pg_io_extend_seconds_total",
    "Seconds spent on extending relations; absent unless track_io_timing is on.",
    LABELS,
);
const FSYNC_SECONDS: Desc = Desc::counter(
    "pg_io_fsync_seconds_total",
    "Seconds spent in fsync; absent unless track_io_timing (for WAL track_wal_io_timing) is on.",
    LABELS,
);

/// See the module's head.
pub struct Io {
    /// Everything that has ever done I/O, so that its series stay at 0 after a reset.
    seen: BTreeMap<[String; 3], Row>,
    origin: Option<Origin>,
}

impl Collector for Io {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "io",
        title: "I/O by kind of process",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[pg(16, include_str!("io/pg16.sql")), pg(18, include_str!("io/pg18.sql"))],
        follow_ups: &[],
        families: &[
            &READS,
            &WRITES,
            &WRITEBACKS,
            &EXTENDS,
            &HITS,
            &EVICTIONS,
            &REUSES,
            &FSYNCS,
            &READ_BYTES,
            &WRITE_BYTES,
            &EXTEND_BYTES,
            &READ_SECONDS,
            &WRITE_SECONDS,
            &WRITEBACK_SECONDS,
            &EXTEND_SECONDS,
            &FSYNC_SECONDS,
        ],
        needs: &[],
        blind_effect: "",
    };

    fn new(_settings: &Settings) -> Self {
        Self { seen: BTreeMap::new(), origin: None }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let origin = Origin::of(&cx.facts);
        if self.origin.as_ref() != Some(&origin) {
            self.seen.clear();
            self.origin = Some(origin);
        }
        // The statement leaves out what has done nothing: of what is known, that is what was reset.
        for row in self.seen.values_mut() {
            row.reset();
        }
        for row in rows {
            let key = [row.backend_type.clone(), row.object.clone(), row.context.clone()];
            self.seen.insert(key, row.clone());
        }
        for row in self.seen.values() {
            push(row, out);
        }
        Vec::new()
    }
}

impl Row {
    /// Everything that it does becomes 0; what it never does stays unknown.
    fn reset(&mut self) {
        for count in [
            &mut self.reads,
            &mut self.writes,
            &mut self.writebacks,
            &mut self.extends,
            &mut self.hits,
            &mut self.evictions,
            &mut self.reuses,
            &mut self.fsyncs,
            &mut self.read_bytes,
            &mut self.write_bytes,
            &mut self.extend_bytes,
        ] {
            *count = count.map(|_| 0);
        }
        for seconds in [
            &mut self.read_seconds,
            &mut self.write_seconds,
            &mut self.writeback_seconds,
            &mut self.extend_seconds,
            &mut self.fsync_seconds,
        ] {
            *seconds = seconds.map(|_| 0.0);
        }
    }
}

fn push(row: &Row, out: &mut Families) {
    let labels: &[&str] = &[&row.backend_type, &row.object, &row.context];
    for (desc, count) in [
        (&READS, row.reads),
        (&WRITES, row.writes),
        (&WRITEBACKS, row.writebacks),
        (&EXTENDS, row.extends),
        (&HITS, row.hits),
        (&EVICTIONS, row.evictions),
        (&REUSES, row.reuses),
        (&FSYNCS, row.fsyncs),
        (&READ_BYTES, row.read_bytes),
        (&WRITE_BYTES, row.write_bytes),
        (&EXTEND_BYTES, row.extend_bytes),
    ] {
        out.push_opt(desc, labels, count.map(|c| c as f64));
    }
    for (desc, seconds) in [
        (&READ_SECONDS, row.read_seconds),
        (&WRITE_SECONDS, row.write_seconds),
        (&WRITEBACK_SECONDS, row.writeback_seconds),
        (&EXTEND_SECONDS, row.extend_seconds),
        (&FSYNC_SECONDS, row.fsync_seconds),
    ] {
        out.push_opt(desc, labels, seconds);
    }
}

#[cfg(test)]
mod tests;
