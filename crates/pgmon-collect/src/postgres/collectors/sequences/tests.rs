use super::{REGISTERED, Row, Sequences};
use crate::postgres::collector::{Settings, Steps as _};
use crate::postgres::testing::{Probe, Round, cx, on_all_majors};
use pgmon_testkit::{Server, Tier, workload};
use std::time::Duration;

fn used(round: &Round, name: &str) -> Option<f64> {
    round.value("pg_sequence_used_ratio", &[&format!("public.{name}")])
}

fn near(actual: Option<f64>, expected: f64) -> bool {
    actual.is_some_and(|a| (a - expected).abs() < 1e-6)
}

const SETUP: &str = "
    CREATE TABLE small (id smallserial, n int);
    SELECT setval('small_id_seq', 32000);
    CREATE SEQUENCE wide; -- bigint, but the column is not
    CREATE TABLE narrow (id int DEFAULT nextval('wide'));
    SELECT setval('wide', 1073741824);
    CREATE TABLE identity (id bigint GENERATED ALWAYS AS IDENTITY);
    ALTER TABLE identity ALTER id TYPE int;
    SELECT setval('identity_id_seq', 2147483647);
    CREATE SEQUENCE down INCREMENT -1 MINVALUE -1000;
    SELECT setval('down', -750);
    CREATE SEQUENCE round_and_round MAXVALUE 10 CYCLE;
    SELECT setval('round_and_round', 10);
    CREATE SEQUENCE steps INCREMENT 100 MAXVALUE 1001;
    SELECT setval('steps', 501);
    CREATE SEQUENCE whole_range AS int MINVALUE -2147483648 START 1;
    SELECT setval('whole_range', 1073741824);
    CREATE SEQUENCE never;
    CREATE SEQUENCE \"it's \"\"mine\"\"\" AS int;
    SELECT setval('\"it''s \"\"mine\"\"\"', 1000000000);";

#[test]
fn how_much_is_used_up() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        server.exec("postgres", SETUP).await.unwrap();
        workload::sequence_nearly_exhausted(&server, "postgres", "nearly", 10).await.unwrap();
        let reader = server.create_monitor("reader", Tier::T1).await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();

        let mut probe = Probe::new(&server.dsn_as("reader", &reader, "postgres"), REGISTERED).await;
        let round = probe.round().await;
        assert_eq!(round.blind, [], "{major}");
        assert!(near(used(&round, "nearly"), 1.0) && used(&round, "nearly") < Some(1.0));
        assert!(near(used(&round, "small_id_seq"), 31999.0 / 32766.0));
        assert!(near(used(&round, "wide"), 0.5), "the column is an int: {:?}", used(&round, "wide"));
        assert!(near(used(&round, "identity_id_seq"), 1.0));
        assert!(near(used(&round, "down"), 749.0 / 999.0), "{:?}", used(&round, "down"));
        assert!(near(used(&round, "steps"), 0.5));
        assert!(near(used(&round, "whole_range"), 0.5), "it begins at 1: {:?}", used(&round, "whole_range"));
        assert_eq!(used(&round, "never"), None, "it has given no value yet");
        let mine = round
            .samples("pg_sequence_used_ratio")
            .into_iter()
            .any(|(l, _)| l[0].starts_with("public.it_s _mine_~"));
        assert!(mine);
        let rows = round.data.as_array().unwrap();
        assert_eq!(rows[0]["used_ratio"], 1.0);
        let row = |name: &str| rows.iter().find(|r| r["name"] == name).unwrap();
        assert_eq!(row("round_and_round")["cycles"], true);
        assert_eq!(
            (&row("wide")["table_name"], &row("wide")["column_type"]),
            (&"narrow".into(), &"integer".into())
        );
        assert_eq!(row("nearly")["remaining"], 10.0);
        assert_eq!(row("steps")["remaining"], 5.0);

        // ALTER SEQUENCE holds it: that one is left out, and nobody waits.
        let mut ddl = server.connect("postgres").await.unwrap();
        sqlx::raw_sql("BEGIN; ALTER SEQUENCE nearly OWNED BY NONE").execute(&mut ddl).await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 1, "a statement met the lock and was sent again");
        assert_eq!(used(&round, "nearly"), None);
        assert!(used(&round, "down").is_some());
        drop(ddl);

        // pg_monitor may not read sequences: unknown, not 0.
        let round = Probe::new(&server.dsn_as("pgmon", &monitor, "postgres"), REGISTERED).await.round().await;
        assert_eq!(round.samples("pg_sequence_used_ratio"), []);
        let [blind] = round.blind.as_slice() else { panic!("{:?}", round.blind) };
        assert_eq!(blind.needs, "pg_read_all_data");
        assert!(
            blind.effect.starts_with("how much of their range 10 sequences have used up, among them "),
            "{}",
            blind.effect
        );
        let remedy = blind.remedy.clone().unwrap();
        assert_eq!(remedy.starts_with("GRANT pg_read_all_data TO \"pgmon\";"), major.0 >= 14, "{remedy}");
        // One that it may read is shown, the others still lack.
        server.exec("postgres", "GRANT SELECT ON SEQUENCE down TO pgmon").await.unwrap();
        let round = Probe::new(&server.dsn_as("pgmon", &monitor, "postgres"), REGISTERED).await.round().await;
        assert!(used(&round, "down").is_some());
        assert!(round.blind[0].effect.contains(" 9 sequences"));
    });
}

