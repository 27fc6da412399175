//! The collectors of one database, and their rounds.

use super::collector::{Cx, Need, Outcome as Collected, Registered, Scope, Settings, Steps};
use super::facts::{Choice, Facts};
use super::run::{Progress, Running};
use super::session::{QueryError, Session};
use jiff::Timestamp;
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::{Blind, CollectorState, Loop, LoopState, Outcome, Output};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// With less of its budget left, a loop starts no further statement.
const LEAST_LIMIT: Duration = Duration::from_millis(5);

/// `insufficient_privilege`
const PERMISSION_DENIED: &str = "42501";

/// A collector that does not fit its loop's budget is run at least this often.
const LONGEST_STRIDE: u32 = 16;

/// The collectors of one database with what they remember.
pub struct Engine {
    slots: Vec<Slot>,
    facts: Arc<Facts>,
    settings: Arc<Settings>,
    series_per_family: usize,
    /// Samples left out so far.
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
}

/// A loop's round that has begun.
pub struct Round {
    in_loop: Loop,
    at: Timestamp,
    queue: VecDeque<usize>,
    running: Option<(usize, Running, Duration)>,
    spent: Duration,
    failed: u64,
    slowest: Option<(usize, Duration)>,
    ran: Vec<usize>,
    over: Option<String>,
    /// Whether collectors were left out for lack of time.
    cut: bool,
}

/// What a step came to.
pub enum Step {
    /// The round goes on.
    Continue,
    /// The round is over.
    Over,
    /// The connection can no longer be used.
    Lost(QueryError),
}

/// Time limits of a round's statements.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The loop's budget.
    pub budget: Duration,
    /// One statement's limit.
    pub statement: Duration,
}

