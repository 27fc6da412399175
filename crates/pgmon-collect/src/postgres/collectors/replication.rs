//! Replicas and subscribers as their source sees them: one row per WAL sender.
//!
//! A lag in bytes is the distance to the source's own position. A lag in seconds is what the replica
//! reported, unless that is wrong by what we saw ourselves: a replica that has caught up has no lag,
//! however long ago the last transaction was; one that no longer reports lags by at least the time since
//! the source went past its position.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings, Spec, pg};
use crate::postgres::positions::Positions;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod gone;
#[cfg(test)]
mod tests;

/// A WAL sender, or one that is gone. Positions are bytes since the cluster was made.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ReplicationRow")]
pub struct Row {
    /// Its process id.
    pub pid: i32,
    /// The client's `application_name`.
    pub application_name: Option<String>,
    /// The client's address; absent on a unix socket.
    pub client_addr: Option<String>,
    /// `startup`, `backup`, `catchup`, `streaming`, `stopping`.
    pub state: Option<String>,
    /// `async`, `potential`, `sync`, `quorum`.
    pub sync_state: Option<String>,
    /// Its place among the synchronous ones; 0 if asynchronous.
    pub sync_priority: Option<i32>,
    /// The slot that it uses.
    pub slot_name: Option<String>,
    /// Whether that is a logical one.
    pub logical: bool,
    /// Where the source stands.
    pub position_bytes: Option<i64>,
    /// What was sent.
    pub sent_bytes: Option<i64>,
    /// What the replica has written.
    pub write_bytes: Option<i64>,
    /// What the replica has synced.
    pub flush_bytes: Option<i64>,
    /// What the replica has replayed.
    pub replay_bytes: Option<i64>,
    /// `write_lag` as the server has it, seconds.
    pub write_lag_seconds: Option<f64>,
    /// `flush_lag` as the server has it, seconds.
    pub flush_lag_seconds: Option<f64>,
    /// `replay_lag` as the server has it, seconds: as the replica last reported it, absent when idle.
    pub replay_lag_seconds: Option<f64>,
    /// Time since the replica's last report by its own clock, seconds.
    pub reply_age_seconds: Option<f64>,
    /// For how long it has been connected, seconds.
    pub connected_seconds: Option<f64>,
    /// The value of the `replica` label.
    #[sqlx(skip)]
    pub replica: String,
    /// What is not replayed yet, bytes.
    #[sqlx(skip)]
    pub lag_bytes: Option<i64>,
    /// How far the replay is behind, seconds.
    #[sqlx(skip)]
    pub lag_seconds: Option<f64>,
    /// Set on a standby that streamed and does not any more: seconds since it was last seen. The rest is as it was
    /// then. Such a row is there for an hour, or until one of its name streams again.
    #[sqlx(skip)]
    pub gone_seconds: Option<f64>,
}

const SENDERS: Desc = Desc::gauge(
    "pg_replication_senders",
    "WAL senders: connected replicas, subscribers, pg_receivewal and base backups; also those of initial table copies, which have no further series.",
    &[],
);
const MAX_SENDERS: Desc = Desc::gauge("pg_max_wal_senders", "The setting max_wal_senders.", &[]);
const LAG_SECONDS: Desc = Desc::gauge(
    "pg_replication_lag_seconds",
    "How far the replica's replay is behind, seconds; 0 only if it has caught up, and growing while it does not report. Seen from the sending side; a standby's own view is pg_standby_replay_lag_seconds.",
    &["replica"],
);
const LAG_BYTES: Desc = Desc::gauge(
    "pg_replication_lag_bytes",
    "WAL that the replica has not replayed yet, bytes, from the sending server's own position.",
    &["replica"],
);
const STAGE_SECONDS: Desc = Desc::gauge(
    "pg_replication_stage_lag_seconds",
    "How far the replica is behind in writing, flushing and replaying, seconds.",
    &["replica", "stage"],
);
const STAGE_BYTES: Desc = Desc::gauge(
    "pg_replication_stage_lag_bytes",
    "WAL not yet sent to, or written, flushed and replayed by the replica, bytes.",
    &["replica", "stage"],
);
const STATE: Desc = Desc::gauge(
    "pg_replication_state",
    "1 for the replica's present state and synchronous state.",
    &["replica", "state", "sync_state"],
);

/// See the module's head.
#[derive(Debug, Default)]
pub struct Replication {
    positions: Positions,
    known: gone::Known,
}

