//! The API over a large database, and how soon a browser shows the pages; see `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use head_to_head::http::Client;
use head_to_head::latency::ms;
use head_to_head::page;
use head_to_head::process::{self, Memory};
use head_to_head::running::{Running, free_port};
use pgmon_testkit::workload::many_tables;
use pgmon_testkit::{Major, Server, Tier};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::task::block_in_place;
use tokio::time::sleep;

const LOOPS: [&str; 4] = ["hot_path", "workload", "storage", "hourly"];

/// The API's document: what is asked.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

/// What 99 of 100 answers may take (ms).
const P99_LIMIT: f64 = 5.0;

/// pgmon's API and pages.
#[derive(Debug, Parser)]
struct Args {
    /// Tables of the database, with as many indexes.
    #[arg(long, default_value_t = 2000)]
    tables: u32,
    /// The server's version.
    #[arg(long, default_value_t = Major::NEWEST.0)]
    pg: u8,
    /// Timed requests of each path.
    #[arg(long, default_value_t = 300)]
    requests: usize,
    /// Milliseconds from the start of one request of a path to the start of the next.
    #[arg(long, default_value_t = 20)]
    pace_ms: u64,
    /// Loads of each page.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only the API, without a browser.
    #[arg(long)]
    api_only: bool,
    /// Write all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Fail if pgmon does not reach its figures.
    #[arg(long)]
    check: bool,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
}

/// One path of the API.
#[derive(Debug, Serialize)]
struct Timed {
    path: String,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    bytes: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    tables: u32,
    api: Vec<Timed>,
    memory_before: Memory,
    memory_after_api: Memory,
    memory_after_pages: Option<Memory>,
    pages: serde_json::Value,
}

fn main() -> Result<ExitCode> {
    head_to_head::bench::run(run(Args::parse()))
}

async fn run(args: Args) -> Result<ExitCode> {
    let program =
        args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?;
    eprintln!("ui: a server with {} tables", args.tables);
    let server = Server::builder(Major(args.pg)).statements().start().await?;
    server.create_database("shop").await?;
    server.create_extension("shop", "pg_stat_statements").await?;
    many_tables(&server, "shop", args.tables, args.tables).await?;
    server.exec("shop", "ANALYZE").await?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    let running = start(&program, &server.dsn_as("pgmon", &password, "shop")).await?;

    let memory_before = process::memory(running.pid)?;
    let mut api = Vec::new();
    println!("| path | p50 ms | p99 ms | max ms | bytes |\n|---|---|---|---|---|");
    for path in paths()? {
        let timed = time(&running, &args, path).await?;
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {} |",
            timed.path, timed.p50_ms, timed.p99_ms, timed.max_ms, timed.bytes
        );
        api.push(timed);
    }
    let memory_after_api = process::memory(running.pid)?;
    let mut pass = api.iter().all(|timed| timed.p99_ms <= P99_LIMIT);
    let (mut pages, mut memory_after_pages) = (serde_json::Value::Null, None);
    if !args.api_only {
        println!("\n| page | first paint ms | largest paint ms | KiB |\n|---|---|---|---|");
        let (seen, in_time) = paint(&running, args.runs).await?;
        pages = seen;
        pass &= in_time;
        memory_after_pages = Some(process::memory(running.pid)?);
    }
    let measured =
        Measured { tables: args.tables, api, memory_before, memory_after_api, memory_after_pages, pages };
    let kb = |memory: &Memory| memory.rss;
    println!(
        "\nRSS: {} KB before anybody asked, {} after the API, {} after the pages",
        kb(&measured.memory_before),
        kb(&measured.memory_after_api),
        measured.memory_after_pages.as_ref().map_or_else(|| "-".to_owned(), |memory| kb(memory).to_string())
    );
    println!("{}", if pass { "all figures are reached" } else { "NOT all figures are reached" });
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&measured)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::from(u8::from(args.check && !pass)))
}

async fn start(program: &Path, dsn: &str) -> Result<Running> {
    let (dir, port) = (tempfile::tempdir()?, free_port()?);
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir.path())
        .env("PGMON_DSN", dsn)
        .env("PGMON_HTTP_BIND", format!("127.0.0.1:{port}"));
    let began = Instant::now();
    let running = Running::start(command, port, dir).await?;
    let mut client = Client::connect(port)?;
    loop {
        let answer = block_in_place(|| client.scrape(false))?;
        let text = client.body(answer.bytes);
        if LOOPS.iter().all(|l| page::rounds(text, l) >= 1.0) {
            return Ok(running);
        }
        if began.elapsed() > Duration::from_secs(180) {
            bail!("not every loop has run within three minutes:\n{}", running.log());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// The API's paths, but for those of one statement: there may be none.
fn paths() -> Result<Vec<String>> {
    let document: serde_json::Value = serde_json::from_str(OPENAPI)?;
    let paths = document.get("paths").and_then(|paths| paths.as_object()).context("it has no paths")?;
    Ok(paths
        .keys()
        .map(|path| path.replace("{metric}", "pg_connections").replace("{collector}", "tables"))
        .map(|path| path.replace("{name}", "tables"))
        .filter(|path| !path.contains('{'))
        .collect())
}

async fn time(running: &Running, args: &Args, path: String) -> Result<Timed> {
    let mut client = Client::connect(running.port)?;
    let (mut took, mut bytes) = (Vec::new(), 0);
    block_in_place(|| client.get(&path, true))?;
    for _ in 0..args.requests.max(1) {
        let start = Instant::now();
        let answer = block_in_place(|| client.get(&path, true))?;
        took.push(answer.took);
        bytes = answer.bytes;
        sleep(Duration::from_millis(args.pace_ms).saturating_sub(start.elapsed())).await;
    }
    took.sort_unstable();
    let at = |percent: usize| {
        let index = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(index).copied().map(ms).unwrap_or_default()
    };
    Ok(Timed { p50_ms: at(50), p99_ms: at(99), max_ms: at(100), path, bytes })
}

/// What `paint.mjs` says, and whether that is within its limits.
async fn paint(running: &Running, runs: usize) -> Result<(serde_json::Value, bool)> {
    let output = Command::new("node")
        .args(["bench/ui/paint.mjs", "--check", "--runs", &runs.to_string()])
        .env("PGMON_URL", format!("http://127.0.0.1:{}/", running.port))
        .stderr(std::process::Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("node cannot be started: script/bootstrap installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (table, json) = text.trim_end().rsplit_once('\n').context("paint.mjs measured nothing")?;
    println!("{table}");
    Ok((
        serde_json::from_str(json).context("paint.mjs does not end with its figures")?,
        output.status.success(),
    ))
}
