//! Sizes and scans of the largest indexes, and indexes that are unused, invalid or redundant.
//!
//! Nobody is advised to drop what holds a constraint, identifies rows for replication, belongs to a
//! partitioned index, or finds the rows that refer to a deleted one: such an index is never counted as
//! unused or redundant, and its flags say why.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::topn::TopN;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// An index.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "IndexesRow")]
pub struct Row {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its name in labels.
    #[sqlx(skip)]
    pub index: String,
    /// Its table, in the same schema.
    pub table_name: String,
    /// `btree`, `gin`, ...
    pub method: String,
    /// Its columns, an expression by the name that the server gave it.
    pub columns: Vec<String>,
    /// So many of them are searched by; the others are only included.
    pub key_columns: i64,
    /// Whether an expression is among them.
    pub has_expressions: bool,
    /// Whether it has a WHERE clause.
    pub is_partial: bool,
    /// Its place by size.
    pub place: i64,
    /// Whether it is among the largest, which are measured.
    pub is_large: bool,
    /// Whether DDL holds it or its table, or waits for them: then it is not measured this time.
    pub locked: bool,
    /// Bytes by its page count at the last vacuum or analyze.
    pub estimated_bytes: i64,
    /// Bytes as measured; only of the largest.
    pub bytes: Option<i64>,
    /// Growth since the last round, bytes per second; negative if it shrank.
    #[sqlx(skip)]
    pub growth_bytes_per_second: Option<f64>,
    /// Scans since the statistics were reset; absent if the server does not count.
    pub scans: Option<i64>,
    /// Seconds since the last scan (16+); absent if there was none.
    pub scanned_seconds_ago: Option<f64>,
    /// Seconds since the statistics of this database began: were reset, were lost in a crash, or the server was
    /// promoted while pgmon watched. Absent if unknown, and on a standby.
    pub stats_age_seconds: Option<f64>,
    /// Whether queries may use it.
    pub is_valid: bool,
    /// Whether it forbids duplicates.
    pub is_unique: bool,
    /// Whether it is the primary key.
    pub is_primary: bool,
    /// Whether it is an exclusion constraint.
    pub is_exclusion: bool,
    /// Whether a constraint (primary key, unique, exclusion) rests on it.
    pub is_constraint: bool,
    /// Whether logical replication finds rows by it.
    pub is_replica_identity: bool,
    /// Whether it is part of a partitioned index.
    pub is_partition: bool,
    /// Whether foreign keys of other tables point to it.
    pub referenced_by_foreign_key: bool,
    /// Whether it finds the rows that refer to another table's row.
    pub covers_foreign_key: bool,
    /// Never scanned, and nothing else needs it.
    pub is_unused: bool,
    /// Not valid, and not just being built.
    pub is_invalid: bool,
    /// Another index is equal to it in all that a scan needs, and nothing else needs it.
    pub is_duplicate: bool,
    /// The columns of another index begin with its columns, and nothing else needs it.
    pub is_prefix: bool,
    /// That other index, in the same schema.
    pub instead: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    unused_count: i64,
    #[serde(skip)]
    #[schemars(skip)]
    unused_bytes: f64,
    #[serde(skip)]
    #[schemars(skip)]
    invalid_count: i64,
    #[serde(skip)]
    #[schemars(skip)]
    duplicate_count: i64,
    #[serde(skip)]
    #[schemars(skip)]
    prefix_count: i64,
}

const SIZE: Desc = Desc::gauge("pg_index_size_bytes", "Bytes of an index (pg_relation_size).", &["index"]);
const GROWTH: Desc = Desc::gauge(
    "pg_index_growth_bytes_per_second",
    "Change of an index's size since the round before, bytes per second; negative if it shrank.",
    &["index"],
);
const STATISTICS_AGE: Desc = Desc::gauge(
    "pg_index_statistics_age_seconds",
    "Time since this database's statistics began (reset, lost in a crash, or a promotion that pgmon saw), seconds: an index is unused only if they are old enough to tell; absent on a standby, which counts its own reads only.",
    &[],
);
const SCANS: Desc =
    Desc::counter("pg_index_scans_total", "Scans of an index on this server (idx_scan).", &["index"]);
