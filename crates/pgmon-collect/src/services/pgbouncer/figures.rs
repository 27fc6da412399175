//! From the console's tables to figures, under the names of pgbouncer_exporter.

use super::table::{Table, shown};
use crate::services::probe::{Fault, Found};
use pgmon_core::metric::Desc;
use std::collections::BTreeMap;

pub(super) const UP: Desc =
    Desc::gauge("pgbouncer_up", "Whether the console let pgmon in and answered: 1 or 0.", &[]);
const PAUSED: Desc = Desc::gauge(
    "pgbouncer_paused",
    "Whether the whole pooler is paused or suspended: 1 or 0; absent where SHOW STATE is not known.",
    &[],
);

/// Clients that wait for longer where there is no server connection are stuck (seconds).
const LONG_WAIT: f64 = 3.0;

type Fold = fn(f64, f64) -> f64;

const SUM: Fold = |a, b| a + b;
const MOST: Fold = f64::max;

/// A column of a table by database, and what to multiply it with.
struct Figure {
    column: &'static str,
    fold: Fold,
    factor: f64,
    desc: Desc,
}

const fn figure(column: &'static str, fold: Fold, factor: f64, desc: Desc) -> Figure {
    Figure { column, fold, factor, desc }
}

const DB: &[&str] = &["database"];
const MICRO: f64 = 1e-6;

const POOLS: &[Figure] = &[
    figure(
        "cl_active",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_client_active_connections",
            "Clients that have a server connection or need none.",
            DB,
        ),
    ),
    figure(
        "cl_waiting",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_client_waiting_connections",
            "Clients that wait for a server connection.",
            DB,
        ),
    ),
    figure(
        "sv_active",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_server_active_connections",
            "Server connections that a client uses.",
            DB,
        ),
    ),
    figure(
        "sv_idle",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_server_idle_connections",
            "Server connections that a client can have at once.",
            DB,
        ),
    ),
    figure(
        "sv_used",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_server_used_connections",
            "Server connections that are checked before a client gets them.",
            DB,
        ),
    ),
    figure(
        "sv_tested",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_server_testing_connections",
            "Server connections that are being reset or checked.",
            DB,
        ),
    ),
    figure(
        "sv_login",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_server_login_connections",
            "Server connections that are logging in.",
            DB,
        ),
    ),
    figure(
        "maxwait",
        MOST,
        1.0,
        Desc::gauge(
            "pgbouncer_pools_client_maxwait_seconds",
            "For how long the client that is first in the queue has waited, in seconds.",
            DB,
        ),
    ),
];

const STATS: &[Figure] = &[
    figure(
        "total_xact_count",
        SUM,
        1.0,
        Desc::counter(
            "pgbouncer_stats_sql_transactions_pooled_total",
            "Transactions through the pooler.",
            DB,
        ),
    ),
    figure(
        "total_query_count",
        SUM,
        1.0,
        Desc::counter("pgbouncer_stats_queries_pooled_total", "Statements through the pooler.", DB),
    ),
    figure(
        "total_received",
        SUM,
        1.0,
        Desc::counter("pgbouncer_stats_received_bytes_total", "Bytes that clients sent.", DB),
    ),
    figure(
        "total_sent",
        SUM,
        1.0,
        Desc::counter("pgbouncer_stats_sent_bytes_total", "Bytes that clients were sent.", DB),
    ),
    figure(
        "total_xact_time",
        SUM,
        MICRO,
        Desc::counter(
            "pgbouncer_stats_server_in_transaction_seconds_total",
            "Time that clients were in transactions, in seconds.",
            DB,
        ),
    ),
    figure(
        "total_query_time",
        SUM,
        MICRO,
        Desc::counter(
            "pgbouncer_stats_queries_duration_seconds_total",
            "Time that statements ran, in seconds.",
            DB,
        ),
    ),
    figure(
        "total_wait_time",
        SUM,
        MICRO,
        Desc::counter(
            "pgbouncer_stats_client_wait_seconds_total",
            "Time that clients waited for a server connection, in seconds.",
            DB,
        ),
    ),
];

const DATABASES: &[Figure] = &[
    figure(
        "pool_size",
        SUM,
        1.0,
        Desc::gauge("pgbouncer_databases_pool_size", "Server connections that a pool may have.", DB),
    ),
    figure(
        "current_connections",
        SUM,
        1.0,
        Desc::gauge("pgbouncer_databases_current_connections", "Server connections that there are.", DB),
    ),
    figure(
        "max_connections",
        SUM,
        1.0,
        Desc::gauge(
            "pgbouncer_databases_max_connections",
            "Server connections that there may be of all pools of the database; 0: no limit.",
            DB,
        ),
    ),
    figure(
        "paused",
        MOST,
        1.0,
        Desc::gauge("pgbouncer_databases_paused", "Whether the database is paused: 1 or 0.", DB),
    ),
    figure(
        "disabled",
        MOST,
        1.0,
        Desc::gauge("pgbouncer_databases_disabled", "Whether the database takes no new clients: 1 or 0.", DB),
    ),
];

