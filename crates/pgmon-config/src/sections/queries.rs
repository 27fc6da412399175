//! `queries`: metrics from statements of the configuration.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Span, Spot};

/// What a metric of the configuration measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricType {
    /// A value that goes up and down.
    #[default]
    Gauge,
    /// A value that only grows. It is exported as the statement returns it, never added up.
    Counter,
    /// Counted observations in buckets.
    Histogram,
    /// Quantiles that the statement computes.
    Summary,
}

impl MetricType {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// What a statement's figures belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueryScope {
    /// The database that it runs in: it runs in each.
    #[default]
    Database,
    /// The whole server: it runs once per server, and is exported under each of its entries.
    Server,
}

/// One statement and the metrics that it gives. SitRep's `name`, `help`, `type`, `labels`, `query` and
/// `valueField` mean what they mean there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "query")]
pub struct Query {
    /// The metric's name; with `metrics` the beginning of their names.
    #[schemars(length(min = 1, max = 200), extend("examples" = ["shop_orders"]))]
    pub name: String,
    /// What the metric is, in a sentence, with its unit.
    #[serde(default)]
    #[schemars(length(max = 1_000), extend("examples" = ["Orders by status."], "x-verbatim" = true))]
    pub help: String,
    /// What it measures.
    #[serde(default, rename = "type")]
    #[schemars(extend("default" = "gauge"))]
    pub kind: MetricType,
    /// Columns that become labels; any type, as text.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(min = 1, max = 200)), extend("examples" = [["status"]]))]
    pub labels: Vec<String>,
    /// The statement: one, and read-only. Names without a schema are looked up in `search_path`.
    #[schemars(length(min = 1, max = 100_000),
        extend("examples" = ["SELECT status, count(*) FROM orders GROUP BY status"], "x-verbatim" = true))]
    pub query: String,
    /// The column with the value. Not set: the first column with a number that is no label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["count"], "x-aliases" = ["valueField"]))]
    pub value_field: Option<String>,
    /// Several metrics, each from a column of its own, in place of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), extend("examples" = [[{"column": "orders"}, {"column": "turnover", "type": "counter"}]]))]
    pub metrics: Vec<Metric>,
    /// Of a histogram with a row per bucket: the column with the bucket's upper bound (a number or +Inf).
    /// Not set: `le`. Its count is in `value_field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["le"], "x-aliases" = ["bucketField"]))]
    pub bucket_field: Option<String>,
    /// Of a histogram with a column per bucket: upper bounds, each with its column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"0.1": "within_100ms", "+Inf": "total"}]))]
    pub buckets: BTreeMap<String, String>,
    /// Whether a bucket counts what is in the smaller ones as well, as Prometheus has it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[schemars(extend("default" = true))]
    pub cumulative: bool,
    /// Of a summary with a row per quantile: the column with the quantile (0 to 1). Not set: `quantile`.
    /// Its value is in `value_field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["quantile"], "x-aliases" = ["quantileField"]))]
    pub quantile_field: Option<String>,
    /// Of a summary with a column per quantile: quantiles, each with its column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"0.5": "median", "0.99": "p99"}]))]
    pub quantiles: BTreeMap<String, String>,
    /// Of a histogram or summary: the column with the sum of all observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["total_seconds"], "x-aliases" = ["sumField"]))]
    pub sum_field: Option<String>,
    /// Of a histogram or summary: the column with the number of all observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["total"], "x-aliases" = ["countField"]))]
    pub count_field: Option<String>,
    /// Where it runs: names of entries (`db`, or `cluster/db`) and, with `discover`, of databases. `*` and
    /// `?` stand for other characters; `!` before a name leaves it out. Empty: everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 200)),
        extend("examples" = [["orders*", "!orders_test"]]))]
    pub databases: Vec<String>,
    /// The oldest major version of PostgreSQL that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 9, max = 99), extend("examples" = [14], "x-aliases" = ["minVersion"]))]
    pub min_version: Option<u16>,
    /// The newest major version of PostgreSQL that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 9, max = 99), extend("examples" = [16], "x-aliases" = ["maxVersion"]))]
    pub max_version: Option<u16>,
    /// How often it runs (duration, at least 1s). Not set: as the workload loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["5m"]))]
    pub interval: Option<Span>,
    /// How long it may take (duration). Not set: `timeouts.statement_timeout_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2s"]))]
    pub timeout: Option<Span>,
    /// For how long a result is shown if none follows it (duration). Not set: three intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["15m"]))]
    pub cache: Option<Span>,
    /// What its figures belong to.
    #[serde(default)]
    #[schemars(extend("default" = "database"))]
    pub scope: QueryScope,
    /// How many series a result may have; a larger one is left out as a whole (count). Not set:
    /// `limits.series_per_query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [200], "x-aliases" = ["maxSeries"]))]
    pub max_series: Option<u32>,
    /// Schemas in which names without one are looked up. Not set: the top-level `search_path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)), extend("examples" = [["app", "public"]]))]
    pub search_path: Option<Vec<String>>,
    /// Where it was read.
    #[serde(skip)]
    #[schemars(skip)]
    pub at: Spot,
}

