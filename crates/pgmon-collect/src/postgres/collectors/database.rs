//! Activity of every database of the server: transactions, rows, blocks, sessions, conflicts.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

/// A database's counters since their last reset.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[sqlx(default)]
#[schemars(rename = "DatabaseRow")]
pub struct Row {
    /// Its name; `null` for the catalogs that all databases share.
    pub datname: Option<String>,
    /// Sessions in it now.
    pub numbackends: Option<i32>,
    /// Transactions committed.
    pub xact_commit: i64,
    /// Transactions rolled back.
    pub xact_rollback: i64,
    /// Blocks that had to be read from the system.
    pub blks_read: i64,
    /// Blocks found in the buffer cache.
    pub blks_hit: i64,
    /// Rows read by scans.
    pub tup_returned: i64,
    /// Rows fetched by index scans.
    pub tup_fetched: i64,
    /// Rows inserted.
    pub tup_inserted: i64,
    /// Rows updated.
    pub tup_updated: i64,
    /// Rows deleted.
    pub tup_deleted: i64,
    /// Temporary files written.
    pub temp_files: i64,
    /// What was written to them, bytes.
    pub temp_bytes: i64,
    /// Queries cancelled on a standby because they conflicted with the replay.
    pub conflicts: i64,
    /// Deadlocks.
    pub deadlocks: i64,
    /// Pages whose checksum was wrong; `null` where data checksums are off.
    pub checksum_failures: Option<i64>,
    /// When the last such page was met.
    pub checksum_last_failure: Option<Time>,
    /// Time spent on reading blocks, seconds; 0 unless `track_io_timing` is on.
    pub blk_read_time_seconds: f64,
    /// Time spent on writing blocks, seconds; 0 unless `track_io_timing` is on.
    pub blk_write_time_seconds: f64,
    /// Time that sessions lasted, seconds (14+).
    pub session_time_seconds: Option<f64>,
    /// Time that sessions were active, seconds (14+).
    pub active_time_seconds: Option<f64>,
    /// Time that sessions were idle in a transaction, seconds (14+).
    pub idle_in_transaction_time_seconds: Option<f64>,
    /// Sessions established (14+).
    pub sessions: Option<i64>,
    /// Sessions whose client vanished (14+).
    pub sessions_abandoned: Option<i64>,
    /// Sessions ended by a fatal error (14+).
    pub sessions_fatal: Option<i64>,
    /// Sessions ended by an operator (14+).
    pub sessions_killed: Option<i64>,
    /// Parallel workers that plans asked for (18+).
    pub parallel_workers_to_launch: Option<i64>,
    /// Parallel workers that were started (18+).
    pub parallel_workers_launched: Option<i64>,
    /// When the counters were reset; `null` if never.
    pub stats_reset: Option<Time>,
    /// On a standby: queries cancelled because of a dropped tablespace.
    pub conflicts_tablespace: Option<i64>,
    /// On a standby: queries cancelled because of a lock.
    pub conflicts_lock: Option<i64>,
    /// On a standby: queries cancelled because their snapshot was too old.
    pub conflicts_snapshot: Option<i64>,
    /// On a standby: queries cancelled because of a pinned buffer.
    pub conflicts_bufferpin: Option<i64>,
    /// On a standby: queries cancelled because of a deadlock with the replay.
    pub conflicts_deadlock: Option<i64>,
    /// On a standby: logical slots invalidated by the replay (16+).
    pub conflicts_logicalslot: Option<i64>,
}

/// The label of what belongs to no database. Label values made of names hold no parentheses.
const SHARED: &str = "(shared)";

const fn of_database(name: &'static str, help: &'static str) -> Desc {
    Desc::counter(name, help, &["datname"])
}

const NUMBACKENDS: Desc =
    Desc::gauge("pg_database_numbackends", "Sessions connected to a database.", &["datname"]);
const COMMITS: Desc =
    of_database("pg_stat_database_xact_commit_total", "Transactions committed in a database.");
const ROLLBACKS: Desc =
    of_database("pg_stat_database_xact_rollback_total", "Transactions rolled back in a database.");
const BLKS_READ: Desc = of_database(
    "pg_stat_database_blks_read_total",
    "Blocks that a database had to read because the buffer cache did not hold them.",
);
const BLKS_HIT: Desc =
    of_database("pg_stat_database_blks_hit_total", "Blocks that a database found in the buffer cache.");