impl Engine {
    /// Instances of `collectors` for one database. With `discover` its name (`datname`) becomes a label
    /// of what is collected in each of the server's databases: the slow loops' figures per database.
    pub fn new<'a>(
        collectors: impl IntoIterator<Item = &'a Registered>,
        facts: Arc<Facts>,
        settings: Arc<Settings>,
        series_per_family: usize,
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
                    datname: datname.clone().filter(|_| {
                        registered.spec.scope == Scope::Database
                            && matches!(registered.spec.in_loop, Loop::Storage | Loop::Hourly)
                    }),
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
            })
            .collect();
        let mut engine = Self { slots, facts: facts.clone(), settings, series_per_family, dropped: 0 };
        engine.set_facts(facts);
        engine
    }

    /// Decides anew what each collector does here.
    pub fn set_facts(&mut self, facts: Arc<Facts>) {
        for slot in &mut self.slots {
            slot.choice = facts.choose(slot.registered.spec);
            match &slot.choice {
                Choice::Run(_) => {
                    if matches!(slot.state.outcome, Outcome::Blind | Outcome::Unsupported) {
                        slot.state.outcome = Outcome::Skipped { reason: "not run yet".into() };
                        slot.state.blind.clear();
                    }
                }
                Choice::Blind(needs) => {
                    slot.state.outcome = Outcome::Blind;
                    slot.state.blind = needs.iter().map(|n| blind(slot.registered, *n, &facts)).collect();
                    slot.state.good = None;
                }
                Choice::Unsupported => {
                    slot.state.outcome = Outcome::Unsupported;
                    slot.state.blind.clear();
                    slot.state.good = None;
                }
            }
        }
        self.facts = facts;
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
        self.slots.iter().any(|s| matches!(s.choice, Choice::Blind(_)))
    }

    /// The collectors' states, for a snapshot. What belongs to the whole server is left out of an
    /// entry that does not lead it.
    pub fn states(&self, leads: bool) -> Vec<CollectorState> {
        self.slots
            .iter()
            .filter(|s| leads || s.registered.spec.scope == Scope::Database)
            .map(|s| s.state.clone())
            .collect()
    }

    /// Begins a round of a loop.
    pub fn begin(&mut self, in_loop: Loop, leads: bool, clock: &dyn Clock) -> Round {
        let mut queue = VecDeque::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let spec = slot.registered.spec;
            if spec.in_loop != in_loop || !matches!(slot.choice, Choice::Run(_)) {
                continue;
            }
            if spec.scope == Scope::Server && !leads {
                slot.state.good = None;
                continue;
            }
            if slot.skip > 0 {
                slot.skip -= 1;
                slot.state.outcome = Outcome::Skipped {
                    reason: format!("too slow for its loop: runs every {} rounds", slot.stride),
                };
                continue;
            }
            slot.skip = slot.stride - 1;
            queue.push_back(index);
        }
        Round {
            in_loop,
            at: clock.wall(),
            queue,
            running: None,
            spent: Duration::ZERO,
            failed: 0,
            slowest: None,
            ran: Vec::new(),
            over: None,
            cut: false,
        }
    }

    /// Runs the round's next statement.
    pub async fn step(
        &mut self,
        round: &mut Round,
        session: &mut Session,
        limits: Limits,
        interval: Duration,
        clock: &dyn Clock,
    ) -> Step {
        let left = limits.budget.saturating_sub(round.spent);
        if left < LEAST_LIMIT {
            self.give_up_rest(round);
            return Step::Over;
        }
        let (index, mut running, mut spent) = match round.running.take() {
            Some(running) => running,
            None => {
                let Some(index) = round.queue.pop_front() else { return Step::Over };
                match self.start(index, interval, clock) {
                    Ok(running) => (index, running, Duration::ZERO),
                    Err(error) => {
                        round.failed += 1;
                        self.failed(index, &error);
                        return Step::Continue;
                    }
                }
            }
        };
        let Some(slot) = self.slots.get_mut(index) else { return Step::Over };
        let before = running.spent();
        let progress = running.step(slot.steps.as_mut(), session, limits.statement.min(left), clock).await;
        let took = running.spent().saturating_sub(before);
        spent += took;
        round.spent += took;
        if matches!(progress, Progress::More) {
            round.running = Some((index, running, spent));
            return Step::Continue;
        }
        slot.state.duration = spent;
        if round.slowest.is_none_or(|(_, slowest)| spent > slowest) {
            round.slowest = Some((index, spent));
        }
        round.ran.push(index);
        match progress {
            Progress::More => Step::Continue,
            Progress::Done(collected) => {
                self.succeeded(index, collected, running);
                Step::Continue
            }
            Progress::Failed(error) if error.sqlstate() == Some(PERMISSION_DENIED) => {
                self.denied(index, &error);
                Step::Continue
            }
            Progress::Failed(error) => {
                round.failed += 1;
                if error.sqlstate() == Some("57014") {
                    // Cancelled by its own time limit: it is this one that does not fit.
                    round.over = Some(format!("{} was cancelled after {spent:.1?}", self.name(index)));
                    round.slowest = Some((index, Duration::MAX));
                }
                self.failed(index, &error);
                if error.is_fatal() {
                    self.suspect(index);
                    Step::Lost(error)
                } else {
                    Step::Continue
                }
            }
        }
    }

    /// Ends a round: settles the loop's state and who must run less often.
    pub fn end(&mut self, mut round: Round, loop_state: &mut LoopState, clock: &dyn Clock) {
        if round.spent > loop_state.budget && round.over.is_none() {
            round.over = Some(format!("took {:.1?} of {:.1?}", round.spent, loop_state.budget));
        }
        if let Some(over) = &round.over {
            if let Some((slowest, _)) = round.slowest {
                self.stretch(slowest);
                tracing::warn!(loop = round.in_loop.name(), slowest = self.name(slowest), "degraded: {over}");
            }
        } else {
            for index in &round.ran {
                self.relax(*index);
            }
        }
        let stretched: Vec<String> = self
            .slots
            .iter()
            .filter(|s| s.registered.spec.in_loop == round.in_loop && s.stride > 1)
            .map(|s| format!("{} runs every {} rounds", s.registered.spec.name, s.stride))
            .collect();
        loop_state.degraded = match (&round.over, stretched.is_empty()) {
            (None, true) => None,
            (Some(over), true) => Some(over.clone()),
            (None, false) => Some(stretched.join(", ")),
            (Some(over), false) => Some(format!("{over}; {}", stretched.join(", "))),
        };
        let now = clock.mono();
        loop_state.last = Some((round.at, round.spent));
        loop_state.ended_mono = Some(now);
        loop_state.success = round.failed == 0 && !round.cut;
        if loop_state.success {
            loop_state.success_mono = Some(now);
        }
        loop_state.rounds += 1;
        loop_state.errors += round.failed;
        Arc::make_mut(&mut loop_state.durations).observe(round.spent.as_secs_f64());
    }

    /// Notes that nothing could be collected at all.
    pub fn fail(&mut self, error: &QueryError) {
        for slot in &mut self.slots {
            if matches!(slot.choice, Choice::Run(_)) {
                slot.state.errors += 1;
                slot.state.outcome = Outcome::Failed {
                    sqlstate: error.sqlstate().map(str::to_owned),
                    message: error.to_string(),
                };
            }
        }
    }

    /// Forgets a round that cannot be ended.
    pub fn abandon(&mut self, round: Round) {
        if let Some((index, ..)) = round.running
            && let Some(slot) = self.slots.get_mut(index)
        {
            slot.steps.abort();
        }
    }

    /// Ends a round whose connection was given up: it failed, and what it had not come to was left out.
    pub fn cut_off(&mut self, mut round: Round, loop_state: &mut LoopState, clock: &dyn Clock) {
        if let Some((index, ..)) = round.running.take()
            && let Some(slot) = self.slots.get_mut(index)
        {
            slot.steps.abort();
        }
        for index in round.queue.drain(..) {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.skip = 0;
                slot.state.outcome = Outcome::Skipped { reason: "the connection was given up".into() };
            }
        }
        round.failed = round.failed.max(1);
        self.end(round, loop_state, clock);
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
        for family in &mut collected.families {
            let over = family.samples.len().saturating_sub(self.series_per_family);
            if over > 0 {
                family.samples.truncate(self.series_per_family);
                self.dropped += u64::try_from(over).unwrap_or(u64::MAX);
            }
        }
        let (at, at_mono) = (running.cx.at, running.cx.mono);
        slot.losses = 0;
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
    fn denied(&mut self, index: usize, error: &QueryError) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let spec = slot.registered.spec;
        if slot.state.outcome != Outcome::Blind {
            tracing::warn!(collector = spec.name, "blind: {error}");
        }
        slot.state.outcome = Outcome::Blind;
        slot.state.good = None;
        slot.state.blind = vec![Blind {
            collector: spec.name.into(),
            needs: "privilege".to_owned(),
            effect: format!("{}: {error}", spec.blind_effect),
            remedy: None,
        }];
    }

    fn give_up_rest(&mut self, round: &mut Round) {
        if let Some((index, ..)) = round.running.take() {
            round.failed += 1;
            if let Some(slot) = self.slots.get_mut(index) {
                slot.steps.abort();
            }
            self.failed(index, &QueryError::protocol("the loop's budget was used up half-way"));
        }
        if !round.queue.is_empty() && round.over.is_none() {
            round.over = Some(format!("{} collectors had no time left", round.queue.len()));
        }
        round.cut |= !round.queue.is_empty();
        for index in round.queue.drain(..) {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.skip = 0;
                slot.state.outcome = Outcome::Skipped { reason: "the loop's budget was used up".into() };
            }
        }
    }

    /// The connection was lost while it ran. Once may be chance; what does it again is run less and less
    /// often, so that it cannot keep a server or the other collectors from their work.
    fn suspect(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.losses += 1;
        if slot.losses > 1 {
            slot.stride = LONGEST_STRIDE;
            slot.skip = slot.stride - 1;
            slot.state.stride = slot.stride;
        }
    }

    fn stretch(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.stride = (slot.stride * 2).min(LONGEST_STRIDE);
            slot.skip = slot.stride - 1;
            slot.state.stride = slot.stride;
        }
    }

    fn relax(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.stride = (slot.stride / 2).max(1);
            slot.skip = slot.skip.min(slot.stride - 1);
            slot.state.stride = slot.stride;
        }
    }

    fn name(&self, index: usize) -> &'static str {
        self.slots.get(index).map_or("", |s| s.registered.spec.name)
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
