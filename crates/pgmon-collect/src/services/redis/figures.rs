//! From what a server says of itself to figures, and to what is wrong with it.

use super::info::Info;
use crate::services::probe::{Fault, Found};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::service::Evidence;
use std::time::Duration;

/// Databases that are shown; a server has 16 unless it was told otherwise.
const DATABASES: usize = 64;

/// Masters of a sentinel that are shown.
const MASTERS: usize = 64;

pub(super) const UP: Desc =
    Desc::gauge("redis_up", "Whether the server answered PING with PONG: 1 or 0.", &[]);
pub(super) const PING: Desc =
    Desc::gauge("redis_ping_duration_seconds", "Time until the answer to PING was here, in seconds.", &[]);
const INSTANCE: Desc = Desc::gauge(
    "redis_instance_info",
    "Always 1; the labels say what the server is: redis, valkey or another software, its version, its mode (standalone, cluster, sentinel), its role (master, slave, sentinel).",
    &["software", "version", "mode", "role"],
);
const DB_KEYS: Desc = Desc::gauge("redis_db_keys", "Keys in the database.", &["db"]);
const DB_EXPIRING: Desc =
    Desc::gauge("redis_db_keys_expiring", "Keys in the database that will expire.", &["db"]);
const LINK: Desc = Desc::gauge(
    "redis_master_link_up",
    "Whether the replica is connected to its master: 1 or 0; absent on a master.",
    &[],
);
const SYNC: Desc = Desc::gauge(
    "redis_master_sync_in_progress",
    "Whether the replica is copying all data from its master: 1 or 0; absent on a master.",
    &[],
);
const RDB_OK: Desc =
    Desc::gauge("redis_rdb_last_bgsave_status", "Whether the last snapshot to disk succeeded: 1 or 0.", &[]);
const AOF_OK: Desc = Desc::gauge(
    "redis_aof_last_write_status",
    "Whether the last write to the append-only file succeeded: 1 or 0.",
    &[],
);
const CLUSTER_OK: Desc = Desc::gauge(
    "redis_cluster_state",
    "Whether the cluster takes commands as this node sees it: 1 or 0.",
    &[],
);
const SENTINEL_OK: Desc = Desc::gauge(
    "redis_sentinel_master_status",
    "Whether the sentinel takes the master for good: 1 or 0.",
    &["master"],
);
const SENTINEL_REPLICAS: Desc = Desc::gauge(
    "redis_sentinel_master_slaves",
    "Replicas of the master that the sentinel knows.",
    &["master"],
);
const SENTINEL_PEERS: Desc = Desc::gauge(
    "redis_sentinel_master_sentinels",
    "Sentinels that watch the master, this one included.",
    &["master"],
);