const RETURNED: Desc =
    of_database("pg_stat_database_tup_returned_total", "Rows that scans read in a database.");
const FETCHED: Desc =
    of_database("pg_stat_database_tup_fetched_total", "Rows that index scans fetched in a database.");
const INSERTED: Desc = of_database("pg_stat_database_tup_inserted_total", "Rows inserted in a database.");
const UPDATED: Desc = of_database("pg_stat_database_tup_updated_total", "Rows updated in a database.");
const DELETED: Desc = of_database("pg_stat_database_tup_deleted_total", "Rows deleted in a database.");
const TEMP_FILES: Desc = of_database(
    "pg_stat_database_temp_files_total",
    "Temporary files that queries of a database wrote, for example for sorts and hashes.",
);
const TEMP_BYTES: Desc = of_database(
    "pg_stat_database_temp_bytes_total",
    "Bytes that queries of a database wrote to temporary files.",
);
const CONFLICTS: Desc = of_database(
    "pg_stat_database_conflicts_total",
    "Queries of a standby's database that were cancelled because they conflicted with the replay.",
);
const DEADLOCKS: Desc = of_database("pg_stat_database_deadlocks_total", "Deadlocks in a database.");
const CHECKSUM_FAILURES: Desc = of_database(
    "pg_stat_database_checksum_failures_total",
    "Pages of a database whose checksum was wrong; absent where data checksums are off.",
);
const CHECKSUM_LAST_FAILURE: Desc = Desc::gauge(
    "pg_stat_database_checksum_last_failure_timestamp_seconds",
    "When the last page with a wrong checksum was met in a database, Unix time; absent if never.",
    &["datname"],
);
const READ_TIME: Desc = of_database(
    "pg_stat_database_blk_read_time_seconds_total",
    "Seconds that a database's sessions spent on reading blocks; absent unless track_io_timing is or was on.",
);
const WRITE_TIME: Desc = of_database(
    "pg_stat_database_blk_write_time_seconds_total",
    "Seconds that a database's sessions spent on writing blocks; absent unless track_io_timing is or was on.",
);
const SESSION_TIME: Desc = of_database(
    "pg_stat_database_session_time_seconds_total",
    "Seconds that sessions of a database lasted, added up.",
);
const ACTIVE_TIME: Desc = of_database(
    "pg_stat_database_active_time_seconds_total",
    "Seconds that sessions of a database were running a statement, added up.",
);
const IDLE_IN_TRANSACTION_TIME: Desc = of_database(
    "pg_stat_database_idle_in_transaction_time_seconds_total",
    "Seconds that sessions of a database were idle in a transaction, added up.",
);
const SESSIONS: Desc = of_database("pg_stat_database_sessions_total", "Sessions established to a database.");
const ABANDONED: Desc = of_database(
    "pg_stat_database_sessions_abandoned_total",
    "Sessions of a database that ended because the client was lost.",
);
const FATAL: Desc =
    of_database("pg_stat_database_sessions_fatal_total", "Sessions of a database that a fatal error ended.");
const KILLED: Desc =
    of_database("pg_stat_database_sessions_killed_total", "Sessions of a database that an operator ended.");
const WORKERS_PLANNED: Desc = of_database(
    "pg_stat_database_parallel_workers_to_launch_total",
    "Parallel workers that plans of a database asked for.",
);
const WORKERS_LAUNCHED: Desc = of_database(
    "pg_stat_database_parallel_workers_launched_total",
    "Parallel workers that were started for a database.",
);
const STATS_RESET: Desc = Desc::gauge(
    "pg_stats_reset_timestamp_seconds",
    "When a database's counters were last reset, Unix time; absent if never.",
    &["datname"],
);
const CONFLICTS_BY_KIND: Desc = Desc::counter(
    "pg_database_conflicts_total",
    "Conflicts with the replay on a standby, by their cause; absent on a primary.",
    &["datname", "kind"],
);

/// See the module's head.
pub struct Database;

