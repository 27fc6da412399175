//! Connections by state and kind of backend against what the server allows, the greatest ages, and
//! what active backends wait for.
//!
//! One pass over `pg_stat_activity`. Only when a transaction has been open for a while does a second
//! statement ask whose it is.

use crate::postgres::collector::{Cx, Need, Outcome, Registered, Scope, Spec, Statement, Steps, pg};
use crate::postgres::redact::redact;
use crate::postgres::session::QueryError;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::Arguments as _;
use sqlx::FromRow as _;
use sqlx::postgres::{PgArguments, PgRow};
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// From which age on the sessions with the oldest transactions are listed, seconds.
const LIST_FROM_SECONDS: f64 = 10.0;

/// Series of [`WAITING`] at most; what is rarer is added up under `other`.
const WAIT_EVENTS: usize = 50;

/// Processes that are alike.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "SessionGroup")]
pub struct Group {
    /// `client backend`, `autovacuum worker`, `walsender`, ...; absent if the role may not see it.
    pub backend_type: Option<String>,
    /// `active`, `idle`, `idle in transaction`, ...; absent for background processes.
    pub state: Option<String>,
    /// What active clients, parallel workers and autovacuum workers wait for.
    pub wait_event_type: Option<String>,
    /// The same, closer.
    pub wait_event: Option<String>,
    /// Whether this is the session that asks.
    pub own: bool,
    /// Whether they work in a database and for a role.
    pub in_database: bool,
    /// How many.
    pub backends: i64,
    /// Age of their oldest transaction, seconds.
    pub oldest_transaction_seconds: Option<f64>,
    /// Time since the start of the oldest of their last queries, seconds.
    pub oldest_query_seconds: Option<f64>,
    /// How long one of them has been in its state, at most, seconds.
    pub longest_in_state_seconds: Option<f64>,
}

/// A client session whose transaction has been open for a while.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct Session {
    /// Process id.
    pub pid: i32,
    /// Its database.
    pub datname: Option<String>,
    /// Its role.
    pub usename: Option<String>,
    /// What the client calls itself.
    pub application_name: Option<String>,
    /// Where the client is; absent for unix sockets.
    pub client_addr: Option<String>,
    /// `active`, `idle in transaction`, ...
    pub state: Option<String>,
    /// What it waits for.
    pub wait_event_type: Option<String>,
    /// The same, closer.
    pub wait_event: Option<String>,
    /// Whether it waits for a lock.
    pub blocked: bool,
    /// Whether its transaction has an id, and so has probably written something.
    pub has_written: bool,
    /// Age of its transaction, seconds.
    pub transaction_seconds: f64,
    /// Time since its last query began, seconds.
    pub query_seconds: Option<f64>,
    /// How long it has been in its state, seconds.
    pub state_seconds: Option<f64>,
    /// Its query's `queryid` as a decimal string, where the server computes it (14+).
    pub queryid: Option<String>,
    /// The query's first 1,000 characters, without its literals unless `security.redact_sql_text` is off.
    pub query: Option<String>,
}

/// What a round took in.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Activity {
    /// All processes, grouped.
    pub groups: Vec<Group>,
    /// The client sessions with the oldest transactions (older than 10 s), oldest first, 20 at most.
    pub sessions: Vec<Session>,
}

const CONNECTIONS: Desc =
    Desc::gauge("pg_connections", "Client connections to the server, pgmon's own included.", &[]);
const MAX_CONNECTIONS: Desc = Desc::gauge(
    "pg_max_connections",
    "Client connections that the server allows, reserved ones included.",
    &[],
);
const RESERVED: Desc = Desc::gauge(
    "pg_reserved_connections",
    "Connections kept free for superusers (superuser) and for roles with pg_use_reserved_connections (reserved).",
    &["kind"],
);
const BACKENDS: Desc = Desc::gauge(
    "pg_backends",
    "Server processes by kind and state; pgmon's own session is left out.",
    &["state", "backend_type"],
);
const ACTIVE: Desc = Desc::gauge(
    "pg_active_connections",
    "Client connections that run a statement; pgmon's own session is left out.",
    &[],
);
const WAITING: Desc = Desc::gauge(
    "pg_backends_waiting",
    "Active clients, parallel workers and autovacuum workers that wait, by what they wait for.",
    &["wait_event_type", "wait_event"],
);
const OLDEST_TRANSACTION: Desc = Desc::gauge(
    "pg_oldest_transaction_seconds",
    "Age of the oldest open transaction of a client in seconds; 0 if there is none.",
    &[],
);
const OLDEST_IDLE: Desc = Desc::gauge(
    "pg_oldest_idle_in_transaction_seconds",
    "Longest time that a client has been idle in a transaction in seconds; 0 if none is.",
    &[],
);
const LONGEST_QUERY: Desc = Desc::gauge(
    "pg_longest_query_seconds",
    "Age of the longest running query of a client in seconds; 0 if none runs.",
    &[],
);
const AUTOVACUUM_WORKERS: Desc =
    Desc::gauge("pg_autovacuum_workers", "Autovacuum workers that are running.", &[]);
