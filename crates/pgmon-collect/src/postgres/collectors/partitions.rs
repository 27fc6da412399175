//! Partitioned tables: how far ahead and back their partitions reach, and what is missing.
//!
//! The bounds are read once and again when partitions come or go, which a fingerprint tells; each round
//! asks only for the parents. Dates and timestamps without a time zone are taken as UTC.

use crate::postgres::collector::{
    Cx, Outcome, Query, Registered, Scope, Settings, Spec, Statement, Steps, pg,
};
use crate::postgres::decode::Time;
use crate::postgres::session::QueryError;
use crate::postgres::topn::TopN;
use bound::Bound;
use coverage::{Partition, Summary, TimeRanges};
use jiff::Timestamp;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::Loop;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, FromRow as _, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod bound;
mod calendar;
mod coverage;
mod listed;

pub use coverage::Gap;
#[cfg(test)]
mod tests;

/// Bounds read by one statement, unless a single table has more.
const BATCH: i64 = 20_000;

/// A parent as the server gives it.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
struct Row {
    oid: i64,
    schema: String,
    name: String,
    parent_oid: Option<i64>,
    strategy: String,
    key_columns: Option<i64>,
    key_column: Option<String>,
    key_type: Option<String>,
    children: i64,
    partitioned_children: i64,
    fingerprint: i64,
    default_oid: Option<i64>,
    default_name: Option<String>,
    default_bytes: Option<i64>,
    default_estimated_rows: Option<f64>,
    default_live_tuples: Option<i64>,
    now: f64,
}

/// A partitioned table or an inheritance parent.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "PartitionedTable")]
pub struct Parent {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its name in labels.
    pub relation: String,
    /// Oid of the table that it is a partition of.
    pub parent_oid: Option<i64>,
    /// `range`, `list`, `hash`, or `inheritance` (before declarative partitioning: without bounds).
    pub strategy: String,
    /// Columns of the key.
    pub key_columns: Option<i64>,
    /// First column of the key; absent if it is an expression.
    pub key_column: Option<String>,
    /// Type of that column.
    pub key_type: Option<String>,
    /// Partitions, with the default one.
    pub partitions: i64,
    /// How many of them have partitions of their own.
    pub partitioned_partitions: i64,
    /// Name of the default partition, if there is one.
    pub default_partition: Option<String>,
    /// Rows in the default partition; absent if unknown.
    pub default_rows: Option<f64>,
    /// Bytes of the default partition.
    pub default_bytes: Option<i64>,
    /// Lower bound of the oldest partition; of a list the lowest date or timestamp.
    pub oldest_lower: Option<String>,
    /// Upper bound of the oldest partition.
    pub oldest_upper: Option<String>,
    /// Newest upper bound; absent for lists, which have values and no bounds.
    pub newest_upper: Option<String>,
    /// How much a partition holds: `1 month`, `1 day`, or a number; absent if that varies.
    pub interval: Option<String>,
    /// Seconds from now to where the newest partition ends; negative if that has passed.
    pub horizon_seconds: Option<f64>,
    /// Seconds since the oldest partition ended.
    pub oldest_seconds: Option<f64>,
    /// Whether some time from now to the horizon has no partition but the default one.
    pub missing: Option<bool>,
    /// From when on.
    pub missing_from: Option<Time>,
    /// Where the partition after the newest one would end.
    pub next_upper: Option<Time>,
    /// Gaps between the partitions, or missing remainders.
    pub gaps: Option<i64>,
    /// The first of these gaps.
    pub gap_list: Vec<Gap>,
    /// Bounds that could not be read: then nothing is said of the table's range.
    pub unreadable_bounds: i64,
}

const COUNT: Desc = Desc::gauge(
    "pg_partitions",
    "Partitions of a table, with the default one (or children of an inheritance parent).",
    &["relation"],
);
const HORIZON: Desc = Desc::gauge(
    "pg_partition_horizon_seconds",
    "Seconds from now to where the partitions of a table partitioned by date or timestamp end (of lists: where the newest value's day or step ends); negative if that has passed, absent if there is no end or the key is of another type: what a number counts is not known.",
    &["relation"],
);
const MISSING: Desc = Desc::gauge(
    "pg_partition_missing",
    "Whether some time from now to limits.partition_horizon_days ahead has no partition of its own, so that its rows fail or go to the default partition: 1 or 0 (of lists: whether the newest value ends before); absent if the key is no date or timestamp.",
    &["relation"],
);
const GAPS: Desc = Desc::gauge(
    "pg_partition_gaps",
    "Gaps between the ranges of a table's partitions, or hash remainders without a partition.",
    &["relation"],
);
const OLDEST: Desc = Desc::gauge(
    "pg_partition_oldest_seconds",
    "Seconds since the oldest partition of a table partitioned by date or timestamp ended; negative if it still goes on.",
    &["relation"],
);
const DEFAULT_ROWS: Desc = Desc::gauge(
    "pg_partition_default_rows",
    "Rows in a table's default partition: rows that no other partition was there for.",
    &["relation"],
);

