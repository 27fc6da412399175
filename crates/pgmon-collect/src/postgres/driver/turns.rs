//! Whose turn it is on an entry's connection.
//!
//! The most urgent goes first, as long as that leaves the others anything: whoever has worked rests, while
//! others want to work, for as long as it worked. So a server that is too slow for one loop's interval, or
//! more queries than there is time for, make everything come less often, and starve nothing.

use pgmon_core::snapshot::Loop;
use std::time::Duration;

/// What a loop wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing yet.
    Nothing,
    /// To begin a round.
    Begin,
    /// To go on with its round.
    GoOn,
}

/// Who works next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Loop(Loop),
    /// A query of the configuration.
    Query,
}

/// Who has worked for how long.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// How long, by loop, less urgent work may go on before the loop begins another round.
    rests: [Duration; 4],
    /// How long storage and hourly may work before the next query.
    owed: Duration,
    /// Whether a query was the last to run, of queries and those two loops.
    asked: bool,
}

impl Turns {
    /// Who is to work next; `query` tells whether a query is due.
    ///
    /// A round that has begun waits for more urgent ones only. Queries go behind hot_path and workload, and
    /// take turns with the slower loops, which have at least as much time as the queries.
    pub(super) fn next(&self, wishes: [Wish; 4], query: bool) -> Option<Next> {
        let wish = |which: Loop| wishes.get(which.index()).copied().unwrap_or(Wish::Nothing);
        for which in Loop::ALL {
            let slow = which >= Loop::Storage;
            // Between queries and the slow loops it is `owed` that decides.
            let others =
                Loop::ALL.into_iter().any(|l| l > which && wish(l) != Wish::Nothing) || (query && !slow);
            let rests = self.rests.get(which.index()).is_some_and(|rest| !rest.is_zero());
            match wish(which) {
                Wish::Nothing => {}
                Wish::Begin if rests && others => {}
                _ if slow && query && !self.asked && self.owed.is_zero() => return Some(Next::Query),
                _ => return Some(Next::Loop(which)),
            }
        }
        query.then_some(Next::Query)
    }

    /// Notes that a loop's statement took so long.
    pub(super) fn worked(&mut self, which: Loop, took: Duration) {
        for (other, rest) in Loop::ALL.into_iter().zip(&mut self.rests) {
            if other < which {
                *rest = rest.saturating_sub(took);
            }
        }
        if which >= Loop::Storage {
            self.asked = false;
            self.owed = self.owed.saturating_sub(took);
        }
    }

    /// Notes that a loop's round ended, which worked for so long.
    pub(super) fn ended(&mut self, which: Loop, worked: Duration) {
        if let Some(rest) = self.rests.get_mut(which.index()) {
            *rest = worked;
        }
    }

    /// Notes that a query took so long.
    pub(super) fn asked(&mut self, took: Duration) {
        for (other, rest) in Loop::ALL.into_iter().zip(&mut self.rests) {
            // It is no work of the loop that storage makes room for.
            if other < Loop::Storage {
                *rest = rest.saturating_sub(took);
            }
        }
        self.asked = true;
        self.owed = took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A loop or, as the fifth, the queries.
    struct Worker {
        interval: Duration,
        statements: u64,
        statement: Duration,
        due: Duration,
        /// Statements of the round under way that have run.
        done: Option<u64>,
        rounds: u64,
    }

    fn worker(interval: u64, statements: u64, statement: u64) -> Worker {
        let (interval, statement) = (MS(interval), MS(statement));
        Worker { interval, statements, statement, due: Duration::ZERO, done: None, rounds: 0 }
    }

    /// Rounds of each, and queries, in a minute.
    fn minute(mut loops: [Worker; 4], mut queries: Vec<Worker>) -> ([u64; 4], u64) {
        let (mut turns, mut now, mut asked) = (Turns::default(), Duration::ZERO, 0);
        while now < MS(60_000) {
            let wishes = loops.each_ref().map(|w| match w.done {
                Some(_) => Wish::GoOn,
                None if w.due <= now => Wish::Begin,
                None => Wish::Nothing,
            });
            match turns.next(wishes, queries.iter().any(|q| q.due <= now)) {
                None => now += MS(1),
                Some(Next::Query) => {
                    let query = queries.iter_mut().min_by_key(|q| q.due).unwrap();
                    now += query.statement;
                    turns.asked(query.statement);
                    query.due = (query.due + query.interval).max(now);
                    asked += 1;
                }
                Some(Next::Loop(which)) => {
                    let w = &mut loops[which.index()];
                    let done = w.done.unwrap_or(0) + 1;
                    now += w.statement;
                    turns.worked(which, w.statement);
                    w.done = Some(done);
                    if done == w.statements {
                        (w.done, w.rounds) = (None, w.rounds + 1);
                        turns.ended(which, w.statement * u32::try_from(w.statements).unwrap());
                        while w.due <= now {
                            w.due += w.interval;
                        }
                    }
                }
            }
        }
        (loops.map(|w| w.rounds), asked)
    }

    fn loops() -> [Worker; 4] {
        [worker(1000, 12, 5), worker(2000, 8, 10), worker(3000, 30, 10), worker(4000, 10, 20)]
    }

    #[test]
    fn with_time_for_all_everybody_keeps_the_interval() {
        let (rounds, asked) = minute(loops(), vec![worker(1000, 1, 10)]);
        assert_eq!((rounds, asked), ([60, 30, 20, 15], 60));
    }

    #[test]
    fn more_queries_than_there_is_time_for_starve_no_loop() {
        let (rounds, asked) = minute(loops(), (0..12).map(|_| worker(1000, 1, 300)).collect());
        assert!(rounds[0] >= 40 && rounds[1] >= 25 && rounds[2] >= 15 && rounds[3] >= 12, "{rounds:?}");
        assert!(asked >= 100, "{asked} queries");
    }

    #[test]
    fn a_loop_that_cannot_keep_its_interval_leaves_time_to_those_behind() {
        for slow in 0..4 {
            let mut all = loops();
            all[slow].statement *= 50;
            let (rounds, asked) = minute(all, vec![worker(1000, 1, 100)]);
            assert!(rounds.iter().all(|r| *r >= 2) && asked >= 5, "{slow}: {rounds:?}, {asked} queries");
        }
        let (rounds, asked) =
            minute(loops().map(|w| Worker { statement: w.statement * 20, ..w }), Vec::new());
        assert!(rounds.iter().all(|r| *r >= 1) && asked == 0, "{rounds:?}");
    }

    #[test]
    fn a_round_that_has_begun_waits_for_more_urgent_ones_alone() {
        let mut turns = Turns::default();
        turns.ended(Loop::HotPath, MS(100));
        let wishes = [Wish::GoOn, Wish::Begin, Wish::GoOn, Wish::Nothing];
        assert_eq!(turns.next(wishes, true), Some(Next::Loop(Loop::HotPath)));
        let wishes = [Wish::Begin, Wish::Begin, Wish::GoOn, Wish::Nothing];
        assert_eq!(turns.next(wishes, true), Some(Next::Loop(Loop::Workload)), "the hot path rests");
        turns.worked(Loop::Workload, MS(100));
        assert_eq!(turns.next(wishes, true), Some(Next::Loop(Loop::HotPath)));
        assert_eq!(turns.next([Wish::Nothing; 4], false), None);
    }
}
