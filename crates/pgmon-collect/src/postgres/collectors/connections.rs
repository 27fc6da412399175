//! Connections by state and kind of backend, against what the server allows.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings, Spec, pg};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

/// Backends of one kind in one state.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct Row {
    /// `client backend`, `autovacuum worker`, `walsender`, ...
    pub backend_type: String,
    /// `active`, `idle`, `idle in transaction`, ...; `none` for background processes.
    pub state: String,
    /// How many.
    pub backends: i64,
    /// How many of them wait for a lock.
    pub waiting_for_lock: i64,
    /// Age of the oldest transaction, seconds.
    pub oldest_transaction_seconds: Option<f64>,
    /// Age of the longest running query, seconds.
    pub longest_query_seconds: Option<f64>,
    /// Longest time idle in a transaction, seconds.
    pub longest_idle_in_transaction_seconds: Option<f64>,
}

const CONNECTIONS: Desc = Desc::gauge("pg_connections", "Client connections to the server.", &[]);
const BACKENDS: Desc =
    Desc::gauge("pg_backends", "Server processes by kind and state.", &["state", "backend_type"]);

/// See the module's head.
pub struct Connections;

impl Collector for Connections {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "connections",
        title: "Connections",
        in_loop: Loop::HotPath,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("connections/pg12.sql"))],
        follow_ups: &[],
        families: &[&CONNECTIONS, &BACKENDS],
        needs: &[Need::Monitor],
        blind_effect: "sessions of other roles: states, transactions and waits",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows {
            out.push(&BACKENDS, &[&row.state, &row.backend_type], row.backends as f64);
        }
        Vec::new()
    }
}