impl Collector for Database {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "database",
        title: "Databases",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[
            pg(12, include_str!("database/pg12.sql")),
            pg(14, include_str!("database/pg14.sql")),
            pg(16, include_str!("database/pg16.sql")),
            pg(18, include_str!("database/pg18.sql")),
        ],
        follow_ups: &[],
        families: &[
            &NUMBACKENDS,
            &COMMITS,
            &ROLLBACKS,
            &BLKS_READ,
            &BLKS_HIT,
            &RETURNED,
            &FETCHED,
            &INSERTED,
            &UPDATED,
            &DELETED,
            &TEMP_FILES,
            &TEMP_BYTES,
            &CONFLICTS,
            &DEADLOCKS,
            &CHECKSUM_FAILURES,
            &CHECKSUM_LAST_FAILURE,
            &READ_TIME,
            &WRITE_TIME,
            &SESSION_TIME,
            &ACTIVE_TIME,
            &IDLE_IN_TRANSACTION_TIME,
            &SESSIONS,
            &ABANDONED,
            &FATAL,
            &KILLED,
            &WORKERS_PLANNED,
            &WORKERS_LAUNCHED,
            &STATS_RESET,
            &CONFLICTS_BY_KIND,
        ],
        needs: &[],
        blind_effect: "",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let timed = cx.facts.setting_on("track_io_timing") == Some(true);
        for row in rows {
            let datname = row.datname.as_deref().map(label::name);
            let datname = datname.as_deref().unwrap_or(SHARED);
            out.push_opt(&NUMBACKENDS, &[datname], row.numbackends.map(f64::from));
            for (desc, value) in counters(row) {
                out.push_opt(desc, &[datname], value.map(|v| v as f64));
            }
            for (desc, value) in io_times(row) {
                // A role or a database may have the setting on although the server has not.
                out.push_opt(desc, &[datname], (timed || value > 0.0).then_some(value));
            }
            for (desc, value) in session_times(row) {
                out.push_opt(desc, &[datname], value);
            }
            out.push_opt(&CHECKSUM_LAST_FAILURE, &[datname], row.checksum_last_failure.map(unix));
            out.push_opt(&STATS_RESET, &[datname], row.stats_reset.map(unix));
            for (kind, value) in conflicts(row) {
                out.push_opt(&CONFLICTS_BY_KIND, &[datname, kind], value.map(|v| v as f64));
            }
        }
        Vec::new()
    }
}

fn counters(row: &Row) -> [(&'static Desc, Option<i64>); 20] {
    [
        (&COMMITS, Some(row.xact_commit)),
        (&ROLLBACKS, Some(row.xact_rollback)),
        (&BLKS_READ, Some(row.blks_read)),
        (&BLKS_HIT, Some(row.blks_hit)),
        (&RETURNED, Some(row.tup_returned)),
        (&FETCHED, Some(row.tup_fetched)),
        (&INSERTED, Some(row.tup_inserted)),
        (&UPDATED, Some(row.tup_updated)),
        (&DELETED, Some(row.tup_deleted)),
        (&TEMP_FILES, Some(row.temp_files)),
        (&TEMP_BYTES, Some(row.temp_bytes)),
        (&CONFLICTS, Some(row.conflicts)),
        (&DEADLOCKS, Some(row.deadlocks)),
        (&CHECKSUM_FAILURES, row.checksum_failures),
        (&SESSIONS, row.sessions),
        (&ABANDONED, row.sessions_abandoned),
        (&FATAL, row.sessions_fatal),
        (&KILLED, row.sessions_killed),
        (&WORKERS_PLANNED, row.parallel_workers_to_launch),
        (&WORKERS_LAUNCHED, row.parallel_workers_launched),
    ]
}

fn io_times(row: &Row) -> [(&'static Desc, f64); 2] {
    [(&READ_TIME, row.blk_read_time_seconds), (&WRITE_TIME, row.blk_write_time_seconds)]
}

fn session_times(row: &Row) -> [(&'static Desc, Option<f64>); 3] {
    [
        (&SESSION_TIME, row.session_time_seconds),
        (&ACTIVE_TIME, row.active_time_seconds),
        (&IDLE_IN_TRANSACTION_TIME, row.idle_in_transaction_time_seconds),
    ]
}

fn conflicts(row: &Row) -> [(&'static str, Option<i64>); 6] {
    [
        ("tablespace", row.conflicts_tablespace),
        ("lock", row.conflicts_lock),
        ("snapshot", row.conflicts_snapshot),
        ("bufferpin", row.conflicts_bufferpin),
        ("deadlock", row.conflicts_deadlock),
        ("logicalslot", row.conflicts_logicalslot),
    ]
}

fn unix(time: Time) -> f64 {
    time.0.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests;