const LISTS: &[(&str, Desc)] = &[
    ("databases", Desc::gauge("pgbouncer_databases", "Databases that the pooler knows.", &[])),
    ("users", Desc::gauge("pgbouncer_users", "Users that the pooler knows.", &[])),
    ("pools", Desc::gauge("pgbouncer_pools", "Pools that there are.", &[])),
    (
        "free_clients",
        Desc::gauge("pgbouncer_free_clients", "Places for clients that are made and free.", &[]),
    ),
    ("used_clients", Desc::gauge("pgbouncer_used_clients", "Clients that are connected.", &[])),
    ("login_clients", Desc::gauge("pgbouncer_login_clients", "Clients that are logging in.", &[])),
    (
        "free_servers",
        Desc::gauge("pgbouncer_free_servers", "Places for server connections that are made and free.", &[]),
    ),
    ("used_servers", Desc::gauge("pgbouncer_used_servers", "Server connections that there are.", &[])),
];

/// All families of PgBouncer, in the order of the documentation.
pub(in crate::services) const FAMILIES: &[&Desc] = &{
    const BY_DATABASE: [&[Figure]; 3] = [POOLS, STATS, DATABASES];
    let mut all = [&UP; 2 + POOLS.len() + STATS.len() + DATABASES.len() + LISTS.len()];
    all[1] = &PAUSED;
    let (mut n, mut table) = (2, 0);
    while table < BY_DATABASE.len() {
        let mut m = 0;
        while m < BY_DATABASE[table].len() {
            all[n] = &BY_DATABASE[table][m].desc;
            (n, m) = (n + 1, m + 1);
        }
        table += 1;
    }
    let mut m = 0;
    while m < LISTS.len() {
        all[n] = &LISTS[m].1;
        (n, m) = (n + 1, m + 1);
    }
    all
};

/// What the console told.
pub(super) struct Told {
    pub pools: Table,
    pub stats: Table,
    pub lists: Table,
    pub databases: Table,
    pub state: Option<Table>,
}

/// Takes the figures, and says what is wrong.
pub(super) fn take(told: &Told, found: &mut Found) -> Result<(), Fault> {
    let clients = told.pools.by_database("cl_active", SUM);
    let mut all: BTreeMap<&str, f64> = told.databases.by_database("pool_size", |_, _| 0.0);
    all.values_mut().for_each(|n| *n = 0.0);
    all.extend(clients.iter().map(|(name, n)| (*name, *n)));
    // The console itself is no database.
    all.remove("pgbouncer");
    let shown = shown(&all);
    for (table, figures) in [(&told.pools, POOLS), (&told.stats, STATS), (&told.databases, DATABASES)] {
        for figure in figures {
            let values = table.by_database(figure.column, figure.fold);
            for database in &shown {
                let value = values.get(database.as_str()).map(|v| v * figure.factor);
                let value = value.filter(|v| v.is_finite());
                found.families.push_opt(&figure.desc, &[database], value);
            }
        }
    }
    let lists = told.lists.list();
    for (name, desc) in LISTS {
        found.families.push_opt(desc, &[], lists.get(name).copied());
    }
    let paused: Vec<&str> = flagged(&told.databases, "paused");
    for (what, names) in [("paused", &paused), ("disabled", &flagged(&told.databases, "disabled"))] {
        if !names.is_empty() {
            found.warnings.push(format!("{what}: {}", names.join(", ")));
        }
    }
    if let Some(state) = &told.state {
        // `SHOW STATE`: key and value; `active`, `paused` and `suspended` are `yes` or `no`.
        let yes = |key: &str| {
            state.rows.iter().any(|row| {
                let first = row.first().and_then(Option::as_deref);
                first == Some(key) && row.get(1).and_then(Option::as_deref) == Some("yes")
            })
        };
        let stopped = yes("paused") || yes("suspended");
        found.families.push(&PAUSED, &[], if stopped { 1.0 } else { 0.0 });
        if stopped {
            return Err(Fault::down("it is paused: no client gets a server connection"));
        }
    }
    stuck(&told.pools)?;
    let databases = all.len();
    if databases > 0 && paused.len() >= databases {
        return Err(Fault::down("all its databases are paused: no client gets a server connection"));
    }
    Ok(())
}

/// Clients that wait where there is no server connection at all. A version without `SHOW STATE` shows a pause of the
/// whole in no other way; nor does any show a server that is down.
fn stuck(pools: &Table) -> Result<(), Fault> {
    let of = |column, fold| pools.by_database(column, fold);
    let servers = ["sv_active", "sv_idle", "sv_used", "sv_tested"].map(|column| of(column, SUM));
    for (database, waited) in of("maxwait", MOST) {
        let there: f64 = servers.iter().filter_map(|by| by.get(database)).sum();
        if waited >= LONG_WAIT && there <= 0.0 {
            return Err(Fault::down(format!(
                "clients of {database} have waited for {waited:.0} s, and there is no server connection: is it paused, or the server down?"
            )));
        }
    }
    Ok(())
}

/// The databases whose flag is set.
fn flagged<'t>(table: &'t Table, column: &str) -> Vec<&'t str> {
    let set =
        table.by_database(column, MOST).into_iter().filter(|(name, v)| *v > 0.0 && *name != "pgbouncer");
    set.map(|(name, _)| name).collect()
}
