use super::Indexes;
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::testing::{Probe, Round, cx, number, on_all_majors};
use pgmon_core::metric::Families;
use pgmon_testkit::{Server, Tier, workload};
use std::sync::Arc;
use std::time::Duration;

/// The row of an index, as the API serves it.
fn row<'a>(round: &'a Round, name: &str) -> &'a serde_json::Value {
    let rows = round.data.as_array().unwrap();
    rows.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("no row of {name}"))
}

/// Names of the indexes with this flag, sorted.
fn flagged(round: &Round, flag: &str) -> Vec<String> {
    let rows = round.data.as_array().unwrap().iter().filter(|r| r[flag] == true);
    let mut names: Vec<String> = rows.map(|r| r["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_server_that_does_not_count_has_no_unused_index() {
    let mut cx = cx(17, Duration::ZERO);
    Arc::make_mut(&mut cx.facts).settings.insert("track_counts".into(), ("off".into(), None));
    let mut rows = [super::Row {
        is_large: true,
        is_unused: true,
        scans: Some(0),
        bytes: Some(8192),
        unused_count: 1,
        ..super::Row::default()
    }];
    let mut collector = Indexes::new(&Settings::default());
    let mut out = Families::new();
    collector.complete(&mut rows, &cx);
    let blind = collector.samples(&rows, &cx, &mut out);
    let families = out.into_vec();
    assert_eq!(blind[0].needs, "track_counts");
    assert_eq!((rows[0].is_unused, rows[0].scans), (false, None));
    assert_eq!(number(&families, "pg_unused_indexes", &[]), None);
    assert_eq!(number(&families, "pg_index_scans_total", &["."]), None);
    assert_eq!(number(&families, "pg_index_size_bytes", &["."]), Some(8192.0));
}

#[test]
fn growth_needs_two_rounds_and_the_statistics_are_as_old_as_the_role() {
    let mut collector = Indexes::new(&Settings::default());
    let mut round = |seconds: u64, bytes: Option<i64>, standby: bool| {
        let mut cx = cx(17, Duration::from_secs(seconds));
        Arc::make_mut(&mut cx.facts).in_recovery = standby;
        let mut rows =
            [super::Row { is_large: true, bytes, stats_age_seconds: Some(1e6), ..super::Row::default() }];
        let mut out = Families::new();
        collector.complete(&mut rows, &cx);
        assert_eq!(collector.samples(&rows, &cx, &mut out), []);
        let families = out.into_vec();
        (
            number(&families, "pg_index_growth_bytes_per_second", &["."]),
            number(&families, "pg_index_statistics_age_seconds", &[]),
        )
    };
    assert_eq!(round(0, Some(8192), false), (None, Some(1e6)));
    assert_eq!(round(10, Some(16_384), false), (Some(819.2), Some(1e6)));
    assert_eq!(round(20, None, true), (None, None), "locked, and a standby by now");
    assert_eq!(round(30, Some(0), true), (Some(-819.2), None));
    assert_eq!(round(40, Some(0), false), (Some(0.0), Some(10.0)), "promoted");
}

#[test]
fn lost_statistics_are_young() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        server.exec("postgres", "CREATE TABLE t (a int PRIMARY KEY)").await.unwrap();
        server.exec("postgres", "INSERT INTO t SELECT generate_series(1, 100)").await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &monitor, "postgres");
        let age = async || {
            let round = Probe::new(&dsn, single::<Indexes>()).await.round().await;
            round.value("pg_index_statistics_age_seconds", &[]).unwrap()
        };
        let first = age().await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // A clean restart keeps them.
        server.restart().await.unwrap();
        let kept = age().await;
        assert!(kept >= first + 1.5, "{kept} after {first} on {major}");
        server.kill().await.unwrap();
        server.start_again().await.unwrap();
        let lost = age().await;
        let up = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8";
        let up: f64 = server.query("postgres", up).await.unwrap();
        assert!(lost <= up, "{lost} on {major}, which is up for {up}");
    });
}

