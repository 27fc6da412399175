//! Whole pages, as the API answers them: once with nothing wrong, once in trouble. What is absent is left out.

use super::*;
use crate::pages;
use collectors::{
    archiver, checkpoints, connections, database, database_size, indexes, locks, progress, relations,
    sequences, slots, stale_statistics, subscriptions, table_age, tables, throughput, wal_files,
    xmin_horizon,
};
use pgmon_collect::postgres::decode::Time;
use serde_json::Value;

fn families(all: &[(&'static Desc, &[&str], f64)]) -> Families {
    let mut families = Families::new();
    for (desc, labels, value) in all {
        families.push(desc, labels, *value);
    }
    families
}

fn with(
    collector: &'static str,
    data: impl serde::Serialize + Send + Sync + 'static,
    metrics: &[(&'static Desc, &[&str], f64)],
) -> CollectorState {
    state(collector, Outcome::Ok, Some((Arc::new(data), families(metrics))))
}

macro_rules! gauges {
    ($($name:ident $text:literal),*) => {
        $(const $name: Desc = Desc::gauge($text, "", &[]);)*
    };
}

gauges! { TPS "pg_tps", HITS "pg_cache_hit_ratio", OLDEST "pg_oldest_transaction_seconds", ACTIVE "pg_active_connections",
XID_AGE "pg_wraparound_tx_age", WAL_RATE "pg_wal_bytes_per_second", BLOCKED "pg_blocked_sessions_total",
LONGEST "pg_longest_blocked_seconds", ROOTS "pg_root_blockers", QPS "pg_qps", SENDERS "pg_replication_senders",
WAL_DIR "pg_wal_directory_bytes", INVALID "pg_invalid_indexes", UNUSED "pg_unused_indexes",
CHANGED "pg_settings_changed_since_start" }

fn time(text: &str) -> Option<Time> {
    Some(Time(text.parse().unwrap()))
}

/// A server on which `bad` is wrong everywhere, or nowhere.
fn server(bad: bool) -> Snapshot {
    let pick = |good: f64, trouble: f64| if bad { trouble } else { good };
    let count = |good: i64, trouble: i64| if bad { trouble } else { good };
    let mut of = snapshot();
    let mut info = (*of.server.take().unwrap()).clone();
    info.started_at = "2025-12-01T00:00:00Z".parse().unwrap();
    let session = connections::Session {
        pid: 4711,
        datname: Some("shop".into()),
        usename: Some("web".into()),
        application_name: Some("batch".into()),
        state: Some("idle in transaction".into()),
        transaction_seconds: pick(12.0, 2000.0),
        state_seconds: Some(11.0),
        query: Some("UPDATE orders SET n = ?".into()),
        ..Default::default()
    };
    let group = |state: &str, backends: i64| connections::Group {
        backend_type: Some("client backend".into()),
        state: Some(state.into()),
        wait_event_type: (state == "active").then(|| "IO".into()),
        in_database: true,
        backends,
        oldest_transaction_seconds: Some(3.0),
        ..Default::default()
    };
    let activity =
        connections::Activity { groups: vec![group("active", 3), group("idle", 9)], sessions: vec![session] };
    let clients = pick(12.0, 97.0);
    let activity = with(
        "connections",
        activity,
        &[
            (&CONNECTIONS, &[], clients),
            (&MAX, &[], 100.0),
            (&ACTIVE, &[], 3.0),
            (&OLDEST, &[], pick(12.0, 2000.0)),
        ],
    );
    let edges = if bad { vec![edge(1, 11, 10, 130.0), edge(2, 12, 11, 20.0)] } else { Vec::new() };
    let modes = vec![locks::Mode { mode: "RowExclusiveLock".into(), locks: 4, waiting: 0 }];
    let waits = locks::Locks { blocked_sessions: count(0, 2), modes, edges, ..Default::default() };
    let waits = with(
        "locks",
        waits,
        &[(&BLOCKED, &[], pick(0.0, 2.0)), (&LONGEST, &[], pick(0.0, 130.0)), (&ROOTS, &[], pick(0.0, 1.0))],
    );
    let throughput = throughput::Row {
        xact_commit: 1000,
        blks_hit: 99,
        blks_read: 1,
        stats_reset: time("2025-12-02T03:04:05Z"),
        transactions_per_second: Some(120.0),
        cache_hit_ratio: Some(0.99),
        ..Default::default()
    };
    let throughput = with("throughput", vec![throughput], &[(&TPS, &[], 120.0), (&HITS, &[], 0.99)]);
    let statement = collectors::statements::Row {
        queryid: "9007199254740993".into(),
        text: Some("SELECT total FROM orders WHERE id = $1".into()),
        calls_per_second: Some(20.0),
        mean_ms: Some(pick(10.0, 50.0)),
        time_share: Some(0.6),
        calls: 1000.0,
        time_seconds: 10.0,
        rows: 1000.0,
        ..Default::default()
    };
    let statements = with("statements", vec![statement], &[(&QPS, &[], 20.0)]);
    let table = tables::Row {
        schema: "public".into(),
        name: "orders".into(),
        relation: "orders".into(),
        pages: 100,
        counts_known: true,
        live_tuples: Some(1_000_000),
        dead_tuples: Some(count(10, 900_000)),
        pct_dead: Some(pick(0.001, 47.0)),
        vacuum_pressure: Some(pick(0.1, 4.5)),
        autovacuumed_seconds_ago: Some(pick(600.0, 100_000.0)),
        autovacuum_enabled: Some(true),
        vacuum_due_seconds: bad.then_some(50_000.0),
        ..Default::default()
    };
    let age = |datname: &str, age: i64| collectors::wraparound::Row {
        datname: datname.into(),
        allows_connections: true,
        xid_age: age,
        mxid_age: 5,
        freeze_max_age: 200_000_000,
        multixact_freeze_max_age: 400_000_000,
        seconds_until_protection: Some(1e7),
        ..Default::default()
    };
    let ages = vec![age("shop", count(50_000_000, 1_900_000_000)), age("postgres", 40_000_000)];
    let ages = with("wraparound", ages, &[(&XID_AGE, &[], pick(50e6, 1.9e9))]);
    let oldest = table_age::Row {
        schema_name: "public".into(),
        table_name: "orders".into(),
        xid_age: count(50_000_000, 1_900_000_000),
        freeze_max_age: 200_000_000,
        multixact_freeze_max_age: 400_000_000,
        ratio: pick(0.25, 9.5),
        ..Default::default()
    };
    let holder = xmin_horizon::Row {
        holder: "backend".into(),
        name: Some("batch".into()),
        pid: Some(4711),
        database: Some("shop".into()),
        state: Some("idle in transaction".into()),
        xid_age: count(100, 20_000_000),
        seconds: Some(pick(12.0, 2000.0)),
    };
    let sender = collectors::replication::Row {
        pid: 99,
        state: Some("streaming".into()),
        replica: "rep1".into(),
        position_bytes: Some(9000),
        sent_bytes: Some(9000),
        write_bytes: Some(9000),
        flush_bytes: Some(9000),
        replay_bytes: Some(count(9_000, 1_000)),
        lag_bytes: Some(count(0, 8_000)),
        lag_seconds: Some(pick(0.0, 400.0)),
        ..Default::default()
    };
    let slot = slots::Row {
        slot_name: "rep1".into(),
        slot_type: "physical".into(),
        active: !bad,
        retained_bytes: Some(count(0, 200_000_000_000)),
        wal_status: Some("reserved".into()),
        inactive_seconds: bad.then_some(4000.0),
        ..Default::default()
    };
    let written = collectors::wal::Row {
        written_bytes: Some(5000),
        bytes_per_second: Some(1000.0),
        ..Default::default()
    };
    let checkpoints = checkpoints::Row {
        timed: 100,
        requested: count(1, 900),
        recent_seconds: Some(3600.0),
        recent_timed: Some(12),
        recent_requested: Some(count(0, 40)),
        ..Default::default()
    };
    let archiver = archiver::Row {
        mode: "on".into(),
        active: true,
        archived: 50,
        failed: count(0, 9),
        failing: bad,
        last_archived_age_seconds: Some(pick(20.0, 7200.0)),
        last_failed_wal: bad.then(|| "000000010000000000000009".into()),
        backlog_segments: Some(count(0, 120)),
        segment_bytes: 16 << 20,
        ..Default::default()
    };
    let mut index = indexes::Row::default();
    (index.schema, index.name, index.table_name) = ("public".into(), "orders_at".into(), "orders".into());
    (index.bytes, index.is_unused, index.stats_age_seconds) = (Some(1 << 30), bad, Some(1e7));
    let mut invalid = index.clone();
    (invalid.name, invalid.is_invalid, invalid.is_unused) = ("orders_u".into(), true, false);
    let indexes = if bad { vec![index, invalid] } else { vec![index] };
    let bloated = collectors::bloat::Row {
        kind: "table",
        schema_name: "public".into(),
        name: "orders".into(),
        method: Some("pgstattuple_approx"),
        size_bytes: 4e9,
        bloat_bytes: Some(pick(1e6, 3.6e9)),
        bloat_ratio: Some(pick(0.000_25, 0.9)),
        ..Default::default()
    };
    let mut sequence = sequences::Row::default();
    (sequence.schema, sequence.name) = ("public".into(), "orders_id_seq".into());
    (sequence.data_type, sequence.column_type) = ("integer".into(), Some("integer".into()));
    (sequence.used_ratio, sequence.readable) = (Some(pick(0.1, 0.93)), true);
    (sequence.table_schema, sequence.table_name) = (Some("public".into()), Some("orders".into()));
    sequence.column_name = Some("id".into());
    let size = database_size::Database {
        name: "shop".into(),
        allows_connections: true,
        may: true,
        bytes: Some(5 << 30),
        ..Default::default()
    };
    let sizes = database_size::Sizes { databases: vec![size], ..Default::default() };
    let relation = relations::Row {
        schema: "public".into(),
        name: "orders".into(),
        relation: "orders".into(),
        total_bytes: Some(4 << 30),
        growth_bytes_per_second: Some(1000.0),
        ..Default::default()
    };
    let mut parent = super::remedies::events(if bad { 3000.0 } else { 20.0 * 86_400.0 });
    parent.missing = Some(bad);
    let database = database::Row {
        datname: Some("shop".into()),
        checksum_failures: bad.then_some(3),
        checksum_last_failure: bad.then(|| Time(at())),
        ..Default::default()
    };
    let setting = |name: &str, setting: &str, source: &str| collectors::settings::Row {
        name: name.into(),
        setting: Some(setting.into()),
        source: source.into(),
        pending_restart: bad && name == "shared_buffers",
        ..Default::default()
    };
    let settings = vec![
        setting("fsync", if bad { "off" } else { "on" }, if bad { "configuration file" } else { "default" }),
        setting("shared_buffers", "16384", "configuration file"),
        setting("lock_timeout", "100", "session"),
    ];
    let stale = stale_statistics::Row {
        schema_name: "public".into(),
        table_name: "orders".into(),
        analyzed_seconds: Some(1e5),
        mods_since_analyze: Some(500_000),
        live_rows: Some(1_000_000),
        analyze_trigger_rows: Some(100_050),
        ratio: Some(5.0),
        autovacuum_enabled: Some(true),
        ..Default::default()
    };
    let stale = if bad { vec![stale] } else { Vec::new() };
    of.collectors = vec![
        activity,
        waits,
        throughput,
        statements,
        ages,
        found("tables", vec![table]),
        found("table_age", vec![oldest]),
        found("xmin_horizon", vec![holder]),
        with("replication", vec![sender], &[(&SENDERS, &[], 1.0)]),
        found("slots", vec![slot]),
        with("wal", vec![written], &[(&WAL_RATE, &[], pick(1000.0, 3e8))]),
        found("checkpoints", vec![checkpoints]),
        found("archiver", vec![archiver]),
        with(
            "wal_files",
            vec![wal_files::Row { files: 3, bytes: 5e7, ready_files: Some(0) }],
            &[(&WAL_DIR, &[], 5e7)],
        ),
        with("indexes", indexes, &[(&INVALID, &[], pick(0.0, 1.0)), (&UNUSED, &[], pick(0.0, 1.0))]),
        found("bloat", vec![bloated]),
        found("sequences", vec![sequence]),
        found("database_size", sizes),
        found("relations", vec![relation]),
        found("partitions", vec![parent]),
        found("database", vec![database]),
        with("settings", settings, &[(&CHANGED, &[], 0.0)]),
        found("stale_statistics", stale),
        found("progress", Vec::<progress::Row>::new()),
        found("subscriptions", Vec::<subscriptions::Row>::new()),
    ];
    Snapshot { server: Some(Arc::new(info)), ..of }
}

/// Without what is absent: what is there is what counts.
fn lean(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (k, lean(v))).filter(|(_, v)| !v.is_null()).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(lean).collect()),
        other => other,
    }
}

macro_rules! whole {
    ($($name:ident: |$s:ident| $page:expr;)*) => {
        $(#[test]
        fn $name() {
            let rules = rules();
            for (bad, case) in [(false, "ok"), (true, "trouble")] {
                let of = server(bad);
                let source = source(&of, &rules, 101);
                let page = { let $s = &source; $page };
                let level = page.verdict.level;
                assert_eq!(level > Level::Ok, bad, "{}", page.verdict.sentence);
                assert_eq!(page.problems.is_empty(), !bad);
                let name = format!("{}_{case}", stringify!($name));
                insta::assert_json_snapshot!(name, lean(serde_json::to_value(&page).unwrap()));
            }
        })*
    };
}

whole! {
    page_overview: |s| pages::overview::page(s);
    page_activity: |s| pages::activity::page(s);
    page_locks: |s| pages::locks::page(s);
    page_top_queries: |s| pages::statements::page(s);
    page_statement: |s| pages::statements::statement(s, "9007199254740993").unwrap();
    page_autovacuum: |s| pages::autovacuum::page(s);
    page_wraparound: |s| pages::wraparound::page(s);
    page_replication: |s| pages::replication::page(s, &[]);
    page_wal: |s| pages::wal::page(s);
    page_storage: |s| pages::storage::page(s);
    page_indexes: |s| pages::indexes::page(s);
    page_bloat: |s| pages::bloat::page(s);
    page_partitions: |s| pages::partitions::page(s);
    page_io: |s| pages::io::page(s);
    page_settings: |s| pages::settings::page(s);
}
