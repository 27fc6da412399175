use super::*;
use crate::postgres::audit::Audit;
use crate::postgres::collector::{Registered, Settings};
use crate::postgres::collectors::ALL;
use crate::postgres::facts::Facts;
use crate::postgres::session::{Guard, Session};
use crate::postgres::setup_sql::tests::psql;
use anyhow::Result;
use pgmon_config::SslMode;
use pgmon_core::clock::SystemClock;
use pgmon_testkit::{Major, Server, Tier, on_each_major};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

fn subject(server: &Server, db: &str) -> Subject {
    Subject {
        cluster: "shop".into(),
        db: db.into(),
        address: format!("127.0.0.1:{}", server.port()),
        remote: false,
        sslmode: SslMode::Prefer,
        enforce_read_only: true,
        discovered: false,
    }
}

pub(super) async fn look(server: &Server, role: &str, database: &str) -> Result<Diagnosis> {
    look_with(server, role, database, ALL).await
}

async fn look_with(
    server: &Server,
    role: &str,
    database: &str,
    collectors: &[Registered],
) -> Result<Diagnosis> {
    let guard = Guard { lock_timeout: Duration::from_millis(500), pooled: false };
    let options = server.connect_options(database).username(role);
    let subject = subject(server, database);
    let mut session = match Session::connect(&options, guard, LIMIT).await {
        Ok(session) => session,
        Err(e) => return Ok(Diagnosis::unreachable(&subject, &e)),
    };
    let facts = Arc::new(Facts::read(&mut session, LIMIT).await?);
    let audit = Audit::read(&mut session, &facts, LIMIT).await?;
    let clock = SystemClock::new();
    let examiner =
        Examiner { collectors, settings: Arc::new(Settings::default()), limit: LIMIT, clock: &clock };
    let diagnosis = examiner.examine(&mut session, &facts, &audit, &subject).await?;
    session.close().await;
    Ok(diagnosis)
}

fn find<'d>(diagnosis: &'d Diagnosis, name: &str) -> &'d Check {
    let found = diagnosis.checks.iter().find(|c| c.name == name);
    found.unwrap_or_else(|| panic!("no check {name} in {:#?}", diagnosis.checks))
}

pub(super) fn status(diagnosis: &Diagnosis, name: &str) -> Status {
    find(diagnosis, name).status
}

on_each_major! {
    async fn what_is_missing_is_named_and_the_block_mends_it(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().setting("track_io_timing", "off").start().await?;
        for database in ["shop", "till"] {
            server.create_database(database).await?;
            server.exec(database, "CREATE TABLE a (id serial)").await?;
        }
        server.create_role("pgmon").await?;
        let _other = server.connect("shop").await?;
        let mut report = Report::default();
        for database in ["shop", "till"] {
            report.databases.push(look(&server, "pgmon", database).await?);
        }
        assert_eq!((report.worst(), report.exit_code()), (Status::Warn, 0), "{}", report.text());
        let shop = &report.databases[0];
        for missing in ["pg_monitor", "pg_read_all_data", "extension pg_stat_statements", "extension pgstattuple", "track_io_timing"] {
            assert_eq!(status(shop, missing), Status::Warn, "{missing}");
        }
        assert!(find(shop, "pg_monitor").disables.iter().any(|d| d.starts_with("connections: ")));
        assert!(find(shop, "extension pg_stat_statements").disables.iter().any(|d| d.starts_with("statements: ")));
        assert_eq!(status(shop, "write audit"), Status::Ok);
        assert_eq!(status(shop, "collectors"), Status::Ok, "{}", report.text());
        // One block for both databases, the role's grants once.
        let sql = report.sql();
        assert_eq!(sql.matches("GRANT pg_monitor TO \"pgmon\";").count(), 1, "{sql}");
        assert_eq!(sql.matches("CREATE EXTENSION IF NOT EXISTS \"pgstattuple\";").count(), 2, "{sql}");
        assert!(sql.contains("--   ALTER SYSTEM SET track_io_timing = on;"), "{sql}");
        psql(&server, &sql)?;
        let reads: bool = server.query("shop", "SELECT has_table_privilege('pgmon', 'a', 'SELECT')").await?;
        assert!(!reads && sql.contains("-- If you like: "), "{sql}");
        for database in ["shop", "till"] {
            let mended = look(&server, "pgmon", database).await?;
            for check in &mended.checks {
                let untouched = ["track_io_timing", "public rights", "pg_read_all_data"].contains(&check.name.as_str());
                assert!(untouched || check.status == Status::Ok, "{major} {check:?}");
            }
        }
        Ok(())
    }
}

on_each_major! {
    async fn a_role_that_can_write_fails_and_the_block_makes_another(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        let report = Report { databases: vec![look(&server, "postgres", "shop").await?] };
        assert_eq!((report.worst(), report.exit_code()), (Status::Fail, 3));
        let audit = find(&report.databases[0], "write audit");
        assert!(audit.detail.contains("is SUPERUSER"), "{audit:?}");
        let sql = report.sql();
        assert!(sql.contains("CREATE ROLE \"pgmon\" LOGIN") && !sql.contains("TO \"postgres\""), "{sql}");
        psql(&server, &sql)?;
        let report = Report { databases: vec![look(&server, "pgmon", "shop").await?] };
        assert_eq!(report.exit_code(), 0, "{}", report.text());
        // Not preloaded here: said, although the setting is the server's.
        let preload = find(&report.databases[0], "preload");
        assert_eq!(preload.status, Status::Warn);
        assert!(preload.remedy.as_ref().is_some_and(|r| r.sql.contains("restart")));
        Ok(())
    }
}

