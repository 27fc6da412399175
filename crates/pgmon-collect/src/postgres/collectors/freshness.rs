//! When the largest tables were last vacuumed and analysed.
//!
//! Only the first N by size are asked for: `pg_stat_user_tables` would look up every table and its indexes.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::topn::TopN;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;

#[cfg(test)]
mod tests;

/// A table; ages are absent if it never happened since the statistics began, and on a standby.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "FreshnessRow")]
pub struct Row {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its size in pages, as of its last VACUUM or ANALYZE.
    pub pages: i64,
    /// Time since autovacuum last vacuumed it, seconds.
    pub last_autovacuum_age_seconds: Option<f64>,
    /// Time since VACUUM was last run on it, seconds.
    pub last_vacuum_age_seconds: Option<f64>,
    /// Time since autovacuum last analysed it, seconds.
    pub last_autoanalyze_age_seconds: Option<f64>,
    /// Time since ANALYZE was last run on it, seconds.
    pub last_analyze_age_seconds: Option<f64>,
}

const AUTOVACUUM: Desc = Desc::gauge(
    "pg_table_last_autovacuum_seconds",
    "Time since autovacuum last vacuumed the table, seconds; absent if never since statistics began.",
    &["relation"],
);
const VACUUM: Desc = Desc::gauge(
    "pg_table_last_vacuum_seconds",
    "Time since VACUUM was last run on the table, seconds; absent if never since statistics began.",
    &["relation"],
);
const AUTOANALYZE: Desc = Desc::gauge(
    "pg_table_last_autoanalyze_seconds",
    "Time since autovacuum last analysed the table, seconds; absent if never since statistics began.",
    &["relation"],
);
const ANALYZE: Desc = Desc::gauge(
    "pg_table_last_analyze_seconds",
    "Time since ANALYZE was last run on the table, seconds; absent if never since statistics began.",
    &["relation"],
);

/// See the module's head.
#[derive(Debug)]
pub struct Freshness {
    top: TopN<i64>,
}

impl Collector for Freshness {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "freshness",
        title: "Vacuum and analyze freshness",
        in_loop: Loop::Workload,
        scope: Scope::Database,
        queries: &[pg(12, include_str!("freshness/pg12.sql"))],
        follow_ups: &[],
        families: &[&AUTOVACUUM, &VACUUM, &AUTOANALYZE, &ANALYZE],
        needs: &[],
        blind_effect: "when tables were last vacuumed and analysed",
    };

    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_relations) }
    }

    fn args(&self, _cx: &Cx) -> Result<PgArguments, sqlx::error::BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        Ok(args)
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        for row in rows.iter_mut().filter(|_| cx.facts.in_recovery) {
            row.last_autovacuum_age_seconds = None;
            row.last_vacuum_age_seconds = None;
            row.last_autoanalyze_age_seconds = None;
            row.last_analyze_age_seconds = None;
        }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        if cx.facts.in_recovery {
            // What happened on the primary is not told here, and what happened here before is old.
            return vec![Blind {
                collector: Self::SPEC.name.into(),
                needs: "primary".into(),
                effect: Self::SPEC.blind_effect.into(),
                remedy: None,
            }];
        }
        let shown = self.top.keep(rows.iter().map(|r| r.oid));
        for row in rows.iter().filter(|r| shown.contains(&r.oid)) {
            let relation = label::relation(&row.schema, &row.name);
            for (desc, age) in [
                (&AUTOVACUUM, row.last_autovacuum_age_seconds),
                (&VACUUM, row.last_vacuum_age_seconds),
                (&AUTOANALYZE, row.last_autoanalyze_age_seconds),
                (&ANALYZE, row.last_analyze_age_seconds),
            ] {
                // A clock that was set back must not make an age negative.
                out.push_opt(desc, &[&relation], age.map(|s| s.max(0.0)));
            }
        }
        Vec::new()
    }
}
