//! How far every database of the server is from running out of transaction ids and multixacts.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use jiff::Timestamp;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::time::Duration;

/// How many ids lie between the oldest and the newest at most.
const WRAPAROUND: f64 = 2_147_483_648.0;

/// One database.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "WraparoundRow")]
pub struct Row {
    /// The database; `template0` counts like any other.
    pub datname: String,
    /// Whether one can connect to it (to vacuum it by hand).
    pub allows_connections: bool,
    /// Age of its oldest unfrozen transaction id, transactions.
    pub xid_age: i64,
    /// Age of its oldest multixact, multixacts.
    pub mxid_age: i64,
    /// `autovacuum_freeze_max_age`: from here on autovacuum is forced, transactions.
    pub freeze_max_age: i64,
    /// `autovacuum_multixact_freeze_max_age`, multixacts.
    pub multixact_freeze_max_age: i64,
    /// `vacuum_failsafe_age`: from here on VACUUM drops everything but freezing, transactions (14+).
    pub failsafe_age: Option<i64>,
    /// `vacuum_multixact_failsafe_age`, multixacts (14+).
    pub multixact_failsafe_age: Option<i64>,
    /// The server's next transaction id, with its epoch.
    pub next_xid: i64,
    /// The server's next multixact id less one, as a signed number of 32 bits.
    pub multixacts: i64,
    /// Transaction ids that the server used up per second since the last round.
    #[sqlx(skip)]
    pub xids_per_second: Option<f64>,
    /// Multixacts that the server used up per second since the last round.
    #[sqlx(skip)]
    pub multixacts_per_second: Option<f64>,
    /// At that rate and without freezing: seconds until the server stops taking new transaction ids.
    #[sqlx(skip)]
    pub seconds_until_protection: Option<f64>,
}

const TX_AGE: Desc = Desc::gauge(
    "pg_wraparound_tx_age",
    "Age of the oldest unfrozen transaction id in any database of the server, in transactions.",
    &[],
);
const MULTIXACT_AGE: Desc = Desc::gauge(
    "pg_wraparound_multixact_age",
    "Age of the oldest multixact in any database of the server, in multixacts.",
    &[],
);
const RATIO: Desc = Desc::gauge(
    "pg_wraparound_ratio",
    "Worst age of any database against a limit (freeze_max_age, failsafe_age, wraparound = 2^31), 0-1 and above; kind is xid or multixact.",
    &["kind", "limit"],
);
const PROJECTED: Desc = Desc::gauge(
    "pg_wraparound_projected_seconds",
    "Seconds until the server stops taking new transaction ids, at the present rate and without any freezing.",
    &[],
);
const XID_AGE: Desc = Desc::gauge(
    "pg_database_xid_age",
    "Age of the database's oldest unfrozen transaction id, in transactions.",
    &["datname"],
);
const MXID_AGE: Desc = Desc::gauge(
    "pg_database_mxid_age",
    "Age of the database's oldest multixact, in multixacts.",
    &["datname"],
);
const XID_RATE: Desc = Desc::gauge(
    "pg_xid_consumption_per_second",
    "Transaction ids that the server used up per second since the last round.",
    &[],
);
const MXID_RATE: Desc = Desc::gauge(
    "pg_multixact_consumption_per_second",
    "Multixacts that the server used up per second since the last round.",
    &[],
);

/// The server's counters as a round found them.
struct Counters {
    /// Which server, and which run of it: `pg_resetwal` moves the counters between two runs.
    server: (Option<String>, Timestamp),
    at: Duration,
    next_xid: i64,
    multixacts: i64,
}

/// See the module's head.
pub struct Wraparound {
    before: Option<Counters>,
}

impl Collector for Wraparound {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "wraparound",
        title: "Wraparound",
        in_loop: Loop::Hourly,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("wraparound/pg12.sql")), pg(13, include_str!("wraparound/pg13.sql"))],
        follow_ups: &[],
        families: &[&TX_AGE, &MULTIXACT_AGE, &RATIO, &PROJECTED, &XID_AGE, &MXID_AGE, &XID_RATE, &MXID_RATE],
        needs: &[],
        blind_effect: "how near the server is to running out of transaction ids",
    };

    fn new(_settings: &Settings) -> Self {
        Self { before: None }
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        let Some(first) = rows.first() else { return };
        let now = Counters {
            server: (cx.facts.system_identifier.clone(), cx.facts.started_at),
            at: cx.mono,
            next_xid: first.next_xid,
            multixacts: first.multixacts,
        };
        let (xids, multixacts) = self.before.as_ref().map_or((None, None), |before| rates(before, &now));
        self.before = Some(now);
        // The server keeps back the last of its ids: 1 million up to 13, 3 million since.
        let kept_back = if cx.facts.version.major() >= 14 { 3e6 } else { 1e6 };
        for row in rows {
            row.xids_per_second = xids;
            row.multixacts_per_second = multixacts;
            let left = (WRAPAROUND - kept_back - row.xid_age as f64).max(0.0);
            row.seconds_until_protection = xids.filter(|rate| *rate > 0.0).map(|rate| left / rate);
        }
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let worst = |of: fn(&Row) -> i64| rows.iter().map(of).max().map(|age| age as f64);
        let ratio = |age: Option<f64>, limit: Option<i64>| {
            age.zip(limit.filter(|l| *l > 0)).map(|(age, limit)| age / limit as f64)
        };
        let (xid, mxid) = (worst(|r| r.xid_age), worst(|r| r.mxid_age));
        out.push_opt(&TX_AGE, &[], xid);
        out.push_opt(&MULTIXACT_AGE, &[], mxid);
        let Some(first) = rows.first() else { return Vec::new() };
        for (kind, age, freeze_max_age, failsafe_age) in [
            ("xid", xid, first.freeze_max_age, first.failsafe_age),
            ("multixact", mxid, first.multixact_freeze_max_age, first.multixact_failsafe_age),
        ] {
            out.push_opt(&RATIO, &[kind, "freeze_max_age"], ratio(age, Some(freeze_max_age)));
            out.push_opt(&RATIO, &[kind, "failsafe_age"], ratio(age, failsafe_age));
            out.push_opt(&RATIO, &[kind, "wraparound"], age.map(|age| age / WRAPAROUND));
        }
        out.push_opt(
            &PROJECTED,
            &[],
            rows.iter().filter_map(|r| r.seconds_until_protection).reduce(f64::min),
        );
        for row in rows {
            let datname = label::name(&row.datname);
            out.push(&XID_AGE, &[&datname], row.xid_age as f64);
            out.push(&MXID_AGE, &[&datname], row.mxid_age as f64);
        }
        out.push_opt(&XID_RATE, &[], first.xids_per_second);
        out.push_opt(&MXID_RATE, &[], first.multixacts_per_second);
        Vec::new()
    }
}

/// Transaction ids and multixacts per second; `None` for what cannot be told.
fn rates(before: &Counters, now: &Counters) -> (Option<f64>, Option<f64>) {
    let seconds = now.at.saturating_sub(before.at).as_secs_f64();
    if before.server != now.server || seconds <= 0.0 {
        return (None, None);
    }
    let rate = |used: i64| (used >= 0).then(|| used as f64 / seconds);
    // The multixacts have no epoch: the difference is right modulo 2^32, and negative if they went back.
    let multixacts = now.multixacts.wrapping_sub(before.multixacts).rem_euclid(1 << 32);
    let went_back = multixacts >= 1 << 31;
    (rate(now.next_xid - before.next_xid), (!went_back).then_some(multixacts).and_then(rate))
}

#[cfg(test)]
pub(crate) mod tests;
