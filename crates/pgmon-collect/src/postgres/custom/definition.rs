//! From a query of the configuration to one that can be run.

use crate::postgres::{denylist, quote_ident};
use pgmon_config::{Config, MetricShape, MetricSpec, MetricType, Patterns, Query, QueryScope, Spot};
use pgmon_core::metric::{Kind, OwnDesc};
use pgmon_core::name::Name;
use pgmon_core::snapshot::Custom as State;
use std::sync::Arc;
use std::time::Duration;

/// A query that was checked.
#[derive(Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: Box<str>,
    /// The name under which it appears among the collectors.
    pub collector: Name,
    /// Its statement, without a semicolon at the end.
    pub sql: Box<str>,
    /// Columns that become labels.
    pub labels: Box<[Box<str>]>,
    /// What it measures.
    pub metrics: Box<[Metric]>,
    /// What its figures belong to.
    pub server_wide: bool,
    /// Where it runs.
    pub databases: Patterns,
    /// The major versions that it runs on, from and to.
    pub versions: (u16, u16),
    /// How often it runs.
    pub interval: Duration,
    /// How long it may take.
    pub timeout: Duration,
    /// For how long a result is shown if none follows it; not set: three intervals.
    pub cache: Option<Duration>,
    /// How many series a result may have.
    pub max_series: usize,
    /// Where it looks up names without a schema, quoted.
    pub search_path: Box<str>,
    /// Why it is not run, if it is not.
    pub refusal: Option<Box<str>>,
}

/// A metric of a query.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// Its description, shared by all databases.
    pub desc: Arc<OwnDesc>,
    /// Where its value is.
    pub spec: MetricSpec,
}

/// A query that is not run, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// Where it was read.
    pub at: Spot,
    /// Why.
    pub reason: String,
}

/// All queries of the configuration.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct QuerySet {
    /// In the order of the configuration, those that are refused among them.
    pub definitions: Vec<Arc<Definition>>,
    /// Those that are refused.
    pub refused: Vec<Refused>,
}

impl QuerySet {
    /// Checks the queries of a configuration. `is_ours` knows the names of pgmon's own families.
    pub fn new(config: &Config, is_ours: impl Fn(&str) -> bool) -> Self {
        let mut set = Self::default();
        for query in &config.queries {
            let definition = Definition::new(query, config, &is_ours);
            if let Some(reason) = &definition.refusal {
                set.refused.push(Refused {
                    name: query.name.clone(),
                    at: query.at.clone(),
                    reason: reason.to_string(),
                });
            }
            set.definitions.push(Arc::new(definition));
        }
        set
    }
}

impl Definition {
    fn new(query: &Query, config: &Config, is_ours: impl Fn(&str) -> bool) -> Self {
        let metrics: Box<[Metric]> =
            query.specs().into_iter().map(|spec| Metric::new(spec, &query.labels)).collect();
        let (sql, mut refusal) = match denylist::check(&query.query) {
            Ok(sql) => (sql, None),
            Err(refusal) => (query.query.as_str(), Some(refusal.to_string())),
        };
        if let Some(taken) = metrics.iter().find(|metric| is_ours(&metric.desc.name)) {
            refusal = Some(format!("{} is a metric of pgmon's own: give it another name", taken.desc.name));
        }
        let limit = query.max_series.unwrap_or(config.limits.series_per_query);
        Self {
            name: query.name.as_str().into(),
            collector: Arc::<str>::from(format!("{}{}", State::PREFIX, query.name)).into(),
            sql: sql.into(),
            labels: query.labels.iter().map(|label| label.as_str().into()).collect(),
            metrics,
            server_wide: query.scope == QueryScope::Server,
            databases: Patterns::new(&query.databases),
            versions: (query.min_version.unwrap_or(0), query.max_version.unwrap_or(u16::MAX)),
            interval: query.interval.unwrap_or(config.sample_intervals.workload).into(),
            timeout: query.timeout.map_or_else(|| config.timeouts.statement(), Into::into),
            cache: query.cache.map(Into::into),
            max_series: usize::try_from(limit).unwrap_or(usize::MAX),
            search_path: path(query.search_path.as_ref().unwrap_or(&config.search_path)).into(),
            refusal: refusal.map(Into::into),
        }
    }

    /// Whether it runs on this major version.
    pub fn runs_on(&self, major: u16) -> bool {
        (self.versions.0..=self.versions.1).contains(&major)
    }

    /// How many series a row of its result gives, at most.
    pub(super) fn series_per_row(&self) -> usize {
        let of = |metric: &Metric| match &metric.spec.shape {
            MetricShape::BucketColumns(columns) => columns.len() + 3,
            MetricShape::QuantileColumns(columns) => columns.len() + 2,
            MetricShape::Number(_) | MetricShape::BucketRows { .. } | MetricShape::QuantileRows { .. } => 1,
        };
        self.metrics.iter().map(of).sum::<usize>().max(1)
    }

    /// How many rows are taken at most; with one more the result is too large.
    pub(super) fn most_rows(&self) -> usize {
        (self.max_series / self.series_per_row()).max(1)
    }
}

impl Metric {
    fn new(spec: MetricSpec, labels: &[String]) -> Self {
        let kind = match spec.kind {
            MetricType::Gauge => Kind::Gauge,
            MetricType::Counter => Kind::Counter,
            MetricType::Histogram => Kind::Histogram,
            MetricType::Summary => Kind::Summary,
        };
        let desc = Arc::new(OwnDesc {
            name: spec.name.as_str().into(),
            kind,
            help: spec.help.as_str().into(),
            labels: labels.iter().map(|label| label.as_str().into()).collect(),
        });
        Self { desc, spec }
    }
}

/// Schemas as a `search_path`. `$user` keeps its meaning within quotes.
fn path(schemas: &[String]) -> String {
    schemas.iter().map(|schema| quote_ident(schema)).collect::<Vec<_>>().join(", ")
}
