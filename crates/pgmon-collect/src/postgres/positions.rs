//! When a WAL position was reached, from what our own rounds have seen.
//!
//! A lag in seconds asks: how long ago did the source stand where the copy stands now? The server's
//! answers fail where they matter: the age of the last replayed commit grows while the primary is idle,
//! and the lag that a replica reports stays as it was when the replica no longer reports. Positions
//! that we saw ourselves, on one clock of ours, have neither fault.

use std::collections::VecDeque;
use std::time::Duration;

/// As many positions are kept; when there are more, every second one is given up,
/// which makes the answers coarser but never wrong.
const KEPT: usize = 128;

/// Positions of one source over time; both only grow.
#[derive(Debug, Clone, Default)]
pub struct Positions(VecDeque<(Duration, i64)>);

impl Positions {
    /// The source was at `position` at the time `at`.
    ///
    /// A position that goes back belongs to another server or timeline: what was before it is forgotten.
    pub fn push(&mut self, at: Duration, position: i64) {
        if self.0.back().is_some_and(|(t, p)| *p > position || *t > at) {
            self.0.clear();
        }
        self.0.push_back((at, position));
        if self.0.len() > KEPT {
            let mut index = 0;
            self.0.retain(|_| {
                index += 1;
                index % 2 == 1 || index > KEPT
            });
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The newest position.
    pub fn last(&self) -> Option<(Duration, i64)> {
        self.0.back().copied()
    }

    /// For how long the source has been past `position` for certain; zero if it was never seen past it.
    pub fn at_least(&self, now: Duration, position: i64) -> Duration {
        let passed = self.0.iter().find(|(_, p)| *p > position);
        passed.map_or(Duration::ZERO, |(t, _)| now.saturating_sub(*t))
    }

    /// How long ago the source left `position`, as if it had moved evenly between two rounds.
    ///
    /// `None` if it was past it already when we first looked. If it never was seen past it, the answer is
    /// the time since it was last seen: nothing tells what it did since.
    pub fn since(&self, now: Duration, position: i64) -> Option<Duration> {
        let (before, from) = self.0.iter().rev().find(|(_, p)| *p <= position)?;
        let left = match self.0.iter().find(|(_, p)| *p > position) {
            Some((after, to)) => {
                let part = position.saturating_sub(*from) as f64 / to.saturating_sub(*from) as f64;
                *before + after.saturating_sub(*before).mul_f64(part.clamp(0.0, 1.0))
            }
            None => *before,
        };
        Some(now.saturating_sub(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn positions(seen: &[(u64, i64)]) -> Positions {
        let mut positions = Positions::default();
        for (at, position) in seen {
            positions.push(s(*at), *position);
        }
        positions
    }

    #[test]
    fn a_position_between_two_rounds_was_left_in_between() {
        let p = positions(&[(0, 100), (60, 200), (120, 300)]);
        assert_eq!(p.since(s(120), 250), Some(s(30)));
        assert_eq!(p.since(s(120), 200), Some(s(60)));
        assert_eq!(p.since(s(120), 100), Some(s(120)));
        assert_eq!(p.at_least(s(120), 150), s(60));
        assert_eq!(p.at_least(s(120), 250), s(0));
    }

    #[test]
    fn a_source_that_stands_still_was_left_when_it_moved_on() {
        // Idle from 0 to 60: the position was left at 60 at the earliest, not at 0.
        let p = positions(&[(0, 100), (60, 100), (120, 200)]);
        assert_eq!(p.since(s(120), 100), Some(s(60)));
        assert_eq!(p.at_least(s(120), 100), s(0));
        let idle = positions(&[(0, 100), (60, 100), (120, 100)]);
        assert_eq!(idle.since(s(120), 100), Some(s(0)));
        assert_eq!(idle.at_least(s(120), 100), s(0));
    }

    #[test]
    fn what_was_before_the_first_round_is_unknown() {
        let p = positions(&[(60, 200), (120, 300)]);
        assert_eq!(p.since(s(120), 100), None);
        assert_eq!(p.at_least(s(120), 100), s(60));
        assert_eq!(Positions::default().since(s(1), 1), None);
    }

    #[test]
    fn what_was_last_seen_long_ago_may_have_been_left_at_once() {
        let p = positions(&[(0, 100)]);
        assert_eq!(p.since(s(300), 100), Some(s(300)));
    }

    #[test]
    fn a_position_that_goes_back_is_another_server() {
        let p = positions(&[(0, 500), (60, 600), (120, 10)]);
        assert_eq!(p.at_least(s(120), 5), s(0));
        assert_eq!(p.since(s(120), 550), Some(s(0)));
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_never_claims_too_much(steps in proptest::collection::vec(0i64..50, 1..600), back in 0i64..500) {
            let mut all = Vec::new();
            let mut kept = Positions::default();
            let (mut at, mut position) = (0, 0);
            for step in steps {
                at += 60;
                position += step;
                all.push((s(at), position));
                kept.push(s(at), position);
            }
            prop_assert!(kept.0.len() <= KEPT);
            let asked = position - back;
            // The true time, of which the kept rounds may know less but not something else.
            let truth = all.iter().find(|(_, p)| *p > asked).map_or(Duration::ZERO, |(t, _)| s(at) - *t);
            prop_assert!(kept.at_least(s(at), asked) <= truth);
            if let Some(since) = kept.since(s(at), asked) {
                prop_assert!(since >= kept.at_least(s(at), asked));
            }
        }
    }
}
