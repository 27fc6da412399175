//! How long a source that fails is left alone.

use std::time::Duration;

/// No source is left alone for longer.
const LONGEST: Duration = Duration::from_secs(60);

/// The same for a source that answers and must not be used: only a person can mend that.
const LONGEST_REFUSED: Duration = Duration::from_secs(600);

/// After this many failures in a row a source counts as quarantined.
const QUARANTINE_AFTER: u32 = 3;

/// Failures in a row and what follows from them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and returns how long to wait before the next attempt.
    ///
    /// At most one attempt an interval; from the third failure on the pause grows to two intervals,
    /// but not beyond a minute (or the interval, if that is longer), so that a source that has come
    /// back is found within two intervals. `jitter` (0 to 1) lengthens the pause by up to a tenth.
    pub fn failed(&mut self, interval: Duration, jitter: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let factor = match self.failures {
            1 | 2 => 1.0,
            3 => 1.5,
            _ => 2.0,
        };
        let pause = interval.mul_f64(factor).min(LONGEST.max(interval));
        pause.mul_f64(1.0 + 0.1 * jitter.clamp(0.0, 1.0))
    }

    /// The same for a source that answers and must not be used: the pause doubles, up to ten minutes (or
    /// the interval, if that is longer).
    pub fn refused(&mut self, interval: Duration, jitter: f64) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let pause = interval.saturating_mul(doubled).min(LONGEST_REFUSED.max(interval));
        pause.mul_f64(1.0 + 0.1 * jitter.clamp(0.0, 1.0))
    }

    /// Forgets the failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the source has failed so often that it is probed at growing intervals.
    pub fn is_quarantined(&self) -> bool {
        self.failures >= QUARANTINE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn pauses_grow_but_a_source_that_is_back_is_found_within_two_intervals() {
        let mut b = Backoff::default();
        let pauses: Vec<_> = (0..6).map(|_| b.failed(S(15), 0.0)).collect();
        assert!(pauses.is_sorted() && pauses[0] == S(15) && pauses[5] == S(30), "{pauses:?}");
        assert!(b.is_quarantined());
        b.succeeded();
        assert!(!b.is_quarantined() && b.failed(S(15), 0.0) == S(15));
    }

    #[test]
    fn a_refused_source_is_asked_less_and_less_often() {
        let mut b = Backoff::default();
        let pauses: Vec<_> = (0..40).map(|_| b.refused(S(15), 0.0).as_secs()).collect();
        assert_eq!(pauses[..7], [15, 30, 60, 120, 240, 480, 600]);
        assert!(pauses[7..].iter().all(|p| *p == 600), "{pauses:?}");
        assert_eq!(Backoff::default().refused(S(1800), 0.0), S(1800), "never more than once an interval");
    }

    #[test]
    fn never_more_than_one_attempt_an_interval_nor_less_than_one_a_minute() {
        for secs in [1, 15, 45, 60, 300] {
            let mut b = Backoff::default();
            for jitter in [0.0, 1.0, 0.5, 1.0, 1.0] {
                let pause = b.failed(S(secs), jitter);
                assert!(pause >= S(secs) && pause <= S(secs.max(60)).mul_f64(1.1), "{secs}: {pause:?}");
            }
        }
    }
}
