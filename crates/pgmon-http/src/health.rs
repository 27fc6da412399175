//! What `/healthz` says.

use pgmon_collect::poller::cardinality::LeftOut;
use pgmon_collect::poller::fleet::Fleet;
use pgmon_core::name::Name;
use pgmon_core::snapshot::{Blind, CollectorState, Loop, LoopState, Outcome, Snapshot, Up, query_name};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The state of pgmon as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything is watched as it should be.
    Ok,
    /// Something is down, late to a budget or cannot be seen; pgmon itself works.
    Degraded,
    /// Every database is down, or a loop of a reachable one is late.
    Failing,
}

/// The body of `/healthz`.
#[derive(Debug, Serialize)]
pub struct Health {
    /// The verdict.
    pub status: Status,
    /// pgmon's version.
    pub version: &'static str,
    /// Why the status is not `ok`, in words.
    pub reasons: Vec<String>,
    /// Each database.
    pub databases: Vec<Database>,
}

/// One database.
#[derive(Debug, Serialize)]
pub struct Database {
    /// The label `cluster`.
    pub cluster: Arc<str>,
    /// The label `db`.
    pub db: Arc<str>,
    /// Whether it answers, and why not.
    #[serde(flatten)]
    pub up: Up,
    /// Its loops.
    pub loops: Vec<LoopHealth>,
    /// Collectors that failed last time.
    pub failing: Vec<Failing>,
    /// What cannot be seen, and what would help.
    pub blind: Vec<Blind>,
    /// Rights that every role has through PUBLIC and should not, with the REVOKE to run.
    pub warnings: Vec<Blind>,
    /// Families that have too many series.
    pub left_out: Arc<Vec<LeftOut>>,
}

/// One loop.
#[derive(Debug, Serialize)]
pub struct LoopHealth {
    /// Its name.
    #[serde(rename = "loop")]
    pub name: Loop,
    /// Seconds since its last round ended.
    pub age_seconds: Option<f64>,
    /// Its interval in seconds.
    pub interval_seconds: f64,
    /// Whether it should have run by now.
    pub late: bool,
    /// Why it does not fit its budget, if it does not.
    pub degraded: Option<String>,
}

/// A collector that failed.
#[derive(Debug, Serialize)]
pub struct Failing {
    /// Its name.
    pub collector: Name,
    /// The database that it looked at, where the entry watches all of a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datname: Option<Arc<str>>,
    /// How.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Failing {
    fn of(state: &CollectorState) -> Option<Self> {
        let failed = matches!(state.outcome, Outcome::Failed { .. });
        failed.then(|| Self {
            collector: state.collector.clone(),
            datname: state.datname.clone(),
            outcome: state.outcome.clone(),
        })
    }

    /// Whether it is a query that runs nowhere: that is one fault, however many databases there are.
    fn is_refused(&self) -> bool {
        let refused =
            matches!(&self.outcome, Outcome::Failed { message, .. } if message.starts_with("refused: "));
        refused && query_name(&self.collector).is_some()
    }

    /// What fails and why, without the place.
    fn reason(&self) -> String {
        match (query_name(&self.collector), &self.outcome) {
            (Some(query), Outcome::Failed { message, .. }) if self.is_refused() => {
                format!("query {query} is {message}")
            }
            (Some(query), Outcome::Failed { message, .. }) => format!("query {query} fails: {message}"),
            (Some(query), _) => format!("query {query} fails"),
            // The name of the database is in front of this message already.
            (None, Outcome::Failed { message, .. }) if *self.collector == *"discover" => message.clone(),
            (None, _) => format!("collector {} fails", self.collector),
        }
    }
}

/// Says what fails in an entry, the same in several databases once.
fn failures(name: &str, failing: &[Failing], reasons: &mut Vec<String>) {
    let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
    for failing in failing.iter().filter(|failing| !failing.is_refused()) {
        let reason = failing.reason();
        let place = match alike.iter().position(|(other, _)| *other == reason) {
            Some(at) => at,
            None => {
                alike.push((reason, Vec::new()));
                alike.len() - 1
            }
        };
        if let (Some((_, databases)), Some(datname)) = (alike.get_mut(place), &failing.datname) {
            databases.push(datname);
        }
    }
    for (reason, databases) in alike {
        let shown = databases.get(..DATABASES_NAMED).unwrap_or(&databases).join(", ");
        reasons.push(match databases.len() {
            0 => format!("{name}: {reason}"),
            _ if databases.iter().any(|datname| reason.starts_with(&format!("{datname}: "))) => {
                format!("{name}: {reason}")
            }
            n if n <= DATABASES_NAMED => format!("{name}: {shown}: {reason}"),
            n => format!("{name}: {shown} and {} more: {reason}", n - DATABASES_NAMED),
        });
    }
}

