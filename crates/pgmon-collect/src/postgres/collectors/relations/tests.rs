use super::{Relations, Row};
use crate::postgres::collector::{Collector as _, Cx, Settings, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Server, Tier, workload};
use std::time::Duration;

fn row(oid: i64, bytes: Option<i64>) -> Row {
    Row {
        oid,
        schema: "public".into(),
        name: format!("t{oid}"),
        relation: String::new(),
        relkind: "table".into(),
        is_partition: false,
        estimated_rows: None,
        estimated_bytes: 0,
        locked: bytes.is_none(),
        heap_bytes: bytes,
        toast_bytes: None,
        table_bytes: bytes,
        index_bytes: bytes.map(|_| 1000),
        total_bytes: None,
        growth_bytes_per_second: None,
    }
}

fn round(collector: &mut Relations, rows: &mut [Row], at: &Cx) -> Vec<Family> {
    let mut out = Families::new();
    collector.complete(rows, at);
    assert_eq!(collector.samples(rows, at, &mut out), []);
    out.into_vec()
}

fn at(seconds: u64) -> Cx {
    cx(18, Duration::from_secs(seconds))
}

const GROWTH: &str = "pg_relation_growth_bytes_per_second";

#[test]
fn growth_is_the_change_of_all_bytes_over_the_time_between() {
    let mut collector = Relations::new(&Settings::default());
    let families = round(&mut collector, &mut [row(1, Some(5000))], &at(0));
    assert_eq!(number(&families, GROWTH, &["public.t1"]), None, "nothing is known of the time before");
    let families = round(&mut collector, &mut [row(1, Some(11_000))], &at(600));
    assert_eq!(number(&families, GROWTH, &["public.t1"]), Some(10.0));
    // Truncated.
    let families = round(&mut collector, &mut [row(1, Some(5000))], &at(1200));
    assert_eq!(number(&families, GROWTH, &["public.t1"]), Some(-10.0));
}

#[test]
fn a_table_that_could_not_be_measured_grows_over_the_longer_time() {
    let mut collector = Relations::new(&Settings::default());
    round(&mut collector, &mut [row(1, Some(0)), row(2, Some(0))], &at(0));
    let families = round(&mut collector, &mut [row(1, None), row(2, Some(0))], &at(600));
    assert_eq!(number(&families, "pg_relation_size_bytes", &["public.t1", "table"]), None);
    assert_eq!(number(&families, GROWTH, &["public.t1"]), None);
    assert_eq!(number(&families, GROWTH, &["public.t2"]), Some(0.0));
    assert_eq!(number(&families, "pg_relations_unmeasured", &[]), Some(1.0));
    let families = round(&mut collector, &mut [row(1, Some(1200))], &at(1200));
    assert_eq!(number(&families, GROWTH, &["public.t1"]), Some(1.0));
    // Another table of the same name is another table.
    let again = Row { oid: 9, ..row(1, Some(7_000_000)) };
    let families = round(&mut collector, &mut [again], &at(1800));
    assert_eq!(number(&families, GROWTH, &["public.t1"]), None);
    // And what was not seen for long is forgotten.
    round(&mut collector, &mut [], &at(100_000));
    assert!(collector.before.is_empty());
}

