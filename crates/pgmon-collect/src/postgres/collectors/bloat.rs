//! Space in the largest tables and indexes that a rewrite would give back.
//!
//! The first statement chooses the relations, by the catalog's page counts and without a lock on any.
//! Then one statement each measures them with pgstattuple, within a budget of bytes, so that one that
//! DDL holds misses only itself. What was not measured is estimated from the planner's statistics, where
//! they can be read in full; a half-visible one is never shown.

use crate::postgres::collector::{
    Cx, Need, Outcome, Query, Registered, Scope, Settings, Spec, Statement, Steps, pg,
};
use crate::postgres::session::QueryError;
use crate::postgres::topn::TopN;
use estimate::Column;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use relation::{Candidate, Fate, IndexMeasure, Measure, TableMeasure, describe};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, FromRow as _};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

mod estimate;
mod relation;

pub use relation::Row;

const TABLE_BYTES: Desc = Desc::gauge(
    "pg_table_bloat_bytes",
    "Bytes of the table (without TOAST) that a rewrite would give back, for the largest tables; statistics is an estimate.",
    &["relation", "method"],
);
const TABLE_RATIO: Desc = Desc::gauge(
    "pg_table_bloat_ratio",
    "Share of the table (without TOAST) that a rewrite would give back, 0-1, for the largest tables; statistics is an estimate.",
    &["relation", "method"],
);
const INDEX_BYTES: Desc = Desc::gauge(
    "pg_index_bloat_bytes",
    "Bytes of the btree index that REINDEX would give back, for the largest indexes; statistics is an estimate.",
    &["index", "method"],
);
const INDEX_RATIO: Desc = Desc::gauge(
    "pg_index_bloat_ratio",
    "Share of the btree index that REINDEX would give back, 0-1, for the largest indexes; statistics is an estimate.",
    &["index", "method"],
);

const APPROX: Query = pg(12, include_str!("bloat/approx.sql"));
const EXACT: Query = pg(12, include_str!("bloat/exact.sql"));
const INDEX: Query = pg(12, include_str!("bloat/index.sql"));
const COLUMNS: Query = pg(12, include_str!("bloat/columns.sql"));

const SPEC: Spec = Spec {
    name: "bloat",
    title: "Bloat",
    in_loop: Loop::Hourly,
    scope: Scope::Database,
    queries: &[pg(12, include_str!("bloat/pg12.sql"))],
    follow_ups: &[APPROX, EXACT, INDEX, COLUMNS],
    families: &[&TABLE_BYTES, &TABLE_RATIO, &INDEX_BYTES, &INDEX_RATIO],
    // Either of two will do: see `blind`.
    needs: &[],
    blind_effect: "bloat of tables and indexes",
};

/// The collector.
pub const REGISTERED: Registered = Registered {
    spec: &SPEC,
    make: |settings| Box::new(Bloat::new(settings)),
    row_schema: || schemars::schema_for!(Vec<Row>),
};

/// Rounds for which a relation that took too long is left alone.
const REST: u8 = 24;

#[derive(Default, Clone, Copy, sqlx::FromRow)]
struct Can {
    #[sqlx(rename = "can_approx")]
    approx: bool,
    #[sqlx(rename = "can_exact")]
    exact: bool,
    #[sqlx(rename = "can_index")]
    index: bool,
}

/// What a round may make the server write to its WAL, bytes. Reading a row that nobody has read since it was
/// written marks its page (hint bits). With checksums or `wal_log_hints` the first mark on a page since a
/// checkpoint logs the whole page, also in a transaction that is READ ONLY. There is no key for this: a
/// monitor has no business writing, and VACUUM leaves nothing to mark.
const MAX_WAL_BYTES: u64 = 16 << 20;

/// Whether hint bits are logged here. What is not known counts as logged; a standby writes none.
fn hints_are_logged(cx: &Cx) -> bool {
    let off = |name| cx.facts.setting_on(name) == Some(false);
    !(cx.facts.in_recovery || (off("data_checksums") && off("wal_log_hints")))
}

/// What the statement that is running returns.
#[derive(Clone, Copy)]
enum Running {
    Candidates,
    /// The measure of this candidate.
    Relation(usize),
    Columns,
}

