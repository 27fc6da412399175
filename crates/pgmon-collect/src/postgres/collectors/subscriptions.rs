//! Logical replication as its subscriber sees it, for the subscriptions of all databases.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// A subscription. Positions are the publisher's, bytes; counters run since `stats_reset` (15+).
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "SubscriptionsRow")]
pub struct Row {
    /// Its database; absent before 14 where two databases have a subscription of this name.
    pub datname: Option<String>,
    /// Its name.
    pub subscription: String,
    /// Whether it is enabled; absent as `datname`.
    pub enabled: Option<bool>,
    /// Whether its apply worker runs.
    pub running: bool,
    /// Workers that make initial copies of tables.
    pub sync_workers: i64,
    /// The last position received.
    pub received_bytes: Option<i64>,
    /// The last position reported back to the publisher.
    pub latest_end_bytes: Option<i64>,
    /// Time since the publisher's last message, seconds.
    pub last_message_age_seconds: Option<f64>,
    /// Time since a position was last reported back, seconds.
    pub latest_end_age_seconds: Option<f64>,
    /// Errors while applying changes.
    pub apply_errors: Option<i64>,
    /// Errors while copying tables.
    pub sync_errors: Option<i64>,
    /// Conflicts: a row to insert existed (18+).
    pub confl_insert_exists: Option<i64>,
    /// Conflicts: a row to update was last changed by another origin (18+).
    pub confl_update_origin_differs: Option<i64>,
    /// Conflicts: an updated row existed (18+).
    pub confl_update_exists: Option<i64>,
    /// Conflicts: a row to update was missing (18+).
    pub confl_update_missing: Option<i64>,
    /// Conflicts: a row to delete was last changed by another origin (18+).
    pub confl_delete_origin_differs: Option<i64>,
    /// Conflicts: a row to delete was missing (18+).
    pub confl_delete_missing: Option<i64>,
    /// Conflicts: several unique constraints were violated (18+).
    pub confl_multiple_unique_conflicts: Option<i64>,
    /// When the counters began.
    pub stats_reset: Option<Time>,
}

const LABELS: &[&str] = &["datname", "subscription"];
const ENABLED: Desc =
    Desc::gauge("pg_subscription_enabled", "1 if the subscription is enabled, otherwise 0.", LABELS);
const UP: Desc = Desc::gauge(
    "pg_subscription_up",
    "1 if the subscription's apply worker runs, otherwise 0 (it is disabled, or fails again and again).",
    LABELS,
);
const SYNC_WORKERS: Desc = Desc::gauge(
    "pg_subscription_sync_workers",
    "Workers that make initial copies of the subscription's tables.",
    LABELS,
);
const RECEIVED: Desc = Desc::gauge(
    "pg_subscription_received_position_bytes",
    "The publisher's WAL position that was received last, bytes; compare it with pg_wal_position_bytes of the publisher.",
    LABELS,
);
const MESSAGE_AGE: Desc = Desc::gauge(
    "pg_subscription_last_message_age_seconds",
    "Time since the publisher's last message, seconds; up to half of wal_receiver_timeout while it is idle.",
    LABELS,
);
const REPORT_AGE: Desc = Desc::gauge(
    "pg_subscription_latest_end_age_seconds",
    "Time since the subscriber last reported a position to the publisher, seconds.",
    LABELS,
);
const APPLY_ERRORS: Desc = Desc::counter(
    "pg_subscription_apply_errors_total",
    "Errors while applying changes (PostgreSQL 15+).",
    LABELS,
);
const SYNC_ERRORS: Desc = Desc::counter(
    "pg_subscription_sync_errors_total",
    "Errors while making initial copies of tables (PostgreSQL 15+).",
    LABELS,
);
const CONFLICTS: Desc = Desc::counter(
    "pg_subscription_conflicts_total",
    "Conflicts with rows of the subscriber by kind (PostgreSQL 18+).",
    &["datname", "subscription", "conflict"],
);

/// See the module's head.
#[derive(Debug)]
pub struct Subscriptions;

impl Collector for Subscriptions {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "subscriptions",
        title: "Subscriptions",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[
            pg(12, include_str!("subscriptions/pg12.sql")),
            pg(14, include_str!("subscriptions/pg14.sql")),
            pg(15, include_str!("subscriptions/pg15.sql")),
            pg(16, include_str!("subscriptions/pg16.sql")),
            pg(18, include_str!("subscriptions/pg18.sql")),
        ],
        follow_ups: &[],
        families: &[
            &ENABLED,
            &UP,
            &SYNC_WORKERS,
            &RECEIVED,
            &MESSAGE_AGE,
            &REPORT_AGE,
            &APPLY_ERRORS,
            &SYNC_ERRORS,
            &CONFLICTS,
        ],
        needs: &[],
        blind_effect: "subscriptions that do not apply",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let flag = |on: bool| f64::from(u8::from(on));
        let mut taken = BTreeSet::new();
        for row in rows {
            let datname = row.datname.as_deref().map_or_else(|| "unknown".to_owned(), label::name);
            let base = label::name(&row.subscription);
            let mut name = base.clone();
            let mut number = 1;
            // Only where the database is not known can the same name come twice.
            while !taken.insert((datname.clone(), name.clone())) {
                number += 1;
                name = format!("{base}/{number}");
            }
            let labels = [datname.as_str(), name.as_str()];
            out.push_opt(&ENABLED, &labels, row.enabled.map(flag));
            out.push(&UP, &labels, flag(row.running));
            out.push(&SYNC_WORKERS, &labels, row.sync_workers as f64);
            out.push_opt(&RECEIVED, &labels, row.received_bytes.map(|b| b as f64));
            out.push_opt(&MESSAGE_AGE, &labels, row.last_message_age_seconds.map(|s| s.max(0.0)));
            out.push_opt(&REPORT_AGE, &labels, row.latest_end_age_seconds.map(|s| s.max(0.0)));
            out.push_opt(&APPLY_ERRORS, &labels, row.apply_errors.map(|n| n as f64));
            out.push_opt(&SYNC_ERRORS, &labels, row.sync_errors.map(|n| n as f64));
            for (conflict, count) in [
                ("insert_exists", row.confl_insert_exists),
                ("update_origin_differs", row.confl_update_origin_differs),
                ("update_exists", row.confl_update_exists),
                ("update_missing", row.confl_update_missing),
                ("delete_origin_differs", row.confl_delete_origin_differs),
                ("delete_missing", row.confl_delete_missing),
                ("multiple_unique_conflicts", row.confl_multiple_unique_conflicts),
            ] {
                let labels = [datname.as_str(), name.as_str(), conflict];
                out.push_opt(&CONFLICTS, &labels, count.map(|n| n as f64));
            }
        }
        Vec::new()
    }
}
