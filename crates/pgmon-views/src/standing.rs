//! How far a collector's figures can be relied on.

use crate::answer::State;
use crate::source::Now;
use pgmon_core::snapshot::{CollectorState, Outcome, Snapshot, Up};
use std::collections::BTreeSet;

/// A collector's state, and the snapshot that says whether it is current.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The state.
    pub state: &'a CollectorState,
    /// Where it is from.
    pub snapshot: &'a Snapshot,
}

/// How far a collector's figures can be relied on.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// In a word.
    pub state: State,
    /// Why, if it is not ok.
    pub reason: Option<String>,
    /// Seconds since the figures were taken.
    pub age_seconds: Option<f64>,
}

impl Found<'_> {
    /// Whether its last good result is one that still holds.
    pub fn is_current(&self, now: Now) -> bool {
        let keeps = self.state.keeps(self.snapshot.of(self.state.in_loop).interval);
        self.state.good.as_ref().is_some_and(|good| now.mono.saturating_sub(good.at_mono) <= keeps)
            && self.snapshot.up.is_up()
            && self.snapshot.values_are_current(now.mono)
    }

    /// How far it can be relied on.
    pub fn standing(&self, now: Now) -> Standing {
        let good = self.state.good.as_ref();
        let age_seconds = good.map(|good| now.age(good.at_mono));
        let (state, reason) = match (&self.state.outcome, &self.snapshot.up) {
            (_, Up::Down { reason }) if good.is_some() => {
                (State::Stale, Some(format!("the database is down: {reason}")))
            }
            (_, Up::Down { reason }) => (State::Error, Some(format!("the database is down: {reason}"))),
            (Outcome::Blind, _) => (State::Degraded, Some(self.blindness())),
            (Outcome::Unsupported, _) => {
                (State::Unsupported, Some("this version of PostgreSQL has no such figures".to_owned()))
            }
            (Outcome::Failed { message, .. }, _) if good.is_some() => {
                (State::Stale, Some(format!("the last attempt failed: {message}")))
            }
            (Outcome::Failed { message, .. }, _) => (State::Error, Some(message.clone())),
            (Outcome::Skipped { reason }, _) if good.is_none() => (State::Pending, Some(reason.clone())),
            _ if !self.is_current(now) => {
                (State::Stale, Some("the database has not answered for a while".to_owned()))
            }
            _ if !self.state.blind.is_empty() => (State::Degraded, Some(self.blindness())),
            _ => (State::Ok, None),
        };
        Standing { state, reason, age_seconds }
    }

    fn blindness(&self) -> String {
        let needs: BTreeSet<&str> = self.state.blind.iter().map(|b| b.needs.as_str()).collect();
        format!("needs {}", needs.into_iter().collect::<Vec<_>>().join(", "))
    }
}
