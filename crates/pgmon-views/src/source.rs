//! Where pages read: the snapshots that together tell of one database.

use crate::answer::{Executed, Need, State};
use crate::page::{Panel, Role, TargetRef, UpState};
pub use crate::standing::{Found, Standing};
use jiff::{SignedDuration, Timestamp};
use pgmon_collect::postgres::collector::Scope;
use pgmon_collect::postgres::collectors;
use pgmon_config::Alerts;
use pgmon_core::metric::Value;
use pgmon_core::snapshot::{Blind, CollectorState, Output, Snapshot, Up};
use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What the configuration says of how things are judged and shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Thresholds.
    pub alerts: Alerts,
    /// Whether literals are left out of SQL texts.
    pub redacts_sql_text: bool,
    /// Whether `postgres`, `template0` and `template1` are left out of lists of databases.
    pub hide_postgres_defaults: bool,
}

/// The time of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// By the monotonic clock, which snapshots go by.
    pub mono: Duration,
    /// By the calendar.
    pub wall: Timestamp,
}

impl Now {
    /// The calendar time of a moment of the monotonic clock.
    pub fn wall_of(&self, mono: Duration) -> Timestamp {
        let ago = SignedDuration::try_from(self.mono.saturating_sub(mono)).unwrap_or(SignedDuration::ZERO);
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }

    /// The calendar time so many seconds ago.
    pub fn seconds_ago(&self, seconds: f64) -> Option<Timestamp> {
        let ago = SignedDuration::try_from_secs_f64(seconds).ok()?;
        self.wall.checked_sub(ago).ok()
    }

    /// Seconds since a calendar time; of another machine's clock that may be ahead, 0 at least.
    pub fn seconds_since(&self, at: Timestamp) -> f64 {
        self.wall.duration_since(at).as_secs_f64().max(0.0)
    }

    /// Seconds since a moment of the monotonic clock.
    pub fn age(&self, mono: Duration) -> f64 {
        self.mono.saturating_sub(mono).as_secs_f64()
    }
}

/// The snapshots that together tell of one database.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The entry's own.
    pub own: &'a Snapshot,
    /// That of the entry which collects what belongs to the whole server, if that is another one.
    pub leader: Option<&'a Snapshot>,
    /// What was found in the server's other databases.
    pub roamed: &'a [CollectorState],
    /// The one of these that figures of single databases are to be from; without it the entry's own.
    pub datname: Option<&'a str>,
    /// The time.
    pub now: Now,
    /// Thresholds and the like.
    pub rules: &'a Rules,
}

/// What is said of a panel without rows if some of what it is about cannot be seen.
pub const HIDDEN: &str = "None of what can be seen; others are hidden.";