impl Replication {
    /// How far behind a replica at `reached` is that reported `reported`.
    fn seconds(&self, now: Duration, row: &Row, reached: Option<i64>, reported: Option<f64>) -> Option<f64> {
        let reached = reached?;
        if row.position_bytes.is_some_and(|p| reached >= p) {
            return Some(0.0);
        }
        let least = self.positions.at_least(now, reached).as_secs_f64();
        match reported {
            Some(seconds) => Some(seconds.max(least)),
            // It is behind and has reported nothing: certain is only what we have seen.
            None if least > 0.0 => Some(least),
            None => None,
        }
    }
}

/// How many bytes `reached` is behind. The position is not read at the same instant: never below 0.
fn bytes(row: &Row, reached: Option<i64>) -> Option<i64> {
    Some((row.position_bytes? - reached?).max(0))
}

/// One distinct name per row: the application's, with the address where that is not unique, with a
/// number where even that is not (in the order of the rows: the one that connected first comes first).
fn names(rows: &[Row]) -> Vec<String> {
    let plain = |row: &Row| match row.application_name.as_deref() {
        None | Some("") => "unnamed".to_owned(),
        Some(name) => label::name(name),
    };
    let mut uses = BTreeMap::<String, u32>::new();
    for row in rows {
        *uses.entry(plain(row)).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = uses.iter().filter(|(_, n)| **n == 1).map(|(k, _)| k.clone()).collect();
    rows.iter()
        .map(|row| {
            let name = plain(row);
            if uses.get(&name) == Some(&1) {
                return name;
            }
            let base =
                format!("{name}/{}", row.client_addr.as_deref().map_or_else(|| "local".into(), label::name));
            let mut name = base.clone();
            let mut number = 1;
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{base}/{number}");
            }
            name
        })
        .collect()
}

/// Whether it serves the initial copy of a table, which ends by itself. A subscription names each of them
/// anew: `pg_<oid>_sync_<oid>_<system identifier>`, before 14 `<slot>_<oid>_sync_<oid>`.
fn is_table_copy(row: &Row) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let parts = row.application_name.as_deref().and_then(|name| name.rsplit_once("_sync_"));
    parts.is_some_and(|(before, after)| {
        before.rsplit_once('_').is_some_and(|(_, oid)| digits(oid)) && after.split('_').all(digits)
    })
}

impl Collector for Replication {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "replication",
        title: "Replicas",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("replication/pg12.sql"))],
        follow_ups: &[],
        families: &[&SENDERS, &MAX_SENDERS, &LAG_SECONDS, &LAG_BYTES, &STAGE_SECONDS, &STAGE_BYTES, &STATE],
        needs: &[Need::Monitor],
        blind_effect: "replicas: their state and their lag",
    };

    fn new(_settings: &Settings) -> Self {
        Self::default()
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        match rows.first().and_then(|r| r.position_bytes) {
            Some(position) => self.positions.push(cx.mono, position),
            None => self.positions.clear(),
        }
        let names = names(rows);
        for (row, name) in rows.iter_mut().zip(names) {
            row.replica = name;
            row.lag_bytes = bytes(row, row.replay_bytes);
            row.lag_seconds = self.seconds(cx.mono, row, row.replay_bytes, row.replay_lag_seconds);
        }
        self.known.look(rows, cx.facts.in_recovery, cx.mono);
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        out.push(&SENDERS, &[], rows.len() as f64);
        out.push_opt(&MAX_SENDERS, &[], cx.facts.setting("max_wal_senders"));
        for row in rows.iter().filter(|row| !is_table_copy(row)) {
            let replica = row.replica.as_str();
            out.push_opt(&LAG_SECONDS, &[replica], row.lag_seconds);
            out.push_opt(&LAG_BYTES, &[replica], row.lag_bytes.map(|b| b as f64));
            for (stage, reached) in [
                ("sent", row.sent_bytes),
                ("write", row.write_bytes),
                ("flush", row.flush_bytes),
                ("replay", row.replay_bytes),
            ] {
                out.push_opt(&STAGE_BYTES, &[replica, stage], bytes(row, reached).map(|b| b as f64));
            }
            for (stage, reached, reported) in [
                ("write", row.write_bytes, row.write_lag_seconds),
                ("flush", row.flush_bytes, row.flush_lag_seconds),
                ("replay", row.replay_bytes, row.replay_lag_seconds),
            ] {
                let seconds = self.seconds(cx.mono, row, reached, reported);
                out.push_opt(&STAGE_SECONDS, &[replica, stage], seconds);
            }
            if let (Some(state), Some(sync_state)) = (&row.state, &row.sync_state) {
                out.push(&STATE, &[replica, state, sync_state], 1.0);
            }
        }
        Vec::new()
    }

    fn remembered(&mut self, rows: &mut Vec<Row>, cx: &Cx) {
        rows.extend(self.known.gone(cx.mono));
    }
}