/// Figures that are one field of `INFO` each.
const FIELDS: &[(&str, Desc)] = &[
    (
        "uptime_in_seconds",
        Desc::gauge("redis_uptime_in_seconds", "Time since the server started, in seconds.", &[]),
    ),
    (
        "used_memory",
        Desc::gauge("redis_memory_used_bytes", "Memory that the server's data take, in bytes.", &[]),
    ),
    (
        "used_memory_rss",
        Desc::gauge("redis_memory_used_rss_bytes", "Resident memory of the server in bytes.", &[]),
    ),
    (
        "used_memory_peak",
        Desc::gauge("redis_memory_used_peak_bytes", "The most memory that data have taken, in bytes.", &[]),
    ),
    (
        "maxmemory",
        Desc::gauge(
            "redis_memory_max_bytes",
            "Memory that data may take, in bytes; 0: there is no limit.",
            &[],
        ),
    ),
    (
        "mem_fragmentation_ratio",
        Desc::gauge("redis_mem_fragmentation_ratio", "Resident memory in relation to that of the data.", &[]),
    ),
    ("connected_clients", Desc::gauge("redis_connected_clients", "Connections of clients.", &[])),
    (
        "blocked_clients",
        Desc::gauge("redis_blocked_clients", "Clients that wait in a blocking command.", &[]),
    ),
    ("maxclients", Desc::gauge("redis_max_clients", "Connections that the server takes at most.", &[])),
    ("connected_slaves", Desc::gauge("redis_connected_slaves", "Replicas that are connected.", &[])),
    (
        "total_commands_processed",
        Desc::counter("redis_commands_total", "Commands that the server has processed.", &[]),
    ),
    (
        "total_commands_processed",
        Desc::counter(
            "redis_commands_processed_total",
            "Commands that the server has processed, as redis_commands_total.",
            &[],
        ),
    ),
    (
        "total_connections_received",
        Desc::counter("redis_connections_received_total", "Connections that the server has accepted.", &[]),
    ),
    (
        "rejected_connections",
        Desc::counter(
            "redis_rejected_connections_total",
            "Connections that were refused because there were too many.",
            &[],
        ),
    ),
    (
        "evicted_keys",
        Desc::counter("redis_evicted_keys_total", "Keys that were thrown out because memory was full.", &[]),
    ),
    ("expired_keys", Desc::counter("redis_expired_keys_total", "Keys that expired.", &[])),
    ("keyspace_hits", Desc::counter("redis_keyspace_hits_total", "Lookups that found their key.", &[])),
    (
        "keyspace_misses",
        Desc::counter("redis_keyspace_misses_total", "Lookups that did not find their key.", &[]),
    ),
    (
        "total_net_input_bytes",
        Desc::counter("redis_net_input_bytes_total", "Bytes that the server has received.", &[]),
    ),
    (
        "total_net_output_bytes",
        Desc::counter("redis_net_output_bytes_total", "Bytes that the server has sent.", &[]),
    ),
    (
        "total_error_replies",
        Desc::counter("redis_error_replies_total", "Errors that the server has answered with.", &[]),
    ),
    (
        "master_repl_offset",
        Desc::gauge("redis_master_repl_offset", "How far the stream of replication has come, in bytes.", &[]),
    ),
    (
        "slave_repl_offset",
        Desc::gauge(
            "redis_slave_repl_offset",
            "How far a replica has read the stream of replication, in bytes.",
            &[],
        ),
    ),
    (
        "master_last_io_seconds_ago",
        Desc::gauge(
            "redis_master_last_io_seconds_ago",
            "Time since a replica last heard of its master, in seconds.",
            &[],
        ),
    ),
    (
        "loading",
        Desc::gauge("redis_loading_dump_file", "Whether the server is loading its data: 1 or 0.", &[]),
    ),
    (
        "rdb_changes_since_last_save",
        Desc::gauge("redis_rdb_changes_since_last_save", "Changes that no snapshot on disk has.", &[]),
    ),
    (
        "rdb_last_save_time",
        Desc::gauge(
            "redis_rdb_last_save_timestamp_seconds",
            "Time of the last snapshot to disk as a Unix time in seconds.",
            &[],
        ),
    ),
    ("sentinel_masters", Desc::gauge("redis_sentinel_masters", "Masters that the sentinel watches.", &[])),
];

/// Figures that are one field of `CLUSTER INFO` each.
const CLUSTER_FIELDS: &[(&str, Desc)] = &[
    (
        "cluster_known_nodes",
        Desc::gauge("redis_cluster_known_nodes", "Nodes of the cluster that this one knows.", &[]),
    ),
    ("cluster_size", Desc::gauge("redis_cluster_size", "Masters of the cluster that have slots.", &[])),
    (
        "cluster_slots_assigned",
        Desc::gauge("redis_cluster_slots_assigned", "Slots that have a node; all are 16384.", &[]),
    ),
    ("cluster_slots_ok", Desc::gauge("redis_cluster_slots_ok", "Slots whose node answers.", &[])),
    (
        "cluster_slots_pfail",
        Desc::gauge("redis_cluster_slots_pfail", "Slots whose node does not answer this one.", &[]),
    ),
    ("cluster_slots_fail", Desc::gauge("redis_cluster_slots_fail", "Slots whose node has failed.", &[])),
];

