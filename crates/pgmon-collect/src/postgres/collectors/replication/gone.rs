//! Standbys that streamed and do not any more.
//!
//! One with a slot leaves that behind; of one without, the server knows nothing once it is gone.

use super::Row;
use std::collections::BTreeMap;
use std::time::Duration;

/// For so long it is told. Whoever took a standby away has heard of it by then.
const TOLD: Duration = Duration::from_secs(3600);

/// Who streams, and who did.
#[derive(Debug, Default)]
pub(super) struct Known {
    in_recovery: Option<bool>,
    /// All senders of the last round by process id, with their rows if they are standbys.
    present: BTreeMap<i32, Option<Row>>,
    /// When that was.
    at: Duration,
    gone: Vec<Gone>,
}

#[derive(Debug)]
struct Gone {
    row: Row,
    /// When it was there last.
    last: Duration,
    /// When it was missed.
    missed: Duration,
}

impl Known {
    /// Takes in who streams now.
    pub(super) fn look(&mut self, rows: &[Row], in_recovery: bool, now: Duration) {
        if self.in_recovery.replace(in_recovery) != Some(in_recovery) {
            // After a switchover the standbys stream from somewhere else.
            (self.present, self.gone) = (BTreeMap::new(), Vec::new());
        }
        let mut before = std::mem::take(&mut self.present);
        let mut new = Vec::new();
        for row in rows {
            let was = before.remove(&row.pid);
            if was.is_none() {
                new.push(row);
            }
            // What it once was it is while it is connected, whatever state it passes through.
            let known = if is_standby(row) { Some(row.clone()) } else { was.flatten() };
            self.present.insert(row.pid, known);
        }
        let left = before.into_values().flatten();
        self.gone.extend(left.map(|row| Gone { row, last: self.at, missed: now }));
        self.at = now;
        for row in new {
            self.is_back(row);
        }
        self.gone.retain(|gone| now.saturating_sub(gone.missed) < TOLD);
    }

    /// Forgets one that has come back: with the same name and address, or at least the same name.
    fn is_back(&mut self, row: &Row) {
        let named = |gone: &Gone| gone.row.application_name == row.application_name;
        let same = |gone: &Gone| named(gone) && gone.row.client_addr == row.client_addr;
        let place = self.gone.iter().position(same).or_else(|| self.gone.iter().position(named));
        if let Some(place) = place {
            self.gone.remove(place);
        }
    }

    /// The rows of those that are gone.
    pub(super) fn gone(&self, now: Duration) -> impl Iterator<Item = Row> + '_ {
        self.gone.iter().map(move |gone| Row {
            gone_seconds: Some(now.saturating_sub(gone.last).as_secs_f64()),
            ..gone.row.clone()
        })
    }
}

/// Whether it streams and replays what it gets. What ends by itself does not: base backups and what gathers WAL
/// for them (they replay nothing), subscribers and the initial copies of their tables.
fn is_standby(row: &Row) -> bool {
    !row.logical
        && row.state.as_deref() == Some("streaming")
        && row.replay_bytes.is_some()
        && !super::is_table_copy(row)
}
