//! What vacuum, index builds and other long commands are doing, and how far they are.
//!
//! The first statement only asks whether there is anything to see: mostly there is not.

use crate::postgres::collector::{
    Cx, Need, Outcome, Registered, Scope, Settings, Spec, Statement, Steps, pg,
};
use crate::postgres::session::QueryError;
use crate::postgres::topn::TopN;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::Loop;
use sqlx::postgres::PgRow;
use sqlx::{FromRow as _, Row as _};
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A process at work on a long command.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ProgressRow")]
pub struct Row {
    /// `vacuum`, `analyze`, `create index concurrently`, `vacuum full`, `base backup`, `copy from`, ...
    pub command: String,
    /// Its present phase, as the server names it.
    pub phase: String,
    /// Process id.
    pub pid: i32,
    /// Whether it is an autovacuum worker.
    pub automatic: bool,
    /// Its database; absent for base backups.
    pub datname: Option<String>,
    /// The relation's oid; absent where there is none.
    pub relation_oid: Option<i64>,
    /// The relation's schema, if it is in the database that we are in.
    pub schema: Option<String>,
    /// The relation's name, if it is in the database that we are in.
    pub relation: Option<String>,
    /// What is done of the phase, in `unit`; absent where the phase does not count.
    pub done: Option<i64>,
    /// All that is to be done in the phase, in `unit`; absent if unknown.
    pub total: Option<i64>,
    /// `blocks`, `tuples`, `bytes`, `lockers`, `indexes` or `statistics`.
    pub unit: String,
    /// Time since the command began, seconds.
    pub running_seconds: Option<f64>,
    /// Whether it waits for a lock.
    pub blocked: bool,
}

const AUTOVACUUM_JOBS: Desc =
    Desc::gauge("pg_autovacuum_jobs", "Autovacuum workers that vacuum a table, by phase.", &["phase"]);
const OPERATIONS: Desc = Desc::gauge(
    "pg_progress_operations",
    "Processes at work on a long command (vacuum, analyze, index build, copy, ...), by phase.",
    &["command", "phase"],
);
const RATIO: Desc = Desc::gauge(
    "pg_progress_ratio",
    "Share (0 to 1) of its present phase that a long command has done; where several do the same, of the one furthest behind. Relations are named in the connected database only: elsewhere the label is oid:N.",
    &["command", "datname", "relation"],
);

/// All phases of a vacuum, so that a phase that nobody is in is 0.
const VACUUM_PHASES: [&str; 7] = [
    "initializing",
    "scanning heap",
    "vacuuming indexes",
    "vacuuming heap",
    "cleaning up indexes",
    "truncating heap",
    "performing final cleanup",
];

const SPEC: Spec = Spec {
    name: "progress",
    title: "Progress of long commands",
    in_loop: Loop::HotPath,
    scope: Scope::Server,
    queries: &[
        pg(12, include_str!("progress/pg12.sql")),
        pg(13, include_str!("progress/pg13.sql")),
        pg(14, include_str!("progress/pg14.sql")),
    ],
    follow_ups: &[
        pg(12, include_str!("progress/rows/pg12.sql")),
        pg(13, include_str!("progress/rows/pg13.sql")),
        pg(14, include_str!("progress/rows/pg14.sql")),
        pg(17, include_str!("progress/rows/pg17.sql")),
    ],
    families: &[&AUTOVACUUM_JOBS, &OPERATIONS, &RATIO],
    needs: &[Need::Monitor],
    blind_effect: "what autovacuum, index builds, copies and base backups of other roles are doing",
};

/// The registration.
pub const REGISTERED: Registered = Registered {
    spec: &SPEC,
    make: |settings| Box::new(Progress::new(settings)),
    row_schema: || schemars::schema_for!(Vec<Row>),
};

/// Command, database and relation, as the labels of a ratio.
type Key = (String, String, String);

/// See the module's head.
struct Progress {
    top: TopN<Key>,
    at_work: bool,
    /// Whether the first statement has been answered.
    asked: bool,
    rows: Vec<Row>,
}

impl Steps for Progress {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError> {
        self.abort();
        Ok(Statement::plain(sql))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        if self.asked {
            self.rows.push(Row::from_row(row)?);
        } else {
            self.at_work = row.try_get("at_work")?;
        }
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        if let Some(error) = error {
            return Err(error);
        }
        let asked = std::mem::replace(&mut self.asked, true);
        let second = if self.at_work && !asked { cx.facts.pick(SPEC.follow_ups) } else { None };
        Ok(second.map(Statement::plain))
    }

    fn finish(&mut self, _cx: &Cx) -> Outcome {
        let rows = std::mem::take(&mut self.rows);
        let mut families = Families::new();
        self.samples(&rows, &mut families);
        Outcome { families: families.into_vec(), data: Some(Arc::new(rows)), blind: Vec::new() }
    }

    fn abort(&mut self) {
        self.rows = Vec::new();
        self.at_work = false;
        self.asked = false;
    }
}

impl Progress {
    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_relations), at_work: false, asked: false, rows: Vec::new() }
    }

    fn samples(&mut self, rows: &[Row], out: &mut Families) {
        let mut jobs: BTreeMap<String, u32> = VACUUM_PHASES.map(|phase| (phase.to_owned(), 0)).into();
        let mut operations = BTreeMap::<(String, String), u32>::new();
        for row in rows {
            let (command, phase) = (label::name(&row.command), label::name(&row.phase));
            if row.automatic && row.command == "vacuum" {
                *jobs.entry(phase.clone()).or_default() += 1;
            }
            *operations.entry((command, phase)).or_default() += 1;
        }
        for (phase, workers) in jobs {
            out.push(&AUTOVACUUM_JOBS, &[&phase], f64::from(workers));
        }
        for ((command, phase), processes) in operations {
            out.push(&OPERATIONS, &[&command, &phase], f64::from(processes));
        }
        self.ratios(rows, out);
    }

    fn ratios(&mut self, rows: &[Row], out: &mut Families) {
        // What has been running longest ranks first.
        let mut ranked: Vec<&Row> = rows.iter().filter(|r| r.ratio().is_some()).collect();
        ranked.sort_by(|a, b| b.running_seconds.unwrap_or(0.0).total_cmp(&a.running_seconds.unwrap_or(0.0)));
        let shown = self.top.keep(ranked.iter().map(|r| r.key()));
        let mut ratios = BTreeMap::<Key, f64>::new();
        for (key, ratio) in ranked.iter().filter_map(|r| Some((r.key(), r.ratio()?))) {
            if shown.contains(&key) {
                ratios.entry(key).and_modify(|least| *least = least.min(ratio)).or_insert(ratio);
            }
        }
        for ((command, datname, relation), ratio) in ratios {
            out.push(&RATIO, &[&command, &datname, &relation], ratio);
        }
    }
}

impl Row {
    /// The figures belong to the server and are shown under each of its entries: only with its
    /// database does a relation's name say which one it is.
    fn key(&self) -> Key {
        let relation = match (&self.schema, &self.relation, self.relation_oid) {
            (Some(schema), Some(relation), _) => label::relation(schema, relation),
            // In another database its name cannot be read.
            (.., Some(oid)) => format!("oid:{oid}"),
            _ => String::new(),
        };
        let datname = self.datname.as_deref().map_or_else(String::new, label::name);
        (label::name(&self.command), datname, relation)
    }

    /// The total is an estimate that may be passed.
    fn ratio(&self) -> Option<f64> {
        match (self.done, self.total) {
            (Some(done), Some(total)) if total > 0 => Some((done as f64 / total as f64).clamp(0.0, 1.0)),
            _ => None,
        }
    }
}
