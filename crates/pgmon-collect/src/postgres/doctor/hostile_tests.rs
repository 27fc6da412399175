//! Names that try to get their own statements run by the superuser who pastes the block, and standbys.

use super::tests::{look, status};
use super::{Report, Status};
use crate::postgres::audit::Audit;
use crate::postgres::collector::Need;
use crate::postgres::facts::Facts;
use crate::postgres::quote_ident;
use crate::postgres::session::{Guard, Session};
use crate::postgres::setup_sql::{Tier as Reads, setup_sql, tests::psql};
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn no_name_of_a_database_gets_anything_run(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0")?;
        elsewhere.set_nonblocking(true)?;
        let port = elsewhere.local_addr()?.port();
        server.exec("postgres", "CREATE ROLE plain; CREATE ROLE reader LOGIN; CREATE ROLE writer LOGIN").await?;
        let harmless = [
            format!("host=127.0.0.1 port={port} user=postgres"),
            format!("postgresql://127.0.0.1:{port}/x"),
            "a'b\\c\"d :x `id`".to_owned(),
        ];
        let broken = ["\n", "\r", "\";\n", "'\r"].map(|end| format!("x{end}ALTER ROLE plain SUPERUSER; --"));
        let mut report = Report::default();
        let mut scripts = Vec::new();
        let names: Vec<String> = harmless.iter().chain(&broken).cloned().collect();
        for name in &names {
            server.create_database(name).await?;
            let sql = "CREATE TABLE t (n int); GRANT INSERT ON t TO writer; GRANT CREATE ON SCHEMA public TO PUBLIC; \
                       CREATE TABLE \"y\rALTER ROLE plain SUPERUSER; --\" (n int); \
                       GRANT INSERT ON \"y\rALTER ROLE plain SUPERUSER; --\" TO PUBLIC";
            server.exec(name, sql).await?;
            for role in ["reader", "writer", "postgres"] {
                let found = look(&server, role, name).await?;
                assert!(found.found.is_some(), "{found:?}");
                scripts.push(Report { databases: vec![found.clone()] }.sql());
                report.databases.push(found);
                let guard = Guard { lock_timeout: LIMIT, pooled: false };
                let mut session = Session::connect(&server.connect_options(name).username(role), guard, LIMIT).await?;
                let facts = Facts::read(&mut session, LIMIT).await?;
                let audit = Audit::read(&mut session, &facts, LIMIT).await?;
                if audit.can_write() {
                    scripts.push(audit.remedy_sql(&facts));
                }
                scripts.push(format!("\\connect postgres\n{}", Need::ReadAllData.remedy(&facts)));
                scripts.push(Need::Extension("pgrowlocks").remedy(&facts).replace("EXTENSION", "EXTENSION IF NOT EXISTS"));
                session.close().await;
            }
        }
        scripts.push(setup_sql(None, "made", &names, Reads::T1));
        scripts.push(report.sql());
        for script in &scripts {
            psql(&server, script)?;
            let superusers: Vec<String> =
                server.query("postgres", "SELECT array_agg(rolname::text) FROM pg_roles WHERE rolsuper").await?;
            assert_eq!(superusers, ["postgres"], "{script}");
            assert!(elsewhere.accept().is_err(), "another host was connected to:\n{script}");
        }
        // What could be connected to was: the statements were run where they belong.
        for name in &names {
            let installed: bool =
                server.query(name, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pgstattuple')").await?;
            assert_eq!(installed, harmless.contains(name), "{}", quote_ident(name));
        }
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_faultless_standby_is_well(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().setting("track_io_timing", "on").start().await?;
        server.create_database("shop").await?;
        server.revoke_create_on_public("shop").await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        server.create_extension("shop", "pgstattuple").await?;
        server.create_monitor("pgmon", Tier::T1).await?;
        let replica = server.replica("r1").await?;
        let report = Report { databases: vec![look(&replica, "pgmon", "shop").await?] };
        assert_eq!(status(&report.databases[0], "primary"), Status::Ok);
        assert_eq!((report.worst(), report.sql()), (Status::Ok, String::new()), "{}", report.text());
        Ok(())
    }
}
