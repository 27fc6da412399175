//! What series did.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// `history/{metric}`: series of one metric.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct History {
    /// Its name.
    pub metric: String,
    /// `gauge` or `counter`; absent if there is no series.
    pub kind: Option<&'static str>,
    /// What it measures, if pgmon knows.
    pub help: Option<String>,
    /// Whether the values are rates per second of a counter.
    pub rate: bool,
    /// The first moment that was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Timestamp,
    /// The last moment that was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub to: Timestamp,
    /// How far points are apart, seconds.
    pub step_seconds: f64,
    /// The times of all series, rising, Unix time in seconds: the end of each step.
    pub unix_seconds: Vec<f64>,
    /// The series, in the order of their labels.
    pub series: Vec<Series>,
    /// Series left out because there are more than were asked for.
    pub left_out: usize,
}

/// A series. Its lists are as long as [`History::unix_seconds`]; `null` where it is not known: a gap.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Series {
    /// Its labels besides `cluster` and `db`.
    pub labels: BTreeMap<String, String>,
    /// The least value in each step.
    pub min: Vec<Option<f64>>,
    /// The greatest.
    pub max: Vec<Option<f64>>,
    /// The mean.
    pub mean: Vec<Option<f64>>,
}
