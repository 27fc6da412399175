//! A loop's round over the collectors of one database, and who must run less often.

use super::{Engine, Slot};
use crate::postgres::collector::Scope;
use crate::postgres::facts::Choice;
use crate::postgres::run::{Progress, Running};
use crate::postgres::session::{QueryError, Session};
use jiff::Timestamp;
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::{Loop, LoopState, Outcome};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// With less of its budget left, a loop starts no further statement.
const LEAST_LIMIT: Duration = Duration::from_millis(5);

/// `insufficient_privilege`
const PERMISSION_DENIED: &str = "42501";

/// A collector that does not fit its loop's budget is run at least this often.
const LONGEST_STRIDE: u32 = 16;

/// What the server refused is not tried again sooner, however often the connection is made anew.
const DENIED_FOR: Duration = Duration::from_secs(300);

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
    /// Whether it is none of the loop's ticks: a few of its collectors run out of turn.
    partial: bool,
}

impl Round {
    fn new(in_loop: Loop, at: Timestamp, queue: VecDeque<usize>) -> Self {
        Self {
            in_loop,
            at,
            queue,
            running: None,
            spent: Duration::ZERO,
            failed: 0,
            slowest: None,
            ran: Vec::new(),
            over: None,
            cut: false,
            partial: false,
        }
    }

    /// How long its statements took so far.
    pub fn spent(&self) -> Duration {
        self.spent
    }

    /// Whether it is none of the loop's ticks, and tells nothing of the loop.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether no collector has come to anything in it.
    pub fn is_untouched(&self) -> bool {
        self.ran.is_empty() && self.running.is_none() && self.failed == 0
    }
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
    /// Begins a round of a loop.
    pub fn begin(&mut self, in_loop: Loop, leads: bool, clock: &dyn Clock) -> Round {
        let mut queue = VecDeque::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.state.in_loop != in_loop || !matches!(slot.choice, Choice::Run(_)) {
                continue;
            }
            if slot.registered.spec.scope == Scope::Server && !leads {
                if slot.state.good.take().is_some() {
                    self.cardinality.forget(&slot.state.collector, self.visited.as_ref());
                }
                // Who leads finds out, and says so.
                if slot.denied.take().is_some() {
                    slot.state.outcome = Outcome::Skipped { reason: "not run yet".into() };
                    slot.state.blind.clear();
                }
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
        Round::new(in_loop, clock.wall(), queue)
    }

    /// A round of those collectors of a loop alone that the server refused a right when they last ran, if
    /// there are any whose turn it is. Facts cannot tell whether the right was given back.
    pub fn retry_denied(&mut self, in_loop: Loop, leads: bool, clock: &dyn Clock) -> Option<Round> {
        let now = clock.mono();
        let is_meant = |slot: &Slot| {
            slot.state.in_loop == in_loop
                && matches!(slot.choice, Choice::Run(_))
                && (leads || slot.registered.spec.scope != Scope::Server)
                && slot.denied.is_some_and(|at| now.saturating_sub(at) >= DENIED_FOR)
        };
        let queue: VecDeque<usize> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| is_meant(slot))
            .map(|(index, _)| index)
            .collect();
        (!queue.is_empty()).then(|| Round { partial: true, ..Round::new(in_loop, clock.wall(), queue) })
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
            // The facts were read anew in between, and it does not run here any more.
            Some((index, ..)) if !self.runs(index) => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.steps.abort();
                }
                return Step::Continue;
            }
            Some(running) => running,
            None => {
                let Some(index) = round.queue.pop_front() else { return Step::Over };
                if !self.runs(index) {
                    return Step::Continue;
                }
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
        let progress = match progress {
            // It only noticed that the connection was dead: that is not its failure, and it has not run.
            Progress::Failed(error) if error.is_fatal() && !session.has_sent() => {
                round.queue.push_front(index);
                return Step::Lost(error);
            }
            progress => progress,
        };
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
                self.denied(index, &error, clock.mono());
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
        if round.partial {
            loop_state.errors += round.failed;
            return;
        }
        let stretched: Vec<String> = self
            .slots
            .iter()
            .filter(|s| s.state.in_loop == round.in_loop && s.stride > 1)
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

    /// Counts a round that failed before its first collector, after `spent` in the attempt.
    pub fn miss(
        &mut self,
        in_loop: Loop,
        error: &QueryError,
        spent: Duration,
        loop_state: &mut LoopState,
        clock: &dyn Clock,
    ) {
        self.fail(error, Some(in_loop));
        let round = Round { spent, failed: 1, ..Round::new(in_loop, clock.wall(), VecDeque::new()) };
        self.end(round, loop_state, clock);
    }

    fn runs(&self, index: usize) -> bool {
        self.slots.get(index).is_some_and(|slot| matches!(slot.choice, Choice::Run(_)))
    }

    /// Forgets a round that cannot be ended.
    pub fn abandon(&mut self, round: Round) {
        if let Some((index, ..)) = round.running
            && let Some(slot) = self.slots.get_mut(index)
        {
            slot.steps.abort();
        }
        for index in round.queue {
            if let Some(slot) = self.slots.get_mut(index) {
                slot.skip = 0;
            }
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
}
