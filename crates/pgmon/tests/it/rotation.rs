//! Passwords that change while pgmon runs, on real servers.
//!
//! Vault is a double (`VaultDouble`): no package registry brings the real one. The roles that it leases are real.

use crate::agent::Agent;
use crate::reload::{Configured, FAST, run};
use anyhow::Result;
use pgmon_testkit::{Server, Terms, Tier, VaultDouble, on_each_major, quote_literal};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

fn entry(server: &Server, more: &str) -> String {
    format!(
        "{FAST}databases: [{{name: shop, host: 127.0.0.1, port: {}, database: postgres, {more}}}]\n",
        server.port()
    )
}

fn up(agent: &Agent) {
    agent.wait("up", SOON, |p| p.value("pg_up", &[]) == Some(1.0));
}

/// Gives the role another password and has the server end pgmon's session, so that it has to log in.
async fn rotate(server: &Server, password: &str) -> Result<()> {
    server.exec("postgres", &format!("ALTER ROLE pgmon PASSWORD {}", quote_literal(password))).await
}

async fn end_session(server: &Server) -> Result<()> {
    let sql = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE usename = 'pgmon'";
    let ended: bool = server.query("postgres", sql).await?;
    assert!(ended);
    Ok(())
}

/// Waits for the session after the one that was ended, and sees that it cost a round at most.
fn costs_a_round_at_most(agent: &Agent, connects: f64) {
    let page = agent.wait("connected anew", SOON, |p| {
        p.value("pgmon_connects_total", &[]) == Some(connects) && p.value("pg_up", &[]) == Some(1.0)
    });
    assert_eq!(page.value("pgmon_connect_errors_total", &[]), Some(0.0), "{}", agent.log());
    let failed: f64 = page.all("pgmon_errors_total").map(|s| s.value).sum();
    assert!(failed <= 1.0, "{failed} failed rounds\n{}", agent.log());
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_password_that_rotates_in_its_file_costs_a_round_at_most(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let first = server.create_monitor("pgmon", Tier::T1).await?;
        let directory = tempfile::tempdir()?;
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::write(path(name), text).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let dsn = |password: &str| server.dsn_as("pgmon", password, "postgres");
        write("password", &first);
        write("dsn", &dsn(&first));
        write("pgpass", &format!("127.0.0.1:*:*:pgmon:{first}"));
        let configs = [
            ("a", entry(&server, "user: pgmon, password_file: password")),
            ("b", format!("{FAST}dsn_file: dsn\n")),
            ("c", entry(&server, "user: pgmon")),
        ];
        let pgpass = path("pgpass");
        let agents = configs.map(|(name, text)| {
            write(name, &text);
            run(&path(name), &[("PGPASSFILE", pgpass.to_str().unwrap())])
        });
        agents.iter().for_each(up);
        rotate(&server, "second one").await?;
        write("password", "second one\n");
        write("dsn", &dsn("second one"));
        write("pgpass", "127.0.0.1:*:*:pgmon:second one");
        end_session(&server).await?;
        for agent in &agents {
            costs_a_round_at_most(agent, 2.0);
            assert!(!agent.log().contains(&first) && !agent.log().contains("second one"));
        }
        Ok(())
    }
}

/// A script that prints what is in a file, and notes that it ran.
fn printing(file: &Path, runs: &Path) -> String {
    format!("[sh, -c, 'echo run >> {}; cat {}']", runs.display(), file.display())
}

on_each_major! { [pg18 18]
    async fn a_command_is_asked_again_once_the_server_refuses_what_it_printed(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let first = server.create_monitor("pgmon", Tier::T1).await?;
        let directory = tempfile::tempdir()?;
        let (file, runs) = (directory.path().join("token"), directory.path().join("runs"));
        std::fs::write(&file, &first)?;
        let command = printing(&file, &runs);
        let config = Configured::start(&entry(&server, &format!("user: pgmon, discover: true, password_command: {command}")));
        up(&config.agent);
        config.agent.wait_for_all_loops();
        let ran = || std::fs::read_to_string(&runs).unwrap().lines().count();
        assert_eq!(ran(), 1, "the visits of other databases log in with the same");
        end_session(&server).await?;
        costs_a_round_at_most(&config.agent, 2.0);
        assert_eq!(ran(), 1, "what still works is kept");
        rotate(&server, "second one").await?;
        std::fs::write(&file, "second one\n")?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        end_session(&server).await?;
        // A connection that broke is replaced at once only once a minute: this one comes a round later.
        config.agent.wait("connected anew", SOON, |p| {
            p.value("pgmon_connects_total", &[]) == Some(3.0) && p.value("pg_up", &[]) == Some(1.0)
        });
        assert_eq!(config.agent.page().value("pgmon_connect_errors_total", &[]), Some(0.0));
        assert_eq!(ran(), 2);
        Ok(())
    }
}

