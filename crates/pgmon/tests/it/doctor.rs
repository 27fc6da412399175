//! `pgmon doctor` of an entry with `discover: true`: the server's other databases, and SQL that mends them.

use crate::agent::pgmon;
use anyhow::{Context as _, Result, ensure};
use pgmon_testkit::{Server, Tier, on_each_major, program};
use std::io::Write as _;
use std::process::{Output, Stdio};

/// Runs the doctor on the database `postgres` as `role`.
fn doctor(server: &Server, role: &str, password: &str, format: &str) -> Result<Output> {
    let dsn = server.dsn_as(role, password, "postgres");
    Ok(pgmon()
        .args(["doctor", "--format", format])
        .env("PGMON_DATABASES", format!("[{{dsn: '{dsn}', discover: true}}]"))
        .output()?)
}

fn report(server: &Server, role: &str, password: &str) -> Result<(serde_json::Value, Option<i32>)> {
    let output = doctor(server, role, password, "json")?;
    let json = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((json, output.status.code()))
}

/// The findings of one database that are not well, by name.
fn amiss(report: &serde_json::Value, database: &str) -> Vec<String> {
    let databases = report["databases"].as_array().unwrap();
    let found = databases.iter().find(|d| d["found"]["database"] == database);
    let checks = found.unwrap_or_else(|| panic!("no {database} in {report:#}"))["checks"].as_array().unwrap();
    let amiss = checks.iter().filter(|c| c["status"] != "ok");
    amiss.map(|c| c["name"].as_str().unwrap().to_owned()).collect()
}

fn psql(server: &Server, script: &str) -> Result<()> {
    let mut child =
        std::process::Command::new(program("psql").context("there is no psql: run script/bootstrap")?)
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-p"])
            .arg(server.port().to_string())
            .arg("-h")
            .arg(server.socket_dir())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
    child.stdin.take().context("no stdin")?.write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "psql: {}\n{script}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn discovered_databases_are_looked_at_and_mended(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().setting("track_io_timing", "on").start().await?;
        let odd = "clo\"sed 1";
        for name in ["bare", "right", "writes", odd] {
            server.create_database(name).await?;
        }
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        for name in ["postgres", "right"] {
            server.create_extension(name, "pgstattuple").await?;
        }
        server.create_extension("postgres", "pg_stat_statements").await?;
        server.exec("writes", "CREATE TABLE t (n int); GRANT INSERT ON t TO pgmon; CREATE SCHEMA app; GRANT CREATE ON SCHEMA app TO pgmon").await?;
        server.exec("postgres", "REVOKE CONNECT ON DATABASE \"clo\"\"sed 1\" FROM PUBLIC").await?;
        for name in server.databases().await? {
            server.revoke_create_on_public(&name).await?;
        }
        let (before, code) = report(&server, "pgmon", &password)?;
        assert_eq!(code, Some(3), "{before:#}");
        assert_eq!(amiss(&before, "postgres"), [""; 0], "what is the server's is well");
        assert_eq!(amiss(&before, "right"), [""; 0]);
        assert_eq!(amiss(&before, "bare"), ["extension pgstattuple"]);
        let writes = amiss(&before, "writes");
        assert!(writes.contains(&"write audit".to_owned()), "{writes:?}");
        assert_eq!(amiss(&before, odd), ["connect"]);
        let sql = before["sql"].as_str().unwrap();
        assert_eq!(sql.matches("\\connect \"bare\"").count(), 1, "{sql}");
        assert!(!sql.contains("\\connect \"right\"") && !sql.contains("CREATE ROLE"), "{sql}");
        let text = String::from_utf8(doctor(&server, "pgmon", &password, "text")?.stdout)?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("4 other databases: 1 well, 2 with warnings, 1 failed"), "{text}");
        assert!(text.contains("5 databases: 2 well, 2 with warnings, 1 failed"), "{text}");
        // The block mends all of them; a database that opened may lack something still.
        for _ in 0..2 {
            let (found, _) = report(&server, "pgmon", &password)?;
            psql(&server, found["sql"].as_str().unwrap())?;
        }
        let (after, code) = report(&server, "pgmon", &password)?;
        assert_eq!((code, after["worst"].as_str()), (Some(0), Some("ok")), "{after:#}");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_refused_entry_discovers_nothing(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        server.exec("postgres", "ALTER ROLE pgmon CREATEDB").await?;
        let (before, code) = report(&server, "pgmon", &password)?;
        assert_eq!((code, before["databases"].as_array().map(Vec::len)), (Some(3), Some(1)), "{before:#}");
        assert!(amiss(&before, "postgres").contains(&"discover".to_owned()));
        let text = String::from_utf8(doctor(&server, "pgmon", &password, "text")?.stdout)?;
        assert!(text.contains("\n1 database: 0 well, 0 with warnings, 1 failed"), "{text}");
        psql(&server, before["sql"].as_str().unwrap())?;
        let (after, code) = report(&server, "pgmon", &password)?;
        assert_eq!((code, after["databases"].as_array().map(Vec::len)), (Some(0), Some(2)), "{after:#}");
        Ok(())
    }
}
