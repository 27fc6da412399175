//! How many clients of the database are at work: SitRep's figure, by database.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings, Spec, pg};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

#[cfg(test)]
mod tests;

/// The database's client sessions.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct Row {
    /// Sessions that run a statement.
    pub active: i64,
    /// Sessions whose state is not tracked (`track_activities` is off).
    pub untracked: i64,
}

const ACTIVE: Desc = Desc::gauge(
    "pg_active_connections",
    "Clients of this database that run a statement; pgmon's own session is left out.",
    &[],
);

/// See the module's head.
pub struct ActiveConnections;

impl Collector for ActiveConnections {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "active_connections",
        title: "Active connections",
        in_loop: Loop::HotPath,
        scope: Scope::Entry,
        queries: &[pg(12, include_str!("active_connections/pg12.sql"))],
        follow_ups: &[],
        families: &[&ACTIVE],
        needs: &[Need::Monitor],
        blind_effect: "states of other roles' sessions",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        // A session that hides its state may be active; the collector of connections says what to set.
        let known = rows.first().filter(|row| row.untracked == 0);
        out.push_opt(&ACTIVE, &[], known.map(|row| row.active as f64));
        Vec::new()
    }
}