fn vault(double: &VaultDouble, token: &str, more: &str) -> String {
    format!("secrets: {{vault: {{address: '{}', token: {token}, poll: 1h{more}}}}}\n", double.address())
}

on_each_major! { [pg18 18]
    async fn a_password_that_rotates_in_vault_costs_a_round_at_most(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let first = server.create_monitor("pgmon", Tier::T1).await?;
        let double = VaultDouble::start()?;
        double.put("secret/data/shop", json!({ "pw": first }));
        let text = entry(&server, "user: pgmon, password_vault: 'secret/data/shop#pw'");
        let config = Configured::start(&format!("{text}{}", vault(&double, &double.token(Terms::FOR_EVER), "")));
        up(&config.agent);
        rotate(&server, "second one").await?;
        double.put("secret/data/shop", json!({ "pw": "second one" }));
        end_session(&server).await?;
        costs_a_round_at_most(&config.agent, 2.0);
        let reads = double.asked().iter().filter(|a| a.ends_with("secret/data/shop")).count();
        assert_eq!(reads, 2, "at the start and when it was refused: {:?}", double.asked());
        assert!(!config.agent.log().contains("second one") && !config.agent.log().contains("hvs."));
        Ok(())
    }
}

on_each_major! { [pg14 14, pg18 18]
    async fn leased_logins_follow_each_other_without_a_failed_round(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.exec("postgres", "CREATE ROLE watchers; GRANT pg_monitor TO watchers").await?;
        let double = VaultDouble::start()?;
        // Renewed once, and at its end six seconds after the beginning.
        let terms = Terms { ttl: Duration::from_secs(4), max_ttl: Duration::from_secs(6), renewable: true };
        double.database_role("pgmon", &server, "watchers", terms);
        let text = entry(&server, "login_vault: database/creds/pgmon");
        let config = Configured::start(&format!("{text}{}", vault(&double, &double.token(Terms::FOR_EVER), "")));
        up(&config.agent);
        let mut users = std::collections::BTreeSet::new();
        let until = Instant::now() + Duration::from_secs(16);
        while Instant::now() < until {
            let sql = "SELECT coalesce(array_agg(DISTINCT usename::text), '{}') FROM pg_stat_activity \
                       WHERE application_name = 'pgmon' AND usename IS NOT NULL";
            let present: Vec<String> = server.query("postgres", sql).await?;
            users.extend(present);
            // A session whose role has been dropped shows no name.
            let orphans: i64 = server
                .query("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgmon' AND usename IS NULL")
                .await?;
            assert_eq!(orphans, 0, "a session outlived its login");
            assert_eq!(config.agent.page().value("pg_up", &[]), Some(1.0), "{}", config.agent.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(users.len() >= 3 && users.iter().all(|u| u.starts_with("v-pgmon-")), "{users:?}");
        let page = config.agent.page();
        assert_eq!(page.value("pgmon_connect_errors_total", &[]), Some(0.0));
        let failed: f64 = page.all("pgmon_errors_total").map(|s| s.value).sum();
        assert_eq!(failed, 0.0, "{}", config.agent.log());
        assert!(double.asked().iter().any(|a| a == "PUT sys/leases/renew"));
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn without_a_login_a_database_is_down_and_says_where_it_was_looked_for(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let double = VaultDouble::start()?;
        let text = entry(&server, "user: pgmon, password_vault: secret/data/shop");
        let config = Configured::start(&format!("{text}{}", vault(&double, &double.token(Terms::FOR_EVER), "")));
        config.agent.wait("down", SOON, |p| p.value("pg_up", &[]) == Some(0.0));
        let health = config.agent.get("/healthz").text();
        assert!(health.contains("password_vault secret/data/shop") && health.contains("404"), "{health}");
        double.put("secret/data/shop", json!({ "password": password }));
        up(&config.agent);
        Ok(())
    }
}
