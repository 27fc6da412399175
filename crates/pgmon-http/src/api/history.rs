//! `history`: of what there is a past; `history/{metric}`: what series did.

use super::near;
use super::params::{Asked, Rows};
use super::refusal::Refusal;
use super::respond;
use super::select::{Picked, pick};
use super::shape;
use crate::app::App;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use pgmon_collect::history::{KEPT_OF_SERVICES, UP};
use pgmon_collect::postgres::collectors::ALL;
use pgmon_collect::services::families;
use pgmon_core::history::{Id, Matcher, Query};
use pgmon_core::metric::{FamilyDesc, Kind};
use pgmon_views::history::HistoryMetrics;
use pgmon_views::{Answer, history};
use std::collections::BTreeSet;
use std::sync::Arc;

const PARAMS: &[&str] = &["cluster", "db", "from", "to", "points", "step", "series", "rate"];
/// Also the name of a label: it chooses a service where the metric is one of services.
const SERVICE: &str = "service";
const POINTS: usize = 240;
const SERIES: usize = 50;
const MOST_POINTS: usize = 2_000;
const MOST_SERIES: usize = 500;
const HOUR_MS: i64 = 3_600_000;

/// `GET /api/v1/history/{metric}`.
pub async fn history(
    State(app): State<Arc<App>>,
    Path(metric): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    asked.once(PARAMS)?;
    let of = Of::asked(&app, &asked, families::has(&metric))?;
    of.keeps(&metric)?;
    let wall = app.timer.wall();
    let now = wall.as_millisecond();
    let to = asked.get("to").map_or(Ok(now), |text| moment("to", text, now))?;
    let from = asked.get("from").map_or(Ok(to.saturating_sub(HOUR_MS)), |text| moment("from", text, now))?;
    if from >= to {
        return Err(Refusal::bad(
            "from is not before to",
            "times are RFC 3339, Unix seconds, or seconds before now: -3600",
        ));
    }
    let points = match asked.get("step").map(str::parse::<f64>) {
        None => asked.count("points")?.unwrap_or(POINTS),
        Some(Ok(step)) if step.is_finite() && step >= 0.001 => steps(to - from, step),
        Some(_) => return Err(Refusal::bad("step is not a number of seconds", "write step=60")),
    };
    let points = points.min(MOST_POINTS);
    let series = asked.count("series")?.unwrap_or(SERIES).min(MOST_SERIES);
    let rate = asked.flag("rate")?;
    let mut matchers = matchers(&asked);
    if matches!(of, Of::Service(_)) {
        matchers.retain(|matcher| !matches!(matcher, Matcher::Is(SERVICE, _)));
    }
    let step = width(from, to, points);
    // One step more, so that the first rate has something to compare with.
    let query = Query {
        name: &metric,
        matchers: &matchers,
        from: from.saturating_sub(step),
        to,
        points: points + 1,
        series,
    };
    let history = app.fleet.history();
    let found = match &of {
        Of::Service(name) => history.range_of_service(&*app.timer, name, &query),
        Of::Database(picked) => {
            let id = id_of(picked);
            let found = history.range(&app.fleet, &*app.timer, &id, &query).ok_or_else(gone)?;
            if found.curves.is_empty() {
                is_known(&app, picked, &id, &metric)?;
            }
            found
        }
    };
    let window = history::Window { from, to, step, points };
    let data = history::History::new(&metric, window, found, rate);
    respond::fresh(&asked, &Answer::plain(wall, data), &Rows::default(), shape::none)
}

/// What a history is about.
enum Of {
    /// The service of this name.
    Service(String),
    /// A database.
    Database(Box<Picked>),
}

impl Of {
    /// What is asked for; `of_services`: something that only services have.
    fn asked(app: &App, asked: &Asked, of_services: bool) -> Result<Self, Refusal> {
        if !of_services {
            return Ok(Self::Database(Box::new(pick(app, &asked.without("datname"))?)));
        }
        asked.once(&[SERVICE])?;
        let all = app.services.snapshots();
        let known = || all.iter().map(|service| &*service.name);
        let some = known().take(20).collect::<Vec<_>>().join(", ");
        let Some(name) = asked.get(SERVICE) else {
            let hint = format!("choose one with ?service=; there are: {some}");
            return Err(Refusal::bad("this is a metric of services, and none is chosen", hint));
        };
        if known().all(|service| service != name) {
            let hint = near::hint(name, known(), &format!("there are: {some}"));
            return Err(Refusal::not_found("there is no such service", hint));
        }
        Ok(Self::Service(name.to_owned()))
    }

    /// Fails if of this metric nothing is kept.
    fn keeps(&self, metric: &str) -> Result<(), Refusal> {
        match self {
            Self::Service(_) if !KEPT_OF_SERVICES.contains(&metric) => {
                let hint = format!("of services there are: {}", KEPT_OF_SERVICES.join(", "));
                Err(Refusal::not_found("this metric has no history", hint))
            }
            _ => Ok(()),
        }
    }
}

