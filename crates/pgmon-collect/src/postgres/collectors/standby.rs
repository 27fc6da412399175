//! A standby's own view: what it has received and replayed, and whether its link is alive.
//!
//! The usual formula, 0 when all that was received is replayed and otherwise the age of the last replayed
//! commit, says 0 when the link is broken, and grows when the primary is idle or writes no commits. So:
//! 0 needs a link that is alive, and the lag is the time since the source stood where the replay stands,
//! from the positions of earlier rounds; the age of the last commit is only its upper bound.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings, Spec, pg};
use crate::postgres::positions::Positions;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A standby. Positions are bytes since the cluster was made.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "StandbyRow")]
pub struct Row {
    /// Time since the last replayed transaction committed, by both servers' clocks, seconds.
    pub replay_age_seconds: Option<f64>,
    /// What streaming has brought and synced so far.
    pub received_bytes: Option<i64>,
    /// What is replayed.
    pub replayed_bytes: Option<i64>,
    /// Whether replay is paused.
    pub paused: bool,
    /// Whether there is a source to stream from (`primary_conninfo`); absent if hidden from our role.
    pub link_configured: Option<bool>,
    /// `wal_receiver_timeout`, seconds; 0 means none.
    pub receiver_timeout_seconds: f64,
    /// Whether the WAL receiver runs.
    pub receiver_running: bool,
    /// Its status: `starting`, `streaming`, `waiting`, `restarting`, `stopping`.
    pub receiver_status: Option<String>,
    /// What it has written.
    pub written_bytes: Option<i64>,
    /// Where the source stood by its last message.
    pub source_bytes: Option<i64>,
    /// Time since the source's last message, seconds.
    pub last_message_age_seconds: Option<f64>,
    /// The slot that it uses on the source.
    pub slot_name: Option<String>,
    /// The source's host.
    pub sender_host: Option<String>,
    /// The source's port.
    pub sender_port: Option<i32>,
    /// The timeline that it receives.
    pub timeline: Option<i64>,
    /// Whether the link is broken or silent; absent if there should be none (archive only).
    #[sqlx(skip)]
    pub link_down: Option<bool>,
    /// How far the replay is behind, seconds; absent if nothing tells.
    #[sqlx(skip)]
    pub lag_seconds: Option<f64>,
    /// What is known to exist and not replayed, bytes; absent if nothing tells.
    #[sqlx(skip)]
    pub lag_bytes: Option<i64>,
}

const LINK_DOWN: Desc = Desc::gauge(
    "pg_replication_link_down",
    "1 if this standby is not streaming from its source or hears nothing from it, otherwise 0; absent on a primary and where no source is configured.",
    &[],
);
const LAG_SECONDS: Desc = Desc::gauge(
    "pg_standby_replay_lag_seconds",
    "How far this standby's replay is behind its source, seconds. 0 only while the link is alive and all is replayed; while it is down, the time since both agreed at most; absent without a source to stream from.",
    &[],
);
const LAG_BYTES: Desc = Desc::gauge(
    "pg_standby_replay_lag_bytes",
    "WAL that this standby knows of and has not replayed, bytes; while the link is down the least that is missing, absent if nothing is known to be.",
    &[],
);
const RECEIVE_LAG_BYTES: Desc = Desc::gauge(
    "pg_standby_receive_lag_bytes",
    "WAL that the source had by its last message and this standby has not written, bytes; absent while the link is down.",
    &[],
);
const MESSAGE_AGE: Desc = Desc::gauge(
    "pg_standby_last_message_age_seconds",
    "Time since the last message of the source, seconds; up to half of wal_receiver_timeout on an idle source.",
    &[],
);
const REPLAY_AGE: Desc = Desc::gauge(
    "pg_standby_replay_age_seconds",
    "Time since the last replayed transaction committed, seconds; no lag: it grows while the source is idle.",
    &[],
);
const PAUSED: Desc = Desc::gauge("pg_standby_replay_paused", "1 if replay is paused, otherwise 0.", &[]);

/// See the module's head.
#[derive(Debug, Default)]
pub struct Standby {
    positions: Positions,
}

