//! Sizes of the largest tables and materialised views, and how fast they grow.

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

/// System tables are listed only from this size on: a large object store or a bloated catalog matters,
/// the hundred small ones of every database do not.
const SYSTEM_FROM_BYTES: i64 = 64 << 20;

/// A relation that could not be measured for a while keeps its last size for so many intervals.
const REMEMBER_INTERVALS: u32 = 6;

/// A table or materialised view.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "RelationsRow")]
pub struct Row {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its name in labels.
    #[sqlx(skip)]
    pub relation: String,
    /// `table` or `matview`.
    pub relkind: String,
    /// Whether it is a partition.
    pub is_partition: bool,
    /// Rows at the last vacuum or analyze; absent if there was none.
    pub estimated_rows: Option<f64>,
    /// Bytes with indexes and TOAST by the page counts of the last vacuum or analyze.
    pub estimated_bytes: i64,
    /// Whether DDL holds it or waits for it: then it is not measured this time.
    pub locked: bool,
    /// Bytes of its rows alone.
    pub heap_bytes: Option<i64>,
    /// Bytes of its out-of-line values (TOAST) with their index.
    pub toast_bytes: Option<i64>,
    /// Bytes of rows, TOAST, free space and visibility maps.
    pub table_bytes: Option<i64>,
    /// Bytes of its indexes.
    pub index_bytes: Option<i64>,
    /// Bytes in all.
    #[sqlx(skip)]
    pub total_bytes: Option<i64>,
    /// Growth of all bytes since the last round, bytes per second; negative if it shrank.
    #[sqlx(skip)]
    pub growth_bytes_per_second: Option<f64>,
}

const SIZE: Desc = Desc::gauge(
    "pg_relation_size_bytes",
    "Bytes of a table's or materialised view's rows, TOAST, free space and visibility maps, without its indexes (pg_table_size).",
    &["relation", "relkind"],
);
const TOTAL: Desc = Desc::gauge(
    "pg_relation_total_size_bytes",
    "Bytes of a table or materialised view with TOAST and indexes (pg_total_relation_size).",
    &["relation", "relkind"],
);
const GROWTH: Desc = Desc::gauge(
    "pg_relation_growth_bytes_per_second",
    "Change of a relation's total size since the round before, bytes per second; negative if it shrank.",
    &["relation"],
);
const UNMEASURED: Desc = Desc::gauge(
    "pg_relations_unmeasured",
    "Relations among the largest whose size was not taken because DDL holds them or waits for them.",
    &[],
);

/// See the module's head.
pub struct Relations {
    top: TopN<i64>,
    /// By oid: when it was measured last, and its total size then.
    before: BTreeMap<i64, (Duration, i64)>,
}

impl Collector for Relations {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "relations",
        title: "Largest tables",
        in_loop: Loop::Storage,
        scope: Scope::Database,
        queries: &[pg(12, include_str!("relations/pg12.sql"))],
        follow_ups: &[],
        families: &[&SIZE, &TOTAL, &GROWTH, &UNMEASURED],
        needs: &[],
        blind_effect: "sizes and growth of tables",
    };

    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_relations), before: BTreeMap::new() }
    }

    fn args(&self, _cx: &Cx) -> Result<PgArguments, BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        args.add(SYSTEM_FROM_BYTES)?;
        Ok(args)
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        for row in rows.iter_mut() {
            row.relation = label::relation(&row.schema, &row.name);
            row.total_bytes = row.table_bytes.zip(row.index_bytes).map(|(t, i)| t.saturating_add(i));
            let Some(total) = row.total_bytes else { continue };
            let before = self.before.insert(row.oid, (cx.mono, total));
            row.growth_bytes_per_second = before.and_then(|(at, bytes)| {
                let seconds = cx.mono.saturating_sub(at).as_secs_f64();
                (seconds > 0.0).then(|| (total as f64 - bytes as f64) / seconds)
            });
        }
        self.before.retain(|_, (at, _)| cx.mono.saturating_sub(*at) <= cx.interval * REMEMBER_INTERVALS);
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let shown = self.top.keep(rows.iter().map(|r| r.oid));
        let mut unmeasured = 0;
        for row in rows.iter().filter(|r| shown.contains(&r.oid)) {
            let labels = [row.relation.as_str(), row.relkind.as_str()];
            out.push_opt(&SIZE, &labels, row.table_bytes.map(|b| b as f64));
            out.push_opt(&TOTAL, &labels, row.total_bytes.map(|b| b as f64));
            out.push_opt(&GROWTH, &[&row.relation], row.growth_bytes_per_second);
            unmeasured += i32::from(row.total_bytes.is_none());
        }
        out.push(&UNMEASURED, &[], f64::from(unmeasured));
        Vec::new()
    }
}
