//! Checkpoints of the last hour. The server counts since its statistics were reset, which may be years.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back it looks.
const LONGEST: Duration = Duration::from_secs(3600);
/// So far apart are the readings that are kept.
const APART: Duration = Duration::from_secs(60);

/// The counters' readings of the last hour, the oldest first.
#[derive(Debug, Default)]
pub struct Recent {
    readings: VecDeque<(Duration, i64, i64)>,
}

impl Recent {
    /// Takes a reading, and says over which time how many checkpoints came by time and how many were asked for.
    pub fn add(&mut self, at: Duration, timed: i64, requested: i64) -> Option<(Duration, i64, i64)> {
        let fell = |reading: &(Duration, i64, i64)| reading.1 > timed || reading.2 > requested;
        if self.readings.back().is_some_and(fell) {
            self.readings.clear();
        }
        while self.readings.front().is_some_and(|reading| at.saturating_sub(reading.0) > LONGEST) {
            self.readings.pop_front();
        }
        let since = self.readings.front().map(|(from, timed_then, requested_then)| {
            (
                at.saturating_sub(*from),
                timed.saturating_sub(*timed_then),
                requested.saturating_sub(*requested_then),
            )
        });
        if self.readings.back().is_none_or(|reading| at.saturating_sub(reading.0) >= APART) {
            self.readings.push_back((at, timed, requested));
        }
        since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn what_is_older_than_an_hour_does_not_count() {
        let mut recent = Recent::default();
        assert_eq!(recent.add(S(0), 5, 900), None, "what was before is not known");
        assert_eq!(recent.add(S(15), 5, 901), Some((S(15), 0, 1)));
        assert_eq!(recent.add(S(1800), 9, 903), Some((S(1800), 4, 3)));
        assert_eq!(recent.add(S(3600), 10, 903), Some((S(3600), 5, 3)));
        assert_eq!(recent.add(S(3660), 10, 904), Some((S(1860), 1, 1)));
        assert_eq!(recent.add(S(9000), 10, 904), None, "nothing was seen for more than an hour");
    }

    #[test]
    fn counters_that_fell_begin_anew_and_room_is_bounded() {
        let mut recent = Recent::default();
        recent.add(S(0), 5, 900);
        assert_eq!(recent.add(S(60), 0, 0), None);
        assert_eq!(recent.add(S(75), 0, 2), Some((S(15), 0, 2)));
        for round in 5..10_000 {
            recent.add(S(round * 15), 0, 2);
        }
        assert!(recent.readings.len() <= 62, "{}", recent.readings.len());
    }
}
