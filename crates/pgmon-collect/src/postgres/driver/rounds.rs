//! The loops' rounds: begun, gone on with statement by statement, and ended with their connection.

use super::pulse::{self, Pulse};
use super::turns::{Next, Wish};
use super::{Driver, Ended, LOST_AFTER_PULSES};
use crate::poller::fleet::Lead;
use crate::poller::schedule::Schedule;
use crate::postgres::engine::{Limits, Step};
use crate::postgres::session::Session;
use pgmon_core::snapshot::Loop;
use std::time::Duration;

impl Driver {
    /// Who is to work at `now`, if anybody.
    pub(super) fn next(&self, now: Duration) -> Option<Next> {
        let wishes = Loop::ALL.map(|which| {
            let i = which.index();
            if self.rounds.get(i).is_some_and(Option::is_some) {
                Wish::GoOn
            } else if self.schedules.get(i).is_some_and(|s| s.due() <= now) {
                Wish::Begin
            } else {
                Wish::Nothing
            }
        });
        self.turns.next(wishes, self.query_due().is_some_and(|due| due <= now))
    }

    /// When there is something to do again.
    pub(super) fn next_work(&self) -> Duration {
        let loops = self.schedules.iter().map(Schedule::due);
        loops.chain(self.query_due()).min().unwrap_or(Duration::ZERO)
    }

    /// Begins the loop's round, or runs its next statement.
    pub(super) async fn advance(&mut self, which: Loop, session: &mut Session) -> Result<(), Ended> {
        if self.rounds.get(which.index()).is_some_and(Option::is_some) {
            self.go_on(which, session).await
        } else {
            self.begin(which, session).await
        }
    }

    async fn begin(&mut self, which: Loop, session: &mut Session) -> Result<(), Ended> {
        let clock = self.shared.timer.clone();
        let i = which.index();
        if let (Some(schedule), Some(state)) = (self.schedules.get_mut(i), self.snapshot.loops.get_mut(i)) {
            state.missed += schedule.start(clock.mono(), fastrand::f64());
            if let Some(pause) = self.plan.second_round_after.filter(|_| which < Loop::Storage)
                && state.rounds == 0
            {
                schedule.again_after(pause, clock.mono());
            }
        }
        if which == Loop::HotPath && !self.take_pulse(session).await? {
            return Ok(());
        }
        let Some(engine) = &mut self.engine else { return Err(Ended::without_facts()) };
        let key = self.snapshot.server_key.clone().unwrap_or_default();
        let lead = self.shared.fleet.lead(&key, self.ticket, engine.sight());
        if lead == Lead::Begins {
            // What belongs to the server must not be missing until the slow loops' next ticks.
            let now = clock.mono();
            for (other, schedule) in Loop::ALL.into_iter().zip(&mut self.schedules) {
                if other != which {
                    schedule.restart(now);
                }
            }
        }
        let leads = lead != Lead::Another;
        self.snapshot.leads = leads;
        if let Some(round) = self.rounds.get_mut(i) {
            *round = Some(engine.begin(which, leads, &*clock));
        }
        Ok(())
    }

    /// Asks whether the server is still the one that is known. If it answers but not this, that costs the
    /// round, and not the connection: then it is false.
    async fn take_pulse(&mut self, session: &mut Session) -> Result<bool, Ended> {
        const WHICH: Loop = Loop::HotPath;
        let clock = self.shared.timer.clone();
        let Some(engine) = &mut self.engine else { return Err(Ended::without_facts()) };
        let asked = clock.mono();
        let limit = self.plan.statement_timeout.min(self.plan.budget(WHICH));
        let error = match pulse::take(session, engine.facts(), limit).await {
            Ok(Pulse::Same) => {
                self.failed_pulses = 0;
                self.snapshot.alive_mono = Some(clock.mono());
                return Ok(true);
            }
            Ok(Pulse::Changed(what)) => return Err(Ended::Changed(what)),
            Err(error) => error,
        };
        self.failed_pulses += 1;
        if error.is_fatal() || self.failed_pulses >= LOST_AFTER_PULSES {
            return Err(Ended::Lost(error));
        }
        tracing::warn!(loop = WHICH.name(), "round failed: the pulse: {error}");
        let spent = clock.mono().saturating_sub(asked);
        if let Some(state) = self.snapshot.loops.get_mut(WHICH.index()) {
            engine.miss(WHICH, &error, spent, state, &*clock);
        }
        self.turns.ended(WHICH, spent);
        self.publish();
        Ok(false)
    }