#[test]
fn very_many_are_read_in_turns() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        for _ in 0..3 {
            let create = "DO $$ BEGIN FOR i IN 1..500 LOOP EXECUTE format('CREATE SEQUENCE s%s AS int', nextval('counter')); END LOOP; END $$";
            server
                .exec("postgres", &format!("CREATE SEQUENCE IF NOT EXISTS counter; {create}"))
                .await
                .unwrap();
        }
        server
            .exec(
                "postgres",
                "SELECT setval('s3', 2000000000), setval('s1490', 1000000000), setval('s700', 5)",
            )
            .await
            .unwrap();
        let mut probe = Probe::new(&server.dsn("postgres"), REGISTERED).await;
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 7, "all of them at first");
        assert!(round.executed.iter().all(|e| e.rows <= 75));
        assert!(used(&round, "s3") > used(&round, "s1490") && used(&round, "s700").is_some(), "{major}");
        server
            .exec("postgres", "SELECT setval('s3', 2100000000), setval('s1490', 1900000000)")
            .await
            .unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 4);
        assert!(near(used(&round, "s3"), 2.1e9 / 2_147_483_647.0));
        assert!(near(used(&round, "s1490"), 1e9 / 2_147_483_647.0), "not its turn yet");
        server.exec("postgres", "DROP SEQUENCE s700").await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 3);
        assert!(near(used(&round, "s1490"), 1.9e9 / 2_147_483_647.0));
        let round = probe.round().await;
        assert_eq!(used(&round, "s700"), None, "it is gone");
        assert_eq!(round.samples("pg_sequence_used_ratio").len(), 3);
    });
}

fn portion(after: i64, to: i64, rows: &[(i64, f64)]) -> super::Portion {
    let rows = rows.iter().map(|(oid, ratio)| Row {
        oid: *oid,
        schema: "s".into(),
        name: oid.to_string(),
        used_ratio: Some(*ratio),
        readable: true,
        ..Row::default()
    });
    super::Portion { after, to, rows: rows.collect(), hidden: 0 }
}

#[test]
fn a_portion_takes_the_place_of_what_was_known_of_its_range() {
    let mut sequences = Sequences::new(&Settings::default());
    sequences.read = vec![portion(0, 10, &[(5, 0.1), (10, 0.2)]), portion(10, i64::MAX, &[(20, 0.3)])];
    sequences.finish(&cx(18, Duration::ZERO));
    assert!(sequences.complete);
    // 5 is gone, 12 has come, and the portions end elsewhere now.
    sequences.read = vec![portion(0, 12, &[(10, 0.5), (12, 0.4)])];
    sequences.finish(&cx(18, Duration::ZERO));
    let mut oids: Vec<i64> = sequences.known.iter().flat_map(|p| p.rows.iter().map(|r| r.oid)).collect();
    oids.sort_unstable();
    assert_eq!(oids, [10, 12, 20]);
}