impl Health {
    /// With what else is not as it should be.
    pub fn with(mut self, concerns: Vec<String>) -> Self {
        if !concerns.is_empty() {
            self.reasons.splice(0..0, concerns);
            if self.status == Status::Ok {
                self.status = Status::Degraded;
            }
        }
        self
    }
}

/// Reasons at most: what is behind them is in `databases`.
const MOST_REASONS: usize = 200;

/// Databases that one reason names at most.
const DATABASES_NAMED: usize = 5;

/// Failing collectors and queries of one entry at most.
const MOST_FAILING: usize = 200;

/// Judges the fleet at the monotonic time `now`.
pub fn judge(fleet: &Fleet, now: Duration, version: &'static str) -> Health {
    let mut reasons = Vec::new();
    let (mut down, mut late) = (0, false);
    let mut databases = Vec::new();
    let mut refused = BTreeSet::new();
    if let Some(failure) = &fleet.config().failure {
        reasons.push(format!("configuration: the last one is not in force: {failure}"));
    }
    reasons.extend(fleet.history().trouble().map(|trouble| format!("history: {trouble}")));
    for cell in fleet.cells().iter() {
        let (s, roamed) = (cell.snapshot(), cell.roamed());
        let name = format!("{}/{}", s.cluster, s.db);
        match &s.up {
            Up::Up => {}
            Up::Pending => reasons.push(format!("{name}: not connected yet")),
            Up::Down { reason } => {
                down += 1;
                reasons.push(format!("{name}: down: {reason}"));
            }
            Up::Refused { rights, .. } => {
                down += 1;
                reasons.push(format!("{name}: refused, its role can write: {}", rights.join("; ")));
            }
        }
        let loops: Vec<LoopHealth> = s.loops.iter().map(|l| loop_health(&s, l, now)).collect();
        for l in &loops {
            if l.late {
                late = true;
                reasons.push(format!("{name}: loop {} is late", l.name));
            }
            if let Some(degraded) = &l.degraded {
                reasons.push(format!("{name}: loop {} is degraded: {degraded}", l.name));
            }
        }
        let states = || s.collectors.iter().chain(roamed.iter());
        let mut failing: Vec<Failing> = Vec::new();
        for f in states().filter_map(Failing::of) {
            if f.is_refused() {
                if failing.iter().any(|other| other.collector == f.collector) {
                    continue;
                }
                if refused.insert(f.reason()) {
                    reasons.push(f.reason());
                }
                failing.push(Failing { datname: None, ..f });
            } else {
                failing.push(f);
            }
        }
        failures(&name, &failing, &mut reasons);
        failing.truncate(MOST_FAILING);
        let mut blind: Vec<Blind> = states().flat_map(|c| c.blind.clone()).collect();
        blind.sort();
        blind.dedup();
        // What a standby cannot count is nobody's to mend: it is listed, and does not degrade.
        let mut needs: Vec<&str> =
            blind.iter().map(|b| b.needs.as_str()).filter(|n| *n != "primary").collect();
        needs.sort_unstable();
        needs.dedup();
        if !needs.is_empty() {
            reasons.push(format!("{name}: blind: needs {}", needs.join(", ")));
        }
        let left_out = cell.cardinality().left_out();
        reasons.extend(left_out.iter().map(|o| format!("{name}: {}", o.text())));
        databases.push(Database {
            cluster: s.cluster.clone(),
            db: s.db.clone(),
            up: s.up.clone(),
            loops,
            failing,
            blind,
            warnings: s.warnings.clone(),
            left_out,
        });
    }
    let more = reasons.len().saturating_sub(MOST_REASONS);
    if more > 0 {
        reasons.truncate(MOST_REASONS);
        reasons.push(format!("and {more} more"));
    }
    let all_down = down > 0 && down == databases.len();
    let status = match (late || all_down, reasons.is_empty()) {
        (true, _) => Status::Failing,
        (false, true) => Status::Ok,
        (false, false) => Status::Degraded,
    };
    Health { status, version, reasons, databases }
}

fn loop_health(s: &Snapshot, l: &LoopState, now: Duration) -> LoopHealth {
    // A loop that has not ended a round since the database came up is measured from then on.
    let since = l.ended_mono.map_or(s.up_since_mono, |at| at.max(s.up_since_mono));
    let late = s.up.is_up() && now.saturating_sub(since) > l.interval * 2 + l.budget;
    LoopHealth {
        name: l.name,
        age_seconds: l.ended_mono.map(|at| now.saturating_sub(at).as_secs_f64()),
        interval_seconds: l.interval.as_secs_f64(),
        late,
        degraded: l.degraded.clone(),
    }
}
