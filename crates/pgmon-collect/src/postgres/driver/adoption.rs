//! A new plan takes the place of the old one, while the connection and what is known stay.

use super::Driver;
use super::queries::limits;
use pgmon_core::snapshot::Loop;

/// What a new plan asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adopted {
    /// The role is to be looked at again.
    pub audit: bool,
}

impl Driver {
    /// Takes over a plan that has come since the last call, if one has.
    pub(super) fn adopt(&mut self) -> Option<Adopted> {
        // The sender is dropped when the process ends: then nothing changes any more.
        if !self.plans.has_changed().unwrap_or(false) {
            return None;
        }
        let plan = self.plans.borrow_and_update().clone();
        if plan == self.plan {
            return None;
        }
        let before = std::mem::replace(&mut self.plan, plan.clone());
        let now = self.shared.timer.mono();
        for ((which, schedule), state) in
            Loop::ALL.into_iter().zip(&mut self.schedules).zip(&mut self.snapshot.loops)
        {
            let interval = plan.interval(which);
            if interval != before.interval(which) {
                schedule.set_interval(interval, now);
            }
            (state.interval, state.budget) = (interval, plan.budget(which));
        }
        self.cell.cardinality().set_limits(plan.series_per_family, plan.series_per_database);
        if plan.settings != before.settings
            && let Some(engine) = &mut self.engine
        {
            // Rounds under way belong to the collectors that are replaced: they begin again, and count as
            // neither done nor failed.
            for ((which, round), schedule) in
                Loop::ALL.into_iter().zip(&mut self.rounds).zip(&mut self.schedules)
            {
                if let Some(round) = round.take() {
                    tracing::debug!(loop = which.name(), "begins again with the new configuration");
                    let partial = round.is_partial();
                    engine.abandon(round);
                    if !partial {
                        schedule.restart(now);
                    }
                }
            }
            engine.replan(plan.settings.clone());
        }
        if plan.queries != before.queries || plan.longest_statement() != before.longest_statement() {
            self.custom.set(&plan.queries, limits(&plan), now);
        }
        self.publish();
        Some(Adopted { audit: plan.enforce_read_only != before.enforce_read_only })
    }
}
