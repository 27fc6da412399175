//! The collectors of one database, and their rounds.

use super::collector::{Cx, Need, Outcome as Collected, Registered, Scope, Settings, Steps};
use super::facts::{Choice, Facts};
use super::run::Running;
use super::session::QueryError;
use crate::poller::cardinality::Cardinality;
use jiff::Timestamp;
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::{Blind, CollectorState, Loop, Outcome, Output};
use std::sync::Arc;
use std::time::Duration;

mod round;

pub use round::{Limits, Round, Step};

/// What only a primary counts: nothing that a grant or an extension would mend.
const PRIMARY: &str = "primary";

/// The collectors of one database with what they remember.
pub struct Engine {
    slots: Vec<Slot>,
    facts: Arc<Facts>,
    settings: Arc<Settings>,
    cardinality: Arc<Cardinality>,
    /// The database's name, if it is only visited.
    visited: Option<Arc<str>>,
    /// Series left out so far.
    pub dropped: u64,
}

struct Slot {
    registered: Registered,
    steps: Box<dyn Steps>,
    choice: Choice,
    state: CollectorState,
    /// It runs in every `stride`-th round.
    stride: u32,
    /// Rounds left until it runs again.
    skip: u32,
    /// Connections lost in a row while it ran.
    losses: u32,
    /// When it last ran, if the server refused it a right then.
    denied: Option<Duration>,
}

impl Slot {
    /// Whether it misses something that a grant or an extension would show.
    fn is_blind(&self) -> bool {
        matches!(self.choice, Choice::Blind(_))
            || self.state.outcome == Outcome::Blind
            || self.state.blind.iter().any(|b| b.needs != PRIMARY)
    }
}

