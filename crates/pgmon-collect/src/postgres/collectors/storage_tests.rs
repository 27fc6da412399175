//! The storage loop as a whole: what a round costs a large server, and that a standby answers as well.

use super::ALL;
use crate::postgres::testing::{Probe, on_all_majors};
use pgmon_core::snapshot::Loop;
use pgmon_testkit::{Server, Tier, workload};

/// Milliseconds of backend CPU for a round on 2,000 tables and 3,000 indexes. It takes about 70.
const BUDGET_MS: f64 = 150.0;

#[test]
fn a_round_is_cheap_and_brings_few_rows() {
    on_all_majors(async |major| {
        if ![12, 15, 18].contains(&major.0) {
            return;
        }
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        workload::many_tables(&server, "postgres", 1700, 3000).await.unwrap();
        let schemas = "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE SCHEMA s%s', i); \
                       EXECUTE format('CREATE TABLE s%s.t AS SELECT 1 AS n', i); END LOOP; END $$";
        server.exec("postgres", schemas).await.unwrap();
        server.exec("postgres", "ANALYZE").await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let mut total = 0.0;
        for registered in ALL.iter().filter(|r| r.spec.in_loop == Loop::Storage) {
            let mut probe = Probe::new(&dsn, *registered).await;
            let mut least = f64::MAX;
            // The first round reads what later ones know; then the least is the most honest figure that a
            // shared machine can give.
            for round in 0..5 {
                let before = server.backend_cpu(probe.facts.backend_pid).unwrap();
                let round_rows = probe.round().await.executed.iter().map(|e| e.rows).max().unwrap();
                let ms = (server.backend_cpu(probe.facts.backend_pid).unwrap() - before) as f64 / 1e6;
                assert!(round_rows <= 300, "{}: {round_rows} rows", registered.spec.name);
                if round > 0 {
                    least = least.min(ms);
                }
            }
            println!("PostgreSQL {major}: {:<16} {least:6.1} ms", registered.spec.name);
            total += least;
        }
        println!("PostgreSQL {major}: all of storage   {total:6.1} ms");
        assert!(total < BUDGET_MS, "{total} ms on {major}");
    });
}

#[test]
fn a_standby_answers_as_well() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        workload::partitions(&server, "postgres").await.unwrap();
        let setup = "CREATE UNLOGGED TABLE unlogged (id serial PRIMARY KEY); INSERT INTO unlogged DEFAULT VALUES; \
                     CREATE TABLE logged (id serial PRIMARY KEY); INSERT INTO logged DEFAULT VALUES";
        server.exec("postgres", setup).await.unwrap();
        // From 15 on the sequence of an unlogged table is unlogged itself, and has no file on a standby.
        if major.0 >= 15 {
            let unlogged = "SELECT relpersistence = 'u' FROM pg_class WHERE relname = 'unlogged_id_seq'";
            assert!(server.query::<bool>("postgres", unlogged).await.unwrap());
        }
        let password = server.create_monitor("pgmon", Tier::T1).await.unwrap();
        let replica = server.replica("standby").await.unwrap();
        replica.wait_caught_up().await.unwrap();
        let dsn = replica.dsn_as("pgmon", &password, "postgres");
        for registered in ALL.iter().filter(|r| r.spec.in_loop == Loop::Storage) {
            let mut probe = Probe::new(&dsn, *registered).await;
            let first = probe.round().await;
            assert!(!first.families.is_empty(), "{} on {major}", registered.spec.name);
            // A standby counts no changes; everything else is there.
            let needs: Vec<&str> = first.blind.iter().map(|b| b.needs.as_str()).collect();
            let wanted = if registered.spec.name == "tables" { vec!["primary"] } else { vec![] };
            assert_eq!(needs, wanted, "{} on {major}", registered.spec.name);
            probe.round().await;
            if registered.spec.name == "sequences" {
                assert!(first.value("pg_sequence_used_ratio", &["public.logged_id_seq"]).is_some());
            }
        }
    });
}
