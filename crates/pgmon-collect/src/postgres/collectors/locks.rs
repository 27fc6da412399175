//! Locks by mode, and who blocks whom.
//!
//! The first statement only counts. Only when somebody waits does a second one ask `pg_blocking_pids`
//! about the waiting sessions, which also knows of queues: a SELECT behind an ALTER that waits itself.

use crate::postgres::collector::{Cx, Need, Outcome, Registered, Scope, Spec, Statement, Steps, pg};
use crate::postgres::redact::redact;
use crate::postgres::session::QueryError;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::FromRow as _;
use sqlx::postgres::PgRow;
use std::sync::Arc;

mod edge;
#[cfg(test)]
mod tests;
mod tree;

pub use edge::Party;
pub use tree::Edge;

/// Locks of one mode.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "LockMode")]
pub struct Mode {
    /// The mode as `pg_locks` writes it: `AccessShareLock`, ...
    pub mode: String,
    /// How many are held or awaited.
    pub locks: i64,
    /// How many of them are awaited.
    pub waiting: i64,
}

/// What a round took in.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Locks {
    /// Locks by mode.
    pub modes: Vec<Mode>,
    /// Sessions that wait for a lock.
    pub blocked_sessions: i64,
    /// Longest wait, seconds; absent if nobody waits or it is unknown. Before PostgreSQL 14, which does not
    /// say since when a lock is awaited, the age of the query that waits.
    pub longest_blocked_seconds: Option<f64>,
    /// Sessions and prepared transactions that block others and are not blocked themselves.
    pub root_blockers: i64,
    /// Sessions that the worst root blocks, directly or through others.
    pub blocked_by_worst_root: i64,
    /// Who waits for whom, in the order of a tree: each root, then whom it blocks, ...
    /// Of more than 200 waiting sessions those that have waited longest.
    pub edges: Vec<Edge>,
}

const COUNT: Desc = Desc::gauge(
    "pg_locks_count",
    "Locks held or awaited, by mode; pgmon's own session is left out.",
    &["mode"],
);
const WAITING: Desc = Desc::gauge("pg_locks_waiting", "Locks awaited, by mode.", &["mode"]);
const BLOCKED: Desc =
    Desc::gauge("pg_blocked_sessions_total", "Sessions that wait for a lock now (a gauge).", &[]);
const LONGEST: Desc = Desc::gauge(
    "pg_longest_blocked_seconds",
    "Longest time that a session has been waiting for a lock in seconds, 0 if none waits; before PostgreSQL 14 the age of the waiting query, which may be longer.",
    &[],
);
const ROOTS: Desc = Desc::gauge(
    "pg_root_blockers",
    "Sessions and prepared transactions that block others and wait for no lock themselves.",
    &[],
);
const WORST_ROOT: Desc = Desc::gauge(
    "pg_root_blocker_blocked_sessions",
    "Sessions that the worst root blocker blocks, directly or through others.",
    &[],
);

/// Modes in the order of their strength, as they are labelled.
const MODES: [&str; 9] = [
    "accesssharelock",
    "rowsharelock",
    "rowexclusivelock",
    "shareupdateexclusivelock",
    "sharelock",
    "sharerowexclusivelock",
    "exclusivelock",
    "accessexclusivelock",
    "sireadlock",
];

const SPEC: Spec = Spec {
    name: "locks",
    title: "Locks",
    in_loop: Loop::HotPath,
    scope: Scope::Server,
    queries: &[pg(12, include_str!("locks/pg12.sql"))],
    follow_ups: &[
        pg(12, include_str!("locks/edges/pg12.sql")),
        pg(13, include_str!("locks/edges/pg13.sql")),
        pg(14, include_str!("locks/edges/pg14.sql")),
    ],
    families: &[&COUNT, &WAITING, &BLOCKED, &LONGEST, &ROOTS, &WORST_ROOT],
    // Locks and who blocks whom are visible to every role; what the sessions are doing is not.
    needs: &[],
    blind_effect: "what the sessions that block and wait are doing, and before PostgreSQL 14 for how long",
};

/// The registration.
pub const REGISTERED: Registered = Registered {
    spec: &SPEC,
    make: |_| Box::<Reading>::default(),
    row_schema: || schemars::schema_for!(Locks),
};

/// A round.
#[derive(Default)]
struct Reading {
    modes: Vec<Mode>,
    edges: Vec<edge::Row>,
    asked_who: bool,
}

impl Steps for Reading {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError> {
        self.abort();
        Ok(Statement::plain(sql))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        if self.asked_who {
            self.edges.push(edge::Row::from_row(row)?);
        } else {
            self.modes.push(Mode::from_row(row)?);
        }
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        if let Some(error) = error {
            return Err(error);
        }
        if self.asked_who || self.modes.iter().all(|m| m.waiting == 0) {
            return Ok(None);
        }
        let Some(sql) = cx.facts.pick(SPEC.follow_ups) else { return Ok(None) };
        self.asked_who = true;
        Ok(Some(Statement::plain(sql)))
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        let mut edges = std::mem::take(&mut self.edges);
        if cx.settings.redact_sql_text {
            for query in edges.iter_mut().flat_map(|e| [&mut e.query, &mut e.blocker_query]) {
                *query = query.take().map(|q| redact(&q));
            }
        }
        let locks = Locks::of(std::mem::take(&mut self.modes), edges);
        let mut families = Families::new();
        locks.samples(&mut families);
        let mut blind = Vec::new();
        if !cx.facts.has(Need::Monitor) {
            blind.push(Blind {
                collector: SPEC.name.into(),
                needs: Need::Monitor.label(),
                effect: SPEC.blind_effect.to_owned(),
                remedy: Some(Need::Monitor.remedy(&cx.facts)),
            });
        }
        Outcome { families: families.into_vec(), data: Some(Arc::new(locks)), blind }
    }

    fn abort(&mut self) {
        *self = Self::default();
    }
}

impl Locks {
    fn of(modes: Vec<Mode>, rows: Vec<edge::Row>) -> Self {
        let blocked_sessions = rows.iter().map(|r| r.blocked_sessions).max().unwrap_or(0);
        let longest_blocked_seconds = rows.iter().filter_map(|r| r.wait_seconds).reduce(f64::max);
        let tree = tree::Tree::of(edge::fold(rows));
        Self {
            modes,
            blocked_sessions,
            longest_blocked_seconds,
            root_blockers: tree.roots,
            blocked_by_worst_root: tree.blocked_by_worst_root,
            edges: tree.edges,
        }
    }

    fn samples(&self, out: &mut Families) {
        for mode in MODES {
            let of_mode = || self.modes.iter().filter(|m| m.mode.eq_ignore_ascii_case(mode));
            out.push(&COUNT, &[mode], of_mode().map(|m| m.locks).sum::<i64>() as f64);
            // Predicate locks are never waited for.
            if mode != "sireadlock" {
                out.push(&WAITING, &[mode], of_mode().map(|m| m.waiting).sum::<i64>() as f64);
            }
        }
        out.push(&BLOCKED, &[], self.blocked_sessions as f64);
        // All locks are visible: then none is as good as 0. Who waits for an unknown time is not 0.
        let none = (self.blocked_sessions == 0).then_some(0.0);
        out.push_opt(&LONGEST, &[], self.longest_blocked_seconds.map(|seconds| seconds.max(0.0)).or(none));
        out.push(&ROOTS, &[], self.root_blockers as f64);
        out.push(&WORST_ROOT, &[], self.blocked_by_worst_root as f64);
    }
}
