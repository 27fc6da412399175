//! `GET /health`: whether the services are good, as their last checks found them. `/healthz` is about pgmon itself.

use crate::app::App;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use pgmon_core::service::ServiceSnapshot;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use std::sync::Arc;
use std::time::Duration;

/// The body, as Alfred documents it.
#[derive(Serialize)]
struct Health<'h> {
    /// `ok`, or `degraded` if a service is not.
    status: &'static str,
    version: &'static str,
    services: Words<'h>,
    /// Only with `?detail=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks<'h>>,
}

/// Names and `ok`, `error` or, before the first check, `pending`.
struct Words<'h>(&'h [Arc<ServiceSnapshot>]);

/// Names and details, in the order of the configuration.
struct Checks<'h>(&'h [Arc<ServiceSnapshot>], Duration);

/// One check.
#[derive(Serialize)]
struct Check<'h> {
    status: &'static str,
    critical: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    target: &'h str,
    version: Option<&'h str>,
    /// How long it took.
    observed_value: Option<f64>,
    observed_unit: &'static str,
    /// When it began.
    time: Option<Timestamp>,
    age_seconds: Option<f64>,
    interval_seconds: f64,
    /// What is wrong.
    output: Option<String>,
    since: Option<Timestamp>,
    last_success: Option<Timestamp>,
    checks: u64,
    failures: u64,
}

impl Serialize for Words<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for service in self.0 {
            let word = match service.state.is_ok() {
                Some(true) => "ok",
                Some(false) => "error",
                None => "pending",
            };
            map.serialize_entry(&service.name, word)?;
        }
        map.end()
    }
}

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for service in self.0 {
            map.serialize_entry(&service.name, &check(service, self.1))?;
        }
        map.end()
    }
}

/// `pass`, `warn` or `fail`; `pending` before the first check.
fn status(s: &ServiceSnapshot) -> &'static str {
    match s.state.is_ok() {
        None => "pending",
        Some(false) => "fail",
        Some(true) if !s.warnings.is_empty() => "warn",
        Some(true) => "pass",
    }
}

fn check(s: &ServiceSnapshot, now: Duration) -> Check<'_> {
    let mut said: Vec<&str> = s.state.reason().into_iter().collect();
    said.extend(s.warnings.iter().map(String::as_str));
    Check {
        status: status(s),
        critical: s.critical,
        kind: s.kind,
        target: &s.target,
        version: s.version.as_deref(),
        observed_value: s.duration.map(|took| took.as_secs_f64()),
        observed_unit: "seconds",
        time: s.at,
        age_seconds: s.at_mono.map(|at| now.saturating_sub(at).as_secs_f64()),
        interval_seconds: s.interval.as_secs_f64(),
        output: (!said.is_empty()).then(|| said.join("; ")),
        since: s.since,
        last_success: s.last_success,
        checks: s.checks,
        failures: s.failures,
    }
}

/// 503 while a critical service is not good, else 200.
pub(crate) async fn health(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let services = app.services.snapshots();
    let is_bad = |s: &&Arc<ServiceSnapshot>| s.state.is_ok() == Some(false);
    let critical = services.iter().filter(is_bad).any(|s| s.critical);
    let all_good = services.iter().all(|s| s.state.is_ok() == Some(true));
    let code = if critical { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let detail =
        query.is_some_and(|q| q.split('&').any(|p| matches!(p, "detail=1" | "detail=true" | "detail")));
    let body = Health {
        status: if all_good { "ok" } else { "degraded" },
        version: app.version,
        services: Words(&services),
        checks: detail.then(|| Checks(&services, app.timer.mono())),
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