/// Every reason for which an index must stay, and every kind of one that may go.
const SETUP: &str = "
    CREATE TABLE customer (id int PRIMARY KEY, mail text UNIQUE, r int4range, EXCLUDE USING gist (r WITH &&));
    CREATE TABLE o (id int NOT NULL, customer int REFERENCES customer, other int, a int, b int, c int, t text, j jsonb, d int);
    CREATE UNIQUE INDEX o_replident ON o (id);
    ALTER TABLE o REPLICA IDENTITY USING INDEX o_replident;
    CREATE INDEX o_fk ON o (customer);
    CREATE INDEX o_fk_partial ON o (customer) WHERE a > 7;
    CREATE INDEX o_unused ON o (other);
    CREATE INDEX o_used ON o (d);
    CREATE INDEX o_dup1 ON o (c) WHERE a > 1;
    CREATE INDEX o_dup2 ON o USING btree   (c)   WHERE ((a) > 1);
    CREATE INDEX o_other_predicate ON o (c) WHERE a > 2;
    CREATE INDEX o_expr1 ON o (lower(t));
    CREATE INDEX o_expr2   ON o  ( lower( t ) );
    CREATE INDEX o_expr3 ON o (upper(t));
    CREATE INDEX o_text ON o (t);
    CREATE INDEX o_text_pattern ON o (t text_pattern_ops);
    CREATE INDEX o_text_collation ON o (t COLLATE \"C\");
    CREATE INDEX o_desc ON o (t DESC);
    CREATE INDEX o_hash ON o USING hash (t);
    CREATE INDEX o_gin1 ON o USING gin (j);
    CREATE INDEX o_gin2 ON o USING gin (j jsonb_path_ops);
    CREATE UNIQUE INDEX o_unique ON o (a, b, c);
    CREATE INDEX o_prefix ON o (a, b);
    CREATE INDEX o_not_prefix ON o (b, a);
    CREATE INDEX o_including ON o (a) INCLUDE (t);
    CREATE UNIQUE INDEX customer_id_again ON customer (id);
    INSERT INTO customer SELECT i, i::text, int4range(i, i + 1) FROM generate_series(1, 100) i;
    INSERT INTO o SELECT i, 1 + i % 100, i, i, i, i, i::text, '{}', i FROM generate_series(1, 3000) i;
    CREATE TABLE part (at int, v int) PARTITION BY RANGE (at);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
    CREATE INDEX part_v ON part (v);
    CREATE INDEX part_1_own ON part_1 (at);";

#[test]
fn what_may_go_and_what_must_stay() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        server.exec("postgres", SETUP).await.unwrap();
        workload::invalid_index(&server, "postgres").await.unwrap();
        workload::hostile_names(&server, "postgres").await.unwrap();
        server
            .exec(
                "postgres",
                "SET enable_seqscan = off; SELECT count(*) FROM o WHERE d = 7; SELECT FROM invalid_index",
            )
            .await
            .unwrap();
        server
            .wait_until(
                "postgres",
                "SELECT idx_scan = 1 FROM pg_stat_user_indexes WHERE indexrelname = 'o_used'",
            )
            .await
            .unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &monitor, "postgres");
        let mut probe = Probe::new(&dsn, single::<Indexes>()).await;
        let round = probe.round().await;

        // Sizes and scans.
        let sizes = round.samples("pg_index_size_bytes");
        assert_eq!(sizes.len(), 50.min(sizes.len()));
        let size = "SELECT pg_relation_size('o_used')::float8";
        let size: f64 = server.query("postgres", size).await.unwrap();
        assert_eq!(round.value("pg_index_size_bytes", &["public.o_used"]), Some(size));
        assert_eq!(round.value("pg_index_scans_total", &["public.o_used"]), Some(1.0));
        assert_eq!(round.value("pg_index_scans_total", &["public.o_unused"]), Some(0.0));
        let last = row(&round, "o_used")["scanned_seconds_ago"].as_f64();
        assert_eq!(last.is_some_and(|s| s < 60.0), major.0 >= 16);

        // Invalid.
        assert_eq!(flagged(&round, "is_invalid"), ["invalid_index_n"]);
        assert_eq!(round.value("pg_invalid_indexes", &[]), Some(1.0));

        // Redundant.
        assert_eq!(flagged(&round, "is_duplicate"), ["customer_id_again", "o_dup2", "o_expr2"], "{major}");
        assert_eq!(round.value("pg_duplicate_indexes", &[]), Some(3.0));
        assert_eq!(row(&round, "customer_id_again")["instead"], "customer_pkey");
        assert_eq!(row(&round, "o_dup2")["instead"], "o_dup1");
        assert_eq!(flagged(&round, "is_prefix"), ["o_prefix"], "{major}");
        assert_eq!(row(&round, "o_prefix")["instead"], "o_unique");
        assert_eq!(round.value("pg_prefix_redundant_indexes", &[]), Some(1.0));

        // Unused: none that anything else needs.
        let unused = flagged(&round, "is_unused");
        for needed in [
            "customer_pkey",
            "customer_mail_key",
            "customer_r_excl",
            "customer_id_again",
            "o_replident",
            "o_fk",
            "o_used",
            "o_unique",
            "part_1_v_idx",
            "invalid_index_n",
        ] {
            assert!(!unused.iter().any(|n| n == needed), "{needed} on {major}");
        }
        for idle in ["o_unused", "o_fk_partial", "o_prefix", "part_1_own", "o_gin1", "i\"quo\"te"] {
            assert!(
                unused.iter().any(|n| n == idle || n == &idle.replace("i\"quo\"te", "iquo\"te")),
                "{idle} on {major}: {unused:?}"
            );
        }
        let truth = "SELECT count(*)::float8 FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) JOIN pg_class c ON c.oid = indexrelid \
                     WHERE s.idx_scan = 0 AND indisvalid AND NOT indisunique AND NOT indisexclusion AND NOT indisreplident AND NOT c.relispartition";
        let truth: f64 = server.query("postgres", truth).await.unwrap();
        // All of these but the one that a foreign key needs.
        assert_eq!(round.value("pg_unused_indexes", &[]), Some(truth - 1.0));
        assert_eq!(round.value("pg_unused_indexes", &[]), Some(unused.len() as f64));
        assert!(round.value("pg_unused_index_bytes", &[]).unwrap() > 8192.0);

        // Why each stays.
        for (name, flag) in [
            ("customer_pkey", "is_primary"),
            ("customer_pkey", "referenced_by_foreign_key"),
            ("customer_mail_key", "is_constraint"),
            ("customer_r_excl", "is_exclusion"),
            ("o_replident", "is_replica_identity"),
            ("o_fk", "covers_foreign_key"),
            ("part_1_v_idx", "is_partition"),
        ] {
            assert_eq!(row(&round, name)[flag], true, "{name} {flag}");
        }
        assert_eq!(row(&round, "o_including")["columns"], serde_json::json!(["a", "t"]));
        assert_eq!(row(&round, "o_including")["key_columns"], 1);

        // DDL on the table costs its indexes alone, and no time.
        let held = workload::access_exclusive(&server, "postgres", "o").await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 1, "a statement met the lock and was sent again");
        assert_eq!(round.value("pg_index_size_bytes", &["public.o_used"]), None);
        assert_eq!(round.value("pg_index_scans_total", &["public.o_used"]), Some(1.0));
        assert!(round.value("pg_index_size_bytes", &["public.customer_pkey"]).is_some());
        assert_eq!(row(&round, "o_used")["locked"], true);
        held.stop().await.unwrap();
    });
}

