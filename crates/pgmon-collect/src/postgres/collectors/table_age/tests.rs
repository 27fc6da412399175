use super::{Row, TableAge};
use crate::postgres::collector::{Collector as _, Settings, single};
use crate::postgres::collectors::wraparound::tests::burn;
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::Families;
use pgmon_testkit::{Server, Tier, workload};
use std::time::Duration;

fn row(table_name: &str, xid_age: i64) -> Row {
    Row {
        schema_name: "public".into(),
        table_name: table_name.into(),
        temporary: false,
        xid_age,
        mxid_age: None,
        xid_of_toast: false,
        freeze_max_age: 200,
        multixact_freeze_max_age: 400,
        ratio: xid_age as f64 / 200.0,
    }
}

#[test]
fn a_table_at_the_edge_of_the_ranking_stays() {
    let mut collector = TableAge::new(&Settings { top_relations: 2, ..Settings::default() });
    let mut shown = |rows: &[Row]| {
        let mut out = Families::new();
        assert_eq!(collector.samples(rows, &cx(18, Duration::ZERO), &mut out), []);
        let families = out.into_vec();
        assert_eq!(number(&families, "pg_table_mxid_age", &["public.a"]), None, "unknown is absent");
        ["a", "b", "c"].map(|t| number(&families, "pg_table_xid_age", &[&format!("public.{t}")]))
    };
    assert_eq!(shown(&[row("a", 9), row("b", 8), row("c", 7)]), [Some(9.0), Some(8.0), None]);
    assert_eq!(shown(&[row("a", 9), row("c", 9), row("b", 8)]), [Some(9.0), Some(8.0), Some(9.0)]);
}

#[test]
fn temporary_tables_are_one_series_and_the_worst_counts() {
    let temporary = |schema: &str, age| Row { schema_name: schema.into(), temporary: true, ..row("t", age) };
    let rows = [temporary("pg_temp_3", 90), row("a", 80), temporary("pg_temp_71", 70), row("b", 60)];
    let mut collector = TableAge::new(&Settings { top_relations: 3, ..Settings::default() });
    let mut out = Families::new();
    collector.samples(&rows, &cx(18, Duration::ZERO), &mut out);
    let families = out.into_vec();
    let shown: Vec<&str> = families[0].samples.iter().map(|s| &*s.labels[0]).collect();
    assert_eq!(shown, ["pg_temp.(temporary)", "public.a", "public.b"]);
    assert_eq!(number(&families, "pg_table_xid_age", &["pg_temp.(temporary)"]), Some(90.0));
}

#[test]
fn the_tables_own_limits_rank_them() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        workload::hostile_names(&server, "postgres").await.unwrap();
        let setup = "CREATE TABLE public.own_limit (n int, t text) WITH (autovacuum_freeze_max_age = 100000); \
                     CREATE TABLE public.toast_limit (n int, t text) WITH (toast.autovacuum_freeze_max_age = 150000); \
                     CREATE TABLE public.raised (n int) WITH (autovacuum_freeze_max_age = 2000000000); \
                     CREATE TABLE public.parent (n int) PARTITION BY LIST (n);";
        server.exec("postgres", setup).await.unwrap();
        let mut session = server.connect("postgres").await.unwrap();
        sqlx::raw_sql("CREATE TEMP TABLE forgotten (n int)").execute(&mut session).await.unwrap();
        server.exec("postgres", &burn(2000)).await.unwrap();
        let role = if major.0 % 2 == 0 {
            server.create_monitor("pgmon", Tier::T0).await.unwrap()
        } else {
            // Not even pg_monitor is needed.
            server.create_role("pgmon").await.unwrap()
        };
        let limits = Settings { top_relations: 1000, ..Settings::default() };
        let dsn = server.dsn_as("pgmon", &role, "postgres");
        let mut probe = Probe::with(&dsn, single::<TableAge>(), limits).await;
        // DDL in the way of everybody else is not in ours.
        let lock = workload::access_exclusive(&server, "postgres", "own_limit").await.unwrap();
        let round = probe.round().await;
        lock.stop().await.unwrap();

        let rows = round.data.as_array().unwrap();
        assert_eq!(
            (&rows[0]["table_name"], &rows[0]["freeze_max_age"]),
            (&"own_limit".into(), &100_000.into())
        );
        assert_eq!(rows[1]["table_name"], "toast_limit");
        assert_eq!(rows[1]["freeze_max_age"], 200_000_000, "only its TOAST table has a lower limit");
        let find = |name: &str| rows.iter().find(|r| r["table_name"] == name);
        assert_eq!(find("raised").unwrap()["freeze_max_age"], 200_000_000, "it cannot be raised");
        assert_eq!(find("forgotten").unwrap()["temporary"], true);
        assert!(find("parent").is_none(), "it holds no rows");
        for table in ["public.own_limit", "public.toast_limit", "public.raised", "pg_catalog.pg_class"] {
            let truth =
                format!("SELECT age(relfrozenxid)::float8 FROM pg_class WHERE oid = '{table}'::regclass");
            let truth: f64 = server.query("postgres", &truth).await.unwrap();
            assert!(truth > 2000.0);
            assert_eq!(round.value("pg_table_xid_age", &[table]), Some(truth), "{table} on {major}");
            assert_eq!(round.value("pg_table_mxid_age", &[table]), Some(0.0));
        }
        // The temporary one is there as well.
        let all = "SELECT count(*)::int4 FROM pg_class WHERE relkind IN ('r', 'm')";
        let all: i32 = server.query("postgres", all).await.unwrap();
        assert_eq!(round.samples("pg_table_xid_age").len(), usize::try_from(all).unwrap());
    });
}

#[test]
fn a_toast_table_counts_for_its_table() {
    // VACUUM can leave the TOAST table out from 14 on.
    on_all_majors(async |major| {
        if major.0 < 14 {
            return;
        }
        let server = Server::start(major).await.unwrap();
        let setup = "CREATE TABLE public.with_toast (t text)";
        server.exec("postgres", setup).await.unwrap();
        server.exec("postgres", &burn(1000)).await.unwrap();
        server.exec("postgres", "VACUUM (FREEZE, PROCESS_TOAST false) public.with_toast").await.unwrap();
        let limits = Settings { top_relations: 1000, ..Settings::default() };
        let round = Probe::with(&server.dsn("postgres"), single::<TableAge>(), limits).await.round().await;
        let rows = round.data.as_array().unwrap();
        let row = rows.iter().find(|r| r["table_name"] == "with_toast").unwrap();
        assert_eq!(row["xid_of_toast"], true);
        assert!(row["xid_age"].as_i64().unwrap() > 1000);
    });
}
