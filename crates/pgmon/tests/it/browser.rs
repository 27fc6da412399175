//! The pages in Chromium: the real binary, real servers, and what goes wrong with them.
//!
//! Each test starts servers and pgmon, then runs a script of `ui/e2e/scenarios` with pgmon's address, and does to the
//! servers what the script asks for. They need Node.js and Chromium: `script/test --pages` runs them.

use crate::agent::Agent;
use anyhow::{Context as _, Result, bail, ensure};
use pgmon_testkit::{Major, Server, Tier, quote_ident, run, workload};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

const NEWEST: Major = Major::NEWEST;

/// Names of tables that are more than names to somebody who is careless.
const NAMES: [&str; 7] = [
    "<img src=x onerror=window.pwned=1>",
    "\"><script>window.pwned=1</script>",
    "it's \"quoted\" \\ & <b>bold</b>",
    "invoice\u{202e}fdp.exe",
    "${window.pwned=1}{{7*7}}",
    "表表表表表表表表表表表表表表表表表表表表表",
    "a_name_of_sixty_three_bytes_without_any_place_to_break_it_at_xx",
];

/// Runs a script with this address of pgmon; `act` does what it asks for.
async fn play(
    args: &[&str],
    url: &str,
    env: &[(&str, &str)],
    mut act: impl AsyncFnMut(&str) -> Result<String>,
) -> Result<()> {
    let mut node = Command::new("node")
        .args(args)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui"))
        .envs(env.iter().copied())
        .env("PGMON_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("node cannot be started: script/bootstrap installs it")?;
    let (mut input, output) = (node.stdin.take().unwrap(), node.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        match line.strip_prefix("@do ") {
            Some(what) => input.write_all(format!("{}\n", act(what).await?).as_bytes()).await?,
            None => println!("{line}"),
        }
    }
    let status = node.wait().await?;
    ensure!(status.success(), "{args:?} failed: {status}");
    Ok(())
}

async fn scenario(name: &str, agent: &Agent, act: impl AsyncFnMut(&str) -> Result<String>) -> Result<()> {
    let played = play(&[&format!("e2e/scenarios/{name}.mjs")], &url(agent), &[], act).await;
    played.with_context(|| format!("pgmon said:\n{}", agent.log()))
}

fn url(agent: &Agent) -> String {
    format!("http://{}/", agent.address())
}

async fn nothing(what: &str) -> Result<String> {
    bail!("nobody is there to do {what}")
}

/// A shop with tables, and pgmon that has seen all of it.
async fn shop() -> Result<(Server, Agent)> {
    let server = Server::builder(NEWEST).statements().start().await?;
    server.create_database("shop").await?;
    server.create_extension("shop", "pg_stat_statements").await?;
    workload::partitions(&server, "shop").await?;
    for name in NAMES {
        let table = quote_ident(name);
        let sql = format!(
            "CREATE TABLE {table} AS SELECT generate_series(1, 10000) AS id; DELETE FROM {table} WHERE id % 3 = 0"
        );
        server.exec("shop", &sql).await?;
    }
    server.exec("shop", "ANALYZE").await?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    let agent = Agent::watch(&server.dsn_as("pgmon", &password, "shop"));
    agent.wait_for_all_loops();
    Ok((server, agent))
}

macro_rules! in_a_browser {
    ($(async fn $name:ident() $body:block)+) => {$(
        #[test]
        #[ignore = "needs Node.js and Chromium: script/test --pages"]
        fn $name() -> Result<()> {
            async fn body() -> Result<()> $body
            run(NEWEST, |_| body())
        }
    )+};
}

in_a_browser! {
    async fn a_lock_chain_appears_with_its_root() {
        let (server, agent) = shop().await?;
        let mut chain = None;
        scenario("locks", &agent, async |what| match what {
            "chain" => {
                let started = workload::lock_chain(&server, "shop", 3).await?;
                let root = started.pids()[0].to_string();
                chain = Some(started);
                Ok(root)
            }
            "release" => {
                if let Some(chain) = chain.take() {
                    chain.stop().await?;
                }
                Ok("released".to_owned())
            }
            other => nothing(other).await,
        })
        .await
    }

    async fn a_stopped_server_turns_its_page_stale_then_down() {
        let (server, agent) = shop().await?;
        let played = scenario("down", &agent, async |what| match what {
            "pause" => server.pause().map(|()| "paused".to_owned()),
            "resume" => server.resume().map(|()| "resumed".to_owned()),
            other => nothing(other).await,
        })
        .await;
        server.resume()?;
        played
    }

    async fn a_missing_grant_is_named() {
        let server = Server::builder(NEWEST).statements().start().await?;
        server.create_database("shop").await?;
        let password = server.create_role("blind").await?;
        server.revoke_create_on_public("shop").await?;
        let agent = Agent::watch(&server.dsn_as("blind", &password, "shop"));
        agent.wait("the blind spots", Duration::from_secs(30), |p| p.has("pgmon_blind"));
        scenario("grants", &agent, nothing).await
    }

    async fn hostile_names_are_inert() {
        let (server, agent) = shop().await?;
        scenario("names", &agent, async |what| match what {
            "names" => Ok(serde_json::to_string(&NAMES)?),
            "rename" => {
                let name = "<svg onload=window.pwned=1>\" onclick='x'";
                let sql = format!("ALTER TABLE {} RENAME TO {}", quote_ident(NAMES[6]), quote_ident(name));
                server.exec("shop", &sql).await?;
                Ok("<svg onload=window.pwned=1>".to_owned())
            }
            other => nothing(other).await,
        })
        .await
    }

    async fn a_queryid_beyond_two_to_the_53rd_is_exact() {
        let (server, agent) = shop().await?;
        let work = async || -> Result<()> {
            for n in 0..4 {
                let columns = vec!["1"; n + 1].join(", ");
                let sql = format!("SELECT count(*) AS pgmon_browser_probe, {columns} FROM generate_series(1, 300000)");
                server.exec("shop", &sql).await?;
            }
            Ok(())
        };
        work().await?;
        let id: String = server
            .query(
                "shop",
                "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE '%pgmon_browser_probe%' \
                 AND query NOT LIKE '%pg_stat_statements%' AND abs(queryid::numeric) > 9007199254740992 \
                 ORDER BY total_exec_time DESC LIMIT 1",
            )
            .await?;
        // Loads are rates: somebody must be at work.
        let busy = async {
            loop {
                let done = work().await;
                if done.is_err() {
                    break done;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            played = scenario("statement", &agent, async |_| Ok(id.clone())) => played,
            ended = busy => ended,
        }
    }

    async fn times_are_the_readers_own() {
        let (_server, agent) = shop().await?;
        scenario("zones", &agent, nothing).await
    }

    async fn five_hundred_databases_scroll() {
        let (_server, agent) = shop().await?;
        scenario("fleet", &agent, nothing).await
    }

    async fn a_keyboard_is_enough() {
        let (_server, agent) = shop().await?;
        scenario("keyboard", &agent, nothing).await
    }

    async fn under_a_path_prefix_nothing_is_asked_outside_of_it() {
        let (server, _) = shop().await?;
        let password = server.create_monitor("proxied", Tier::T0).await?;
        let dsn = server.dsn_as("proxied", &password, "shop");
        let agent = Agent::start(&[("PGMON_DSN", &dsn), ("PGMON_HTTP_PATH_PREFIX", "/tools/pgmon")]);
        agent.wait_for_all_loops();
        play(&["e2e/scenarios/prefix.mjs"], &format!("{}tools/pgmon/", url(&agent)), &[], nothing).await
    }

    async fn the_report_is_sound_in_both_schemes_and_loads_nothing() {
        let server = Server::builder(NEWEST).statements().start().await?;
        server.create_database("shop").await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        workload::partitions(&server, "shop").await?;
        workload::duplicate_index(&server, "shop").await?;
        let sql = "CREATE TABLE orders AS SELECT generate_series(1, 10000) AS id; DELETE FROM orders WHERE id % 3 = 0; ANALYZE";
        server.exec("shop", sql).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let _chain = workload::lock_chain(&server, "shop", 2).await?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("report.html");
        let said = crate::agent::pgmon()
            .args(["report", "--format", "html", "--for", "1s", "--output"])
            .arg(&file)
            .env("PGMON_DSN", server.dsn_as("pgmon", &password, "shop"))
            .output()?;
        ensure!(file.exists(), "{}", String::from_utf8_lossy(&said.stderr));
        play(&["e2e/scenarios/report.mjs"], &format!("file://{}", file.display()), &[], nothing).await
    }

    async fn every_page_is_sound_in_light() {
        every_page("light").await
    }

    async fn every_page_is_sound_in_dark() {
        every_page("dark").await
    }

    async fn every_page_answers_to_keys_and_address() {
        every_page("by keyboard and address").await
    }
}

/// The suite of the pages (axe, widths, complaints of the browser), or the part of it with this name, while there is
/// something to see.
async fn every_page(part: &str) -> Result<()> {
    let (server, agent) = shop().await?;
    let _chain = workload::lock_chain(&server, "shop", 2).await?;
    agent.wait_for_all_loops();
    let pattern = format!("--test-name-pattern={part}");
    play(&[&pattern, "e2e/pages.e2e.mjs"], &url(&agent), &[], nothing).await
}
