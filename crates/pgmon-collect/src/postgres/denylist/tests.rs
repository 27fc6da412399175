use super::{Refusal, check, names};
use pgmon_testkit::{Major, Server};
use std::collections::BTreeSet;

#[test]
fn queries_pass_without_their_semicolon() {
    for sql in [
        "SELECT count(*) FROM orders WHERE created_at > now() - interval '1 hour'",
        "with x as (select 1) select * from x",
        "VALUES (1), (2)",
        "TABLE orders",
        "(SELECT 1) UNION (SELECT 2)",
        "((SELECT 1))",
        "/* why */ -- and how\n SELECT 1",
        "SELECT 'a;b; set_config(' || E'it\\'s; nextval' || $x$; lo_create(1) $x$ || $$;$$ AS \"lo; x\"",
        "SELECT updated, share, into_stock FROM for_update WHERE price < $1",
        "SELECT /* nested /* ; */ set_config */ 1",
        "SELECT http_status, t.nextval, lo_price FROM t",
        "SELECT extract(epoch FROM now())::float8, a->>'x', b::jsonb @> '{}' FROM t",
    ] {
        assert_eq!(check(sql), Ok(sql));
        assert_eq!(check(&format!(" {sql}\n;; -- end\n")).as_deref(), Ok(sql), "{sql}");
    }
}

#[test]
fn what_is_not_one_query_is_refused() {
    assert_eq!(check(" ; -- nothing"), Err(Refusal::Empty));
    assert_eq!(check("SELECT 1; SELECT 2"), Err(Refusal::SeveralStatements));
    assert_eq!(check("; SELECT 2"), Err(Refusal::SeveralStatements));
    assert_eq!(check("SELECT ';' ; DELETE FROM t"), Err(Refusal::SeveralStatements));
    for sql in [
        "DELETE FROM t",
        "set role x",
        "COPY t TO PROGRAM 'x'",
        "EXPLAIN SELECT 1",
        "DO $$ $$",
        "\"select\" 1",
    ] {
        assert!(matches!(check(sql), Err(Refusal::NotAQuery(_))), "{sql}");
    }
    for sql in [
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR NO KEY UPDATE",
        "SELECT * FROM t for\nshare",
        "SELECT * INTO u FROM t",
        "SELECT 1 INTO u",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "WITH d AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM d",
    ] {
        let refused = matches!(check(sql), Err(Refusal::Keyword(_)));
        // The server refuses in a read-only transaction what stands apart.
        assert!(refused || sql.contains(" INTO u"), "{sql}");
    }
    for sql in [
        "SELECT 'a",
        "SELECT \"a",
        "SELECT $x$ $y$",
        "SELECT /* 1 /* */",
        "SELECT 'a\\'; x'",
        "SELECT U&\"lo\\005f\"",
    ] {
        assert!(matches!(check(sql), Err(Refusal::Unclear(_))), "{sql}");
    }
}

#[test]
fn functions_that_act_outside_of_mvcc_are_refused_however_they_are_written() {
    for sql in [
        "SELECT lo_create(0)",
        "SELECT pg_catalog.LO_From_ByteA(0, 'x')",
        "SELECT \"set_config\"('a', 'b', false)",
        "SELECT pg_catalog . \"nextval\" /* x */ ('s')",
        "SELECT 1 WHERE pg_try_advisory_lock(1)",
        "SELECT * FROM dblink('x', 'y') AS t(a int)",
        "SELECT query_to_xml('SELECT nextval(1)', true, true, '')",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
        "SELECT (4711::oid).lo_unlink",
        "SELECT (a)[1] . \"lo_unlink\" FROM t",
        "SELECT (SELECT pg_terminate_backend(pid)) FROM pg_stat_activity",
    ] {
        assert!(matches!(check(sql), Err(Refusal::Function(_))), "{sql}");
    }
    // A quoted name is another name if its case is another.
    assert!(check("SELECT \"NextVal\"(1) FROM t").is_ok());
}

/// Names that only extensions have.
const OF_EXTENSIONS: &[&str] = &[
    "pg_stat_statements_reset",
    "pg_stat_monitor_reset",
    "pg_stat_kcache_reset",
    "pg_qualstats_reset",
    "pg_wait_sampling_reset",
    "pg_file_",
    "pg_rotate_logfile_old",
    "autoprewarm_",
    "pg_background_",
    "pg_truncate_",
    "dblink",
    "postgres_fdw_disconnect",
    "crosstab",
    "connectby",
    "xpath_table",
    "http",
    "http_",
    "pg_prewarm",
    "pg_buffercache_evict",
    "pg_buffercache_evict_relation",
    "pg_buffercache_evict_all",
    "heap_force_kill",
    "heap_force_freeze",
];

/// Volatile functions that read, or that nothing outside of their session or transaction sees.
const HARMLESS: &[&str] = &[
    "RI_FKey_",
    "amvalidate",
    "array_",
    "bernoulli",
    "system",
    "clock_timestamp",
    "timeofday",
    "timezone",
    "current_query",
    "currtid",
    "currval",
    "lastval",
    "dsnowball_",
    "gen_random_uuid",
    "uuidv",
    "random",
    "setseed",
    "pg_available_",
    "pg_blocking_pids",
    "pg_safe_snapshot_",
    "pg_collation_",
    "pg_database_",
    "pg_control_",
    "pg_current_logfile",
    "pg_current_wal_",
    "pg_get_",
    "pg_hba_",
    "pg_ident_",
    "pg_show_",
    "pg_is_",
    "pg_isolation_",
    "pg_jit_available",
    "pg_last_",
    "pg_lock_status",
    "pg_ls_",
    "pg_notification_queue_usage",
    "pg_partition_",
    "pg_prepared_xact",
    "pg_read_",
    "pg_sequence_last_value",
    "pg_stat_clear_snapshot",
    "pg_stat_file",
    "pg_stat_force_next_flush",
    "pg_stat_get_",
    "pg_stat_have_stats",
    "pg_wal_summary_",
    "pg_xact_",
    "plpgsql_",
    "suppress_",
    "tsvector_update_trigger",
    "txid_status",
    "unique_key_recheck",
];

/// A slip of the pen would make an entry useless; a new volatile function must be looked at.
#[tokio::test]
async fn every_name_is_a_function_of_some_version_and_every_volatile_function_was_looked_at() {
    let (mut functions, mut new) = (BTreeSet::new(), BTreeSet::new());
    for major in Major::ALL {
        let server = Server::start(major).await.unwrap();
        let sql = "SELECT array_agg(DISTINCT proname::text) FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace";
        functions.extend(server.query::<Vec<String>>("postgres", sql).await.unwrap());
        let volatile = format!("{sql} AND provolatile = 'v'");
        for name in server.query::<Vec<String>>("postgres", &volatile).await.unwrap() {
            let harmless = HARMLESS.iter().any(|part| name.starts_with(part))
                || name.ends_with("handler")
                || name.ends_with("_size");
            if !names::is_denied(&name) && !harmless {
                new.insert(name);
            }
        }
    }
    assert!(new.is_empty(), "are these read-only? {new:?}");
    for name in names::DENIED.iter().filter(|n| !OF_EXTENSIONS.contains(n)) {
        assert!(functions.contains(*name), "no version has {name}");
    }
    for prefix in names::PREFIXES.iter().filter(|p| !OF_EXTENSIONS.contains(p)) {
        assert!(functions.iter().any(|f| f.starts_with(prefix)), "no version has {prefix}...");
    }
}
