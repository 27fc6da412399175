//! Replication slots: who holds back how much WAL, and who has lost it.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

#[cfg(test)]
mod tests;

/// A slot; the counters of decoding run since `stats_reset` (14+, logical slots).
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "SlotsRow")]
pub struct Row {
    /// Its name.
    pub slot_name: String,
    /// `physical` or `logical`.
    pub slot_type: String,
    /// The output plugin of a logical one.
    pub plugin: Option<String>,
    /// The database of a logical one.
    pub database: Option<String>,
    /// Whether it ends with its session.
    pub temporary: bool,
    /// Whether somebody streams from it.
    pub active: bool,
    /// WAL from where it may still be needed up to the server's position, bytes; absent if it reserves none or was
    /// invalidated.
    pub retained_bytes: Option<i64>,
    /// WAL that the consumer of a logical slot has not confirmed, bytes.
    pub unconfirmed_bytes: Option<i64>,
    /// `reserved`, `extended`, `unreserved`, `lost` (13+); absent if it reserves no WAL.
    pub wal_status: Option<String>,
    /// WAL that can be written until the slot is in danger, bytes (13+, with `max_slot_wal_keep_size`).
    pub safe_wal_bytes: Option<i64>,
    /// For how long nobody has streamed from it, seconds (17+).
    pub inactive_seconds: Option<f64>,
    /// Whether it was invalidated: its consumer cannot go on (13+).
    pub invalid: Option<bool>,
    /// Why: `wal_removed`, `rows_removed`, `wal_level_insufficient`, `idle_timeout`, before 17 `conflicting`.
    pub invalidation_reason: Option<String>,
    /// Whether standbys are to have it too (17+).
    pub failover: Option<bool>,
    /// Whether it is a standby's copy of the primary's, which nobody can use as yet (17+).
    pub synced: Option<bool>,
    /// Transactions spilled to disk while decoding.
    pub spilled_transactions: Option<i64>,
    /// How often something was spilled.
    pub spills: Option<i64>,
    /// How much was spilled, bytes.
    pub spilled_bytes: Option<i64>,
    /// Transactions streamed while they were in progress.
    pub streamed_transactions: Option<i64>,
    /// How often such a part was streamed.
    pub streams: Option<i64>,
    /// How much was streamed, bytes.
    pub streamed_bytes: Option<i64>,
    /// Transactions decoded and sent.
    pub decoded_transactions: Option<i64>,
    /// How much was decoded, bytes.
    pub decoded_bytes: Option<i64>,
    /// When the counters began.
    pub stats_reset: Option<Time>,
}

/// The label of what lives only as long as a session: such names hold process ids and never come again.
const TEMPORARY: &str = "(temporary)";

const SLOTS: Desc = Desc::gauge("pg_replication_slots", "Replication slots that exist.", &[]);
const MAX_SLOTS: Desc = Desc::gauge("pg_max_replication_slots", "The setting max_replication_slots.", &[]);
const ACTIVE: Desc = Desc::gauge(
    "pg_replication_slot_active",
    "1 if somebody streams from the slot, otherwise 0; temporary slots (also of initial table copies) share one series; absent for slots that a standby synchronizes from its primary.",
    &["slot"],
);
const RETAINED: Desc = Desc::gauge(
    "pg_replication_slot_retained_bytes",
    "WAL from where the slot may still need it up to the server's position, bytes; absent if it reserves none or was invalidated.",
    &["slot"],
);
const UNCONFIRMED: Desc = Desc::gauge(
    "pg_replication_slot_unconfirmed_bytes",
    "WAL that the consumer of a logical slot has not confirmed, bytes; absent if the slot was invalidated.",
    &["slot"],
);
const SAFE: Desc = Desc::gauge(
    "pg_replication_slot_safe_wal_bytes",
    "WAL that can be written until the slot is in danger of losing some, bytes (PostgreSQL 13+, with max_slot_wal_keep_size).",
    &["slot"],
);
const STATUS: Desc = Desc::gauge(
    "pg_replication_slot_wal_status",
    "1 for the slot's present status: reserved, extended, unreserved, lost (PostgreSQL 13+).",
    &["slot", "status"],
);
const INACTIVE: Desc = Desc::gauge(
    "pg_replication_slot_inactive_seconds",
    "For how long nobody has streamed from the slot, seconds (PostgreSQL 17+).",
    &["slot"],
);
const INVALID: Desc = Desc::gauge(
    "pg_replication_slot_invalid",
    "1 if the slot was invalidated and its consumer cannot go on, otherwise 0 (PostgreSQL 13+).",
    &["slot"],
);
const SPILLED: Desc = Desc::counter(
    "pg_replication_slot_spilled_transactions_total",
    "Transactions spilled to disk while decoding (PostgreSQL 14+).",
    &["slot"],
);
const SPILLS: Desc = Desc::counter(
    "pg_replication_slot_spills_total",
    "Times that decoding spilled to disk (PostgreSQL 14+).",
    &["slot"],
);
const SPILLED_BYTES: Desc = Desc::counter(
    "pg_replication_slot_spilled_bytes_total",
    "Changes spilled to disk while decoding, bytes (PostgreSQL 14+).",
    &["slot"],
);
const STREAMED: Desc = Desc::counter(
    "pg_replication_slot_streamed_transactions_total",
    "Transactions streamed while still in progress (PostgreSQL 14+).",
    &["slot"],
);
const STREAMS: Desc = Desc::counter(
    "pg_replication_slot_streams_total",
    "Times that a part of a transaction in progress was streamed (PostgreSQL 14+).",
    &["slot"],
);
const STREAMED_BYTES: Desc = Desc::counter(
    "pg_replication_slot_streamed_bytes_total",
    "Changes streamed of transactions still in progress, bytes (PostgreSQL 14+).",
    &["slot"],
);
const DECODED: Desc = Desc::counter(
    "pg_replication_slot_decoded_transactions_total",
    "Transactions decoded and sent (PostgreSQL 14+).",
    &["slot"],
);
const DECODED_BYTES: Desc = Desc::counter(
    "pg_replication_slot_decoded_bytes_total",
    "Changes decoded and sent, bytes (PostgreSQL 14+).",
    &["slot"],
);