/// `GET /api/v1/history`: of what there is a past.
pub async fn metrics(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Refusal> {
    asked.only(&["cluster", "db", SERVICE, "sort", "order", "limit", "q"])?;
    let rows = asked.rows()?;
    let names = match Of::asked(&app, &asked, asked.get(SERVICE).is_some())? {
        Of::Service(name) => app.fleet.history().names_of_service(&name),
        Of::Database(picked) => app.fleet.history().names(&app.fleet, &id_of(&picked)).ok_or_else(gone)?,
    };
    let answer = Answer::plain(app.timer.wall(), HistoryMetrics::new(names));
    let shape = |value: &mut _, rows: &_, csv| shape::list(value, ("history", "metrics"), rows, csv);
    respond::fresh(&asked, &answer, &rows, shape)
}

fn id_of(picked: &Picked) -> Id {
    Id { cluster: picked.own.cluster.clone(), db: picked.own.db.clone() }
}

fn gone() -> Refusal {
    Refusal::not_found("no such database is watched", "see /api/v1/targets")
}

/// Fails if nothing has this name: a misspelt one must not look like one of which nothing is known.
fn is_known(app: &App, picked: &Picked, id: &Id, metric: &str) -> Result<(), Refusal> {
    let kept = app.fleet.history().names(&app.fleet, id).unwrap_or_default();
    let snapshots = [Some(&picked.own), picked.leader.as_ref()];
    let states = snapshots.into_iter().flatten().flat_map(|s| &s.collectors).chain(&*picked.roamed);
    let found = states.filter_map(|c| c.good.as_ref()).flat_map(|good| &good.families);
    // What this server's version does not have, or has not yet, is known all the same.
    let families = ALL.iter().flat_map(|r| r.spec.families).copied().map(FamilyDesc::Fixed);
    let families = families.chain([FamilyDesc::Fixed(&UP)]).chain(found.map(|f| f.desc.clone()));
    let names: BTreeSet<String> =
        families.flat_map(|desc| of_family(&desc)).chain(kept.into_iter().map(|k| k.name)).collect();
    if names.contains(metric) {
        return Ok(());
    }
    let short: String = metric.chars().take(80).collect();
    let otherwise = "/api/v1/history lists the metrics that have a past";
    let hint = near::hint(metric, names.iter().map(String::as_str), otherwise);
    Err(Refusal::not_found(format!("there is no metric {short:?}"), hint))
}

/// Under what names a family's series are kept.
fn of_family(desc: &FamilyDesc) -> Vec<String> {
    let parts: &[&str] = match desc.kind() {
        Kind::Histogram => &["_sum", "_count", "_bucket"],
        _ => &[""],
    };
    parts.iter().map(|part| format!("{}{part}", desc.name())).collect()
}

fn matchers(asked: &Asked) -> Vec<Matcher<'_>> {
    let labels = asked.pairs.iter().filter(|(name, _)| !PARAMS.contains(&name.as_str()));
    labels
        .map(|(name, value)| match name.strip_suffix('!') {
            Some(name) => Matcher::IsNot(name, value),
            None => Matcher::Is(name, value),
        })
        .collect()
}

/// Milliseconds of a time that is RFC 3339, Unix seconds, or seconds before now.
fn moment(name: &str, text: &str, now: i64) -> Result<i64, Refusal> {
    let wrong = || {
        Refusal::bad(
            format!("{name} is not a time"),
            "times are RFC 3339, Unix seconds, or seconds before now: -3600",
        )
    };
    if let Ok(seconds) = text.parse::<f64>() {
        let ago = text.starts_with('-');
        let span = jiff::SignedDuration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        let millis = i64::try_from(span.as_millis()).map_err(|_| wrong())?;
        return Ok(if ago { now.saturating_add(millis) } else { millis });
    }
    // A `+` in a query is a space unless it is written as %2B.
    let text = text.replace(' ', "+");
    text.parse::<Timestamp>().map(|at| at.as_millisecond()).map_err(|_| wrong())
}

fn steps(span_ms: i64, step_seconds: f64) -> usize {
    let span = std::time::Duration::from_millis(u64::try_from(span_ms).unwrap_or(0)).as_secs_f64();
    let steps = (span / step_seconds).ceil();
    (1..=MOST_POINTS).find(|n| *n as f64 >= steps).unwrap_or(MOST_POINTS)
}

/// Milliseconds of a step.
fn width(from: i64, to: i64, points: usize) -> i64 {
    let points = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
    let span = to.saturating_sub(from).saturating_add(1).max(1);
    span / points + i64::from(span % points != 0)
}

#[cfg(test)]
mod over_a_week;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_three_ways() {
        let now = 1_767_323_045_000;
        for text in ["2026-01-02T03:04:05Z", "2026-01-02T04:04:05 01:00", "1767323045", "-0"] {
            assert_eq!(moment("to", text, now).unwrap(), now, "{text}");
        }
        assert_eq!(moment("to", "-60", now).unwrap(), now - 60_000);
        assert!(moment("to", "yesterday", now).is_err() && moment("to", "NaN", now).is_err());
    }

    #[test]
    fn steps_fill_the_time() {
        assert_eq!(steps(3_600_000, 60.0), 60);
        assert_eq!(steps(3_600_001, 60.0), 61);
        assert_eq!(steps(3_600_000, 0.001), MOST_POINTS);
        assert_eq!((width(0, 3_599_999, 240), width(0, 10, 3)), (15_000, 4));
    }
}
