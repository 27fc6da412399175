//! Where counters come from: only figures of one origin may be subtracted from one another.

use super::facts::Facts;
use jiff::Timestamp;

/// A server process with its data, and the database on it.
///
/// The counters of a server that was restarted, failed over to or put in another one's place start
/// anew, and may have passed the old ones before we look again: that must not look like growth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    started_at: Timestamp,
    system_identifier: Option<String>,
    database_oid: i64,
}

impl Origin {
    /// The origin of what is read with these facts.
    pub fn of(facts: &Facts) -> Self {
        Self {
            started_at: facts.started_at,
            system_identifier: facts.system_identifier.clone(),
            database_oid: facts.database_oid,
        }
    }
}

/// How much a counter grew; `None` if it went down, so that it must have been reset in between.
pub fn growth(before: i64, now: i64) -> Option<f64> {
    let grown = now.checked_sub(before)?;
    (grown >= 0).then_some(grown as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_went_down_tells_nothing() {
        assert_eq!(growth(5, 12), Some(7.0));
        assert_eq!(growth(5, 5), Some(0.0));
        assert_eq!(growth(5, 4), None);
        assert_eq!(growth(i64::MIN, i64::MAX), None);
    }
}
