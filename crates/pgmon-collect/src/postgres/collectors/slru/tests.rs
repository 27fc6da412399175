use super::Slru;
use crate::postgres::collector::single;
use crate::postgres::facts::Choice;
use crate::postgres::testing::{Probe, on_all_majors};
use pgmon_testkit::{Major, Server};

#[test]
fn the_caches_have_one_name_on_all_versions() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let nobody = server.create_role("nobody").await.unwrap();
        let mut probe = Probe::new(&server.dsn_as("nobody", &nobody, "postgres"), single::<Slru>()).await;
        if major < Major(13) {
            assert_eq!(probe.choice(), Choice::Unsupported);
            return;
        }
        // A multixact: two sessions share a row lock.
        server.exec("postgres", "CREATE TABLE t AS SELECT 1 AS n").await.unwrap();
        let one = "BEGIN; SELECT n FROM t FOR SHARE; SELECT pg_sleep(0.3); COMMIT";
        let (a, b) = tokio::join!(server.exec("postgres", one), server.exec("postgres", one));
        a.and(b).unwrap();
        let name = if major >= Major(17) { "multixact_offset" } else { "MultiXactOffset" };
        let here = format!("FROM pg_stat_slru WHERE name = '{name}'");
        server.wait_until("postgres", &format!("SELECT blks_hit > 0 {here}")).await.unwrap();

        let round = probe.round().await;
        let mut names: Vec<_> =
            round.samples("pg_slru_blks_hit_total").into_iter().map(|(l, _)| l.concat()).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "commit_timestamp",
                "multixact_member",
                "multixact_offset",
                "notify",
                "other",
                "serializable",
                "subtransaction",
                "transaction"
            ],
            "{major}"
        );
        for column in
            ["blks_zeroed", "blks_hit", "blks_read", "blks_written", "blks_exists", "flushes", "truncates"]
        {
            let truth: f64 =
                server.query("postgres", &format!("SELECT {column}::float8 {here}")).await.unwrap();
            let shown = round.value(&format!("pg_slru_{column}_total"), &["multixact_offset"]);
            assert_eq!(shown, Some(truth), "{column} on {major}");
        }
    });
}
