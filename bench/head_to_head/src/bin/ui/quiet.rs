//! What an hour of open pages costs the database: nothing.
//!
//! pgmon's loops rest for an hour after their first round. Then everything is asked for as often as pages that are
//! open for an hour ask, without waiting in between, and each page is opened in a browser. The server's own count of
//! pgmon's statements must not have moved.

use super::{Args, LOOPS, pages};
use anyhow::{Result, ensure};
use head_to_head::http::Client;
use head_to_head::page;
use head_to_head::running::Running;
use pgmon_testkit::Server;
use serde::Serialize;
use tokio::task::block_in_place;

/// What was counted.
#[derive(Debug, Serialize)]
pub struct Quiet {
    /// Requests to the API.
    pub requests: usize,
    /// Pages that a browser opened.
    pub pages: usize,
    /// Statements of pgmon's role before and after, by pg_stat_statements.
    pub before: i64,
    /// The same after.
    pub after: i64,
    /// Connections of pgmon's role that are not those of before.
    pub new_connections: i64,
}

impl Quiet {
    /// Statements that were sent meanwhile.
    pub fn statements(&self) -> i64 {
        self.after - self.before
    }
}

const STATEMENTS: &str = "SELECT coalesce(sum(s.calls), 0)::int8 FROM pg_stat_statements s \
     JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'pgmon'";

const BACKENDS: &str = "SELECT coalesce(string_agg(pid::text, ',' ORDER BY pid), '') FROM pg_stat_activity \
     WHERE usename = 'pgmon'";

/// Asks for everything and counts.
pub async fn count(server: &Server, running: &Running, args: &Args, paths: &[String]) -> Result<Quiet> {
    let mut client = Client::connect(running.port)?;
    let rounds = |client: &mut Client| -> Result<Vec<f64>> {
        let answer = client.scrape(false)?;
        let text = client.body(answer.bytes);
        Ok(LOOPS.iter().map(|l| page::rounds(text, l)).collect())
    };
    let rounds_before = block_in_place(|| rounds(&mut client))?;
    let before = server.query::<i64>("shop", STATEMENTS).await?;
    let backends = server.query::<String>("shop", BACKENDS).await?;
    ensure!(before > 0 && !backends.is_empty(), "pgmon's statements are not counted: nothing could be shown");
    let mut requests = 0;
    for _ in 0..args.refreshes {
        block_in_place(|| paths.iter().try_for_each(|path| client.get(path, true).map(|_| requests += 1)))?;
    }
    let opened = if args.api_only { 0 } else { pages::paint(running, 1).await?.pages.len() };
    let after = server.query::<i64>("shop", STATEMENTS).await?;
    let now = server.query::<String>("shop", BACKENDS).await?;
    let rounds_after = block_in_place(|| rounds(&mut client))?;
    ensure!(
        rounds_before == rounds_after,
        "a round of a loop fell in between: {rounds_before:?}, {rounds_after:?}"
    );
    let known: Vec<&str> = backends.split(',').collect();
    let new_connections = now.split(',').filter(|pid| !known.contains(pid)).count();
    Ok(Quiet { requests, pages: opened, before, after, new_connections: i64::try_from(new_connections)? })
}
