//! The tables that are nearest to a forced vacuum: transaction id and multixact age, TOAST included.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::topn::TopN;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use std::collections::BTreeSet;

/// One table.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "TableAgeRow")]
pub struct Row {
    /// Its schema.
    pub schema_name: String,
    /// Its name.
    pub table_name: String,
    /// Whether it is a temporary table: autovacuum never comes, only its own session can vacuum it.
    pub temporary: bool,
    /// Age of the oldest unfrozen transaction id in it or its TOAST table, transactions.
    pub xid_age: i64,
    /// Age of the oldest multixact in it or its TOAST table, multixacts.
    pub mxid_age: Option<i64>,
    /// Whether [`Self::xid_age`] is the TOAST table's.
    pub xid_of_toast: bool,
    /// The age at which autovacuum is forced on it (its own setting or the server's), transactions.
    pub freeze_max_age: i64,
    /// The same for multixacts.
    pub multixact_freeze_max_age: i64,
    /// The worst of its ages against the limit of that age, 0-1 and above.
    pub ratio: f64,
}

const XID_AGE: Desc = Desc::gauge(
    "pg_table_xid_age",
    "Age of the oldest unfrozen transaction id in the table or its TOAST table, in transactions; the tables nearest to their limit.",
    &["relation"],
);
const MXID_AGE: Desc = Desc::gauge(
    "pg_table_mxid_age",
    "Age of the oldest multixact in the table or its TOAST table, in multixacts; the tables nearest to their limit.",
    &["relation"],
);
const RATIO: Desc = Desc::gauge(
    "pg_table_freeze_age_ratio",
    "The table's worst age against the age at which autovacuum is forced on it, 0-1 and above; the tables nearest to their limit.",
    &["relation"],
);

/// The label of temporary tables.
const TEMPORARY: &str = "pg_temp.(temporary)";

/// See the module's head.
pub struct TableAge {
    top: TopN<String>,
}

impl Collector for TableAge {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "table_age",
        title: "Oldest tables",
        in_loop: Loop::Hourly,
        scope: Scope::Database,
        queries: &[pg(12, include_str!("table_age/pg12.sql"))],
        follow_ups: &[],
        families: &[&XID_AGE, &MXID_AGE, &RATIO],
        needs: &[],
        blind_effect: "which tables hold the oldest transaction ids",
    };

    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_relations) }
    }

    fn args(&self, _cx: &Cx) -> Result<PgArguments, sqlx::error::BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        Ok(args)
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        // Names of temporary tables come and go with sessions: all of them are one series, the worst.
        let mut seen = BTreeSet::new();
        let labelled: Vec<(&Row, String)> = rows
            .iter()
            .map(|r| {
                (
                    r,
                    if r.temporary {
                        TEMPORARY.into()
                    } else {
                        label::relation(&r.schema_name, &r.table_name)
                    },
                )
            })
            .filter(|(_, relation)| seen.insert(relation.clone()))
            .collect();
        let shown = self.top.keep(labelled.iter().map(|(_, relation)| relation.clone()));
        for (row, relation) in labelled.iter().filter(|(_, relation)| shown.contains(relation)) {
            out.push(&XID_AGE, &[relation], row.xid_age as f64);
            out.push_opt(&MXID_AGE, &[relation], row.mxid_age.map(|age| age as f64));
            out.push(&RATIO, &[relation], row.ratio);
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
