use super::*;
use crate::postgres::testing::Probe;
use pgmon_testkit::{Major, Server, Tier, on_each_major};
use sqlx::Executor as _;

async fn at_work(server: &Server, sql: &'static str) -> tokio::task::JoinHandle<()> {
    let mut session = server.connect("shop").await.unwrap();
    let slow = "SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1";
    session.execute(sqlx::raw_sql(slow)).await.unwrap();
    tokio::spawn(async move { session.execute(sqlx::raw_sql(sql)).await.map(drop).unwrap_or_default() })
}

async fn seen(server: &Server, view: &str) -> anyhow::Result<()> {
    server.wait_until("shop", &format!("SELECT count(*) > 0 FROM pg_stat_progress_{view}")).await
}

on_each_major! {
    async fn long_commands_are_seen_at_work(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major)
            .setting("autovacuum_naptime", "1s")
            // The catalog is left alone.
            .setting("autovacuum_vacuum_threshold", "1000000")
            .setting("autovacuum_analyze_threshold", "1000000")
            .start()
            .await?;
        server.create_database("shop").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "shop"), REGISTERED).await;
        let quiet = probe.round().await;
        assert_eq!(quiet.samples("pg_progress_operations"), []);
        assert_eq!(quiet.value("pg_autovacuum_jobs", &["scanning heap"]), Some(0.0));

        // A vacuum by hand and one by autovacuum, both slow; the latter cannot be told by its view.
        server.exec("shop", "CREATE TABLE \"a \"\"b\"\"\n\" AS SELECT generate_series(1, 100000) AS id; \
            ALTER TABLE \"a \"\"b\"\"\n\" SET (autovacuum_enabled = off); \
            CREATE TABLE auto WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, \
                autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1) \
                AS SELECT generate_series(1, 100000) AS id").await?;
        server.exec("shop", "DELETE FROM auto WHERE id % 2 = 0").await?;
        let vacuum = at_work(&server, "VACUUM \"a \"\"b\"\"\n\"").await;
        // A build that waits for a writer to end.
        server.exec("shop", "CREATE TABLE indexed (id int)").await?;
        let mut writer = server.connect("shop").await?;
        writer.execute("BEGIN").await?;
        writer.execute("INSERT INTO indexed VALUES (1)").await?;
        let index = at_work(&server, "CREATE INDEX CONCURRENTLY ON indexed (id)").await;
        for view in ["vacuum", "create_index"] {
            seen(&server, view).await?;
        }
        server.wait_until("shop", "SELECT count(*) = 2 FROM pg_stat_progress_vacuum WHERE phase = 'scanning heap'").await?;
        server.wait_until("shop", "SELECT phase LIKE 'waiting for writers%' FROM pg_stat_progress_create_index").await?;

        let busy = probe.round().await;
        assert_eq!(busy.value("pg_autovacuum_jobs", &["scanning heap"]), Some(1.0));
        assert_eq!(busy.value("pg_progress_operations", &["vacuum", "scanning heap"]), Some(2.0));
        assert_eq!(
            busy.value("pg_progress_operations", &["create index concurrently", "waiting for writers before build"]),
            Some(1.0)
        );
        let hostile = label::relation("public", "a \"b\"\n");
        for relation in [hostile.as_str(), "public.auto"] {
            let ratio = busy.value("pg_progress_ratio", &["vacuum", "shop", relation]).unwrap();
            assert!((0.0..1.0).contains(&ratio), "{relation} {ratio}");
        }
        assert_eq!(busy.value("pg_progress_ratio", &["create index concurrently", "shop", "public.indexed"]), Some(0.0));
        let build = busy.data.as_array().unwrap().iter().find(|r| r["unit"] == "lockers").unwrap();
        assert_eq!((&build["blocked"], &build["datname"]), (&true.into(), &"shop".into()));

        // From another database a relation has an oid and no name.
        let mut other = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), REGISTERED).await;
        let oid: i64 = server.query("shop", "SELECT 'auto'::regclass::oid::int8").await?;
        let ratio = other.round().await.value("pg_progress_ratio", &["vacuum", "shop", &format!("oid:{oid}")]);
        assert!(ratio.is_some());
        vacuum.abort();
        index.abort();
        Ok(())
    }
}

