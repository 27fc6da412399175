//! Which column of a result is what, and the statement that brings it.

use super::definition::Definition;
use pgmon_config::MetricShape;
use sqlx::postgres::PgRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};
use std::fmt::Write as _;

/// Characters of a label's value at most: longer ones are cut on the server.
const LONGEST_LABEL: u32 = 1024;

/// Characters of a number in words at most. One more is brought, so that what is longer is seen to be.
pub(super) const LONGEST_NUMBER: usize = 128;

/// A column of the query's own result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) class: Class,
}

/// How a column becomes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A number: its value.
    Number,
    /// Money, or an object's or transaction's number: by way of a type that has a cast.
    Via(&'static str),
    /// True or false: 1 or 0.
    Bool,
    /// A time or a length of time: seconds, since 1970-01-01 or in all.
    Epoch,
    /// A place in the WAL: bytes since its beginning.
    Lsn,
    /// A text: what it says, if that is a number.
    Text,
    /// No number.
    Other,
}

impl Class {
    fn of(oid: u32) -> Self {
        match oid {
            // int8, int2, int4, float4, float8, numeric
            20 | 21 | 23 | 700 | 701 | 1700 => Self::Number,
            // money
            790 => Self::Via("pg_catalog.numeric"),
            // oid
            26 => Self::Via("pg_catalog.int8"),
            // xid, xid8
            28 | 5069 => Self::Via("pg_catalog.text"),
            16 => Self::Bool,
            // date, time, timestamp, timestamptz, interval, timetz
            1082 | 1083 | 1114 | 1184 | 1186 | 1266 => Self::Epoch,
            3220 => Self::Lsn,
            // "char", name, text, unknown, bpchar, varchar
            18 | 19 | 25 | 705 | 1042 | 1043 => Self::Text,
            _ => Self::Other,
        }
    }
}

/// A result's columns, from the one row of [`probe`].
pub(super) fn read(row: &PgRow) -> Vec<Column> {
    let columns = row.columns().iter();
    columns
        .map(|column| Column {
            name: column.name().to_owned(),
            type_name: column.type_info().name().to_ascii_lowercase(),
            class: column.type_info().oid().map_or(Class::Other, |oid| Class::of(oid.0)),
        })
        .collect()
}

/// A statement that tells the query's columns: it answers one row of NULLs and runs nothing of the query.
pub(super) fn probe(sql: &str) -> String {
    format!(
        "SELECT q.* FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM (\n{sql}\n) AS inner_query LIMIT 0) AS q ON true"
    )
}

/// A place in the rows that the statement brings.
pub(super) type Index = usize;

/// Where the values of a metric are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Where {
    Number(Index),
    BucketRows { bound: Index, count: Index },
    BucketColumns(Vec<(f64, Index)>),
    QuantileRows { quantile: Index, value: Index },
    QuantileColumns(Vec<(f64, Index)>),
}

/// Where a metric finds all that it needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) place: Where,
    pub(super) sum: Option<Index>,
    pub(super) count: Option<Index>,
}

/// What is read from a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// A label.
    Label,
    /// A number.
    Number,
    /// A text that says a number.
    Spelled,
}

/// How a query is run in a database.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// The statement.
    pub(super) sql: String,
    /// What each column of its rows is, by name for messages.
    pub(super) reads: Vec<(Read, String)>,
    /// The labels, in the order of the definition.
    pub(super) labels: Vec<Index>,
    /// The metrics, in the order of the definition.
    pub(super) sources: Vec<Source>,
    /// What somebody who wrote the query should know.
    pub(super) note: Option<String>,
}

impl Shape {
    /// Finds the columns of a definition; the error says what is missing and what there is.
    pub(super) fn new(definition: &Definition, columns: &[Column]) -> Result<Self, String> {
        let mut builder = Builder { columns, taken: Vec::new(), note: None };
        let mut labels = Vec::new();
        for label in &definition.labels {
            labels.push(builder.label(label)?);
        }
        let claimed = builder.claimed(definition);
        let mut sources = Vec::new();
        for metric in &definition.metrics {
            let spec = &metric.spec;
            let place = match &spec.shape {
                MetricShape::Number(column) => Where::Number(builder.value(column.as_deref(), &claimed)?),
                MetricShape::BucketRows { bound, count } => Where::BucketRows {
                    bound: builder.number(bound)?,
                    count: builder.value(count.as_deref(), &claimed)?,
                },
                MetricShape::QuantileRows { quantile, value } => Where::QuantileRows {
                    quantile: builder.number(quantile)?,
                    value: builder.value(value.as_deref(), &claimed)?,
                },
                MetricShape::BucketColumns(columns) => Where::BucketColumns(builder.each(columns)?),
                MetricShape::QuantileColumns(columns) => Where::QuantileColumns(builder.each(columns)?),
            };
            let sum = spec.sum.as_deref().map(|column| builder.number(column)).transpose()?;
            let count = spec.count.as_deref().map(|column| builder.number(column)).transpose()?;
            sources.push(Source { place, sum, count });
        }
        let sql = builder.sql(definition);
        let reads = builder
            .taken
            .iter()
            .map(|(at, read)| (*read, columns.get(*at).map_or_else(String::new, |c| c.name.clone())));
        Ok(Self { sql, reads: reads.collect(), labels, sources, note: builder.note })
    }
}

struct Builder<'c> {
    columns: &'c [Column],
    /// Columns that are read, each with how.
    taken: Vec<(usize, Read)>,
    note: Option<String>,
}