    async fn go_on(&mut self, which: Loop, session: &mut Session) -> Result<(), Ended> {
        let clock = self.shared.timer.clone();
        let (plan, i) = (&self.plan, which.index());
        let Some(engine) = &mut self.engine else { return Err(Ended::without_facts()) };
        let (Some(slot), Some(state)) = (self.rounds.get_mut(i), self.snapshot.loops.get_mut(i)) else {
            return Ok(());
        };
        let Some(round) = slot else { return Ok(()) };
        let budget = plan.budget(which);
        let statement = match which {
            Loop::HotPath | Loop::Workload => plan.statement_timeout,
            // The hot path waits for it: no longer than one of its intervals.
            Loop::Storage | Loop::Hourly => {
                budget.min(plan.interval(Loop::HotPath).max(plan.statement_timeout))
            }
        };
        let limits = Limits { budget, statement };
        let before = clock.mono();
        let step = engine.step(round, session, limits, plan.interval(which), &*clock).await;
        self.turns.worked(which, clock.mono().saturating_sub(before));
        match step {
            Step::Continue => {
                self.snapshot.alive_mono = Some(clock.mono());
                Ok(())
            }
            Step::Lost(error) => Err(Ended::Lost(error)),
            Step::Over => {
                if let Some(round) = slot.take() {
                    self.turns.ended(which, round.spent());
                    if let Some(cut) = self.cut.get_mut(i)
                        && !round.is_partial()
                    {
                        *cut = false;
                    }
                    engine.end(round, state, &*clock);
                }
                // Only a connection that lasts is a success; one that others had in between has lasted.
                let well_for = self.well_since.map(|at| clock.mono().saturating_sub(at));
                if well_for.is_some_and(|time| time >= plan.interval(Loop::HotPath)) {
                    self.backoff.succeeded();
                }
                self.publish();
                Ok(())
            }
        }
    }

    /// Has those collectors look again that the server refused a right when they last ran, and nobody else.
    /// Facts cannot tell whether the right was given back.
    pub(super) fn retry_denied(&mut self) {
        let clock = self.shared.timer.clone();
        let Some(engine) = &mut self.engine else { return };
        for ((which, round), schedule) in Loop::ALL.into_iter().zip(&mut self.rounds).zip(&self.schedules) {
            // A round that is due anyway has them all.
            if round.is_none() && schedule.due() > clock.mono() {
                *round = engine.retry_denied(which, self.snapshot.leads, &*clock);
            }
        }
    }

    /// Ends the rounds that were under way when the connection was given up. A round in which the loss was
    /// noticed before anything was sent has lost nothing: it begins again. Others failed.
    pub(super) fn close_rounds(&mut self, hung: bool) {
        let now = self.shared.timer.mono();
        for (i, (slot, state)) in self.rounds.iter_mut().zip(&mut self.snapshot.loops).enumerate() {
            let (Some(round), Some(engine)) = (slot.take(), &mut self.engine) else { continue };
            if round.is_partial() || (round.is_untouched() && !hung) {
                let partial = round.is_partial();
                engine.abandon(round);
                if let Some(schedule) = self.schedules.get_mut(i)
                    && !partial
                {
                    schedule.restart(now);
                }
                continue;
            }
            if let Some(cut) = self.cut.get_mut(i) {
                *cut = true;
            }
            engine.cut_off(round, state, &*self.shared.timer);
        }
    }
}