on_each_major! {
    async fn newer_commands_are_seen_where_the_server_tells(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "shop"), REGISTERED).await;
        server.exec("shop", "CREATE TABLE t AS SELECT generate_series(1, 200000) AS id; CREATE TABLE u (id int)").await?;
        server.exec("shop", "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END'; \
            CREATE TRIGGER nap BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION nap()").await?;
        let file = server.socket_dir().join("copied");
        let copied = file.display();
        server.exec("shop", &format!("COPY (SELECT generate_series(1, 2000)) TO '{copied}'")).await?;
        let copy: &'static str = Box::leak(format!("COPY u FROM '{copied}'").into_boxed_str());
        let copy = at_work(&server, copy).await;
        let analyze = at_work(&server, "ANALYZE t").await;
        if major >= Major(13) {
            seen(&server, "analyze").await?;
        }
        if major >= Major(14) {
            seen(&server, "copy").await?;
        }
        let busy = probe.round().await;
        let commands: std::collections::BTreeSet<String> =
            busy.samples("pg_progress_operations").into_iter().map(|(l, _)| l[0].clone()).collect();
        assert_eq!(commands.contains("analyze"), major >= Major(13), "{commands:?}");
        assert_eq!(commands.contains("copy from"), major >= Major(14), "{commands:?}");
        assert_eq!(busy.value("pg_progress_operations", &["copy from", "copying"]).is_some(), major >= Major(14));
        copy.abort();
        analyze.abort();
        let unprivileged = server.create_role("plain").await?;
        let blind = Probe::new(&server.dsn_as("plain", &unprivileged, "shop"), REGISTERED).await;
        assert_eq!(blind.choice(), crate::postgres::facts::Choice::Blind(vec![Need::Monitor]));
        Ok(())
    }
}

fn row(command: &str, relation: Option<&str>, done: i64, total: Option<i64>, running_seconds: f64) -> Row {
    Row {
        command: command.into(),
        phase: "at work".into(),
        pid: 1,
        automatic: false,
        datname: relation.map(|_| "shop".into()),
        relation_oid: None,
        schema: relation.map(|_| "public".into()),
        relation: relation.map(Into::into),
        done: Some(done),
        total,
        unit: "bytes".into(),
        running_seconds: Some(running_seconds),
        blocked: false,
    }
}

#[test]
fn several_on_one_relation_make_one_series_and_the_number_is_bounded() {
    let mut progress = Progress::new(&Settings { top_relations: 2, ..Default::default() });
    let ratios = |progress: &mut Progress, rows: &[Row]| {
        let mut out = Families::new();
        progress.ratios(rows, &mut out);
        let of = |f: pgmon_core::metric::Family| {
            f.samples.into_iter().map(|s| (s.labels.join("/"), s.value)).collect::<Vec<_>>()
        };
        out.into_vec().into_iter().flat_map(of).collect::<Vec<_>>()
    };
    let rows = [
        row("copy from", Some("a"), 10, Some(100), 5.0),
        row("copy from", Some("a"), 5, Some(100), 4.0),
        row("base backup", None, 700, Some(100), 9.0),
        row("base backup", None, 7, None, 9.0),
        row("copy to", Some("b"), 1, Some(10), 1.0),
    ];
    assert_eq!(
        ratios(&mut progress, &rows),
        [("base backup//".into(), 1.0.into()), ("copy from/shop/public.a".into(), 0.05.into())]
    );
}

#[test]
fn relations_of_different_databases_are_told_apart() {
    let mut progress = Progress::new(&Settings::default());
    let here = row("vacuum", Some("t"), 1, Some(10), 1.0);
    let there = |datname: &str| Row {
        datname: Some(datname.into()),
        relation_oid: Some(16_432),
        schema: None,
        relation: None,
        ..here.clone()
    };
    let mut out = Families::new();
    // Databases that came from one template have the same oids.
    progress.ratios(&[here.clone(), there("till"), there("stock")], &mut out);
    let labels = |s: pgmon_core::metric::Sample| s.labels.join("/");
    let found: Vec<String> = out.into_vec().into_iter().flat_map(|f| f.samples).map(labels).collect();
    assert_eq!(found, ["vacuum/shop/public.t", "vacuum/stock/oid:16432", "vacuum/till/oid:16432"]);
}