const BOUNDS: Query = pg(12, include_str!("partitions/bounds.sql"));

const SPEC: &Spec = &Spec {
    name: "partitions",
    title: "Partitions",
    in_loop: Loop::Storage,
    scope: Scope::Database,
    queries: &[pg(12, include_str!("partitions/pg12.sql"))],
    follow_ups: &[BOUNDS],
    families: &[&COUNT, &HORIZON, &MISSING, &GAPS, &OLDEST, &DEFAULT_ROWS],
    needs: &[],
    blind_effect: "partitions: what is missing and how far they reach",
};

/// For the list of collectors.
pub const REGISTERED: Registered = Registered {
    spec: SPEC,
    make: |settings| Box::new(Partitions::new(settings)),
    row_schema: || schemars::schema_for!(Vec<Parent>),
};

/// See the module's head.
pub struct Partitions {
    top: TopN<i64>,
    /// By the parent's oid: the fingerprint of its partitions, and what they come to.
    known: BTreeMap<i64, (i64, Summary)>,
    parents: Vec<Row>,
    /// Positions in `parents` whose bounds are still to be read.
    wanted: Vec<usize>,
    /// Bounds are being read.
    reading: bool,
    bounds: BTreeMap<i64, Vec<Partition>>,
}

impl Partitions {
    fn new(settings: &Settings) -> Self {
        Self {
            top: TopN::new(settings.top_relations),
            known: BTreeMap::new(),
            parents: Vec::new(),
            wanted: Vec::new(),
            reading: false,
            bounds: BTreeMap::new(),
        }
    }

    /// The statement for the next bounds, if any are wanted.
    fn next(&mut self) -> Result<Option<Statement>, BoxDynError> {
        let mut oids: Vec<i64> = Vec::new();
        let mut children = 0_i64;
        while let Some(parent) = self.wanted.last().and_then(|p| self.parents.get(*p)) {
            children = children.saturating_add(parent.children);
            if children > BATCH && !oids.is_empty() {
                break;
            }
            oids.push(parent.oid);
            self.wanted.pop();
        }
        if oids.is_empty() {
            return Ok(None);
        }
        for oid in &oids {
            self.bounds.insert(*oid, Vec::new());
        }
        let mut args = PgArguments::default();
        args.add(oids)?;
        self.reading = true;
        Ok(Some(Statement::with(BOUNDS.sql, args)))
    }

    /// Sums up the bounds that a statement brought.
    fn sum_up(&mut self) {
        for (oid, partitions) in std::mem::take(&mut self.bounds) {
            let Some(parent) = self.parents.iter().find(|p| p.oid == oid) else { continue };
            let summary = Summary::of(parent.key_type.as_deref(), &partitions);
            self.known.insert(oid, (parent.fingerprint, summary));
        }
    }

    fn parent(&self, row: &Row, cx: &Cx) -> Parent {
        let summary = self.known.get(&row.oid).map(|(_, s)| s.clone()).unwrap_or_default();
        let now = micros(row.now);
        let mut parent = Parent {
            oid: row.oid,
            schema: row.schema.clone(),
            name: row.name.clone(),
            relation: label::relation(&row.schema, &row.name),
            parent_oid: row.parent_oid,
            strategy: row.strategy.clone(),
            key_columns: row.key_columns,
            key_column: row.key_column.clone(),
            key_type: row.key_type.clone(),
            partitions: row.children,
            partitioned_partitions: row.partitioned_children,
            default_partition: row.default_name.clone(),
            default_rows: default_rows(row),
            default_bytes: row.default_bytes,
            oldest_lower: summary.oldest_lower,
            oldest_upper: summary.oldest_upper,
            newest_upper: summary.newest_upper,
            interval: summary.number_step.map(|s| s.to_string()),
            horizon_seconds: None,
            oldest_seconds: None,
            missing: None,
            missing_from: None,
            next_upper: None,
            gaps: summary.gaps,
            gap_list: summary.gap_list,
            unreadable_bounds: summary.unreadable,
        };
        if let (Some(time), Some(now)) = (&summary.time, now) {
            self.judge(&mut parent, row, time, now, cx);
        }
        parent
    }