impl Builder<'_> {
    /// The place of a column: by its very name, else by its name in another case.
    fn find(&self, name: &str) -> Result<usize, String> {
        let exact = self.columns.iter().position(|column| column.name == name);
        let alike = || self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        exact
            .or_else(alike)
            .ok_or_else(|| format!("the result has no column {name}; it has {}", self.names()))
    }

    fn names(&self) -> String {
        if self.columns.is_empty() {
            return "none at all".to_owned();
        }
        let shown: Vec<String> =
            self.columns.iter().take(20).map(|c| format!("{} ({})", c.name, c.type_name)).collect();
        let more = if self.columns.len() > shown.len() { ", ..." } else { "" };
        format!("{}{more}", shown.join(", "))
    }

    fn take(&mut self, column: usize, read: Read) -> Index {
        match self.taken.iter().position(|taken| *taken == (column, read)) {
            Some(index) => index,
            None => {
                self.taken.push((column, read));
                self.taken.len() - 1
            }
        }
    }

    fn label(&mut self, name: &str) -> Result<Index, String> {
        let column = self.find(name)?;
        Ok(self.take(column, Read::Label))
    }

    fn number(&mut self, name: &str) -> Result<Index, String> {
        let at = self.find(name)?;
        match self.columns.get(at) {
            Some(Column { class: Class::Text, .. }) => Ok(self.take(at, Read::Spelled)),
            Some(Column { class: Class::Other, type_name, .. }) => {
                Err(format!("column {name} is of type {type_name}, which is no number: cast it in the query"))
            }
            _ => Ok(self.take(at, Read::Number)),
        }
    }

    fn each(&mut self, columns: &[(f64, String)]) -> Result<Vec<(f64, Index)>, String> {
        columns.iter().map(|(bound, column)| Ok((*bound, self.number(column)?))).collect()
    }

    /// The columns that are something else than an unnamed value.
    fn claimed(&self, definition: &Definition) -> Vec<usize> {
        let specs = definition.metrics.iter().map(|metric| &metric.spec);
        let named = specs.flat_map(|spec| {
            let row = match &spec.shape {
                MetricShape::BucketRows { bound, .. } => Some(bound),
                MetricShape::QuantileRows { quantile, .. } => Some(quantile),
                _ => None,
            };
            row.into_iter().chain(&spec.sum).chain(&spec.count)
        });
        let labels = self.taken.iter().map(|(column, _)| *column);
        labels.chain(named.filter_map(|name| self.find(name).ok())).collect()
    }

    /// The column of a value: the named one; else the first number, else the first that can be one.
    fn value(&mut self, name: Option<&str>, claimed: &[usize]) -> Result<Index, String> {
        if let Some(name) = name {
            return self.number(name);
        }
        let free = || self.columns.iter().enumerate().filter(|(at, _)| !claimed.contains(at));
        let numbers: Vec<usize> = free()
            .filter(|(_, c)| matches!(c.class, Class::Number | Class::Via(_)))
            .map(|(at, _)| at)
            .collect();
        let others = || free().find(|(_, c)| matches!(c.class, Class::Bool | Class::Epoch | Class::Lsn));
        let Some(at) = numbers.first().copied().or_else(|| others().map(|(at, _)| at)) else {
            return Err(format!(
                "no column has a number besides the labels; the result has {}; cast one, or name it in value_field",
                self.names()
            ));
        };
        if numbers.len() > 1 {
            let names: Vec<&str> =
                numbers.iter().filter_map(|at| self.columns.get(*at)).map(|c| c.name.as_str()).collect();
            self.note = Some(format!(
                "the value is column {}, the first of {}; value_field chooses another",
                names.first().unwrap_or(&""),
                names.join(", ")
            ));
        }
        Ok(self.take(at, Read::Number))
    }

    /// The statement around the query's own.
    fn sql(&self, definition: &Definition) -> String {
        let mut sql = String::from("SELECT ");
        for (n, (at, read)) in self.taken.iter().enumerate() {
            if n > 0 {
                sql.push_str(", ");
            }
            let column = format!("q.c{}", at + 1);
            let class = self.columns.get(*at).map_or(Class::Other, |column| column.class);
            let _ = match (read, class) {
                (Read::Label, _) => {
                    write!(sql, "pg_catalog.left({column}::pg_catalog.text, {LONGEST_LABEL})")
                }
                (Read::Spelled, _) => {
                    write!(sql, "pg_catalog.left({column}::pg_catalog.text, {})", LONGEST_NUMBER + 1)
                }
                (Read::Number, Class::Epoch) => write!(sql, "pg_catalog.date_part('epoch', {column})"),
                (Read::Number, Class::Bool) => write!(sql, "{column}::pg_catalog.int4::pg_catalog.float8"),
                (Read::Number, Class::Via(other)) => write!(sql, "{column}::{other}::pg_catalog.float8"),
                (Read::Number, Class::Lsn) => {
                    write!(sql, "pg_catalog.pg_wal_lsn_diff({column}, '0/0')::pg_catalog.float8")
                }
                (Read::Number, _) => write!(sql, "{column}::pg_catalog.float8"),
            };
        }
        if self.taken.is_empty() {
            sql.push_str("NULL");
        }
        let names: Vec<String> = (1..=self.columns.len()).map(|n| format!("c{n}")).collect();
        let limit = definition.most_rows().saturating_add(1);
        let _ = write!(sql, "\nFROM (\n{}\n) AS q ({})\nLIMIT {limit}", definition.sql, names.join(", "));
        sql
    }
}