const UNUSED: Desc = Desc::gauge(
    "pg_unused_indexes",
    "Indexes without a scan on this server since its statistics began (pg_index_statistics_age_seconds) that no constraint, replica identity, foreign key or partitioned index needs.",
    &[],
);
const UNUSED_BYTES: Desc = Desc::gauge(
    "pg_unused_index_bytes",
    "Bytes of the unused indexes by their page counts at the last vacuum or analyze.",
    &[],
);
const INVALID: Desc = Desc::gauge(
    "pg_invalid_indexes",
    "Indexes that are not valid and not just being built: left over from a CREATE or REINDEX CONCURRENTLY that failed.",
    &[],
);
const DUPLICATE: Desc = Desc::gauge(
    "pg_duplicate_indexes",
    "Indexes that could go because another one is equal in table, columns, operator classes, collations, order, expressions and predicate.",
    &[],
);
const PREFIX: Desc = Desc::gauge(
    "pg_prefix_redundant_indexes",
    "B-tree indexes whose columns another one's begin with, and that nothing else needs.",
    &[],
);

/// See the module's head.
pub struct Indexes {
    top: TopN<i64>,
    /// By oid: when it was measured last, and its size then.
    before: BTreeMap<i64, (Duration, i64)>,
    /// When the server was last seen as a standby.
    standby_at: Option<Duration>,
}

/// An index that could not be measured for a while keeps its last size for so many intervals.
const REMEMBER_INTERVALS: u32 = 6;

impl Collector for Indexes {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "indexes",
        title: "Indexes",
        in_loop: Loop::Storage,
        scope: Scope::Database,
        queries: &[
            pg(12, include_str!("indexes/pg12.sql")),
            pg(15, include_str!("indexes/pg15.sql")),
            pg(16, include_str!("indexes/pg16.sql")),
        ],
        follow_ups: &[],
        families: &[
            &SIZE,
            &GROWTH,
            &SCANS,
            &STATISTICS_AGE,
            &UNUSED,
            &UNUSED_BYTES,
            &INVALID,
            &DUPLICATE,
            &PREFIX,
        ],
        needs: &[],
        blind_effect: "sizes and use of indexes",
    };

    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_indexes), before: BTreeMap::new(), standby_at: None }
    }

    fn args(&self, _cx: &Cx) -> Result<PgArguments, BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        Ok(args)
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        let counted = cx.facts.setting_on("track_counts") != Some(false);
        if cx.facts.in_recovery {
            self.standby_at = Some(cx.mono);
        }
        // The reads of the others do not count for a server that was a standby until lately.
        let primary_for = self.standby_at.map(|at| cx.mono.saturating_sub(at).as_secs_f64());
        for row in rows {
            row.index = label::relation(&row.schema, &row.name);
            row.stats_age_seconds = row
                .stats_age_seconds
                .filter(|_| counted && !cx.facts.in_recovery)
                .map(|age| primary_for.map_or(age, |limit| age.min(limit)).max(0.0));
            if let Some(bytes) = row.bytes {
                let before = self.before.insert(row.oid, (cx.mono, bytes));
                row.growth_bytes_per_second = before.and_then(|(at, then)| {
                    let seconds = cx.mono.saturating_sub(at).as_secs_f64();
                    (seconds > 0.0).then(|| (bytes as f64 - then as f64) / seconds)
                });
            }
            if !counted {
                row.scans = None;
                row.is_unused = false;
            }
        }
        self.before.retain(|_, (at, _)| cx.mono.saturating_sub(*at) <= cx.interval * REMEMBER_INTERVALS);
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let shown = self.top.keep(rows.iter().filter(|r| r.is_large).map(|r| r.oid));
        for row in rows.iter().filter(|r| shown.contains(&r.oid)) {
            out.push_opt(&SIZE, &[&row.index], row.bytes.map(|b| b as f64));
            out.push_opt(&GROWTH, &[&row.index], row.growth_bytes_per_second);
            out.push_opt(&SCANS, &[&row.index], row.scans.map(|n| n as f64));
        }
        let first = rows.first();
        out.push(&INVALID, &[], first.map_or(0.0, |r| r.invalid_count as f64));
        out.push(&DUPLICATE, &[], first.map_or(0.0, |r| r.duplicate_count as f64));
        out.push(&PREFIX, &[], first.map_or(0.0, |r| r.prefix_count as f64));
        if cx.facts.setting_on("track_counts") == Some(false) {
            return vec![Blind {
                collector: Self::SPEC.name.into(),
                needs: "track_counts".into(),
                effect: "scans of indexes, and which are unused".into(),
                remedy: Some("ALTER SYSTEM SET track_counts = on;\nSELECT pg_reload_conf();".into()),
            }];
        }
        out.push_opt(&STATISTICS_AGE, &[], first.and_then(|r| r.stats_age_seconds));
        out.push(&UNUSED, &[], first.map_or(0.0, |r| r.unused_count as f64));
        out.push(&UNUSED_BYTES, &[], first.map_or(0.0, |r| r.unused_bytes));
        Vec::new()
    }
}