const AUTOVACUUM_MAX_WORKERS: Desc =
    Desc::gauge("pg_autovacuum_max_workers", "Autovacuum workers that may run at once.", &[]);

const CLIENT: &str = "client backend";
/// Client states that are exported even if no client is in them, so that alerts see a 0.
const CLIENT_STATES: [&str; 4] = ["active", "idle", "idle in transaction", "idle in transaction (aborted)"];

const SPEC: Spec = Spec {
    name: "connections",
    title: "Connections",
    in_loop: Loop::HotPath,
    scope: Scope::Server,
    queries: &[pg(12, include_str!("connections/pg12.sql"))],
    follow_ups: &[
        pg(12, include_str!("connections/sessions/pg12.sql")),
        pg(14, include_str!("connections/sessions/pg14.sql")),
    ],
    families: &[
        &CONNECTIONS,
        &MAX_CONNECTIONS,
        &RESERVED,
        &BACKENDS,
        &ACTIVE,
        &WAITING,
        &OLDEST_TRANSACTION,
        &OLDEST_IDLE,
        &LONGEST_QUERY,
        &AUTOVACUUM_WORKERS,
        &AUTOVACUUM_MAX_WORKERS,
    ],
    // The limits are visible to every role; the sessions are reported as blind where they are hidden.
    needs: &[],
    blind_effect: "sessions of other roles: how many are clients, their states, transactions, queries and waits",
};

/// The registration.
pub const REGISTERED: Registered = Registered {
    spec: &SPEC,
    make: |_| Box::<Connections>::default(),
    row_schema: || schemars::schema_for!(Activity),
};

/// See the module's head.
#[derive(Default)]
struct Connections {
    now: Activity,
    listing: bool,
}

impl Steps for Connections {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError> {
        self.abort();
        Ok(Statement::plain(sql))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        if self.listing {
            self.now.sessions.push(Session::from_row(row)?);
        } else {
            self.now.groups.push(Group::from_row(row)?);
        }
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        if let Some(error) = error {
            return Err(error);
        }
        let oldest = greatest(self.now.clients().map(|g| g.oldest_transaction_seconds));
        if self.listing || oldest.is_none_or(|age| age < LIST_FROM_SECONDS) {
            return Ok(None);
        }
        let Some(sql) = cx.facts.pick(SPEC.follow_ups) else { return Ok(None) };
        self.listing = true;
        let mut args = PgArguments::default();
        args.add(LIST_FROM_SECONDS).map_err(|e| QueryError::Decode(e.to_string()))?;
        Ok(Some(Statement::with(sql, args)))
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        let mut activity = std::mem::take(&mut self.now);
        if cx.settings.redact_sql_text {
            activity.sessions.iter_mut().for_each(|s| s.query = s.query.take().map(|q| redact(&q)));
        }
        let mut families = Families::new();
        let blind = activity.samples(cx, &mut families);
        Outcome { families: families.into_vec(), data: Some(Arc::new(activity)), blind }
    }

    fn abort(&mut self) {
        *self = Self::default();
    }
}