impl Engine {
    /// Instances of `collectors` for one database. With `discover` its name (`datname`) becomes a label
    /// of what is collected in each of the server's databases ([`Scope::Database`]).
    pub fn new<'a>(
        collectors: impl IntoIterator<Item = &'a Registered>,
        facts: Arc<Facts>,
        settings: Arc<Settings>,
        cardinality: Arc<Cardinality>,
        datname: Option<Arc<str>>,
    ) -> Self {
        let slots = collectors
            .into_iter()
            .map(|registered| Slot {
                registered: *registered,
                steps: (registered.make)(&settings),
                choice: Choice::Unsupported,
                state: CollectorState {
                    collector: registered.spec.name.into(),
                    in_loop: registered.spec.in_loop,
                    server_wide: registered.spec.scope == Scope::Server,
                    datname: datname.clone().filter(|_| registered.spec.scope == Scope::Database),
                    at: Timestamp::UNIX_EPOCH,
                    duration: Duration::ZERO,
                    outcome: Outcome::Skipped { reason: "not run yet".into() },
                    errors: 0,
                    blind: Vec::new(),
                    stride: 1,
                    good: None,
                    custom: None,
                },
                stride: 1,
                skip: 0,
                losses: 0,
                denied: None,
            })
            .collect();
        let mut engine =
            Self { slots, facts: facts.clone(), settings, cardinality, visited: None, dropped: 0 };
        engine.set_facts(facts);
        engine
    }

    /// The same for a database that is only visited: what would run more often than visits come runs in
    /// the storage loop there, and its figures are kept as long as that loop's.
    pub fn in_visits(mut self) -> Self {
        for slot in &mut self.slots {
            slot.state.in_loop = slot.state.in_loop.max(Loop::Storage);
            self.visited = slot.state.datname.clone();
        }
        self
    }

    /// Decides anew what each collector does here. Returns the loops of those that may see more than
    /// before, because of a grant or an extension: they should run soon.
    pub fn set_facts(&mut self, facts: Arc<Facts>) -> Vec<Loop> {
        let gained = facts.has_gained_on(&self.facts);
        let mut revived = Vec::new();
        for slot in &mut self.slots {
            let was_blind = slot.is_blind();
            let before = std::mem::replace(&mut slot.choice, facts.choose(slot.registered.spec));
            let ran_before = matches!(before, Choice::Run(_));
            match &slot.choice {
                Choice::Run(_) => {
                    if was_blind && gained {
                        slot.skip = 0;
                        revived.push(slot.state.in_loop);
                    }
                    // What the server refused when it ran stays until it has run again: facts do not tell.
                    if !ran_before {
                        slot.state.outcome = Outcome::Skipped { reason: "not run yet".into() };
                        slot.state.blind.clear();
                    }
                }
                Choice::Blind(needs) => {
                    slot.denied = None;
                    slot.state.outcome = Outcome::Blind;
                    slot.state.blind = needs.iter().map(|n| blind(slot.registered, *n, &facts)).collect();
                    slot.state.good = None;
                }
                Choice::Unsupported => {
                    slot.denied = None;
                    slot.state.outcome = Outcome::Unsupported;
                    slot.state.blind.clear();
                    slot.state.good = None;
                }
            }
        }
        self.facts = facts;
        revived
    }

    /// Replaces the collectors by ones with other settings. What was found last stays until they have run;
    /// what they remember of rounds before does not.
    pub fn replan(&mut self, settings: Arc<Settings>) {
        if settings != self.settings {
            for slot in &mut self.slots {
                slot.steps = (slot.registered.make)(&settings);
            }
        }
        self.settings = settings;
    }

    /// The facts in force.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// How many of the collectors that look at the whole server run here.
    pub fn sight(&self) -> usize {
        let sees = |s: &&Slot| s.registered.spec.scope == Scope::Server && matches!(s.choice, Choice::Run(_));
        self.slots.iter().filter(sees).count()
    }

    /// Whether a collector lacks a grant or an extension.
    pub fn is_blind(&self) -> bool {
        self.slots.iter().any(Slot::is_blind)
    }

    /// The collectors' states, for a snapshot. What belongs to the whole server is left out of an
    /// entry that does not lead it.
    pub fn states(&self, leads: bool) -> Vec<CollectorState> {
        self.slots
            .iter()
            .filter(|s| leads || s.registered.spec.scope != Scope::Server)
            .map(|s| s.state.clone())
            .collect()
    }

    /// What was last found of the whole server.
    pub fn known_of_server(&self) -> Vec<CollectorState> {
        let known = |s: &&Slot| s.registered.spec.scope == Scope::Server && s.state.good.is_some();
        self.slots.iter().filter(known).map(|s| s.state.clone()).collect()
    }

    /// Notes that nothing could be collected at all: in one loop, or in any.
    pub fn fail(&mut self, error: &QueryError, only: Option<Loop>) {
        for slot in &mut self.slots {
            let meant = only.is_none_or(|l| l == slot.state.in_loop);
            if meant && matches!(slot.choice, Choice::Run(_)) {
                slot.state.errors += 1;
                slot.state.outcome = Outcome::Failed {
                    sqlstate: error.sqlstate().map(str::to_owned),
                    message: error.to_string(),
                };
            }
        }
    }

    fn start(&mut self, index: usize, interval: Duration, clock: &dyn Clock) -> Result<Running, QueryError> {
        let cx = Cx {
            facts: self.facts.clone(),
            settings: self.settings.clone(),
            at: clock.wall(),
            mono: clock.mono(),
            interval,
        };
        match self.slots.get_mut(index) {
            Some(Slot { choice: Choice::Run(sql), steps, state, .. }) => {
                state.at = cx.at;
                Running::begin(steps.as_mut(), sql, cx)
            }
            _ => Err(QueryError::protocol("the collector does not run here")),
        }
    }

    fn succeeded(&mut self, index: usize, mut collected: Collected, running: Running) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (name, visited) = (&slot.state.collector, self.visited.as_ref());
        self.dropped += self.cardinality.admit(name, visited, &mut collected.families);
        let (at, at_mono) = (running.cx.at, running.cx.mono);
        slot.losses = 0;
        slot.denied = None;
        slot.state.outcome = Outcome::Ok;
        slot.state.blind = collected.blind;
        slot.state.good = Some(Arc::new(Output {
            at,
            at_mono,
            families: collected.families,
            data: collected.data,
            executed: running.into_executed(),
        }));
    }

    fn failed(&mut self, index: usize, error: &QueryError) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.state.errors += 1;
        slot.state.outcome =
            Outcome::Failed { sqlstate: error.sqlstate().map(str::to_owned), message: error.to_string() };
        tracing::warn!(collector = slot.registered.spec.name, "failed: {error}");
    }

    /// The server refused a right that nobody foresaw: that is blindness, not a failure.
    fn denied(&mut self, index: usize, error: &QueryError, now: Duration) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let spec = slot.registered.spec;
        if slot.denied.is_none() {
            tracing::warn!(collector = spec.name, "blind: {error}");
        }
        slot.denied = Some(now);
        slot.state.outcome = Outcome::Blind;
        slot.state.good = None;
        slot.state.blind = vec![Blind {
            collector: spec.name.into(),
            needs: "privilege".to_owned(),
            effect: format!("{}: {error}", spec.blind_effect),
            remedy: None,
        }];
    }

    fn name(&self, index: usize) -> &'static str {
        self.slots.get(index).map_or("", |s| s.registered.spec.name)
    }
}

impl Drop for Engine {
    /// What nobody collects any more takes no room.
    fn drop(&mut self) {
        for slot in &self.slots {
            self.cardinality.forget(&slot.state.collector, self.visited.as_ref());
        }
    }
}

fn blind(registered: Registered, need: Need, facts: &Facts) -> Blind {
    Blind {
        collector: registered.spec.name.into(),
        needs: need.label(),
        effect: registered.spec.blind_effect.to_owned(),
        remedy: Some(need.remedy(facts)),
    }
}
