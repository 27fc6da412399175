use super::*;
use crate::postgres::audit::Audit;
use crate::postgres::facts::Facts;
use crate::postgres::session::{Guard, Session};
use anyhow::{Context as _, Result, ensure};
use pgmon_testkit::{Server, on_each_major, program};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
/// Whatever may go wrong with quoting.
const ROLE: &str = r#"we"ird $setup$ ro'le\x"#;
const DATABASES: [&str; 2] = ["shop", "sh\"op 2"];

/// Runs a script with psql, as the one who pastes it does.
pub(crate) fn psql(server: &Server, script: &str) -> Result<()> {
    use std::io::Write as _;
    let psql = program("psql").context("there is no psql: run script/bootstrap")?;
    let mut child = std::process::Command::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-p"])
        .arg(server.port().to_string())
        .arg("-h")
        .arg(server.socket_dir())
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no stdin")?.write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "psql: {errors}\n{script}");
    Ok(())
}

async fn look(server: &Server, role: &str, database: &str) -> Result<(Facts, Audit)> {
    let guard = Guard { lock_timeout: Duration::from_millis(500), pooled: false };
    let options = server.connect_options(database).username(role);
    let mut session = Session::connect(&options, guard, LIMIT).await?;
    let facts = Facts::read(&mut session, LIMIT).await?;
    let audit = Audit::read(&mut session, &facts, LIMIT).await?;
    session.close().await;
    Ok((facts, audit))
}

on_each_major! {
    async fn the_script_makes_a_role_that_passes_and_may_run_twice(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        let databases: Vec<String> = DATABASES.map(String::from).to_vec();
        for database in &databases {
            server.create_database(database).await?;
            let sql = "CREATE ROLE app; CREATE SCHEMA app AUTHORIZATION app; CREATE TABLE app.a (id serial); \
                       ALTER TABLE app.a OWNER TO app";
            server.exec(database, &sql.replace("CREATE ROLE app;", if database == "shop" { "CREATE ROLE app;" } else { "" })).await?;
        }
        let number = u16::from(major.0);
        for (role, pg, tier) in
            [(ROLE, Some(number), Tier::T0), ("any", None, Tier::T1), ("known", Some(number), Tier::T1)]
        {
            for _ in 0..2 {
                for section in sections(pg, role, &databases, tier) {
                    let database = section.database.as_deref().unwrap_or("postgres");
                    server.exec(database, &section.sql).await.with_context(|| section.sql.clone())?;
                }
            }
            // As psql reads it: \connect, and \password in comments only.
            psql(&server, &setup_sql(pg, role, &databases, tier))?;
            // Created afterwards, by one who owned a table before.
            server.exec("shop", &format!("SET ROLE app; CREATE TABLE app.later_{} (id serial)", role.len())).await?;
            for database in DATABASES {
                let (facts, audit) = look(&server, role, database).await?;
                assert_eq!(audit.refused, [], "{role}");
                assert!(facts.monitor);
                assert_eq!(facts.read_all_data, tier == Tier::T1, "{role} on {major}");
                for extension in ["pg_stat_statements", "pgstattuple"] {
                    assert!(facts.extensions.contains_key(extension), "{extension}");
                }
            }
        }
        let limit: i32 = server
            .query("postgres", "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'any'")
            .await?;
        assert_eq!(limit, 7);
        Ok(())
    }
}

#[test]
fn the_script_never_holds_a_password_and_is_commented() {
    for major in [None, Some(12), Some(14), Some(18)] {
        for tier in [Tier::T0, Tier::T1] {
            let sql = setup_sql(major, "pgmon", &["shop".into()], tier);
            assert!(!sql.to_uppercase().contains("PASSWORD '"), "{sql}");
            assert!(sql.contains("--   \\password \"pgmon\""), "{sql}");
        }
    }
    assert!(!setup_sql(Some(15), "pgmon", &[], Tier::T0).contains("REVOKE"));
    assert!(
        setup_sql(Some(14), "pgmon", &[], Tier::T0).contains("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    );
    insta::assert_snapshot!(setup_sql(None, "pgmon", &["shop".into()], Tier::T1));
}
