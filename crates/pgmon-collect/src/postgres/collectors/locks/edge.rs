//! One session waiting for one other, as the server reports it.

use super::MODES;
use std::collections::BTreeMap;

/// A row of the second statement: a waiting session, a blocker, and a lock of the blocker's.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) blocked_sessions: i64,
    pub(super) pid: i32,
    pub(super) wait_seconds: Option<f64>,
    pub(super) locktype: String,
    pub(super) mode: String,
    pub(super) lock_datname: Option<String>,
    pub(super) relation_oid: Option<i64>,
    pub(super) schema: Option<String>,
    pub(super) relation: Option<String>,
    pub(super) backend_type: Option<String>,
    pub(super) state: Option<String>,
    pub(super) datname: Option<String>,
    pub(super) usename: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) transaction_seconds: Option<f64>,
    pub(super) state_seconds: Option<f64>,
    pub(super) queryid: Option<String>,
    pub(super) query: Option<String>,
    /// 0 stands for a prepared transaction; absent if the blocker has just gone.
    pub(super) blocker_pid: Option<i32>,
    pub(super) blocker_mode: Option<String>,
    pub(super) blocker_granted: Option<bool>,
    pub(super) blocker_backend_type: Option<String>,
    pub(super) blocker_state: Option<String>,
    pub(super) blocker_datname: Option<String>,
    pub(super) blocker_usename: Option<String>,
    pub(super) blocker_application_name: Option<String>,
    pub(super) blocker_transaction_seconds: Option<f64>,
    pub(super) blocker_state_seconds: Option<f64>,
    pub(super) blocker_queryid: Option<String>,
    pub(super) blocker_query: Option<String>,
    pub(super) blocker_gid: Option<String>,
}

/// A session or a prepared transaction.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "LockParty")]
pub struct Party {
    /// Process id; absent for a prepared transaction.
    pub pid: Option<i32>,
    /// Name of the prepared transaction.
    pub gid: Option<String>,
    /// `client backend`, `autovacuum worker`, ...; absent for a prepared transaction.
    pub backend_type: Option<String>,
    /// `active`, `idle in transaction`, ..., or `prepared`.
    pub state: Option<String>,
    /// Its database.
    pub datname: Option<String>,
    /// Its role, or the prepared transaction's owner.
    pub usename: Option<String>,
    /// What the client calls itself.
    pub application_name: Option<String>,
    /// Age of its transaction (of a prepared one: since it was prepared), seconds.
    pub transaction_seconds: Option<f64>,
    /// How long it has been in its state, seconds.
    pub state_seconds: Option<f64>,
    /// Its query's `queryid` as a decimal string, where the server computes it (14+).
    pub queryid: Option<String>,
    /// Its query's first 1,000 characters, without its literals unless `security.redact_sql_text` is off.
    pub query: Option<String>,
}

/// Tells sessions and prepared transactions apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Session(i32),
    Prepared(Option<String>),
}

impl Party {
    pub(super) fn id(&self) -> Id {
        self.pid.map_or_else(|| Id::Prepared(self.gid.clone()), Id::Session)
    }
}

impl Row {
    pub(super) fn blocked(&self) -> Party {
        Party {
            pid: Some(self.pid),
            gid: None,
            backend_type: self.backend_type.clone(),
            state: self.state.clone(),
            datname: self.datname.clone(),
            usename: self.usename.clone(),
            application_name: self.application_name.clone(),
            transaction_seconds: self.transaction_seconds,
            state_seconds: self.state_seconds,
            queryid: self.queryid.clone(),
            query: self.query.clone(),
        }
    }

    pub(super) fn blocker(&self) -> Option<Party> {
        let pid = self.blocker_pid?;
        let prepared = pid == 0;
        Some(Party {
            pid: (!prepared).then_some(pid),
            gid: self.blocker_gid.clone(),
            backend_type: self.blocker_backend_type.clone(),
            state: if prepared { Some("prepared".into()) } else { self.blocker_state.clone() },
            datname: self.blocker_datname.clone(),
            usename: self.blocker_usename.clone(),
            application_name: self.blocker_application_name.clone(),
            transaction_seconds: self.blocker_transaction_seconds,
            state_seconds: self.blocker_state_seconds,
            queryid: self.blocker_queryid.clone(),
            query: self.blocker_query.clone(),
        })
    }

    /// Whether the blocker's lock in this row is one that the session has to wait for.
    fn conflicts(&self) -> bool {
        self.blocker_mode.as_deref().is_some_and(|held| conflict(held, &self.mode))
    }

    /// How well this row explains the wait.
    fn rank(&self) -> (bool, bool, Option<usize>) {
        let strength = self.blocker_mode.as_deref().and_then(strength);
        (self.conflicts(), self.blocker_granted == Some(true), strength)
    }
}

/// One row per session and blocker: the one with the lock that explains the wait.
///
/// The server names all prepared transactions alike (pid 0): those whose locks do not conflict are none.
pub(super) fn fold(rows: Vec<Row>) -> Vec<Row> {
    let mut best = BTreeMap::<(i32, Option<Id>), Row>::new();
    for row in rows {
        let key = (row.pid, row.blocker().map(|b| b.id()));
        match best.get(&key) {
            Some(known) if known.rank() >= row.rank() => {}
            _ => drop(best.insert(key, row)),
        }
    }
    let explained: std::collections::BTreeSet<i32> =
        best.values().filter(|r| r.blocker_pid == Some(0) && r.conflicts()).map(|r| r.pid).collect();
    best.into_values()
        .filter(|r| r.blocker_pid != Some(0) || r.conflicts() || !explained.contains(&r.pid))
        .collect()
}

fn strength(mode: &str) -> Option<usize> {
    MODES.iter().position(|known| mode.eq_ignore_ascii_case(known))
}

/// PostgreSQL's table of conflicting lock modes (13.3.1 of its manual).
fn conflict(held: &str, wanted: &str) -> bool {
    let (Some(a), Some(b)) = (strength(held), strength(wanted)) else { return false };
    let (weak, strong) = (a.min(b), a.max(b));
    match strong {
        // ACCESS SHARE, ROW SHARE and ROW EXCLUSIVE get on with one another.
        0..=2 => false,
        // SHARE UPDATE EXCLUSIVE: with itself.
        3 => weak == 3,
        // SHARE: not with itself.
        4 => matches!(weak, 2 | 3),
        // SHARE ROW EXCLUSIVE.
        5 => weak >= 2,
        // EXCLUSIVE.
        6 => weak >= 1,
        // ACCESS EXCLUSIVE.
        7 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_conflict_as_in_the_manual() {
        // Row and column in the order of strength; X conflicts.
        let table =
            ["-------X", "------XX", "----XXXX", "---XXXXX", "--XX-XXX", "--XXXXXX", "-XXXXXXX", "XXXXXXXX"];
        for (held, row) in table.iter().enumerate() {
            for (wanted, cell) in row.chars().enumerate() {
                assert_eq!(
                    conflict(MODES[held], MODES[wanted]),
                    cell == 'X',
                    "{} {}",
                    MODES[held],
                    MODES[wanted]
                );
            }
        }
        assert!(!conflict("SIReadLock", "AccessExclusiveLock"));
    }
}
