//! Who holds back the xmin horizon: whom to name, and what ends it.

use crate::judge::problem;
use crate::page::{Level, PageName, Problem, Remedy};
use crate::source::Source;
use crate::thresholds::vacuum::HORIZON;
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::xmin_horizon::Row;
use pgmon_collect::postgres::collectors::{connections, locks};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The holders of the horizon, with what else is known of them.
pub(crate) struct Holders<'a> {
    source: &'a Source<'a>,
    rows: Vec<&'a Row>,
    blocked: BTreeSet<i32>,
}

impl<'a> Holders<'a> {
    /// From what is current.
    pub fn new(source: &'a Source<'a>) -> Self {
        Self::of(source, source.list::<Row>("xmin_horizon"))
    }

    /// From these rows, worst first; of those that hold back as much, the one that the others follow from.
    pub fn of(source: &'a Source<'a>, rows: &'a [Row]) -> Self {
        let blocked = blocked(source);
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by_key(|row| (Reverse(row.xid_age), rank(row, &blocked)));
        Self { source, rows, blocked }
    }

    /// All, worst first.
    pub fn rows(&self) -> impl Iterator<Item = &'a Row> + '_ {
        self.rows.iter().copied()
    }

    /// Who keeps the rows of tables of this database that a vacuum left which is so many seconds ago now.
    pub fn since(&self, vacuumed: f64) -> Option<&'a Row> {
        let database = self.source.database();
        // One of another database holds back only what belongs to all.
        let here = |r: &&Row| r.database.is_none() || r.database.as_deref() == database.as_deref();
        // What began after the vacuum was not in its way.
        let before = |r: &&Row| r.xid_age > 0 && self.seconds(r).is_none_or(|age| age >= vacuumed);
        self.rows().filter(here).filter(before).find(|r| r.holder != "slot_catalog")
    }

    /// How long ago a holder began, seconds.
    fn seconds(&self, row: &Row) -> Option<f64> {
        row.seconds.map(|seconds| seconds + self.source.age("xmin_horizon"))
    }

    /// A holder in words, and what ends it.
    pub fn say(&self, row: &Row) -> (String, Option<Remedy>) {
        let named = row.name.as_deref().unwrap_or("");
        let name = words::inert(named);
        match (row.holder.as_str(), row.pid) {
            ("backend", Some(pid)) if self.blocked.contains(&pid) => (
                format!("pid {pid} ({name}), which itself waits for a lock (under Locks is who holds it),"),
                None,
            ),
            ("backend", Some(pid)) => {
                (format!("pid {pid} ({name})"), Some(remedy::end_session(pid, is_idle(row))))
            }
            ("standby", _) => {
                (format!("the standby {name} (hot_standby_feedback: look for old queries there)"), None)
            }
            ("prepared", _) => (
                format!("the prepared transaction {name}"),
                Some(remedy::on_primary(self.source, remedy::end_prepared(named))),
            ),
            ("slot", _) if is_active(row) => (
                format!(
                    "a query of the standby that uses the slot {name} (hot_standby_feedback; look there)"
                ),
                None,
            ),
            ("slot_catalog", _) if is_active(row) => {
                (format!("the subscriber that uses the slot {name} and is behind (look there)"), None)
            }
            ("slot" | "slot_catalog", _) => {
                // A standby that restarts goes on from it.
                let drop = (row.xid_age >= HORIZON).then(|| remedy::drop_slot(named));
                (format!("the slot {name}, which nobody uses,"), drop)
            }
            (other, _) => (format!("{other} {name}"), None),
        }
    }

    /// What keeps dead rows, one problem for each holder: those that tables are known to suffer from (each with
    /// the words for it), and the worst if it is far enough back to say so.
    pub fn problems(&self, suffering: &[(&'a Row, String)]) -> Vec<Problem> {
        let worst = self.rows.first().copied().filter(|r| r.xid_age >= HORIZON);
        let is_said = |row: &&&Row| worst == Some(**row) || suffering.iter().any(|(of, _)| of == *row);
        self.rows.iter().filter(is_said).map(|row| self.problem(row, suffering)).collect()
    }

    fn problem(&self, row: &Row, suffering: &[(&'a Row, String)]) -> Problem {
        let (what, mend) = self.say(row);
        let tables: Vec<&str> =
            suffering.iter().filter(|(of, _)| *of == row).map(|(_, said)| said.as_str()).collect();
        let more = tables.len().saturating_sub(TABLES);
        let mut evidence = format!(
            "{what} keeps rows of the last {} transactions from being removed",
            words::count(row.xid_age as f64)
        );
        for (place, said) in tables.iter().take(TABLES).enumerate() {
            evidence.push_str(if place == 0 { ": " } else { "; " });
            evidence.push_str(said);
        }
        if more > 0 {
            evidence.push_str(&format!("; and {}", words::counted(more, "other table", "other tables")));
        }
        let name = row.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&row.holder);
        let id = match row.pid.filter(|_| row.holder == "backend") {
            Some(pid) => format!("xmin_horizon:{}:{pid}", row.holder),
            None => format!("xmin_horizon:{}:{name}", row.holder),
        };
        problem(id, Level::Warn, PageName::Autovacuum, "Dead rows cannot be removed", evidence)
            .about(name)
            .since(row.seconds.and_then(|seconds| self.source.since("xmin_horizon", seconds)))
            .remedy(mend)
    }
}

/// Tables that a sentence has room for.
const TABLES: usize = 3;

fn is_idle(row: &Row) -> bool {
    row.state.as_deref().is_some_and(|state| state.starts_with("idle"))
}

fn is_active(row: &Row) -> bool {
    row.state.as_deref() == Some("active")
}

/// Who comes first of those that hold back the same: their horizons are equal because all but one took it over
/// from the oldest transaction. Who waits for a lock, and a standby, which is told of the primary's
/// transactions and tells them back, are its victims.
fn rank(row: &Row, blocked: &BTreeSet<i32>) -> u8 {
    match row.holder.as_str() {
        "backend" if row.pid.is_some_and(|pid| blocked.contains(&pid)) => 4,
        "backend" if is_idle(row) => 0,
        "backend" => 1,
        "prepared" => 2,
        "slot" | "slot_catalog" if !is_active(row) => 3,
        "standby" => 5,
        _ => 6,
    }
}

/// The sessions that wait for a lock, as far as is known.
fn blocked(s: &Source<'_>) -> BTreeSet<i32> {
    let sessions = s.current::<connections::Activity>("connections").map_or(&[][..], |a| &a.sessions);
    let waits = sessions.iter().filter(|session| session.blocked).map(|session| session.pid);
    let edges = s.current::<locks::Locks>("locks").map_or(&[][..], |l| &l.edges);
    waits.chain(edges.iter().filter_map(|edge| edge.blocked.pid)).collect()
}