impl<'a> Source<'a> {
    /// A collector's state.
    pub fn find(&self, collector: &str) -> Option<Found<'a>> {
        let scope = collectors::ALL.iter().find(|r| r.spec.name == collector).map(|r| r.spec.scope);
        let server_wide = match scope {
            Some(scope) => scope == Scope::Server,
            None => self.own.collectors.iter().all(|c| c.collector != collector),
        };
        if scope.is_none_or(|scope| scope == Scope::Database)
            && let Some(datname) = self.datname
        {
            let in_it =
                |c: &&CollectorState| c.collector == collector && c.datname.as_deref() == Some(datname);
            return self.roamed.iter().find(in_it).map(|state| Found { state, snapshot: self.own });
        }
        let find = |snapshot: &'a Snapshot| {
            let states = snapshot.collectors.iter().chain(&snapshot.retained);
            let found = states.into_iter().find(|c| c.collector == collector);
            found.map(|state| Found { state, snapshot })
        };
        let led = self.leader.filter(|_| server_wide).and_then(find);
        led.or_else(|| find(self.own))
    }

    /// A collector's last good result.
    pub fn output(&self, collector: &str) -> Option<&'a Output> {
        self.find(collector)?.state.good.as_deref()
    }

    /// A collector's rows, if they are known.
    pub fn rows<T: Any>(&self, collector: &str) -> Option<&'a T> {
        self.output(collector)?.rows()
    }

    /// The same, if they are current: what a verdict may rest on.
    pub fn current<T: Any>(&self, collector: &str) -> Option<&'a T> {
        self.fresh(collector)?.rows()
    }

    /// The rows of a collector that has a list of them; none if they are not current.
    pub fn list<T: Any>(&self, collector: &str) -> &'a [T] {
        self.current::<Vec<T>>(collector).map_or(&[], Vec::as_slice)
    }

    fn fresh(&self, collector: &str) -> Option<&'a Output> {
        let found = self.find(collector)?;
        found.is_current(self.now).then_some(found.state.good.as_deref()).flatten()
    }

    /// The current value of a metric with just these values of its labels.
    pub fn metric(&self, collector: &str, name: &str, labels: &[&str]) -> Option<f64> {
        let families = &self.fresh(collector)?.families;
        let family = families.iter().find(|f| f.desc.name() == name)?;
        let sample =
            family.samples.iter().find(|s| s.labels.iter().map(|l| &**l).eq(labels.iter().copied()))?;
        match sample.value {
            Value::Number(value) => Some(value),
            Value::Histogram(_) | Value::Summary(_) => None,
        }
    }

    /// Why a collector's figures cannot be judged by, if they cannot. What is hidden in part may be bad.
    pub fn unknown(&self, collector: &str) -> Option<String> {
        let standing = self.standing(collector);
        match standing.state {
            State::Ok | State::Unsupported => None,
            _ => Some(standing.reason.unwrap_or_else(|| "not known".into())),
        }
    }

    /// How far a collector's figures can be relied on.
    pub fn standing(&self, collector: &str) -> Standing {
        let Some(found) = self.find(collector) else {
            let (state, reason) = match &self.own.up {
                Up::Pending => (State::Pending, "not connected yet".to_owned()),
                Up::Down { reason } => (State::Error, format!("the database is down: {reason}")),
                Up::Refused { .. } => {
                    (State::Error, "the role can write: nothing is read with it".to_owned())
                }
                Up::Up => (State::Pending, "not collected yet".to_owned()),
            };
            return Standing { state, reason: Some(reason), age_seconds: None };
        };
        found.standing(self.now)
    }

    /// Seconds since a collector's figures were taken: so much older is by now what is an age in them.
    pub fn age(&self, collector: &str) -> f64 {
        self.standing(collector).age_seconds.unwrap_or(0.0)
    }

    /// The calendar time of what was so many seconds ago when a collector looked.
    pub fn since(&self, collector: &str, seconds: f64) -> Option<Timestamp> {
        self.now.seconds_ago(seconds + self.age(collector))
    }

    /// What cannot be seen of a collector's figures.
    pub fn needs(&self, collector: &str) -> Vec<Need> {
        self.find(collector).map(|f| f.state.blind.iter().map(need).collect()).unwrap_or_default()
    }

    /// A panel that rests on these collectors, the first of which has its rows. `rows` is called if they are
    /// known.
    pub fn panel<R>(
        &self,
        title: &'static str,
        on: &[&'static str],
        empty: &'static str,
        rows: impl FnOnce() -> Option<Vec<R>>,
    ) -> Panel<R> {
        let mut standing: Option<Standing> = None;
        let mut needs = BTreeSet::new();
        for (place, collector) in on.iter().enumerate() {
            needs.extend(self.needs(collector));
            let of = self.standing(collector);
            standing = Some(match standing {
                None => of,
                // What else is shown beside the rows: without it they are not complete.
                Some(first) if first.state == State::Ok && place > 0 => match of.state {
                    State::Ok | State::Unsupported => first,
                    _ => Standing { state: State::Degraded, reason: of.reason, ..first },
                },
                Some(first) => first,
            });
        }
        let standing = standing.unwrap_or(Standing { state: State::Ok, reason: None, age_seconds: None });
        // Good news is for what can be seen.
        let hidden = on.first().is_some_and(|first| self.standing(first).state == State::Degraded);
        let rows = match (on.first(), standing.age_seconds) {
            (Some(_), None) => None,
            _ => rows(),
        };
        Panel {
            title,
            state: standing.state,
            reason: standing.reason,
            needs: needs.into_iter().collect(),
            age_seconds: standing.age_seconds,
            collectors: on.to_vec(),
            stats_reset_age_seconds: None,
            note: None,
            empty: Some(if hidden { HIDDEN } else { empty }),
            rows,
        }
    }

    /// A panel of a collector's rows as they are.
    pub fn plain<R: Any + Clone>(
        &self,
        title: &'static str,
        on: &'static str,
        empty: &'static str,
    ) -> Panel<R> {
        self.panel(title, &[on], empty, || self.rows::<Vec<R>>(on).cloned())
    }

    /// The statements behind these collectors' figures.
    pub fn executed(&self, on: &BTreeSet<&'static str>) -> Vec<Executed> {
        let mut out = Vec::new();
        for collector in on {
            let Some(found) = self.find(collector) else { continue };
            if let Some(good) = &found.state.good {
                out.extend(executed(found.state, good));
            }
        }
        out
    }

    /// The database that figures of single databases are from.
    pub fn database(&self) -> Option<Arc<str>> {
        match self.datname {
            Some(datname) => Some(datname.into()),
            None => self.own.server.as_ref().map(|s| s.database.as_str().into()),
        }
    }

    /// Bytes in a page.
    pub fn block_size(&self) -> f64 {
        self.own.server.as_ref().map_or(8192.0, |s| f64::from(s.block_size))
    }

    /// The database that is looked at.
    pub fn target(&self) -> TargetRef {
        let (up, reason) = up_of(&self.own.up);
        let server = self.own.server.as_ref();
        let mut datnames: Vec<Arc<str>> = visited(self.roamed);
        if let (false, Some(own)) = (datnames.is_empty(), server) {
            datnames.insert(0, own.database.as_str().into());
        }
        TargetRef {
            cluster: self.own.cluster.clone(),
            db: self.own.db.clone(),
            datname: self.database(),
            datnames,
            up,
            reason,
            since: self.now.wall_of(self.own.up_since_mono),
            role: role_of(self.own),
            version: server.map(|s| s.version_text.clone()),
            started_at: server.map(|s| s.started_at),
        }
    }

    /// Until when nothing changes but ages, if no snapshot comes.
    pub fn holds_until(&self) -> Duration {
        let mut until = Duration::MAX;
        let mut at = |moment: Duration| {
            if moment >= self.now.mono && moment < until {
                until = moment;
            }
        };
        for snapshot in [Some(self.own), self.leader].into_iter().flatten() {
            if let Some(alive) = snapshot.alive_mono {
                at(alive + snapshot.loops[0].interval * 3);
            }
            for state in snapshot.collectors.iter().chain(self.roamed) {
                if let Some(good) = &state.good {
                    at(good.at_mono + state.keeps(snapshot.of(state.in_loop).interval));
                }
            }
        }
        until
    }
}

