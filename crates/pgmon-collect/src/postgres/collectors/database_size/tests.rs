use super::REGISTERED;
use crate::postgres::testing::{Probe, Round, on_all_majors};
use pgmon_testkit::{Server, Tier, quote_ident};
use std::os::unix::fs::PermissionsExt;

fn size(round: &Round, name: &str) -> Option<f64> {
    round.value("pg_database_size_bytes", &[name, name])
}

#[test]
fn sizes_of_all_databases_and_what_one_may_not_know() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        for name in ["shop", "it's \"mine\"\n"] {
            server.create_database(name).await.unwrap();
            server
                .exec("postgres", &format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", quote_ident(name)))
                .await
                .unwrap();
        }
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let nobody = server.create_role("nobody").await.unwrap();

        let round = Probe::new(&server.dsn_as("pgmon", &monitor, "postgres"), REGISTERED).await.round().await;
        assert_eq!(round.executed.len(), 2);
        assert_eq!(round.blind, []);
        let sizes = round.samples("pg_database_size_bytes");
        assert_eq!(sizes.len(), 5, "{sizes:?}");
        let shop: f64 = server.query("postgres", "SELECT pg_database_size('shop')::float8").await.unwrap();
        assert_eq!(size(&round, "shop"), Some(shop), "{major}");
        assert!(sizes.iter().any(|(l, _)| l[0] == l[1] && l[0].starts_with("it_s _mine__~")), "{sizes:?}");
        let spaces = round.samples("pg_tablespace_size_bytes");
        assert_eq!(spaces.len(), 2);
        // What the server finds by walking the directories once more.
        let truth: f64 =
            server.query("postgres", "SELECT pg_tablespace_size('pg_default')::float8").await.unwrap();
        let ours = round.value("pg_tablespace_size_bytes", &["pg_default"]).unwrap();
        assert!((ours - truth).abs() < 1e6, "{ours} {truth}");

        let round = Probe::new(&server.dsn_as("nobody", &nobody, "postgres"), REGISTERED).await.round().await;
        assert_eq!(size(&round, "shop"), None);
        assert!(size(&round, "postgres").is_some());
        assert_eq!(round.samples("pg_database_size_bytes").len(), 3);
        assert_eq!(round.samples("pg_tablespace_size_bytes"), [], "unknown, not 0");
        let [databases, tablespaces] = round.blind.as_slice() else { panic!("{:?}", round.blind) };
        assert_eq!(databases.needs, "pg_read_all_stats");
        assert_eq!(databases.effect, "sizes of the databases shop, it's \"mine\"\n");
        assert_eq!(databases.remedy.as_deref(), Some("GRANT pg_read_all_stats TO \"nobody\";"));
        assert_eq!(tablespaces.effect, "sizes of the tablespaces pg_global");
    });
}

#[test]
fn a_database_that_cannot_be_measured_costs_only_itself() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        server.create_database("broken").await.unwrap();
        server.create_database("whole").await.unwrap();
        let oid: i64 = server
            .query("postgres", "SELECT oid::int8 FROM pg_database WHERE datname = 'broken'")
            .await
            .unwrap();
        let directory = server.data_dir().join(format!("base/{oid}"));
        let permit = |mode| std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
        let mut probe = Probe::new(&server.dsn("postgres"), REGISTERED).await;
        // First its files cannot be looked at, which is an error; then they are not even found.
        for (mode, statements, reason) in [(0o600, 8, "could not stat"), (0o000, 2, "no file was found")] {
            permit(mode);
            let round = probe.round().await;
            permit(0o700);
            assert_eq!(size(&round, "broken"), None);
            assert!(size(&round, "whole").is_some(), "{major}");
            assert_eq!(round.samples("pg_database_size_bytes").len(), 4);
            assert_eq!(round.value("pg_tablespace_size_bytes", &["pg_default"]), None, "a part is unknown");
            assert!(round.value("pg_tablespace_size_bytes", &["pg_global"]).is_some());
            assert_eq!(round.executed.len(), statements);
            let effect = &round.blind[0].effect;
            assert!(
                effect.starts_with("sizes that could not be taken: broken: ") && effect.contains(reason),
                "{effect}"
            );
        }
        let round = probe.round().await;
        assert!(size(&round, "broken").is_some() && round.blind.is_empty());
    });
}
