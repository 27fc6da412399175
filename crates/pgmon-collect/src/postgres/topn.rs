//! The first N of a ranking, without series that come and go at its edge.

use std::collections::BTreeSet;

/// Chooses what is shown of a ranking that is taken anew each round.
///
/// The first N of a round are always shown. What was shown in the round before stays for as long as it
/// ranks within 1.5 x N, so that two neighbours that swap places at the edge do not end and begin a
/// series at every round. So there are never more than 1.5 x N ([`TopN::window`]).
///
/// The same thing may appear in several rankings: use one `TopN` for each and join what they keep.
#[derive(Debug, Clone)]
pub struct TopN<K> {
    n: usize,
    shown: BTreeSet<K>,
}

impl<K: Ord + Clone> TopN<K> {
    /// A choice of the first `n`, with nothing shown yet.
    pub fn new(n: u32) -> Self {
        Self { n: usize::try_from(n).unwrap_or(usize::MAX), shown: BTreeSet::new() }
    }

    /// How many places of the ranking matter: ask the server for so many rows (`LIMIT`).
    pub fn window(&self) -> usize {
        self.n.saturating_add(self.n / 2)
    }

    /// The same as a statement's value.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.window()).unwrap_or(i64::MAX)
    }

    /// Takes this round's ranking, best first, and returns what is to be shown.
    ///
    /// What stands past [`TopN::window`] is never looked at; what appears twice counts at its first place.
    pub fn keep(&mut self, ranked: impl IntoIterator<Item = K>) -> BTreeSet<K> {
        let mut place = 0;
        let mut now = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for key in ranked {
            if place >= self.window() {
                break;
            }
            if !seen.insert(key.clone()) {
                continue;
            }
            if place < self.n || self.shown.contains(&key) {
                now.insert(key);
            }
            place += 1;
        }
        self.shown.clone_from(&now);
        now
    }

    /// Whether the last round showed it.
    pub fn shows(&self, key: &K) -> bool {
        self.shown.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_series_at_the_edge_stays_until_it_falls_behind() {
        let mut top = TopN::new(2);
        assert_eq!(top.window(), 3);
        assert_eq!(top.keep(["a", "b", "c", "d"]), BTreeSet::from(["a", "b"]));
        // c overtakes b: both are shown, a is still first.
        assert_eq!(top.keep(["a", "c", "b", "d"]), BTreeSet::from(["a", "b", "c"]));
        // b is past 1.5 x N.
        assert_eq!(top.keep(["a", "c", "d", "b"]), BTreeSet::from(["a", "c"]));
        // It comes back only as one of the first two.
        assert_eq!(top.keep(["a", "c", "b"]), BTreeSet::from(["a", "c"]));
        assert!(top.shows(&"c") && !top.shows(&"b"));
    }

    #[test]
    fn nothing_is_shown_of_nothing() {
        assert_eq!(TopN::new(0).keep(["a"]), BTreeSet::new());
        let mut top = TopN::new(3);
        assert_eq!(top.keep(["a"]), BTreeSet::from(["a"]));
        assert_eq!(top.keep([]), BTreeSet::new(), "what has gone is forgotten");
    }

    proptest! {
        #[test]
        fn the_first_n_are_shown_and_never_more_than_the_window(
            n in 0u32..20,
            rounds in proptest::collection::vec(proptest::collection::vec(0u8..60, 0..60), 1..8),
        ) {
            let mut top = TopN::new(n);
            for round in rounds {
                let mut unique = Vec::new();
                for k in &round {
                    if !unique.contains(k) {
                        unique.push(*k);
                    }
                }
                let shown = top.keep(round);
                prop_assert!(shown.len() <= top.window());
                for k in unique.iter().take(n as usize) {
                    prop_assert!(shown.contains(k));
                }
            }
        }
    }
}
