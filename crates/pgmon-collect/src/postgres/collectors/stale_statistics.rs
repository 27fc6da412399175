//! Tables whose planner statistics are behind what is in them.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::topn::TopN;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use std::collections::BTreeMap;

/// One table.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "StaleStatisticsRow")]
pub struct Row {
    /// Its schema.
    pub schema_name: String,
    /// Its name.
    pub table_name: String,
    /// Whether it is a partitioned table: autovacuum analyzes its partitions, never the table as a whole.
    pub partition_parent: bool,
    /// Whether it has never been analyzed; unknown for partitioned tables up to 13.
    pub never_analyzed: Option<bool>,
    /// How long ago it was analyzed last, by hand or by autovacuum, seconds; unknown if that was not seen.
    pub analyzed_seconds: Option<f64>,
    /// Rows inserted, updated and deleted since then.
    pub mods_since_analyze: Option<i64>,
    /// Rows in it, about (of a partitioned table: in all its partitions).
    pub live_rows: Option<i64>,
    /// So many changes make autovacuum analyze it, by its own settings or the server's.
    pub analyze_trigger_rows: Option<i64>,
    /// Changes against that number, 0-1 and above.
    pub ratio: Option<f64>,
    /// Whether autovacuum is on for this table.
    pub autovacuum_enabled: Option<bool>,
    /// Rows changed since pgmon's last round; unknown if it was analyzed in between.
    #[sqlx(skip)]
    pub mods_since_last_round: Option<i64>,
    /// All tables never analyzed, also those that are not listed.
    #[serde(skip)]
    pub never_analyzed_tables: Option<i64>,
    /// All tables past their trigger, also those that are not listed.
    #[serde(skip)]
    pub stale_tables: Option<i64>,
}

const AGE: Desc = Desc::gauge(
    "pg_table_stats_age_seconds",
    "Seconds since the table was analyzed, for tables that have changed since; the most changed ones.",
    &["relation"],
);
const MODS: Desc = Desc::gauge(
    "pg_table_mods_since_analyze",
    "Rows changed since the table was analyzed; the most changed ones.",
    &["relation"],
);
const RATIO: Desc = Desc::gauge(
    "pg_table_stats_stale_ratio",
    "Rows changed since the table was analyzed against the number that makes autovacuum analyze it, 0-1 and above; the most changed ones.",
    &["relation"],
);
const STALE: Desc = Desc::gauge(
    "pg_tables_stats_stale",
    "Tables with more changes than make autovacuum analyze them, small ones left out.",
    &[],
);
const NEVER: Desc =
    Desc::gauge("pg_tables_never_analyzed", "Tables never analyzed, small ones left out.", &[]);
const PARENTS_NEVER: Desc = Desc::gauge(
    "pg_partitioned_tables_never_analyzed",
    "Partitioned tables never analyzed as a whole, which only an ANALYZE by hand does; small ones left out.",
    &[],
);

/// See the module's head.
pub struct StaleStatistics {
    top: TopN<String>,
    mods: BTreeMap<String, i64>,
}

impl Collector for StaleStatistics {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "stale_statistics",
        title: "Stale statistics",
        in_loop: Loop::Hourly,
        scope: Scope::Database,
        queries: &[pg(12, include_str!("stale_statistics/pg12.sql"))],
        follow_ups: &[],
        families: &[&AGE, &MODS, &RATIO, &STALE, &NEVER, &PARENTS_NEVER],
        needs: &[],
        blind_effect: "changes since tables were analyzed",
    };

    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_relations), mods: BTreeMap::new() }
    }

    fn args(&self, _cx: &Cx) -> Result<PgArguments, sqlx::error::BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        Ok(args)
    }

    fn complete(&mut self, rows: &mut [Row], _cx: &Cx) {
        let before = std::mem::take(&mut self.mods);
        for row in rows {
            let Some(mods) = row.mods_since_analyze else { continue };
            let relation = label::relation(&row.schema_name, &row.table_name);
            row.mods_since_last_round = before.get(&relation).map(|b| mods - b).filter(|more| *more >= 0);
            self.mods.insert(relation, mods);
        }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let blind = |needs: &str, remedy: Option<&str>| {
            vec![Blind {
                collector: Self::SPEC.name.into(),
                needs: needs.into(),
                effect: Self::SPEC.blind_effect.into(),
                remedy: remedy.map(Into::into),
            }]
        };
        // What a standby counts is its own, not what happens to the tables.
        if cx.facts.in_recovery {
            return blind("primary", None);
        }
        if cx.facts.setting_on("track_counts") == Some(false) {
            return blind(
                "track_counts",
                Some("ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();"),
            );
        }
        let tables = || rows.iter().filter(|r| !r.partition_parent);
        let relation = |row: &Row| label::relation(&row.schema_name, &row.table_name);
        let shown = self.top.keep(tables().map(relation));
        for row in tables() {
            let relation = relation(row);
            if !shown.contains(&relation) {
                continue;
            }
            out.push_opt(&AGE, &[&relation], row.analyzed_seconds.map(|s| s.max(0.0)));
            out.push_opt(&MODS, &[&relation], row.mods_since_analyze.map(|n| n as f64));
            out.push_opt(&RATIO, &[&relation], row.ratio);
        }
        // The totals come with each row; without a row there is nothing to be counted.
        let total = |of: fn(&Row) -> Option<i64>| tables().find_map(of).unwrap_or(0) as f64;
        out.push(&STALE, &[], total(|r| r.stale_tables));
        out.push(&NEVER, &[], total(|r| r.never_analyzed_tables));
        if cx.facts.version.major() >= 14 {
            let parents = rows.iter().filter(|r| r.partition_parent && r.never_analyzed == Some(true));
            out.push(&PARENTS_NEVER, &[], parents.count() as f64);
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
