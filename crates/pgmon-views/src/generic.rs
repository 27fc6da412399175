//! A collector's rows for those that do not know it: the generic panel.

use crate::answer::{Need, State};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// `collectors/{name}`: what a collector found last.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CollectorData {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The loop that it runs in.
    #[serde(rename = "loop")]
    pub in_loop: &'static str,
    /// The database that it looked at, where that is another one than the entry's.
    pub datname: Option<Arc<str>>,
    /// How far it can be relied on.
    pub state: State,
    /// Why the state is not `ok`, in words.
    pub reason: Option<String>,
    /// What cannot be seen, and what would make it visible.
    pub needs: Vec<Need>,
    /// The families of `/metrics` that it fills.
    pub metrics: Vec<MetricInfo>,
    /// Its rows. A collector of one list has one table; one that finds several things has several.
    pub tables: Vec<Table>,
}

/// A family of `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MetricInfo {
    /// Its name, for `history/{metric}`.
    pub name: String,
    /// `gauge`, `counter`, `histogram` or `summary`.
    pub kind: &'static str,
    /// What it measures.
    pub help: String,
    /// Its labels besides `cluster` and `db`.
    pub labels: Vec<String>,
}

/// Rows of one kind.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Table {
    /// Its name, for `?panel=`: `rows` if there is only one.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a value for each column.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Column {
    /// Its name; the unit is its end: `_seconds`, `_bytes`, `_ratio`, `_ms`, ...
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// `string`, `number`, `integer`, `boolean`, `array` or `object`.
    pub kind: String,
}