#[test]
fn sizes_are_the_servers_and_ddl_costs_only_its_own_table() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let names = workload::hostile_names(&server, "postgres").await.unwrap();
        workload::partitions(&server, "postgres").await.unwrap();
        server
            .exec(
                "postgres",
                "CREATE TABLE big (id int PRIMARY KEY, t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
                 INSERT INTO big SELECT i, repeat('x', 3000) FROM generate_series(1, 400) i;
                 CREATE TABLE middle AS SELECT i, i AS j FROM generate_series(1, 20000) i;
                 CREATE INDEX middle_i ON middle (i);
                 CREATE MATERIALIZED VIEW mv AS SELECT i FROM middle WHERE i < 9000;
                 CREATE UNLOGGED TABLE unlogged AS SELECT i FROM middle",
            )
            .await
            .unwrap();
        server.exec("postgres", "VACUUM ANALYZE").await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &monitor, "postgres");
        let settings = Settings { top_relations: 100, ..Settings::default() };
        let mut probe = Probe::with(&dsn, single::<Relations>(), settings.clone()).await;
        let round = probe.round().await;
        let truth = |function: &str, name: &str| {
            let sql = format!("SELECT {function}('{name}'::regclass)::float8");
            let server = &server;
            async move { server.query::<f64>("postgres", &sql).await.unwrap() }
        };
        for (name, kind) in [("big", "table"), ("middle", "table"), ("mv", "matview"), ("unlogged", "table")]
        {
            let label = format!("public.{name}");
            let labels = [label.as_str(), kind];
            let (table, total) =
                (truth("pg_table_size", name).await, truth("pg_total_relation_size", name).await);
            assert!(table > 0.0 && total >= table);
            assert_eq!(round.value("pg_relation_size_bytes", &labels), Some(table), "{major} {name}");
            assert_eq!(round.value("pg_relation_total_size_bytes", &labels), Some(total), "{major} {name}");
        }
        let big = &round.data[0];
        assert_eq!(big["name"], "big", "the largest comes first");
        assert!(
            big["toast_bytes"].as_i64().unwrap() > 1_000_000 && big["heap_bytes"].as_i64().unwrap() < 100_000
        );
        let shown = round.samples("pg_relation_size_bytes");
        assert_eq!(
            shown.iter().filter(|(l, _)| l[0].starts_with("part.by_day_2")).count(),
            7,
            "partitions, but not their parents"
        );
        assert!(!shown.iter().any(|(l, _)| l[0] == "part.by_day"));
        assert!(!shown.iter().any(|(l, _)| l[0].starts_with("pg_catalog.")), "system tables are small");
        let labels: Vec<&str> = shown.iter().map(|(l, _)| l[0].as_str()).collect();
        assert!(labels.contains(&"Upper Case.Upper Case"), "{labels:?}");
        assert!(labels.iter().any(|l| l.starts_with("new_line.new_line~")), "{labels:?}");
        assert_eq!(round.samples(super::GROWTH.name), []);
        assert!(shown.len() > names.len());

        let held = workload::access_exclusive(&server, "postgres", "big").await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 1, "a statement met the lock and was sent again");
        assert_eq!(round.value("pg_relation_size_bytes", &["public.big", "table"]), None);
        assert_eq!(round.value("pg_relations_unmeasured", &[]), Some(1.0));
        assert_eq!(round.data[0]["locked"], true, "{}", round.data[0]);
        assert!(round.value("pg_relation_size_bytes", &["public.middle", "table"]).is_some());
        assert_eq!(round.value(super::GROWTH.name, &["public.middle"]), Some(0.0));
        assert_eq!(
            round.samples("pg_relation_size_bytes").len(),
            shown.len() - 1,
            "only that one is missing"
        );
        held.stop().await.unwrap();

        // DDL that only waits, and DDL that holds nothing but an index.
        let queue = workload::ddl_queue(&server, "postgres").await.unwrap();
        let mut session = server.connect("postgres").await.unwrap();
        sqlx::raw_sql("BEGIN; ALTER INDEX middle_i SET TABLESPACE pg_default; REINDEX INDEX middle_i")
            .execute(&mut session)
            .await
            .unwrap();
        let round = probe.round().await;
        assert_eq!(round.value("pg_relations_unmeasured", &[]), Some(2.0), "{major}");
        assert_eq!(round.value("pg_relation_size_bytes", &["public.middle", "table"]), None);
        assert_eq!(round.value("pg_relation_size_bytes", &["public.ddl_queue", "table"]), None);
        assert!(round.value("pg_relation_size_bytes", &["public.big", "table"]).is_some());
        queue.stop().await.unwrap();
        drop(session);

        // Sizes are no secret.
        let nobody = server.create_role("nobody").await.unwrap();
        let dsn = server.dsn_as("nobody", &nobody, "postgres");
        let round = Probe::with(&dsn, single::<Relations>(), settings).await.round().await;
        assert_eq!(round.value("pg_relations_unmeasured", &[]), Some(0.0));
        assert_eq!(round.samples("pg_relation_size_bytes").len(), shown.len() + 1);
    });
}

#[test]
fn the_largest_are_measured_and_no_more_than_the_limit_asks_for() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        workload::many_tables(&server, "postgres", 60, 0).await.unwrap();
        // Never vacuumed nor analysed: the catalog knows of no page yet.
        server
            .exec("postgres", "INSERT INTO many.t57 SELECT i, i, i FROM generate_series(1, 20000) i")
            .await
            .unwrap();
        let seen = "SELECT pg_stat_get_live_tuples('many.t57'::regclass) = 20000";
        server.wait_until("postgres", seen).await.unwrap();
        let settings = Settings { top_relations: 4, ..Settings::default() };
        let mut probe = Probe::with(&server.dsn("postgres"), single::<Relations>(), settings).await;
        let round = probe.round().await;
        assert_eq!(round.executed[0].rows, 6);
        assert_eq!(round.data[0]["name"], "t57", "{major}");
        assert_eq!(round.samples("pg_relation_size_bytes").len(), 4);
    });
}