/// One of several metrics of a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The column with the value. Not needed with `buckets` or `quantiles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["orders"], "x-aliases" = ["value_field", "valueField"]))]
    pub column: Option<String>,
    /// The metric's name. Not set: the query's name, `_` and the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["shop_orders"]))]
    pub name: Option<String>,
    /// What it is. Not set: the query's help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_000), extend("examples" = ["Orders by status."], "x-verbatim" = true))]
    pub help: Option<String>,
    /// What it measures.
    #[serde(default, rename = "type")]
    #[schemars(extend("default" = "gauge"))]
    pub kind: MetricType,
    /// As the query's `buckets`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"0.1": "within_100ms", "+Inf": "total"}]))]
    pub buckets: BTreeMap<String, String>,
    /// As the query's `cumulative`.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[schemars(extend("default" = true))]
    pub cumulative: bool,
    /// As the query's `quantiles`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"0.5": "median", "0.99": "p99"}]))]
    pub quantiles: BTreeMap<String, String>,
    /// As the query's `sum_field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["total_seconds"], "x-aliases" = ["sumField"]))]
    pub sum_field: Option<String>,
    /// As the query's `count_field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("examples" = ["total"], "x-aliases" = ["countField"]))]
    pub count_field: Option<String>,
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// How a metric's value is found in the columns of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricShape {
    /// One number a row, in this column; without a name in the first one with a number that is no label.
    Number(Option<String>),
    /// A row per bucket: the column of the bound, and that of the count (found as a number is).
    BucketRows {
        /// The column with the upper bound.
        bound: String,
        /// The column with the count.
        count: Option<String>,
    },
    /// A column per bucket, by rising bounds; the last one may be +Inf.
    BucketColumns(Vec<(f64, String)>),
    /// A row per quantile: the column of the quantile, and that of the value.
    QuantileRows {
        /// The column with the quantile.
        quantile: String,
        /// The column with the value.
        value: Option<String>,
    },
    /// A column per quantile, by rising quantiles.
    QuantileColumns(Vec<(f64, String)>),
}

/// A metric of a statement, with everything that is left out filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSpec {
    /// Its name.
    pub name: String,
    /// What it is.
    pub help: String,
    /// What it measures.
    pub kind: MetricType,
    /// Where its value is.
    pub shape: MetricShape,
    /// Whether buckets count what is in the smaller ones as well.
    pub cumulative: bool,
    /// The column with the sum.
    pub sum: Option<String>,
    /// The column with the count.
    pub count: Option<String>,
}

impl Query {
    /// The metrics, of which there is at least one.
    pub fn specs(&self) -> Vec<MetricSpec> {
        if self.metrics.is_empty() {
            return vec![self.only()];
        }
        self.metrics.iter().map(|metric| metric.spec(self)).collect()
    }

