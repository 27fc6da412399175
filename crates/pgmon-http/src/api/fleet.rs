//! `targets`: all databases.

use super::cache::Inputs;
use super::params::Asked;
use super::refusal::Refusal;
use super::respond;
use super::select::{leader, now};
use super::shape;
use crate::app::App;
use axum::extract::State;
use axum::response::Response;
use pgmon_core::history::{Id, Query};
use pgmon_core::snapshot::{CollectorState, Snapshot};
use pgmon_views::fleet::{Fleet, Target, target};
use pgmon_views::{Answer, Now, Rules, Source};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Points of a sparkline.
const POINTS: usize = 30;
const POINTS_MS: i64 = 3_600_000;

/// Databases judged before: of hundreds, only those that published since are judged again.
#[derive(Default)]
pub(crate) struct Judged(Mutex<Vec<Kept>>);

struct Kept {
    snapshot: Weak<Snapshot>,
    leader: Option<Weak<Snapshot>>,
    roamed: Weak<Vec<CollectorState>>,
    rules: Weak<Rules>,
    at: Duration,
    holds_until: Duration,
    target: Target,
}

/// `GET /api/v1/targets`.
pub async fn targets(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Refusal> {
    asked.only(&["sparklines", "sort", "order", "limit", "q"])?;
    let sparklines = asked.flag("sparklines")?.unwrap_or(false);
    let (rows, rules, now) = (asked.rows()?, app.rules(), now(&app));
    let version = *app.fleet.subscribe().borrow();
    let inputs = Inputs::Fleet(version, rules.clone());
    respond::answer(&app, &asked, inputs, now.mono, || {
        let (mut targets, holds_until) = judged(&app, &rules, now);
        if sparklines {
            targets.iter_mut().for_each(|target| draw(&app, now, target));
        }
        let age = targets.iter().filter_map(|t| t.age_seconds).reduce(f64::max);
        let fleet = Fleet::new(targets, app.version, app.fleet.config().failure.clone());
        let answer = Answer { age_seconds: age, ..Answer::plain(now.wall, fleet) };
        let shape = |value: &mut _, rows: &_, csv| shape::list(value, ("targets", "targets"), rows, csv);
        respond::write(&answer, &asked, &rows, shape, holds_until)
    })
}

/// All databases, and until when what is said of them holds without a new snapshot.
fn judged(app: &App, rules: &Arc<Rules>, now: Now) -> (Vec<Target>, Duration) {
    let cells = app.fleet.cells();
    let all: Vec<Arc<Snapshot>> = cells.iter().map(|cell| cell.snapshot()).collect();
    let mut kept = app.judged.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut before = std::mem::take(&mut *kept).into_iter();
    let mut targets = Vec::with_capacity(all.len());
    let mut holds_until = Duration::MAX;
    for (own, cell) in all.iter().zip(cells.iter()) {
        let roamed = cell.roamed();
        let leader = leader(own, &all);
        let is_same = |kept: &Kept| {
            kept.snapshot.ptr_eq(&Arc::downgrade(own))
                && kept.leader.as_ref().map(Weak::as_ptr) == leader.as_ref().map(Arc::as_ptr)
                && kept.roamed.ptr_eq(&Arc::downgrade(&roamed))
                && kept.rules.ptr_eq(&Arc::downgrade(rules))
                && now.mono < kept.holds_until
        };
        // Cells keep their places, mostly.
        let one = match before.next().filter(is_same) {
            Some(mut one) => {
                let since = now.mono.saturating_sub(one.at).as_secs_f64();
                one.target.age_seconds = one.target.age_seconds.map(|age| age + since);
                one.at = now.mono;
                one
            }
            None => {
                let source =
                    Source { own, leader: leader.as_deref(), roamed: &roamed, datname: None, now, rules };
                Kept {
                    snapshot: Arc::downgrade(own),
                    leader: leader.as_ref().map(Arc::downgrade),
                    roamed: Arc::downgrade(&roamed),
                    rules: Arc::downgrade(rules),
                    at: now.mono,
                    holds_until: source.holds_until(),
                    target: target(&source),
                }
            }
        };
        holds_until = holds_until.min(one.holds_until);
        targets.push(one.target.clone());
        kept.push(one);
    }
    (targets, holds_until)
}

/// Adds the last hour.
fn draw(app: &App, now: Now, target: &mut Target) {
    let id = Id { cluster: target.cluster.clone(), db: target.db.clone() };
    let to = now.wall.as_millisecond();
    let from = to.saturating_sub(POINTS_MS);
    let curve = |name| {
        let query = Query { name, matchers: &[], from, to, points: POINTS, series: 1 };
        let answer = app.fleet.history().range(&app.fleet, &*app.timer, &id, &query)?;
        let curve = answer.curves.into_iter().next()?;
        let mut points = vec![None; POINTS];
        let width = POINTS_MS / i64::try_from(POINTS).unwrap_or(1) + 1;
        for point in curve.points {
            let place = usize::try_from(point.at.saturating_sub(from) / width).ok();
            if let Some(slot) = place.and_then(|place| points.get_mut(place)) {
                *slot = Some(point.mean);
            }
        }
        Some(points)
    };
    target.transactions_history = curve("pg_tps");
    target.connections_history = curve("pg_connections");
}
