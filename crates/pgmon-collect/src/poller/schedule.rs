//! When a loop is due.

use std::time::Duration;

/// The due times of one loop on one database.
#[derive(Debug, Clone)]
pub struct Schedule {
    interval: Duration,
    due: Duration,
    spread: bool,
}

impl Schedule {
    /// Due at once.
    pub fn new(interval: Duration, now: Duration) -> Self {
        Self { interval, due: now, spread: false }
    }

    /// When the next round is due.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// Makes the next round due at once, and spreads the ones after it anew.
    pub fn restart(&mut self, now: Duration) {
        self.due = now;
        self.spread = false;
    }

    /// Changes the interval. The next round is due an interval from now at the latest.
    pub fn set_interval(&mut self, interval: Duration, now: Duration) {
        self.interval = interval;
        self.due = self.due.min(now + interval);
    }

    /// A round starts at `now`: sets the next due time and returns how many ticks were missed.
    ///
    /// The first tick after a start comes after a part of the interval (`jitter`, 0 to 1, of its
    /// second half), so that databases that were connected together do not stay in step; from then
    /// on ticks keep their distance, however late a round starts.
    pub fn start(&mut self, now: Duration, jitter: f64) -> u64 {
        if !self.spread {
            self.spread = true;
            self.due = now + self.interval.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
            return 0;
        }
        self.due += self.interval;
        let mut missed = 0;
        while self.due <= now {
            self.due += self.interval;
            missed += 1;
        }
        missed
    }
}

impl Schedule {
    /// Has the next round come `pause` after `now`, and the ones after it at the interval.
    pub fn again_after(&mut self, pause: Duration, now: Duration) {
        self.spread = true;
        self.due = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_second_round_can_be_had_at_a_given_time() {
        let mut s = Schedule::new(S(60), S(7));
        s.start(S(8), 0.5);
        s.again_after(S(5), S(8));
        assert_eq!(s.due(), S(13));
        assert_eq!(
            (s.start(S(13), 0.5), s.due()),
            (0, S(73)),
            "then at the interval, without a pause for spreading"
        );
    }

    #[test]
    fn the_first_round_is_due_at_once_and_the_next_within_an_interval() {
        for jitter in [0.0, 0.3, 1.0] {
            let mut s = Schedule::new(S(60), S(7));
            assert_eq!(s.due(), S(7));
            assert_eq!(s.start(S(8), jitter), 0);
            assert!(s.due() >= S(38) && s.due() <= S(68), "{:?}", s.due());
        }
    }

    #[test]
    fn a_shorter_interval_holds_at_once() {
        let mut s = Schedule::new(S(600), S(0));
        s.start(S(0), 1.0);
        s.set_interval(S(10), S(100));
        assert_eq!(s.due(), S(110));
        s.set_interval(S(600), S(105));
        assert_eq!(s.due(), S(110), "what was due sooner stays so");
        s.start(S(110), 0.0);
        assert_eq!(s.due(), S(710));
    }

    #[test]
    fn late_rounds_do_not_shift_the_ticks_and_missed_ones_are_counted_not_made_up_for() {
        let mut s = Schedule::new(S(15), S(0));
        s.start(S(0), 1.0);
        assert_eq!(s.due(), S(15));
        assert_eq!(s.start(S(17), 0.0), 0);
        assert_eq!(s.due(), S(30), "the tick keeps its place");
        assert_eq!(s.start(S(76), 0.0), 3, "45, 60 and 75 were missed");
        assert_eq!(s.due(), S(90));
    }
}
