//! What Prometheus' own tool says of our pages.

use crate::agent::Agent;
use anyhow::{Context as _, Result};
use pgmon_testkit::{Server, Tier, on_each_major, promtool, workload};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Names that it objects to and that stay: `docs/metrics.md` says why.
const EXCEPTIONS: &[&str] = &["pg_blocked_sessions_total", "pg_locks_count"];

/// The names that `promtool check metrics` objects to, with its words.
pub fn objections(page: &str) -> Result<Vec<(String, String)>> {
    let mut command = Command::new(promtool()?);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("no standard input")?.write_all(page.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8(output.stderr)? + &String::from_utf8(output.stdout)?;
    // 3: it has something to say of names or texts; 1: it cannot read the page.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {said}", output.status);
    let line = |line: &str| Some((line.split(' ').next()?.to_owned(), line.to_owned()));
    Ok(said.lines().filter(|l| !l.is_empty()).filter_map(line).collect())
}

on_each_major! { [pg12 12, pg18 18]
    async fn the_page_is_clean_but_for_the_documented_exceptions(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("shop").await?;
        for extension in ["pg_stat_statements", "pgstattuple"] {
            server.create_extension("shop", extension).await?;
        }
        workload::many_tables(&server, "shop", 20, 20).await?;
        workload::partitions(&server, "shop").await?;
        server.exec("shop", "ANALYZE").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let agent = Agent::watch(&server.dsn_as("pgmon", &password, "shop"));
        let page = agent.wait_for_all_loops();
        assert!(page.has("pg_partitions") && page.has("pg_locks_count"), "{}", page.text);
        let found = objections(&page.text)?;
        let unexpected: Vec<_> = found.iter().filter(|(name, _)| !EXCEPTIONS.contains(&name.as_str())).collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
        let names: BTreeSet<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), EXCEPTIONS.len(), "an exception that is none any more: {names:?}");
        Ok(())
    }
}

#[test]
fn what_it_objects_to_is_found() -> Result<()> {
    let found = objections("# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n")?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "a_total");
    Ok(())
}
