//! Standbys that streamed from here and do not any more.

use crate::judge::problem;
use crate::page::{Level, PageName, Problem};
use crate::source::Source;
use crate::words;
use pgmon_collect::postgres::collectors::replication::Row;
use pgmon_collect::postgres::collectors::slots;

/// Whether it streams now.
pub(super) fn is_here(row: &Row) -> bool {
    row.gone_seconds.is_none()
}

/// Who is gone. Of one with a slot, the slot says so.
pub(super) fn problems(s: &Source<'_>) -> Vec<Problem> {
    let slots = s.list::<slots::Row>("slots");
    let has_slot = |row: &&Row| slots.iter().any(|slot| row.slot_name.as_deref() == Some(&*slot.slot_name));
    let rows = s.list::<Row>("replication").iter().filter(|row| !is_here(row));
    rows.filter(|row| !has_slot(row)).map(|row| gone(s, row)).collect()
}

fn gone(s: &Source<'_>, row: &Row) -> Problem {
    let name = words::inert(&row.replica);
    let from = row.client_addr.as_deref().map(|addr| format!(" ({addr})")).unwrap_or_default();
    let since = row.gone_seconds.and_then(|seconds| s.since("replication", seconds));
    let until = since.map(|at| format!(" until {}", at.strftime("%H:%M UTC"))).unwrap_or_default();
    let evidence = format!(
        "{name}{from} streamed from this server{until} and has not come back; it has no slot, so that the WAL that it needs may be removed"
    );
    let title = "A standby that streamed has gone";
    problem(format!("gone:{}", row.replica), Level::Warn, PageName::Replication, title, evidence)
        .about(row.replica.clone())
        .since(since)
}