/// The statements of a result.
pub fn executed<'a>(state: &'a CollectorState, good: &'a Output) -> impl Iterator<Item = Executed> + 'a {
    good.executed.iter().map(|e| Executed {
        collector: e.collector.to_string(),
        datname: state.datname.clone(),
        sql: e.sql.clone(),
        pg_major: e.pg_major,
        started_at: e.started_at,
        duration_ms: e.duration_ms,
        rows: e.rows,
    })
}

/// What cannot be seen, for an answer.
pub fn need(blind: &Blind) -> Need {
    Need {
        needs: blind.needs.clone(),
        effect: blind.effect.clone(),
        remedy: blind.remedy.clone(),
        collector: blind.collector.to_string(),
    }
}

/// The databases that were visited.
pub fn visited(roamed: &[CollectorState]) -> Vec<Arc<str>> {
    let names: BTreeSet<&Arc<str>> = roamed.iter().filter_map(|state| state.datname.as_ref()).collect();
    names.into_iter().cloned().collect()
}

/// The snapshot that has what belongs to the server, if it is not the entry's own.
pub fn leader(own: &Arc<Snapshot>, all: &[Arc<Snapshot>]) -> Option<Arc<Snapshot>> {
    let key = own.server_key.as_ref().filter(|_| !own.leads)?;
    let same = || all.iter().filter(|s| s.server_key.as_ref() == Some(key) && !Arc::ptr_eq(s, own));
    let leads = same().find(|s| s.leads && s.up.is_up());
    // If the server is down, nobody leads; who did has kept the most.
    let kept = || same().filter(|s| own.retained.len() < s.retained.len()).max_by_key(|s| s.retained.len());
    leads.or_else(kept).cloned()
}

/// Whether a database answers, and why not.
pub fn up_of(up: &Up) -> (UpState, Option<String>) {
    match up {
        Up::Pending => (UpState::Pending, None),
        Up::Up => (UpState::Up, None),
        Up::Down { reason } => (UpState::Down, Some(reason.clone())),
        Up::Refused { rights, .. } => {
            (UpState::Refused, Some(format!("its role can write: {}", rights.join("; "))))
        }
    }
}

/// What a server is, as far as is known.
pub fn role_of(snapshot: &Snapshot) -> Role {
    match &snapshot.server {
        None => Role::Unknown,
        Some(server) if server.in_recovery => Role::Standby,
        Some(_) => Role::Primary,
    }
}