    /// The query as SitRep's `/configz` shows one: its keys first and by SitRep's names, then those of
    /// ours that are set.
    pub(crate) fn configz(&self) -> Value {
        let mut shown = Map::new();
        let Ok(Value::Object(mut all)) = serde_json::to_value(self) else { return Value::Null };
        for key in ["name", "help", "type", "labels", "query"] {
            shown.extend(all.remove(key).map(|value| (key.to_owned(), value)));
        }
        shown.extend(all.remove("value_field").map(|value| ("valueField".to_owned(), value)));
        if self.scope == QueryScope::Database {
            all.remove("scope");
        }
        shown.extend(all);
        Value::Object(shown)
    }

    fn only(&self) -> MetricSpec {
        let value = || self.value_field.clone();
        let shape = match self.kind {
            MetricType::Gauge | MetricType::Counter => MetricShape::Number(value()),
            MetricType::Histogram if self.buckets.is_empty() => MetricShape::BucketRows {
                bound: self.bucket_field.clone().unwrap_or_else(|| "le".to_owned()),
                count: value(),
            },
            MetricType::Histogram => MetricShape::BucketColumns(columns(&self.buckets)),
            MetricType::Summary if self.quantiles.is_empty() => MetricShape::QuantileRows {
                quantile: self.quantile_field.clone().unwrap_or_else(|| "quantile".to_owned()),
                value: value(),
            },
            MetricType::Summary => MetricShape::QuantileColumns(columns(&self.quantiles)),
        };
        MetricSpec {
            name: self.name.clone(),
            help: self.help.clone(),
            kind: self.kind,
            shape,
            cumulative: self.cumulative,
            sum: self.sum_field.clone(),
            count: self.count_field.clone(),
        }
    }
}

impl Metric {
    fn spec(&self, query: &Query) -> MetricSpec {
        let shape = match self.kind {
            MetricType::Gauge | MetricType::Counter => MetricShape::Number(self.column.clone()),
            MetricType::Histogram => MetricShape::BucketColumns(columns(&self.buckets)),
            MetricType::Summary => MetricShape::QuantileColumns(columns(&self.quantiles)),
        };
        MetricSpec {
            name: self.full_name(query),
            help: self.help.clone().unwrap_or_else(|| query.help.clone()),
            kind: self.kind,
            shape,
            cumulative: self.cumulative,
            sum: self.sum_field.clone(),
            count: self.count_field.clone(),
        }
    }

    /// The metric's name.
    pub fn full_name(&self, query: &Query) -> String {
        match (&self.name, &self.column) {
            (Some(name), _) => name.clone(),
            (None, Some(column)) => format!("{}_{column}", query.name),
            (None, None) => query.name.clone(),
        }
    }
}

fn columns(map: &BTreeMap<String, String>) -> Vec<(f64, String)> {
    let mut columns: Vec<_> =
        map.iter().filter_map(|(bound, column)| Some((bound_of(bound)?, column.clone()))).collect();
    columns.sort_by(|a, b| a.0.total_cmp(&b.0));
    columns
}

/// A bucket's bound or a quantile as people write it. `None`: it is no number.
pub fn bound_of(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "+inf" | "inf" | "infinity" | "+infinity" => return Some(f64::INFINITY),
        _ => {}
    }
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.is_empty() || !text.bytes().all(plain) {
        return None;
    }
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_numbers_or_infinite() {
        assert_eq!(bound_of(" 0.5 "), Some(0.5));
        assert_eq!(bound_of("1e-3"), Some(0.001));
        assert_eq!(bound_of("+Inf"), Some(f64::INFINITY));
        for text in ["", "NaN", "-Inf", "x", "1,5", "1e999", "0x10"] {
            assert_eq!(bound_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_finite_number_is_a_bound(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            prop_assert_eq!(bound_of(&n.to_string()), Some(n));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = bound_of(&text);
        }
    }
}