struct Bloat {
    tables: TopN<i64>,
    indexes: TopN<i64>,
    /// Relations that took too long, and for how many rounds more they are left alone.
    resting: BTreeMap<i64, u8>,
    running: Running,
    can: Can,
    found: Vec<(Candidate, Fate)>,
    queue: VecDeque<(usize, &'static str, Query)>,
    columns: Vec<Column>,
}

impl Bloat {
    fn new(settings: &Settings) -> Self {
        Self {
            tables: TopN::new(settings.bloat.top_n),
            indexes: TopN::new(settings.bloat.top_n),
            resting: BTreeMap::new(),
            running: Running::Candidates,
            can: Can::default(),
            found: Vec::new(),
            queue: VecDeque::new(),
            columns: Vec::new(),
        }
    }

    /// Decides what is measured, largest first, until the budget is used up.
    fn choose(&mut self, cx: &Cx) {
        let ids = |kind: &str| -> Vec<i64> {
            self.found.iter().filter(|(c, _)| c.kind == kind).map(|(c, _)| c.relid).collect()
        };
        let (tables, indexes) = (ids("table"), ids("index"));
        let mut shown = self.tables.keep(tables);
        shown.extend(self.indexes.keep(indexes));
        self.found.retain(|(c, _)| shown.contains(&c.relid));
        self.found.sort_by_key(|(c, _)| (std::cmp::Reverse(c.pages), c.relid));
        for rounds in self.resting.values_mut() {
            *rounds -= 1;
        }
        self.resting.retain(|_, rounds| *rounds > 0);
        let bloat = &cx.settings.bloat;
        let mut left = bloat.max_bytes;
        let mut wal_left = if hints_are_logged(cx) { MAX_WAL_BYTES } else { u64::MAX };
        for (at, (candidate, fate)) in self.found.iter_mut().enumerate() {
            let with = match (candidate.kind.as_str(), bloat.exact) {
                ("index", _) if self.can.index => ("pgstatindex", INDEX),
                ("table", true) if self.can.exact => ("pgstattuple", EXACT),
                ("table", false) if self.can.approx => ("pgstattuple_approx", APPROX),
                _ => {
                    *fate = Fate::Not("pgstattuple cannot be used");
                    continue;
                }
            };
            if !bloat.measure {
                *fate = Fate::Not("bloat.sampling_mode is statistics");
                continue;
            }
            if self.resting.contains_key(&candidate.relid) {
                *fate = Fate::Not("it took too long before");
                continue;
            }
            let pages = u64::try_from(candidate.pages).unwrap_or(0);
            let unseen = u64::try_from(candidate.unseen_pages.unwrap_or(0)).unwrap_or(0);
            let Some(wal_rest) = wal_left.checked_sub(unseen.saturating_mul(cx.facts.block_size.into()))
            else {
                *fate = Fate::Not("measuring would write WAL: VACUUM it first");
                continue;
            };
            let Some(rest) = left.checked_sub(pages.saturating_mul(cx.facts.block_size.into())) else {
                *fate = Fate::Not("it does not fit into bloat.max_bytes");
                continue;
            };
            (left, wal_left) = (rest, wal_rest);
            self.queue.push_back((at, with.0, with.1));
        }
    }

    /// Takes note that a relation could not be measured.
    fn failed(&mut self, at: usize, error: &QueryError) {
        let Some((candidate, fate)) = self.found.get_mut(at) else { return };
        *fate = Fate::Not(match error.sqlstate() {
            Some("55P03") => "DDL holds it",
            Some("57014") => "it took too long",
            Some("42501") => "permission denied",
            Some("42P01" | "XX000" | "22023") => "it has gone",
            _ => "an error",
        });
        if error.sqlstate() == Some("57014") {
            // The loop's time is used up, and this relation must not use it up every time.
            self.resting.insert(candidate.relid, REST);
            for (at, ..) in self.queue.drain(..) {
                if let Some((_, fate)) = self.found.get_mut(at) {
                    *fate = Fate::Not("no time was left");
                }
            }
        }
    }

    /// The next statement: another relation's measure, or the statistics of those without one.
    fn next(&mut self) -> Result<Option<Statement>, QueryError> {
        let mut args = PgArguments::default();
        let sql = if let Some((at, _, query)) = self.queue.front() {
            let relid = self.found.get(*at).map_or(0, |(c, _)| c.relid);
            args.add(relid).map_err(|e| QueryError::Decode(e.to_string()))?;
            self.running = Running::Relation(*at);
            query.sql
        } else {
            let unmeasured = self.found.iter().filter(|(_, fate)| matches!(fate, Fate::Not(_)));
            let unmeasured: Vec<i64> = unmeasured.map(|(c, _)| c.relid).collect();
            if unmeasured.is_empty() || matches!(self.running, Running::Columns) {
                return Ok(None);
            }
            args.add(unmeasured).map_err(|e| QueryError::Decode(e.to_string()))?;
            self.running = Running::Columns;
            COLUMNS.sql
        };
        Ok(Some(Statement::with(sql, args)))
    }