/// Whether the source was heard of lately enough. The receiver asks a silent source for a sign after half
/// of its timeout and gives up after all of it; without a timeout it never asks, and silence says nothing.
fn heard(row: &Row) -> bool {
    let timeout = row.receiver_timeout_seconds;
    timeout <= 0.0 || row.last_message_age_seconds.is_some_and(|age| age <= timeout.min(timeout / 2.0 + 10.0))
}

/// Whether the link is down; `None` if there should be none, or our role may not see.
fn link_down(row: &Row) -> Option<bool> {
    if row.receiver_running {
        let status = row.receiver_status.as_deref()?;
        return Some(status != "streaming" || !heard(row));
    }
    row.link_configured?.then_some(true)
}

impl Standby {
    fn complete_row(&mut self, row: &mut Row, cx: &Cx) {
        row.link_down = link_down(row);
        let (Some(down), Some(replayed)) = (row.link_down, row.replayed_bytes) else {
            self.positions.clear();
            return;
        };
        let known = row.received_bytes.max(row.written_bytes).max(row.source_bytes);
        if !down && let Some(known) = known {
            // Of the source we know what its last message said, and when.
            let silence = row.last_message_age_seconds.unwrap_or(0.0).max(0.0);
            let silence = Duration::try_from_secs_f64(silence).unwrap_or_default();
            let heard_at = cx.mono.saturating_sub(silence);
            let last = self.positions.last().map_or(heard_at, |(at, _)| at);
            self.positions.push(heard_at.max(last), known.max(replayed));
        }
        let age = row.replay_age_seconds.filter(|age| *age > 0.0);
        let since = self.positions.since(cx.mono, replayed).map(|d| d.as_secs_f64());
        let longest = match (age, since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if down {
            row.lag_seconds = longest;
            let last = known.max(self.positions.last().map(|(_, p)| p));
            row.lag_bytes = last.map(|p| p - replayed).filter(|b| *b > 0);
        } else if let Some(known) = known {
            row.lag_bytes = Some((known - replayed).max(0));
            row.lag_seconds = if replayed >= known { Some(0.0) } else { longest };
        }
    }
}

impl Collector for Standby {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "standby",
        title: "Standby",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("standby/pg12.sql")), pg(13, include_str!("standby/pg13.sql"))],
        follow_ups: &[],
        families: &[
            &LINK_DOWN,
            &LAG_SECONDS,
            &LAG_BYTES,
            &RECEIVE_LAG_BYTES,
            &MESSAGE_AGE,
            &REPLAY_AGE,
            &PAUSED,
        ],
        needs: &[Need::Monitor],
        blind_effect: "whether a standby's link is alive, and its lag",
    };

    fn new(_settings: &Settings) -> Self {
        Self::default()
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        match rows.first_mut() {
            Some(row) => self.complete_row(row, cx),
            None => self.positions.clear(),
        }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let Some(row) = rows.first() else { return Vec::new() };
        let flag = |on: bool| f64::from(u8::from(on));
        out.push_opt(&LINK_DOWN, &[], row.link_down.map(flag));
        out.push_opt(&LAG_SECONDS, &[], row.lag_seconds);
        out.push_opt(&LAG_BYTES, &[], row.lag_bytes.map(|b| b as f64));
        if row.link_down == Some(false)
            && let (Some(source), Some(written)) = (row.source_bytes, row.written_bytes)
        {
            out.push(&RECEIVE_LAG_BYTES, &[], (source - written).max(0) as f64);
        }
        out.push_opt(&MESSAGE_AGE, &[], row.last_message_age_seconds.map(|s| s.max(0.0)));
        out.push_opt(&REPLAY_AGE, &[], row.replay_age_seconds.map(|s| s.max(0.0)));
        out.push(&PAUSED, &[], flag(row.paused));
        if row.link_down.is_none() && row.link_configured.is_none() {
            return vec![Blind {
                collector: Self::SPEC.name.into(),
                needs: "pg_read_all_settings".into(),
                effect: "whether this standby should be streaming".into(),
                remedy: Some(Need::Monitor.remedy(&cx.facts)),
            }];
        }
        Vec::new()
    }
}