/// All families of Redis, in the order of the documentation.
pub(in crate::services) const FAMILIES: &[&Desc] = &{
    const OWN: [&Desc; 13] = [
        &UP,
        &PING,
        &INSTANCE,
        &DB_KEYS,
        &DB_EXPIRING,
        &LINK,
        &SYNC,
        &RDB_OK,
        &AOF_OK,
        &CLUSTER_OK,
        &SENTINEL_OK,
        &SENTINEL_REPLICAS,
        &SENTINEL_PEERS,
    ];
    let mut all = [&UP; OWN.len() + FIELDS.len() + CLUSTER_FIELDS.len()];
    let mut n = 0;
    while n < OWN.len() {
        all[n] = OWN[n];
        n += 1;
    }
    let mut m = 0;
    while m < FIELDS.len() {
        all[n] = &FIELDS[m].1;
        (n, m) = (n + 1, m + 1);
    }
    m = 0;
    while m < CLUSTER_FIELDS.len() {
        all[n] = &CLUSTER_FIELDS[m].1;
        (n, m) = (n + 1, m + 1);
    }
    all
};

/// Fields that are kept as evidence, beside those that are figures.
const SHOWN: &[&str] = &[
    "redis_version",
    "server_name",
    "valkey_version",
    "redis_mode",
    "server_mode",
    "role",
    "maxmemory_policy",
    "master_host",
    "master_port",
    "master_link_status",
    "master_sync_in_progress",
    "rdb_last_bgsave_status",
    "aof_enabled",
    "aof_last_write_status",
    "cluster_enabled",
    "loading_loaded_perc",
    "mem_not_counted_for_evict",
];

/// Takes the figures, and says what is wrong.
pub(super) fn take(
    info: &Info<'_>,
    cluster: Option<&str>,
    took: Duration,
    found: &mut Found,
) -> Result<(), Fault> {
    found.keep(evidence(info, took));
    let (software, version) = software(info);
    found.version = version.map(str::to_owned);
    let word = |name| info.text(name).unwrap_or_default();
    // Valkey calls it server_mode.
    let mode = mode(info.text("redis_mode").or_else(|| info.text("server_mode")).unwrap_or_default());
    let role = role(word("role"), mode);
    found.families.push(&INSTANCE, &[software, &label(version.unwrap_or_default()), mode, role], 1.0);
    for (field, desc) in FIELDS {
        let value = info.number(field);
        // Before the first contact with a master there is no time since it.
        found.families.push_opt(
            desc,
            &[],
            value.filter(|v| *field != "master_last_io_seconds_ago" || *v >= 0.0),
        );
    }
    let flag = |value: Option<&str>, good: &str| value.map(|v| if v == good { 1.0 } else { 0.0 });
    let out = &mut found.families;
    out.push_opt(&RDB_OK, &[], flag(info.text("rdb_last_bgsave_status"), "ok"));
    let aof = info.text("aof_last_write_status").filter(|_| info.text("aof_enabled") == Some("1"));
    out.push_opt(&AOF_OK, &[], flag(aof, "ok"));
    let link = info.text("master_link_status");
    out.push_opt(&LINK, &[], flag(link, "up"));
    out.push_opt(&SYNC, &[], info.number("master_sync_in_progress"));
    for (db, parts) in info.numbered("db").into_iter().take(DATABASES) {
        let number = |name: &str| parts.get(name).and_then(|text| text.parse::<f64>().ok());
        let db = format!("db{db}");
        out.push_opt(&DB_KEYS, &[&db], number("keys"));
        out.push_opt(&DB_EXPIRING, &[&db], number("expires"));
    }
    sentinel(info, out, &mut found.warnings);
    if link == Some("down") {
        let since = info.number("master_link_down_since_seconds").filter(|s| *s > 0.0);
        let since = since.map(|s| format!(" for {s:.0} s")).unwrap_or_default();
        found.warnings.push(format!("the link to its master is down{since}"));
    }
    if aof.is_some_and(|status| status != "ok") {
        found.warnings.push("the last write to its append-only file failed".to_owned());
    }
    if info.text("rdb_last_bgsave_status").is_some_and(|status| status != "ok") {
        found.warnings.push("its last snapshot to disk failed".to_owned());
    }
    let state = cluster.map(|text| of_cluster(&Info::parse(text), &mut found.families)).unwrap_or(Ok(()));
    state.and_then(|()| memory(info))
}