    /// Neither way is open.
    fn blind(&self, cx: &Cx) -> Vec<Blind> {
        let measures =
            self.can.index && if cx.settings.bloat.exact { self.can.exact } else { self.can.approx };
        if measures || cx.facts.has(Need::ReadAllData) {
            return Vec::new();
        }
        let extension = Need::Extension("pgstattuple");
        // Where it is there already, pg_monitor brings the right to use it.
        let first = if cx.facts.has(extension) { Need::Monitor } else { extension };
        vec![Blind {
            collector: SPEC.name.into(),
            needs: "extension pgstattuple or pg_read_all_data".into(),
            effect: SPEC.blind_effect.into(),
            remedy: Some(format!(
                "{}\n-- or:\n{}",
                first.remedy(&cx.facts),
                crate::postgres::psql::commented(&Need::ReadAllData.remedy(&cx.facts)).trim_end()
            )),
        }]
    }
}

impl Steps for Bloat {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&mut self, sql: &'static str, cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError> {
        self.abort();
        let pages = cx.settings.bloat.min_bytes / u64::from(cx.facts.block_size.max(1));
        let mut args = PgArguments::default();
        args.add(i64::try_from(pages.max(1)).unwrap_or(i64::MAX))?;
        args.add(self.tables.limit())?;
        Ok(Statement::with(sql, args))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        match self.running {
            Running::Candidates => {
                self.can = Can::from_row(row)?;
                if sqlx::Row::try_get::<Option<i64>, _>(row, "relid")?.is_some() {
                    self.found.push((Candidate::from_row(row)?, Fate::Waiting));
                }
            }
            Running::Relation(at) => {
                let Some((_, method, _)) = self.queue.front() else { return Ok(()) };
                let measure = if *method == "pgstatindex" {
                    Measure::Index(IndexMeasure::from_row(row)?)
                } else {
                    Measure::Table(TableMeasure::from_row(row)?)
                };
                if let Some((_, fate)) = self.found.get_mut(at) {
                    *fate = Fate::Measured(method, measure);
                }
            }
            Running::Columns => self.columns.push(Column::from_row(row)?),
        }
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        match (self.running, error) {
            (Running::Candidates, Some(error)) => return Err(error),
            (Running::Candidates, None) => self.choose(cx),
            (Running::Relation(at), error) => {
                self.queue.pop_front();
                if let Some(error) = error {
                    self.failed(at, &error);
                } else if let Some((_, fate @ Fate::Waiting)) = self.found.get_mut(at) {
                    *fate = Fate::Not("DDL holds it");
                }
            }
            (Running::Columns, Some(error)) => {
                self.columns.clear();
                // What was measured is worth more than nothing at all.
                if !self.found.iter().any(|(_, fate)| matches!(fate, Fate::Measured(..))) {
                    return Err(error);
                }
            }
            (Running::Columns, None) => {}
        }
        self.next()
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        let block_size = f64::from(cx.facts.block_size);
        let rows: Vec<Row> =
            self.found.iter().map(|(c, fate)| describe(c, fate, &self.columns, block_size)).collect();
        let mut out = Families::new();
        for row in &rows {
            let Some(((method, bytes), ratio)) = row.method.zip(row.bloat_bytes).zip(row.bloat_ratio) else {
                continue;
            };
            let relation = label::relation(&row.schema_name, &row.name);
            let (of_bytes, of_ratio) =
                if row.kind == "index" { (&INDEX_BYTES, &INDEX_RATIO) } else { (&TABLE_BYTES, &TABLE_RATIO) };
            out.push(of_bytes, &[&relation, method], bytes);
            out.push(of_ratio, &[&relation, method], ratio);
        }
        let blind = self.blind(cx);
        self.abort();
        Outcome { families: out.into_vec(), data: Some(Arc::new(rows)), blind }
    }

    fn abort(&mut self) {
        self.running = Running::Candidates;
        self.can = Can::default();
        self.found = Vec::new();
        self.queue.clear();
        self.columns = Vec::new();
    }
}

#[cfg(test)]
mod tests;
