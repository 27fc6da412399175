//! How much of their range sequences have used up, by the type of the column that they feed.
//!
//! Reading a sequence holds a lock on it until the end of the transaction and opens its file. So they are
//! read in portions, and where there are very many, some portions a round, the others in the next ones.

use crate::postgres::collector::{
    Cx, Need, Outcome, Registered, Scope, Settings, Spec, Statement, Steps, pg,
};
use crate::postgres::session::QueryError;
use crate::postgres::topn::TopN;
use crate::postgres::wording::few;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, FromRow as _};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Sequences read by one statement, and so locks held at once.
const PORTION: i64 = 250;
/// Portions in a round.
const PORTIONS: u32 = 4;
/// Portions in the first round, which would otherwise show a part of a large database only.
const FIRST_PORTIONS: u32 = 40;

/// A sequence.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "SequencesRow")]
pub struct Row {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its name in labels.
    #[sqlx(skip)]
    pub sequence: String,
    /// Its type: `smallint`, `integer` or `bigint`.
    pub data_type: String,
    /// Its step; negative if it descends.
    pub increment: i64,
    /// Its lowest value.
    pub min_value: i64,
    /// Its highest value.
    pub max_value: i64,
    /// Whether it begins again where it ends.
    pub cycles: bool,
    /// The last value that it gave; absent if it gave none yet or may not be read.
    pub last_value: Option<i64>,
    /// Schema of the table that it feeds.
    pub table_schema: Option<String>,
    /// Table that it feeds.
    pub table_name: Option<String>,
    /// Column that it feeds.
    pub column_name: Option<String>,
    /// Type of that column: where it is smaller than the sequence's, it is what ends first.
    pub column_type: Option<String>,
    /// Used part of its range or of the column's, whichever ends first, 0-1; absent if unknown.
    pub used_ratio: Option<f64>,
    /// Values left; absent if unknown.
    pub remaining: Option<f64>,
    /// Whether it may be read.
    pub readable: bool,
    /// Whether DDL holds it or waits for it: then it is not read this time.
    pub locked: bool,
    #[serde(skip)]
    #[schemars(skip)]
    looked_at: i64,
    #[serde(skip)]
    #[schemars(skip)]
    last_oid: i64,
    #[serde(skip)]
    #[schemars(skip)]
    hidden: i64,
}

const USED: Desc = Desc::gauge(
    "pg_sequence_used_ratio",
    "Used part of a sequence's range, or of the range of the column that it feeds if that ends first, 0-1.",
    &["sequence"],
);

const SPEC: &Spec = &Spec {
    name: "sequences",
    title: "Sequences",
    in_loop: Loop::Storage,
    scope: Scope::Database,
    queries: &[pg(12, include_str!("sequences/pg12.sql"))],
    follow_ups: &[],
    families: &[&USED],
    needs: &[],
    blind_effect: "how much of their range sequences have used up",
};

/// For the list of collectors.
pub const REGISTERED: Registered = Registered {
    spec: SPEC,
    make: |settings| Box::new(Sequences::new(settings)),
    row_schema: || schemars::schema_for!(Vec<Row>),
};

/// What a portion came to.
#[derive(Debug, Clone)]
struct Portion {
    /// Sequences after this oid ...
    after: i64,
    /// ... up to this one; all that follow if it was the last portion.
    to: i64,
    rows: Vec<Row>,
    hidden: i64,
}

/// See the module's head.
pub struct Sequences {
    top: TopN<i64>,
    sql: &'static str,
    /// The portions as they were read last, in the order of their oids.
    known: Vec<Portion>,
    /// Whether a round has reached the end.
    complete: bool,
    /// The next portion begins after this oid.
    after: i64,
    portions: u32,
    retried: bool,
    /// Rows of the portion that is being read.
    rows: Vec<Row>,
    /// Portions that this round has read.
    read: Vec<Portion>,
}

impl Sequences {
    fn new(settings: &Settings) -> Self {
        Self {
            top: TopN::new(settings.top_relations),
            sql: "",
            known: Vec::new(),
            complete: false,
            after: 0,
            portions: 0,
            retried: false,
            rows: Vec::new(),
            read: Vec::new(),
        }
    }

