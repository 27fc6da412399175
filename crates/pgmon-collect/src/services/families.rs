//! Metrics of services, under the names that Alfred, blackbox_exporter, redis_exporter and pgbouncer_exporter
//! gave them. All of them carry `service`, and the labels that the configuration gives the service.

use pgmon_core::metric::{Desc, Families, Histogram, Value};
use std::sync::Arc;

/// Bounds of the histogram of requests (seconds): those of Prometheus' client library for Python.
pub const BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const HEALTH: Desc =
    Desc::gauge("service_health", "Whether the last check of the service was good: 1 or 0.", &[]);
const UP: Desc = Desc::gauge(
    "service_up",
    "Whether the last check of the service was good: 1 or 0, as service_health.",
    &[],
);
const INFO: Desc = Desc::gauge(
    "service_info",
    "Always 1; the label is the configured version, else the one it says it has.",
    &["version"],
);
const REQUESTS: Desc = Desc::counter("service_requests_total", "Checks of the service so far.", &[]);
const FAILURES: Desc =
    Desc::counter("service_check_failures_total", "Checks of the service so far that were not good.", &[]);
const CRITICAL: Desc = Desc::gauge(
    "service_critical",
    "Whether /health answers 503 while the service is not good: 1 or 0.",
    &[],
);
const WARNINGS: Desc = Desc::gauge(
    "service_warnings",
    "What is not as it should be with a service that does its work, counted.",
    &[],
);
const LAST: Desc = Desc::gauge(
    "service_last_check_timestamp_seconds",
    "Start of the last check as a Unix time in seconds.",
    &[],
);
const INTERVAL: Desc = Desc::gauge(
    "service_check_interval_seconds",
    "Configured time from one check of the service to the next, in seconds.",
    &[],
);
const LAST_SUCCESS: Desc = Desc::gauge(
    "service_last_success_timestamp_seconds",
    "Start of the last check that was good as a Unix time in seconds.",
    &[],
);
const PROBE_SUCCESS: Desc = Desc::gauge(
    "probe_success",
    "Whether the last check of the service was good: 1 or 0, as service_health.",
    &[],
);
const PROBE_DURATION: Desc =
    Desc::gauge("probe_duration_seconds", "Time that the last check took, in seconds.", &[]);

/// Families of each service.
pub const OF_EACH: &[&Desc] = &[
    &HEALTH,
    &UP,
    &INFO,
    &REQUESTS,
    &FAILURES,
    &CRITICAL,
    &WARNINGS,
    &LAST,
    &LAST_SUCCESS,
    &INTERVAL,
    &PROBE_SUCCESS,
    &PROBE_DURATION,
    &PROBE_CERT_EXPIRY,
];

/// The end of the first certificate to end.
pub(crate) const PROBE_CERT_EXPIRY: Desc = Desc::gauge(
    "probe_ssl_earliest_cert_expiry",
    "The earliest end of the certificates that the service showed, as a Unix time in seconds.",
    &[],
);

/// Lists of families by the type of service, for the documentation.
pub const OF_TYPES: &[(&str, &[&Desc])] = &[
    ("postgres", super::postgres::FAMILIES),
    ("redis", super::redis::FAMILIES),
    ("http", super::http::FAMILIES),
    ("pgbouncer", super::pgbouncer::FAMILIES),
];

/// All families of services.
pub fn all() -> impl Iterator<Item = &'static Desc> {
    OF_EACH.iter().copied().chain(OF_TYPES.iter().flat_map(|(_, families)| families.iter().copied()))
}

/// Whether a metric of this name is one of theirs.
pub fn has(name: &str) -> bool {
    all().any(|desc| desc.name == name)
}

/// What is known of a service whatever it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common<'c> {
    pub ok: bool,
    pub version: &'c str,
    pub checks: u64,
    pub failures: u64,
    pub critical: bool,
    pub warnings: usize,
    pub at: Option<f64>,
    pub last_success: Option<f64>,
    pub seconds: f64,
    pub interval: f64,
}

/// Adds what each service has.
pub(crate) fn common(c: &Common<'_>, out: &mut Families) {
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    out.push(&HEALTH, &[], flag(c.ok));
    out.push(&UP, &[], flag(c.ok));
    out.push(&INFO, &[c.version], 1.0);
    out.push(&REQUESTS, &[], c.checks as f64);
    out.push(&FAILURES, &[], c.failures as f64);
    out.push(&CRITICAL, &[], flag(c.critical));
    out.push(&WARNINGS, &[], c.warnings as f64);
    out.push_opt(&LAST, &[], c.at);
    out.push_opt(&LAST_SUCCESS, &[], c.last_success);
    out.push(&INTERVAL, &[], c.interval);
    out.push(&PROBE_SUCCESS, &[], flag(c.ok));
    out.push(&PROBE_DURATION, &[], c.seconds);
}

/// Counters of a service that live longer than a check, and than a change of its configuration.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Checks.
    pub checks: u64,
    /// Checks that were not good.
    pub failures: u64,
    /// Requests or statements of the probe's own.
    pub requests: u64,
    /// How long requests took.
    pub durations: Arc<Histogram>,
    /// What a Redis had refused when it was last asked.
    pub refused: Option<super::redis::Refused>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            checks: 0,
            failures: 0,
            requests: 0,
            durations: Arc::new(Histogram::new(BOUNDS)),
            refused: None,
        }
    }
}

impl Tally {
    /// Counts a request.
    pub fn observe(&mut self, seconds: f64) {
        self.requests += 1;
        Arc::make_mut(&mut self.durations).observe(seconds);
    }

    /// The histogram as a sample's value.
    pub fn histogram(&self) -> Value {
        Value::Histogram(self.durations.clone())
    }
}