    /// What the present time says of ranges by time.
    fn judge(&self, parent: &mut Parent, row: &Row, time: &TimeRanges, now: i64, cx: &Cx) {
        let seconds = |us: i64| us as f64 / 1e6;
        let horizon = i64::try_from(cx.settings.partition_horizon.as_micros()).unwrap_or(i64::MAX);
        let (mut from, mut until) = (now, now.saturating_add(horizon));
        // What is a partition by the same column itself need not reach further than its own bounds.
        let own = row.parent_oid.and_then(|oid| {
            let above = self.parents.iter().find(|p| p.oid == oid)?;
            let same_key = above.key_column.is_some() && above.key_column == row.key_column;
            let ranges = self.known.get(&oid)?.1.time.as_ref()?;
            ranges.partitioned.get(&row.oid).filter(|_| same_key)
        });
        let mut complete = false;
        if let Some((lower, upper)) = own {
            from = from.max(*lower);
            until = until.min(*upper);
            complete = time.newest_upper >= *upper;
        }
        let missing = if from < until { time.first_missing(from, until) } else { None };
        parent.missing = Some(missing.is_some());
        parent.missing_from = missing.and_then(time_of);
        parent.interval = time.step.map(calendar::Step::words);
        if time.newest_upper != i64::MAX && !complete {
            parent.horizon_seconds = Some(seconds(time.newest_upper.saturating_sub(now)));
            let next = time.step.and_then(|s| s.after(time.newest_upper));
            parent.next_upper = next.and_then(time_of);
        }
        if time.oldest_upper != i64::MAX {
            parent.oldest_seconds = Some(seconds(now.saturating_sub(time.oldest_upper)));
        }
    }
}

impl Steps for Partitions {
    fn spec(&self) -> &'static Spec {
        SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, BoxDynError> {
        self.abort();
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        Ok(Statement::with(sql, args))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        if !self.reading {
            self.parents.push(Row::from_row(row)?);
            return Ok(());
        }
        let bound: Option<String> = row.try_get("bound")?;
        let partition = Partition {
            oid: row.try_get("oid")?,
            is_partitioned: row.try_get("is_partitioned")?,
            bound: bound.as_deref().and_then(Bound::parse),
        };
        self.bounds.entry(row.try_get("parent_oid")?).or_default().push(partition);
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, _cx: &Cx) -> Result<Option<Statement>, QueryError> {
        if let Some(error) = error {
            return Err(error);
        }
        if self.reading {
            self.sum_up();
        } else {
            let oids: BTreeSet<i64> = self.parents.iter().map(|p| p.oid).collect();
            self.known.retain(|oid, _| oids.contains(oid));
            let changed = self.parents.iter().enumerate().filter(|(_, p)| {
                p.strategy != "inheritance"
                    && p.children > 0
                    && self.known.get(&p.oid).is_none_or(|(fingerprint, _)| *fingerprint != p.fingerprint)
            });
            self.wanted = changed.map(|(position, _)| position).collect();
        }
        self.next().map_err(|e| QueryError::Decode(e.to_string()))
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        let parents: Vec<Parent> = self.parents.iter().map(|row| self.parent(row, cx)).collect();
        let shown = self.top.keep(parents.iter().map(|p| p.oid));
        let mut out = Families::new();
        for p in parents.iter().filter(|p| shown.contains(&p.oid)) {
            let label = [p.relation.as_str()];
            out.push(&COUNT, &label, p.partitions as f64);
            out.push_opt(&HORIZON, &label, p.horizon_seconds);
            out.push_opt(&MISSING, &label, p.missing.map(|m| f64::from(u8::from(m))));
            out.push_opt(&GAPS, &label, p.gaps.map(|g| g as f64));
            out.push_opt(&OLDEST, &label, p.oldest_seconds);
            out.push_opt(&DEFAULT_ROWS, &label, p.default_rows);
        }
        self.abort();
        Outcome { families: out.into_vec(), data: Some(Arc::new(parents)), blind: Vec::new() }
    }

    fn abort(&mut self) {
        self.parents = Vec::new();
        self.wanted = Vec::new();
        self.bounds = BTreeMap::new();
        self.reading = false;
    }
}

/// Rows of the default partition: none if it has no byte; else as counted, or as last estimated.
fn default_rows(row: &Row) -> Option<f64> {
    row.default_oid?;
    if row.default_bytes == Some(0) {
        return Some(0.0);
    }
    row.default_live_tuples.map(|n| n as f64).or(row.default_estimated_rows.filter(|n| *n > 0.0))
}

/// Seconds since 1970 as microseconds.
fn micros(seconds: f64) -> Option<i64> {
    let at =
        Timestamp::UNIX_EPOCH.checked_add(jiff::SignedDuration::try_from_secs_f64(seconds).ok()?).ok()?;
    Some(at.as_microsecond())
}

/// Microseconds since 1970 as a time, if calendars know it.
fn time_of(us: i64) -> Option<Time> {
    Timestamp::from_microsecond(us).ok().map(Time)
}
