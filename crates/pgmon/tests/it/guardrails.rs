//! Who may be watched with which role, and what is said when something cannot be seen.

use crate::agent::{Agent, pgmon};
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

on_each_major! {
    async fn a_superuser_is_refused_and_the_process_ends_saying_why(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let mut agent = Agent::watch(&server.dsn("postgres"));
        let status = agent.wait_exit(SOON);
        assert_eq!(status.code(), Some(3));
        let log = agent.log();
        assert!(log.contains("is SUPERUSER") && log.contains("CREATE ROLE") && log.contains("pg_monitor"), "{log}");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn one_refused_entry_does_not_stop_the_others(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let good = server.dsn_as("pgmon", &password, "postgres");
        let databases = format!("[{{name: good, dsn: '{good}'}}, {{name: root, dsn: '{}'}}]", server.dsn("postgres"));
        let agent = Agent::start(&[("PGMON_DATABASES", &databases)]);
        let page = agent.wait("one is refused", SOON, |p| {
            p.value("pgmon_refused", &[("db", "root")]) == Some(1.0) && p.value("pg_up", &[("db", "good")]) == Some(1.0)
        });
        assert_eq!(page.value("pg_up", &[("db", "root")]), Some(0.0));
        assert!(page.all("pg_connections").all(|s| s.label("db") == Some("good")));
        let health = agent.get("/healthz");
        assert_eq!(health.status, 200);
        assert!(health.text().contains("is SUPERUSER") && health.text().contains("CREATE ROLE"), "{}", health.text());
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn the_check_can_be_turned_off(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let dsn = server.dsn("postgres");
        let agent = Agent::start(&[("PGMON_DSN", &dsn), ("PGMON_SECURITY_READ_ONLY_ENFORCE", "false")]);
        agent.wait_for_all_loops();
        assert!(agent.log().contains("read_only_enforce"), "{}", agent.log());
        Ok(())
    }
}

on_each_major! {
    async fn a_role_without_pg_monitor_is_blind_and_says_so(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_extension("postgres", "pg_stat_statements").await?;
        let password = server.create_role("nobody").await?;
        let agent = Agent::watch(&server.dsn_as("nobody", &password, "postgres"));
        agent.wait("it is blind", SOON, |p| p.all("pgmon_blind").any(|s| s.label("needs") == Some("pg_monitor")));
        let page = agent.wait_for_all_loops();
        // Never 0 for "cannot see". (Who waits for whom can be seen by everybody.)
        for name in ["pg_oldest_transaction_seconds", "pg_longest_query_seconds", "pg_replication_lag_seconds", "pg_qps"] {
            assert!(!page.has(name), "{name}\n{}", page.text);
        }
        let health = agent.get("/healthz").text();
        assert!(health.contains("GRANT pg_monitor TO"), "{health}");
        Ok(())
    }
}

on_each_major! { [pg13 13, pg18 18]
    async fn missing_extensions_disable_just_what_needs_them(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let agent = Agent::watch(&server.dsn_as("pgmon", &password, "postgres"));
        let page = agent.wait_for_all_loops();
        assert!(page.all("pgmon_blind").any(|s| s.label("collector") == Some("statements")), "{}", page.text);
        assert!(page.has("pg_connections") && page.has("pg_wraparound_tx_age") && !page.has("pg_replication_slot_active"));
        assert_eq!(page.value("pgmon_last_scrape_success", &[("loop", "workload")]), Some(1.0));
        Ok(())
    }
}

on_each_major! { [pg16 16]
    async fn a_stop_takes_less_than_five_seconds_even_with_a_hung_server(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        for (signal, hang) in [("TERM", false), ("INT", true)] {
            let mut agent = Agent::watch(&server.dsn_as("pgmon", &password, "postgres"));
            agent.wait_for_all_loops();
            if hang {
                server.pause()?;
            }
            agent.signal(signal);
            assert_eq!(agent.wait_exit(Duration::from_secs(5)).code(), Some(0));
        }
        server.resume()?;
        Ok(())
    }
}

/// A C library's `getaddrinfo` that says that it was called and never answers.
const HANGING_RESOLVER: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *service, const void *hints, void **result) {
    (void)name; (void)service; (void)hints; (void)result;
    creat(getenv("RESOLVER_CALLED"), 0600);
    for (;;) pause();
}
"#;

#[test]
fn a_resolver_that_hangs_does_not_delay_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library, called) =
        (dir.path().join("resolver.c"), dir.path().join("resolver.so"), dir.path().join("called"));
    std::fs::write(&source, HANGING_RESOLVER).unwrap();
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output()
        .expect("the C compiler that Rust links with");
    assert!(built.status.success(), "{built:?}");
    let mut agent = Agent::start(&[
        ("PGMON_DSN", "postgres://a:b@db.example/x?sslmode=disable"),
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("RESOLVER_CALLED", called.to_str().unwrap()),
    ]);
    let deadline = std::time::Instant::now() + SOON;
    while !called.exists() {
        assert!(std::time::Instant::now() < deadline, "no name was looked up:\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    agent.signal("TERM");
    assert_eq!(agent.wait_exit(Duration::from_secs(3)).code(), Some(0));
}

on_each_major! { [pg15 15]
    async fn the_endpoint_speaks_both_formats_compressed_or_not(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let agent = Agent::watch(&server.dsn_as("pgmon", &password, "postgres"));
        agent.wait_for_all_loops();
        let plain = agent.get("/metrics");
        assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
        let open = agent.get_with("/metrics", "Accept: application/openmetrics-text\r\n");
        assert!(open.head.contains("application/openmetrics-text; version=1.0.0") && open.text().ends_with("# EOF\n"));
        let packed = agent.get_with("/metrics", "Accept-Encoding: gzip\r\n");
        assert!(packed.head.contains("content-encoding: gzip") && packed.body.starts_with(&[0x1f, 0x8b]));
        assert!(packed.body.len() * 3 < plain.body.len());
        assert_eq!(agent.get("/livez").status, 200);
        assert_eq!(agent.get("/readyz").status, 200);
        assert_eq!(agent.get("/nowhere").status, 404);
        let index = agent.get("/status").text();
        assert!(index.contains("/metrics") && index.contains("PostgreSQL 15"), "{index}");
        let bind = plain_bind(&agent);
        let check = pgmon().args(["--healthcheck", "--bind", &bind]).output()?;
        assert!(check.status.success(), "{check:?}");
        let nobody = pgmon().args(["--healthcheck", "--bind", "127.0.0.1:1"]).output()?;
        assert_eq!(nobody.status.code(), Some(1));
        Ok(())
    }
}

fn plain_bind(agent: &Agent) -> String {
    let log = agent.log();
    let line = log.lines().find(|l| l.contains("\"listen\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line["listen"].as_str().unwrap().to_owned()
}