/// See the module's head.
#[derive(Debug)]
pub struct Slots;

/// Whether a slot comes and goes: a session's own, or that of a subscription's initial table copy
/// (`pg_<oid>_sync_<oid>_<system identifier>`).
fn is_passing(row: &Row) -> bool {
    let is_copy = || {
        let rest = row.slot_name.strip_prefix("pg_")?;
        let (subscription, rest) = rest.split_once("_sync_")?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        Some(digits(subscription) && rest.split('_').all(digits))
    };
    row.temporary || is_copy() == Some(true)
}

impl Collector for Slots {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "slots",
        title: "Replication slots",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[
            pg(12, include_str!("slots/pg12.sql")),
            pg(13, include_str!("slots/pg13.sql")),
            pg(14, include_str!("slots/pg14.sql")),
            pg(16, include_str!("slots/pg16.sql")),
            pg(17, include_str!("slots/pg17.sql")),
        ],
        follow_ups: &[],
        families: &[
            &SLOTS,
            &MAX_SLOTS,
            &ACTIVE,
            &RETAINED,
            &UNCONFIRMED,
            &SAFE,
            &STATUS,
            &INACTIVE,
            &INVALID,
            &SPILLED,
            &SPILLS,
            &SPILLED_BYTES,
            &STREAMED,
            &STREAMS,
            &STREAMED_BYTES,
            &DECODED,
            &DECODED_BYTES,
        ],
        needs: &[],
        blind_effect: "slots that hold back WAL",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let flag = |on: bool| f64::from(u8::from(on));
        out.push(&SLOTS, &[], rows.len() as f64);
        out.push_opt(&MAX_SLOTS, &[], cx.facts.setting("max_replication_slots"));
        let (passing, lasting): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_passing(row));
        if !passing.is_empty() {
            out.push(&ACTIVE, &[TEMPORARY], flag(passing.iter().all(|r| r.active)));
            let retained = passing.iter().filter_map(|r| r.retained_bytes).max();
            out.push_opt(&RETAINED, &[TEMPORARY], retained.map(|b| b.max(0) as f64));
        }
        for row in lasting {
            let slot = label::name(&row.slot_name);
            let slot = slot.as_str();
            // Nobody can stream from a standby's copy of the primary's slot: that is no fault of it.
            if row.synced != Some(true) {
                out.push(&ACTIVE, &[slot], flag(row.active));
            }
            // The position is not read at the same instant as the slots: never below 0.
            out.push_opt(&RETAINED, &[slot], row.retained_bytes.map(|b| b.max(0) as f64));
            out.push_opt(&UNCONFIRMED, &[slot], row.unconfirmed_bytes.map(|b| b.max(0) as f64));
            out.push_opt(&SAFE, &[slot], row.safe_wal_bytes.map(|b| b as f64));
            if let Some(status) = &row.wal_status {
                out.push(&STATUS, &[slot, status], 1.0);
            }
            out.push_opt(&INACTIVE, &[slot], row.inactive_seconds.map(|s| s.max(0.0)));
            out.push_opt(&INVALID, &[slot], row.invalid.map(flag));
            for (desc, value) in [
                (&SPILLED, row.spilled_transactions),
                (&SPILLS, row.spills),
                (&SPILLED_BYTES, row.spilled_bytes),
                (&STREAMED, row.streamed_transactions),
                (&STREAMS, row.streams),
                (&STREAMED_BYTES, row.streamed_bytes),
                (&DECODED, row.decoded_transactions),
                (&DECODED_BYTES, row.decoded_bytes),
            ] {
                out.push_opt(desc, &[slot], value.map(|v| v as f64));
            }
        }
        Vec::new()
    }
}
