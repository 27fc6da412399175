use super::*;
use crate::postgres::collector::Settings;
use crate::postgres::testing::Probe as Harness;
use pgmon_testkit::{Major, Server, Tier, on_each_major};

fn watching(statement: &str) -> Settings {
    Settings { canary_statement: Some(statement.into()), ..Default::default() }
}

on_each_major! {
    async fn a_statement_is_timed_and_its_pages_are_counted(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.exec("postgres", "CREATE TABLE orders AS SELECT generate_series(1, 10000) AS id").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");

        let mut own = Harness::new(&dsn, REGISTERED).await;
        let round = own.round().await;
        let trip = round.value("pg_canary_latency_seconds", &["select_1"]).unwrap();
        assert!(trip > 0.0 && trip < round.executed[0].duration_ms / 1e3, "without BEGIN and COMMIT: {trip}");
        assert!(round.value("pg_canary_latency_seconds", &["explain"]) > Some(0.0));
        assert!(round.value("pg_canary_buffers", &["shared_hit"]) >= Some(1.0));
        assert_eq!(round.blind, []);

        let off = Settings { canary_enabled: false, ..watching("SELECT 1") };
        let round = Harness::with(&dsn, REGISTERED, off).await.round().await;
        assert_eq!(round.samples("pg_canary_latency_seconds").len(), 1);

        // pg_monitor alone may not read the table: said, not 0, and not tried in every round.
        let napping = watching("SELECT count(*), pg_catalog.max(id) FROM orders;");
        let mut t0 = Harness::with(&dsn, REGISTERED, napping.clone()).await;
        let round = t0.round().await;
        assert_eq!(round.samples("pg_canary_latency_seconds").len(), 1);
        assert_eq!(round.samples("pg_canary_buffers"), []);
        assert!(round.blind[0].effect.contains("permission denied"), "{:?}", round.blind);
        assert_eq!(round.blind[0].needs, "pg_read_all_data");
        let round = t0.round().await;
        assert_eq!((round.executed.len(), round.blind.len()), (1, 1));
        server.exec("postgres", "GRANT SELECT ON orders TO pgmon").await?;
        let round = t0.round().await;
        assert_eq!(round.blind, []);
        let pages: i64 = server.query("postgres", "SELECT pg_relation_size('orders') / 8192").await?;
        let read: f64 = round.samples("pg_canary_buffers").iter().map(|(_, v)| v).sum();
        assert!(read >= pages as f64, "{read} {pages}");
        assert!(round.executed[1].sql.contains("FROM orders") && !round.executed[1].sql.contains(';'));
        Ok(())
    }
}

#[tokio::test]
async fn the_server_keeps_what_the_statement_must_not_touch() {
    let server = Server::start(Major(14)).await.unwrap();
    server.exec("postgres", "CREATE TABLE orders (id int); CREATE SEQUENCE s").await.unwrap();
    let dsn = server.dsn("postgres");
    for (statement, why) in [
        ("SELECT nextval('s')", "outside of a read-only transaction"),
        ("SELECT 1; DROP TABLE orders", "one statement"),
        ("DROP TABLE orders", "must begin with SELECT"),
    ] {
        let round = Harness::with(&dsn, REGISTERED, watching(statement)).await.round().await;
        assert!(round.blind[0].effect.contains(why), "{:?}", round.blind);
        assert_eq!(round.executed.len(), 1, "never sent");
    }
    // What the deny-list lets pass, the server stops.
    server
        .exec(
            "postgres",
            "CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'DELETE FROM orders RETURNING 1'",
        )
        .await
        .unwrap();
    for statement in ["SELECT sly()", "SELECT no_such_column FROM orders", "SELECT 1 / 0"] {
        let mut probe = Harness::with(&dsn, REGISTERED, watching(statement)).await;
        let mut ran = Vec::new();
        for _ in 0..8 {
            let round = probe.round().await;
            assert_eq!(round.blind[0].needs, "canary.statement", "{statement}");
            assert!(round.value("pg_canary_latency_seconds", &["select_1"]) > Some(0.0));
            ran.push(round.executed.len() - 1);
        }
        assert_eq!(ran, [1, 0, 1, 0, 0, 1, 0, 0], "less and less often");
    }
}

#[test]
fn plans_of_old_and_new_servers_are_read() {
    let old = r#"[{"Plan": {"Shared Hit Blocks": 3, "Shared Read Blocks": 1}, "Planning Time": 0.5, "Execution Time": 1.5}]"#;
    let new = r#"[{"Plan": {"Shared Hit Blocks": 3, "Temp Read Blocks": 2}, "Planning": {"Shared Hit Blocks": 4}, "Planning Time": 0.5, "Execution Time": 1.5}]"#;
    let (old, new) = (explained(old, 0.1).unwrap(), explained(new, 0.1).unwrap());
    assert!((old.latency_seconds - 0.002).abs() < 1e-12);
    assert_eq!(old.buffers.unwrap(), Buffers { shared_hit: 3.0, shared_read: 1.0, ..Default::default() });
    assert_eq!(new.buffers.unwrap(), Buffers { shared_hit: 7.0, temp_read: 2.0, ..Default::default() });
    for json in
        ["", "[]", "{}", "[{\"Planning Time\": 1}]", "[{\"Planning Time\": \"1\", \"Execution Time\": null}]"]
    {
        assert_eq!(explained(json, 0.1), None, "{json}");
    }
}
