//! Families of Redis and Valkey, under the names of redis_exporter.

use pgmon_core::metric::Desc;

pub(super) const UP: Desc =
    Desc::gauge("redis_up", "Whether the server answered PING with PONG: 1 or 0.", &[]);
pub(super) const PING: Desc =
    Desc::gauge("redis_ping_duration_seconds", "Time until the answer to PING was here, in seconds.", &[]);
pub(super) const INSTANCE: Desc = Desc::gauge(
    "redis_instance_info",
    "Always 1; the labels say what the server is: redis, valkey or another software, its version, its mode (standalone, cluster, sentinel), its role (master, slave, sentinel).",
    &["software", "version", "mode", "role"],
);
pub(super) const DB_KEYS: Desc = Desc::gauge("redis_db_keys", "Keys in the database.", &["db"]);
pub(super) const DB_EXPIRING: Desc =
    Desc::gauge("redis_db_keys_expiring", "Keys in the database that will expire.", &["db"]);
pub(super) const LINK: Desc = Desc::gauge(
    "redis_master_link_up",
    "Whether the replica is connected to its master: 1 or 0; absent on a master.",
    &[],
);
pub(super) const SYNC: Desc = Desc::gauge(
    "redis_master_sync_in_progress",
    "Whether the replica is copying all data from its master: 1 or 0; absent on a master.",
    &[],
);
pub(super) const RDB_OK: Desc =
    Desc::gauge("redis_rdb_last_bgsave_status", "Whether the last snapshot to disk succeeded: 1 or 0.", &[]);
pub(super) const AOF_OK: Desc = Desc::gauge(
    "redis_aof_last_write_status",
    "Whether the last write to the append-only file succeeded: 1 or 0.",
    &[],
);
pub(super) const CLUSTER_OK: Desc = Desc::gauge(
    "redis_cluster_state",
    "Whether the cluster takes commands as this node sees it: 1 or 0.",
    &[],
);
pub(super) const SENTINEL_OK: Desc = Desc::gauge(
    "redis_sentinel_master_status",
    "Whether the sentinel takes the master for good: 1 or 0.",
    &["master"],
);
pub(super) const SENTINEL_REPLICAS: Desc = Desc::gauge(
    "redis_sentinel_master_slaves",
    "Replicas of the master that the sentinel knows.",
    &["master"],
);
pub(super) const SENTINEL_PEERS: Desc = Desc::gauge(
    "redis_sentinel_master_sentinels",
    "Sentinels that watch the master, this one included.",
    &["master"],
);

pub(super) const ERRORS: Desc = Desc::counter(
    "redis_errors_total",
    "Errors of a kind that the server has answered with since it started; of the kinds that tell of trouble.",
    &["err"],
);

/// Figures that are one field of `INFO` each.
pub(super) const FIELDS: &[(&str, Desc)] = &[
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
pub(super) const CLUSTER_FIELDS: &[(&str, Desc)] = &[
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
    const OWN: [&Desc; 14] = [
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
        &ERRORS,
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