#[test]
fn an_index_that_is_being_built_is_not_broken() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        server.exec("postgres", "CREATE TABLE t (a int)").await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let nobody = server.create_role("nobody").await.unwrap();
        let mut blocker = server.connect("postgres").await.unwrap();
        sqlx::raw_sql("BEGIN; INSERT INTO t VALUES (1)").execute(&mut blocker).await.unwrap();
        let build = server.exec("postgres", "CREATE INDEX CONCURRENTLY t_a ON t (a)");
        let look = async {
            let there = "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid";
            server.wait_until("postgres", there).await.unwrap();
            for (role, password) in [("pgmon", &monitor), ("nobody", &nobody)] {
                let dsn = server.dsn_as(role, password, "postgres");
                let round = Probe::new(&dsn, single::<Indexes>()).await.round().await;
                assert_eq!(round.value("pg_invalid_indexes", &[]), Some(0.0), "{major} {role}");
                assert_eq!(row(&round, "t_a")["is_valid"], false);
            }
            sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
        };
        let (built, ()) = futures::join!(build, look);
        built.unwrap();
    });
}

#[test]
fn two_unique_indexes_of_which_one_forbids_more() {
    on_all_majors(async |major| {
        if major.0 < 15 {
            return;
        }
        let server = Server::start(major).await.unwrap();
        server
            .exec("postgres", "CREATE TABLE t (a int); CREATE UNIQUE INDEX plain ON t (a); CREATE UNIQUE INDEX strict ON t (a) NULLS NOT DISTINCT")
            .await
            .unwrap();
        let round = Probe::new(&server.dsn("postgres"), single::<Indexes>()).await.round().await;
        assert_eq!(flagged(&round, "is_duplicate"), ["plain"]);
        assert_eq!(row(&round, "plain")["instead"], "strict");
    });
}

#[test]
fn nothing_there_is_nothing_wrong() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let round = Probe::new(&server.dsn("postgres"), single::<Indexes>()).await.round().await;
        for family in
            ["pg_unused_indexes", "pg_invalid_indexes", "pg_duplicate_indexes", "pg_unused_index_bytes"]
        {
            assert_eq!(round.value(family, &[]), Some(0.0), "{family}");
        }
    });
}
