//! Are the services good, and what did their checks see?

use crate::fleet::LevelCounts;
use crate::page::{Level, Verdict};
use crate::source::Now;
use crate::words;
use jiff::Timestamp;
use pgmon_core::metric::Value;
use pgmon_core::service::ServiceSnapshot;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `services`: all of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Services {
    /// What it comes to.
    pub verdict: Verdict,
    /// How many services are how bad.
    pub counts: LevelCounts,
    /// One row for each, the worst first.
    pub services: Vec<ServiceRow>,
}

/// How a service's last check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It is as it should be.
    Ok,
    /// It works, and something is wrong with it.
    Warning,
    /// It is not as it should be.
    Failed,
    /// It was not checked yet.
    Pending,
}

/// A service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceRow {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What it is: `postgres`, `redis`, `http`, `tcp`, `pgbouncer`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is, without secrets.
    pub target: Arc<str>,
    /// How bad it is.
    pub level: Level,
    /// How its last check ended.
    pub state: CheckState,
    /// What is wrong with it, or that nothing is.
    pub sentence: String,
    /// Whether `/health` answers 503 while it fails.
    pub critical: bool,
    /// The configured version, else the one that it says it has.
    pub version: Option<Arc<str>>,
    /// Since when the state is what it is.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// When the last check began.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub checked_at: Option<Timestamp>,
    /// Seconds since it ended.
    pub age_seconds: Option<f64>,
    /// How long it took, seconds.
    pub duration_seconds: Option<f64>,
    /// When a check was good for the last time.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_success: Option<Timestamp>,
    /// From one check to the next, seconds.
    pub interval_seconds: f64,
    /// For one check as a whole, seconds.
    pub timeout_seconds: f64,
    /// Checks so far.
    pub checks: u64,
    /// Of these, the ones that failed.
    pub failures: u64,
    /// The end of the first of its certificates to end.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub certificate_ends: Option<Timestamp>,
    /// Labels of its metrics.
    pub labels: BTreeMap<String, String>,
}

/// `services/{name}`: one of them, with the evidence.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceDetail {
    /// The service.
    pub service: ServiceRow,
    /// Why its last check failed.
    pub reason: Option<String>,
    /// What is wrong with it though it does its work.
    pub warnings: Vec<String>,
    /// What the last check asked and read.
    pub evidence: Vec<CheckEvidence>,
    /// Its metrics, as they are on the page; of a histogram the number of observations.
    pub metrics: Vec<ServiceMetric>,
}

/// Something that a check asked, and what it read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CheckEvidence {
    /// What was asked, as it was sent, but for secrets.
    pub asked: String,
    /// Milliseconds until the answer was here.
    pub duration_ms: f64,
    /// The columns of the rows.
    pub columns: Vec<&'static str>,
    /// What was read.
    pub rows: Vec<Vec<String>>,
}

/// A metric of a service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceMetric {
    /// Its name.
    pub name: String,
    /// Its labels, without `service`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// A service, judged.
pub fn row(s: &ServiceSnapshot, now: Now) -> ServiceRow {
    let (state, level) = match s.state.is_ok() {
        None => (CheckState::Pending, Level::Unknown),
        Some(false) => (CheckState::Failed, Level::Crit),
        Some(true) if !s.warnings.is_empty() => (CheckState::Warning, Level::Warn),
        Some(true) => (CheckState::Ok, Level::Ok),
    };
    let sentence = match state {
        CheckState::Pending => "Not checked yet.".to_owned(),
        CheckState::Ok => "It is as it should be.".to_owned(),
        CheckState::Failed => sentence(s.state.reason().unwrap_or("it is not as it should be")),
        CheckState::Warning => sentence(&s.warnings.join("; ")),
    };
    let ends = metrics(s).find(|m| m.name == "probe_ssl_earliest_cert_expiry").map(|m| m.value);
    ServiceRow {
        name: s.name.clone(),
        kind: s.kind,
        target: s.target.clone(),
        level,
        state,
        sentence,
        critical: s.critical,
        version: s.version.clone(),
        since: s.since,
        checked_at: s.at,
        age_seconds: s.at_mono.map(|at| now.mono.saturating_sub(at).as_secs_f64()),
        duration_seconds: s.duration.map(|took| took.as_secs_f64()),
        last_success: s.last_success,
        interval_seconds: s.interval.as_secs_f64(),
        timeout_seconds: s.timeout.as_secs_f64(),
        checks: s.checks,
        failures: s.failures,
        certificate_ends: ends.and_then(|at| Timestamp::from_second(whole(at)?).ok()),
        labels: s.labels.iter().cloned().collect(),
    }
}

/// A whole number of seconds, if it is one that a time can have.
fn whole(seconds: f64) -> Option<i64> {
    format!("{seconds:.0}").parse().ok()
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

fn metrics(s: &ServiceSnapshot) -> impl Iterator<Item = ServiceMetric> {
    s.group.families.iter().flat_map(|family| {
        let names: Vec<&str> = family.desc.labels().collect();
        family.samples.iter().filter_map(move |sample| {
            let value = match &sample.value {
                Value::Number(number) => *number,
                Value::Histogram(histogram) => histogram.count() as f64,
                Value::Summary(summary) => summary.count? as f64,
            };
            let labels = names.iter().zip(&sample.labels).filter(|(_, value)| !value.is_empty());
            let labels = labels.map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
            Some(ServiceMetric { name: family.desc.name().to_owned(), labels, value })
        })
    })
}

/// A service with the evidence.
pub fn detail(s: &ServiceSnapshot, now: Now) -> ServiceDetail {
    let evidence = s.evidence.iter().map(|e| CheckEvidence {
        asked: e.asked.clone(),
        duration_ms: e.duration_ms,
        columns: e.columns.clone(),
        rows: e.rows.clone(),
    });
    ServiceDetail {
        service: row(s, now),
        reason: s.state.reason().map(str::to_owned),
        warnings: s.warnings.to_vec(),
        evidence: evidence.collect(),
        metrics: metrics(s).collect(),
    }
}

impl Services {
    /// All of them, the worst first.
    pub fn new(all: &[Arc<ServiceSnapshot>], now: Now) -> Self {
        let mut services: Vec<ServiceRow> = all.iter().map(|s| row(s, now)).collect();
        services.sort_by(|a, b| {
            (b.level, b.critical).cmp(&(a.level, a.critical)).then_with(|| a.name.cmp(&b.name))
        });
        let count = |level| services.iter().filter(|s| s.level == level).count();
        let counts = LevelCounts {
            all: services.len(),
            crit: count(Level::Crit),
            warn: count(Level::Warn),
            unknown: count(Level::Unknown),
            ok: count(Level::Ok),
        };
        let parts =
            [(counts.crit, "not good"), (counts.warn, "with a warning"), (counts.unknown, "not checked yet")];
        let bad: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let number = words::counted(counts.all, "service", "services");
        let sentence = match services.first() {
            None => "No service is configured.".to_owned(),
            Some(_) if bad.is_empty() => format!("All is well with {number}."),
            Some(worst) => format!("Of {number}: {}. {}: {}", bad.join(", "), worst.name, worst.sentence),
        };
        let level = services.iter().map(|s| s.level).max().unwrap_or(Level::Unknown);
        Self { verdict: Verdict { level, sentence }, counts, services }
    }

    /// The age of the oldest check, seconds.
    pub fn age_seconds(&self) -> Option<f64> {
        self.services.iter().filter_map(|s| s.age_seconds).reduce(f64::max)
    }
}