impl Activity {
    /// Groups of clients and of the workers of their queries.
    fn clients(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|g| !g.own && matches!(g.kind(), CLIENT | "parallel worker"))
    }

    fn samples(&self, cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let facts = &cx.facts;
        out.push_opt(&MAX_CONNECTIONS, &[], facts.setting("max_connections"));
        out.push_opt(&RESERVED, &["superuser"], facts.setting("superuser_reserved_connections"));
        out.push_opt(&RESERVED, &["reserved"], facts.setting("reserved_connections"));
        out.push_opt(&AUTOVACUUM_MAX_WORKERS, &[], facts.setting("autovacuum_max_workers"));
        // A role that sees others' sessions also sees what the background processes are.
        let sees_all = facts.has(Need::Monitor)
            && self.groups.iter().any(|g| !g.in_database && g.backend_type.is_some());
        if !sees_all {
            // How many sessions there are could be told, but not which of them are clients' and which are
            // parallel or background workers.
            return vec![blind(Need::Monitor.label(), SPEC.blind_effect, Need::Monitor.remedy(facts))];
        }
        out.push(&CONNECTIONS, &[], count(self.groups.iter().filter(|g| g.kind() == CLIENT)));
        out.push(
            &AUTOVACUUM_WORKERS,
            &[],
            count(self.groups.iter().filter(|g| g.kind() == "autovacuum worker")),
        );
        self.backends(out);
        self.waits(out);
        self.ages(out)
    }

    fn backends(&self, out: &mut Families) {
        let mut by_state = BTreeMap::new();
        for state in CLIENT_STATES {
            by_state.insert((state, CLIENT), 0);
        }
        for g in self.groups.iter().filter(|g| !g.own) {
            *by_state.entry((g.state(), g.kind())).or_insert(0) += g.backends;
        }
        out.push(&ACTIVE, &[], by_state.get(&("active", CLIENT)).copied().unwrap_or_default() as f64);
        for ((state, kind), backends) in by_state {
            // Extensions name the kind of their background workers.
            out.push(&BACKENDS, &[state, &label::name(kind)], backends as f64);
        }
    }

    fn waits(&self, out: &mut Families) {
        let mut waits = BTreeMap::<(&str, &str), i64>::new();
        for g in self.groups.iter().filter(|g| !g.own) {
            if let (Some(class), Some(event)) = (&g.wait_event_type, &g.wait_event) {
                *waits.entry((class, event)).or_default() += g.backends;
            }
        }
        let mut waits: Vec<_> = waits.into_iter().collect();
        waits.sort_by_key(|((_, _), backends)| std::cmp::Reverse(*backends));
        let rest = waits.split_off(waits.len().min(WAIT_EVENTS));
        for ((class, event), backends) in waits {
            out.push(&WAITING, &[&label::name(class), &label::name(event)], backends as f64);
        }
        if !rest.is_empty() {
            out.push(&WAITING, &["other", "other"], rest.iter().map(|(_, n)| *n).sum::<i64>() as f64);
        }
    }

    fn ages(&self, out: &mut Families) -> Vec<Blind> {
        let age_of = |of: fn(&Group) -> bool, age: fn(&Group) -> Option<f64>| {
            greatest(self.clients().filter(|g| of(g)).map(age)).map(|seconds| seconds.max(0.0))
        };
        let untracked = self.clients().any(|g| g.state() == "disabled");
        // All sessions are visible: then none is as good as 0.
        let none = (!untracked).then_some(0.0);
        let any = |_: &Group| true;
        let active = |g: &Group| matches!(g.state(), "active" | "fastpath function call");
        let idle = |g: &Group| g.state().starts_with("idle in transaction");
        out.push_opt(&OLDEST_TRANSACTION, &[], age_of(any, |g| g.oldest_transaction_seconds).or(none));
        out.push_opt(&OLDEST_IDLE, &[], age_of(idle, |g| g.longest_in_state_seconds).or(none));
        out.push_opt(&LONGEST_QUERY, &[], age_of(active, |g| g.oldest_query_seconds).or(none));
        if !untracked {
            return Vec::new();
        }
        let effect = "states, transactions and queries of sessions that have turned track_activities off";
        vec![blind("track_activities".into(), effect, "ALTER SYSTEM SET track_activities = on;".into())]
    }
}

impl Group {
    fn kind(&self) -> &str {
        self.backend_type.as_deref().unwrap_or("unknown")
    }

    fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("none")
    }
}

fn count<'g>(groups: impl Iterator<Item = &'g Group>) -> f64 {
    groups.map(|g| g.backends).sum::<i64>() as f64
}

fn greatest(ages: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    ages.flatten().reduce(f64::max)
}

fn blind(needs: String, effect: &str, remedy: String) -> Blind {
    Blind { collector: SPEC.name.into(), needs, effect: effect.to_owned(), remedy: Some(remedy) }
}