    fn statement(&self) -> Result<Statement, BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.after)?;
        args.add(PORTION)?;
        // One row at least: it carries the portion's counts.
        args.add(self.top.limit().max(1))?;
        Ok(Statement::with(self.sql, args))
    }

    /// Puts a portion in the place of what was known of its range.
    fn replace(&mut self, portion: Portion) {
        for known in &mut self.known {
            if known.to > portion.after && known.after < portion.to {
                known.rows.retain(|r| r.oid <= portion.after || r.oid > portion.to);
                // What is hidden is counted by portion: one that is overlapped is counted anew with its rows.
                known.hidden = 0;
            }
        }
        self.known.retain(|k| !k.rows.is_empty() || k.hidden > 0);
        self.known.push(portion);
    }
}

impl Steps for Sequences {
    fn spec(&self) -> &'static Spec {
        SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, BoxDynError> {
        self.sql = sql;
        self.portions = 0;
        self.retried = false;
        self.rows.clear();
        self.read.clear();
        self.statement()
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        self.rows.push(Row::from_row(row)?);
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, _cx: &Cx) -> Result<Option<Statement>, QueryError> {
        if let Some(error) = error {
            // Locked or dropped while we read: by now that is there to be seen, and left out.
            let passing = matches!(error.sqlstate(), Some("55P03" | "42P01" | "XX000"));
            if passing && !self.retried {
                self.retried = true;
                self.rows.clear();
                return self.statement().map(Some).map_err(|e| QueryError::Decode(e.to_string()));
            }
            // What the round has read so far is good; the next one goes on from here.
            return if self.read.is_empty() { Err(error) } else { Ok(None) };
        }
        let rows = std::mem::take(&mut self.rows);
        let first = rows.first();
        let (looked_at, hidden) = first.map_or((0, 0), |r| (r.looked_at, r.hidden));
        let last = looked_at < PORTION;
        let to = if last { i64::MAX } else { first.map_or(i64::MAX, |r| r.last_oid) };
        self.read.push(Portion { after: self.after, to, rows, hidden });
        self.portions += 1;
        self.after = if last { 0 } else { to };
        let limit = if self.complete { PORTIONS } else { FIRST_PORTIONS };
        if last || self.portions >= limit {
            return Ok(None);
        }
        self.statement().map(Some).map_err(|e| QueryError::Decode(e.to_string()))
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        for portion in std::mem::take(&mut self.read) {
            self.complete |= portion.to == i64::MAX;
            self.replace(portion);
        }
        let mut rows: Vec<Row> = self.known.iter().flat_map(|p| p.rows.iter().cloned()).collect();
        rows.sort_by(|a, b| {
            let ratio = |r: &Row| r.used_ratio.unwrap_or(-1.0);
            ratio(b).total_cmp(&ratio(a)).then(a.oid.cmp(&b.oid))
        });
        let hidden: i64 = self.known.iter().map(|p| p.hidden).sum();
        let names: Vec<&str> = rows.iter().filter(|r| !r.readable).map(|r| r.name.as_str()).collect();
        let mut blind = Vec::new();
        if hidden > 0 {
            blind.push(Blind {
                collector: SPEC.name.into(),
                needs: Need::ReadAllData.label(),
                effect: format!(
                    "how much of their range {hidden} sequences have used up, among them {}",
                    few(&names)
                ),
                remedy: Some(Need::ReadAllData.remedy(&cx.facts)),
            });
        }
        rows.retain(|r| r.readable);
        rows.truncate(self.top.window());
        let shown = self.top.keep(rows.iter().filter(|r| r.used_ratio.is_some()).map(|r| r.oid));
        let mut out = Families::new();
        for row in &mut rows {
            row.sequence = label::relation(&row.schema, &row.name);
            if shown.contains(&row.oid) {
                out.push_opt(&USED, &[&row.sequence], row.used_ratio);
            }
        }
        Outcome { families: out.into_vec(), data: Some(Arc::new(rows)), blind }
    }

    fn abort(&mut self) {
        self.rows = Vec::new();
        self.read = Vec::new();
        // The portion that failed is read again in the next round.
    }
}