/// A cluster that is down refuses commands.
fn of_cluster(info: &Info<'_>, out: &mut Families) -> Result<(), Fault> {
    for (field, desc) in CLUSTER_FIELDS {
        out.push_opt(desc, &[], info.number(field));
    }
    let Some(state) = info.text("cluster_state") else { return Ok(()) };
    out.push(&CLUSTER_OK, &[], if state == "ok" { 1.0 } else { 0.0 });
    if state == "ok" {
        return Ok(());
    }
    let slots = info.number("cluster_slots_ok").unwrap_or(0.0);
    Err(Fault::down(format!("its cluster is down: {slots:.0} of 16384 slots are served")))
}

/// A server that is full and may throw nothing out refuses whatever would take memory.
fn memory(info: &Info<'_>) -> Result<(), Fault> {
    let (Some(used), Some(most)) = (info.number("used_memory"), info.number("maxmemory")) else {
        return Ok(());
    };
    let counted = used - info.number("mem_not_counted_for_evict").unwrap_or(0.0);
    let is_master = info.text("role") != Some("slave");
    if most > 0.0 && counted >= most && is_master && info.text("maxmemory_policy") == Some("noeviction") {
        return Err(Fault::down(format!(
            "it is out of memory and refuses writes: {counted:.0} of {most:.0} bytes, maxmemory-policy noeviction"
        )));
    }
    Ok(())
}

/// `master0:name=shop,status=ok,address=127.0.0.1:6379,slaves=1,sentinels=3`
fn sentinel(info: &Info<'_>, out: &mut Families, warnings: &mut Vec<String>) {
    if info.text("sentinel_masters").is_none() {
        return;
    }
    for (_, parts) in info.numbered("master").into_iter().take(MASTERS) {
        let Some(name) = parts.get("name").map(|name| label(name)) else { continue };
        let number = |key: &str| parts.get(key).and_then(|text| text.parse::<f64>().ok());
        if let Some(status) = parts.get("status") {
            out.push(&SENTINEL_OK, &[&name], if *status == "ok" { 1.0 } else { 0.0 });
            if *status != "ok" {
                warnings.push(format!("the sentinel takes the master {name} for {status}"));
            }
        }
        out.push_opt(&SENTINEL_REPLICAS, &[&name], number("slaves"));
        out.push_opt(&SENTINEL_PEERS, &[&name], number("sentinels"));
    }
}

/// Valkey and others give the version of Redis that they are compatible with as `redis_version`.
fn software<'t>(info: &Info<'t>) -> (&'static str, Option<&'t str>) {
    let others =
        [("valkey", "valkey_version"), ("dragonfly", "dragonfly_version"), ("keydb", "keydb_version")];
    for (software, field) in others {
        if let Some(version) = info.text(field) {
            return (software, Some(version));
        }
    }
    ("redis", info.text("redis_version"))
}

/// Words that a label may have: a server could send any.
fn mode(text: &str) -> &'static str {
    ["standalone", "cluster", "sentinel"].into_iter().find(|known| *known == text).unwrap_or("")
}

fn role(text: &str, mode: &str) -> &'static str {
    if mode == "sentinel" {
        return "sentinel";
    }
    ["master", "slave"].into_iter().find(|known| *known == text).unwrap_or("")
}

/// A text of the server's as a label's value.
fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// What the figures were read from.
fn evidence(info: &Info<'_>, took: Duration) -> Evidence {
    let figures = FIELDS.iter().map(|(field, _)| *field);
    let mut names: Vec<&str> = SHOWN.iter().copied().chain(figures).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    let fields = names.into_iter().filter_map(|name| Some((name.to_owned(), label(info.text(name)?))));
    let mut fields: Vec<_> = fields.collect();
    for (db, parts) in info.numbered("db").into_iter().take(DATABASES) {
        let mut parts: Vec<_> = parts.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.sort();
        fields.push((format!("db{db}"), label(&parts.join(","))));
    }
    Evidence::fields("INFO", took, fields)
}
