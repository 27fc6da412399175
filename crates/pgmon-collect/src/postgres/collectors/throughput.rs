//! Transactions a second and the cache's hit ratio of the entry's own database.
//!
//! Apart from `database`, which serves all entries of a server at once: these figures are of one database.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::decode::Time;
use crate::postgres::origin::{Origin, growth};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::time::Duration;

/// This database's counters since their last reset.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ThroughputRow")]
pub struct Row {
    /// Transactions committed.
    pub xact_commit: i64,
    /// Transactions rolled back.
    pub xact_rollback: i64,
    /// Blocks that had to be read from the system.
    pub blks_read: i64,
    /// Blocks found in the buffer cache.
    pub blks_hit: i64,
    /// When the counters were reset; `null` if never.
    pub stats_reset: Option<Time>,
    /// Transactions a second over the last interval; `null` where there is none to compare with.
    #[sqlx(skip)]
    pub transactions_per_second: Option<f64>,
    /// Share of the last interval's transactions that were rolled back, 0-1; `null` without any.
    #[sqlx(skip)]
    pub rollback_ratio: Option<f64>,
    /// Share of the last interval's block accesses that the buffer cache served, 0-1; `null` without any.
    #[sqlx(skip)]
    pub cache_hit_ratio: Option<f64>,
}

const TPS: Desc = Desc::gauge(
    "pg_tps",
    "Transactions a second in this database, committed and rolled back, over the last interval.",
    &[],
);
const ROLLBACK_RATIO: Desc = Desc::gauge(
    "pg_rollback_ratio",
    "Share of this database's transactions over the last interval that were rolled back (0-1); absent if there were none.",
    &[],
);
const CACHE_HIT_RATIO: Desc = Desc::gauge(
    "pg_cache_hit_ratio",
    "Share of this database's block accesses over the last interval that the buffer cache served (0-1); absent if there were none.",
    &[],
);

/// See the module's head.
pub struct Throughput {
    before: Option<(Origin, Duration, Row)>,
}

impl Collector for Throughput {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "throughput",
        title: "Throughput",
        in_loop: Loop::Workload,
        scope: Scope::Entry,
        queries: &[pg(12, include_str!("throughput/pg12.sql"))],
        follow_ups: &[],
        families: &[&TPS, &ROLLBACK_RATIO, &CACHE_HIT_RATIO],
        needs: &[],
        blind_effect: "",
    };

    fn new(_settings: &Settings) -> Self {
        Self { before: None }
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        let before = self.before.take();
        let Some(now) = rows.first_mut() else { return };
        let origin = Origin::of(&cx.facts);
        if let Some((from, at, before)) = before
            && from == origin
            && (before.stats_reset == now.stats_reset || before.is_unborn())
        {
            now.compare(&before, cx.mono.saturating_sub(at));
        }
        self.before = Some((origin, cx.mono, now.clone()));
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows {
            out.push_opt(&TPS, &[], row.transactions_per_second);
            out.push_opt(&ROLLBACK_RATIO, &[], row.rollback_ratio);
            out.push_opt(&CACHE_HIT_RATIO, &[], row.cache_hit_ratio);
        }
        Vec::new()
    }
}

impl Row {
    /// Whether the server counts nothing of this database yet: up to 14, that begins with its first transactions,
    /// and looks like a reset.
    fn is_unborn(&self) -> bool {
        let counters = [self.xact_commit, self.xact_rollback, self.blks_read, self.blks_hit];
        self.stats_reset.is_none() && counters == [0; 4]
    }

    /// Fills in the interval's figures; none at all if any counter went down.
    fn compare(&mut self, before: &Self, interval: Duration) {
        let (Some(commits), Some(rollbacks), Some(reads), Some(hits)) = (
            growth(before.xact_commit, self.xact_commit),
            growth(before.xact_rollback, self.xact_rollback),
            growth(before.blks_read, self.blks_read),
            growth(before.blks_hit, self.blks_hit),
        ) else {
            return;
        };
        let share = |part: f64, whole: f64| (whole > 0.0).then_some(part / whole);
        self.transactions_per_second = share(commits + rollbacks, interval.as_secs_f64());
        self.rollback_ratio = share(rollbacks, commits + rollbacks);
        self.cache_hit_ratio = share(hits, hits + reads);
    }
}

#[cfg(test)]
mod tests;
