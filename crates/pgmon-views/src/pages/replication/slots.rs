//! Slots, and the WAL that they keep. Also on the page `wal`.

use crate::judge::{level, problem};
use crate::page::{Level, PageName, Panel, Problem, Remedy};
use crate::source::Source;
use crate::thresholds::replication::{RETAINED_CRIT, RETAINED_WARN};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::slots;
use schemars::JsonSchema;
use serde::Serialize;

/// A slot.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Slot")]
pub struct Slot {
    /// How bad it is.
    pub level: Level,
    /// What is to be said of it.
    pub hint: Option<String>,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: slots::Row,
}

/// What is wrong with them.
pub fn problems(s: &Source<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    for row in s.list::<slots::Row>("slots") {
        let (level, hint) = look(row);
        let Some(hint) = hint.filter(|_| level > Level::Ok) else { continue };
        found.push(
            problem(
                format!("slot:{}", row.slot_name),
                level,
                PageName::Replication,
                title(row),
                format!("{}: {hint}", row.slot_name),
            )
            .about(row.slot_name.clone())
            .remedy(mend(row)),
        );
    }
    found
}

/// How bad a slot is, and why.
fn look(row: &slots::Row) -> (Level, Option<String>) {
    if is_invalid(row) {
        let why = row.invalidation_reason.as_deref().unwrap_or("WAL that it needs is gone");
        return (Level::Crit, Some(format!("invalid ({why}): its consumer cannot go on")));
    }
    let retained = row.retained_bytes.unwrap_or(0);
    let keeps = words::bytes(retained as f64);
    if row.wal_status.as_deref() == Some("unreserved") {
        return (Level::Crit, Some(format!("it keeps {keeps} and is about to lose WAL that it needs")));
    }
    let by_size = level(retained as f64, RETAINED_WARN as f64, RETAINED_CRIT as f64);
    if !row.active && !row.temporary && row.synced != Some(true) {
        let since = row.inactive_seconds.map(|s| format!(" for {}", words::seconds(s))).unwrap_or_default();
        return (
            by_size.max(Level::Warn),
            Some(format!("nobody streams from it{since}, and it keeps {keeps}")),
        );
    }
    if by_size > Level::Ok {
        return (by_size, Some(format!("its consumer is behind: it keeps {keeps}")));
    }
    (Level::Ok, None)
}

fn is_invalid(row: &slots::Row) -> bool {
    row.invalid == Some(true) || row.wal_status.as_deref() == Some("lost")
}

fn keeps_much(row: &slots::Row) -> bool {
    row.retained_bytes.is_some_and(|bytes| bytes >= RETAINED_WARN)
}

fn title(row: &slots::Row) -> &'static str {
    if is_invalid(row) {
        "A slot is invalid"
    } else if row.active || keeps_much(row) || row.wal_status.as_deref() == Some("unreserved") {
        "A slot keeps WAL"
    } else {
        "Nobody uses a slot"
    }
}

fn mend(row: &slots::Row) -> Option<Remedy> {
    // As long as it costs little, it is kept: a standby that restarts goes on from it.
    let costs = is_invalid(row) || keeps_much(row);
    (costs && !row.active && row.synced != Some(true)).then(|| remedy::drop_slot(&row.slot_name))
}

/// Their panel.
pub fn panel(s: &Source<'_>) -> Panel<Slot> {
    s.panel("Slots", &["slots"], "There is no slot.", || {
        let rows: &Vec<slots::Row> = s.rows("slots")?;
        let mut all: Vec<Slot> = rows
            .iter()
            .map(|row| {
                let (level, hint) = look(row);
                let remedy = (level > Level::Ok).then(|| mend(row)).flatten();
                Slot { level, hint, remedy, row: row.clone() }
            })
            .collect();
        all.sort_by_key(|slot| std::cmp::Reverse((slot.level, slot.row.retained_bytes)));
        Some(all)
    })
}