on_each_major! {
    async fn a_role_that_sees_sessions_only_lacks_the_rest_of_pg_monitor(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        server.create_role("pgmon").await?;
        server.exec("shop", "GRANT pg_read_all_stats TO pgmon").await?;
        let report = Report { databases: vec![look(&server, "pgmon", "shop").await?] };
        let found = &report.databases[0];
        let monitor = find(found, "pg_monitor");
        assert_eq!(monitor.status, Status::Warn, "{monitor:?}");
        for collector in ["settings: ", "wal_files: "] {
            assert!(monitor.disables.iter().any(|d| d.starts_with(collector)), "{monitor:?}");
        }
        assert!(!monitor.disables.iter().any(|d| d.starts_with("connections: ")), "{monitor:?}");
        assert_eq!(status(found, "collectors"), Status::Ok, "{}", report.text());
        psql(&server, &report.sql())?;
        let mended = look(&server, "pgmon", "shop").await?;
        assert_eq!(status(&mended, "pg_monitor"), Status::Ok);
        Ok(())
    }
}

on_each_major! {
    async fn a_right_role_on_a_right_server_has_nothing_to_mend(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().setting("track_io_timing", "on").start().await?;
        server.create_database("shop").await?;
        server.revoke_create_on_public("shop").await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        server.create_extension("shop", "pgstattuple").await?;
        server.create_monitor("pgmon", Tier::T1).await?;
        let report = Report { databases: vec![look(&server, "pgmon", "shop").await?] };
        assert_eq!((report.worst(), report.sql()), (Status::Ok, String::new()), "{}", report.text());
        Ok(())
    }
}

#[test]
fn the_report_is_read_at_80_columns() -> Result<()> {
    pgmon_testkit::run(Major::NEWEST, |major| async move {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        server.create_role("pgmon").await?;
        server.exec("shop", "CREATE TABLE orders (id int); GRANT INSERT ON orders TO pgmon; GRANT CREATE ON SCHEMA public TO PUBLIC").await?;
        // How it looks, whatever other collectors there are.
        let known = |r: &&Registered| ["connections", "statements"].contains(&r.spec.name);
        let collectors: Vec<Registered> = ALL.iter().filter(known).copied().collect();
        let mut report = Report {
            databases: vec![
                look_with(&server, "pgmon", "shop", &collectors).await?,
                look_with(&server, "pgmon", "nowhere", &collectors).await?,
            ],
        };
        let text = report.text();
        let prose = text.split("To mend it").next().unwrap();
        assert!(prose.lines().all(|l| l.chars().count() <= 80), "{prose}");
        let version = report.databases[0].found.as_ref().unwrap().version_text.clone();
        let port = server.port().to_string();
        // Connections of the test itself may just be leaving.
        report.databases[0].checks.retain(|c| c.name != "query text");
        insta::assert_snapshot!(report.text().replace(&version, "18.x").replace(&port, "PORT"));
        let json = report.json();
        assert_eq!(json["worst"], "fail");
        assert_eq!(json["databases"][1]["found"], serde_json::Value::Null);
        assert_eq!(json["databases"][1]["checks"][0]["name"], "connect");
        Ok(())
    })
}

#[test]
fn exit_codes_tell_refused_from_failed() {
    let check = |status| Check::new("x", status, "");
    let diagnosis = |status, refused| Diagnosis {
        cluster: "c".into(),
        db: "d".into(),
        address: "h:1".into(),
        found: None,
        discovered: false,
        refused,
        new_role: None,
        checks: vec![check(Status::Ok), check(status)],
    };
    let code = |databases| Report { databases }.exit_code();
    assert_eq!(code(vec![]), 0);
    assert_eq!(code(vec![diagnosis(Status::Warn, false)]), 0);
    assert_eq!(code(vec![diagnosis(Status::Ok, false), diagnosis(Status::Fail, false)]), 1);
    assert_eq!(code(vec![diagnosis(Status::Fail, true), diagnosis(Status::Fail, false)]), 3);
}

#[test]
fn pressure_old_extensions_and_settings_are_found() -> Result<()> {
    pgmon_testkit::run(Major::NEWEST, |major| async move {
        let server = Server::builder(major)
            .statements()
            .setting("pg_stat_statements.max", 100)
            .setting("pg_stat_statements.save", "off")
            .setting("track_activities", "off")
            .start()
            .await?;
        server.create_database("shop").await?;
        server.exec("shop", "CREATE EXTENSION pg_stat_statements VERSION '1.10'").await?;
        server.create_monitor("pgmon", Tier::T1).await?;
        // Statements are told apart by their shape, not by their constants or names.
        let many: String = (0..200).map(|i| format!("SELECT 1{};", ", 1".repeat(i))).collect();
        server.exec("shop", &many).await?;
        let diagnosis = look(&server, "pgmon", "shop").await?;
        let pressure = find(&diagnosis, "pg_stat_statements.max");
        assert!(pressure.status == Status::Warn && pressure.detail.contains("evicted"), "{pressure:?}");
        let old = find(&diagnosis, "extension pg_stat_statements");
        assert_eq!(old.remedy.as_ref().unwrap().sql, "ALTER EXTENSION \"pg_stat_statements\" UPDATE;");
        assert_eq!(status(&diagnosis, "track_activities"), Status::Warn);
        server.set("pg_stat_statements.track", "none").await?;
        server.set("compute_query_id", "off").await?;
        let off = look(&server, "pgmon", "shop").await?;
        for name in ["pg_stat_statements.track", "compute_query_id"] {
            assert_eq!(status(&off, name), Status::Warn, "{name}");
        }
        psql(&server, &Report { databases: vec![off] }.sql())?;
        let updated = look(&server, "pgmon", "shop").await?;
        assert_eq!(status(&updated, "extension pg_stat_statements"), Status::Ok);
        Ok(())
    })
}
