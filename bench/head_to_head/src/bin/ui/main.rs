//! The API over a large database, how soon a browser shows the pages, and what that costs the database; see
//! `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

mod api;
mod pages;
mod quiet;
mod report;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use head_to_head::http::Client;
use head_to_head::process::{self, Memory};
use head_to_head::running::{Running, free_port};
use head_to_head::{marks, page};
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

/// pgmon's API and pages.
#[derive(Debug, Parser)]
struct Args {
    /// Tables of the database, with as many indexes.
    #[arg(long, default_value_t = 2000)]
    tables: u32,
    /// The server's version.
    #[arg(long, default_value_t = Major::NEWEST.0)]
    pg: u8,
    /// Timed requests of each path and kind (plain, gzip, 304).
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Milliseconds from the start of one request of a path to the start of the next.
    #[arg(long, default_value_t = 20)]
    pace_ms: u64,
    /// Loads of each page.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// How often all paths are asked for while statements are counted: 720 is an hour of the shortest refresh (5 s).
    #[arg(long, default_value_t = 720)]
    refreshes: usize,
    /// Only the API, without a browser.
    #[arg(long)]
    api_only: bool,
    /// Write all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the tables into this page, between its marks `<!-- ui:begin -->` and `:end`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Fail if pgmon does not reach its figures.
    #[arg(long)]
    check: bool,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    tables: u32,
    api: Vec<api::Timed>,
    pages: Option<pages::Painted>,
    quiet: quiet::Quiet,
    memory_before: Memory,
    memory_after_api: Memory,
    memory_after_pages: Option<Memory>,
}

fn main() -> Result<ExitCode> {
    head_to_head::bench::run(run(Args::parse()))
}

async fn run(args: Args) -> Result<ExitCode> {
    let program =
        args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?;
    eprintln!("ui: a server with {} tables", args.tables);
    let server = Server::builder(Major(args.pg))
        .statements()
        .setting("pg_stat_statements.track_utility", "on")
        .start()
        .await?;
    server.create_database("shop").await?;
    server.create_extension("shop", "pg_stat_statements").await?;
    many_tables(&server, "shop", args.tables, args.tables).await?;
    server.exec("shop", "ANALYZE").await?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    let dsn = server.dsn_as("pgmon", &password, "shop");

    let running = start(&program, &dsn, &[]).await?;
    let memory_before = process::memory(running.pid)?;
    let paths = api::paths(&running)?;
    eprintln!("ui: {} paths of the API", paths.len());
    let mut timed = Vec::new();
    for path in &paths {
        timed.push(api::time(&running, &args, path).await?);
    }
    let memory_after_api = process::memory(running.pid)?;
    let (mut painted, mut memory_after_pages) = (None, None);
    if !args.api_only {
        eprintln!("ui: the pages in Chromium");
        painted = Some(pages::paint(&running, args.runs).await?);
        memory_after_pages = Some(process::memory(running.pid)?);
    }
    running.stop().await?;

    eprintln!("ui: what {} refreshes of everything cost the database", args.refreshes);
    let rests = LOOPS.map(|l| format!("PGMON_SAMPLE_INTERVALS_{}", l.to_uppercase()));
    let rests: Vec<(&str, &str)> = rests.iter().map(|name| (name.as_str(), "1h")).collect();
    let running = start(&program, &dsn, &rests).await?;
    let quiet = quiet::count(&server, &running, &args, &paths).await?;
    running.stop().await?;

    let measured = Measured {
        tables: args.tables,
        api: timed,
        pages: painted,
        quiet,
        memory_before,
        memory_after_api,
        memory_after_pages,
    };
    let (text, pass) = report::markdown(&measured, &args)?;
    println!("{text}");
    println!("{}", if pass { "all figures are reached" } else { "NOT all figures are reached" });
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&measured)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.into {
        marks::put_into(file, "ui", &text)?;
    }
    Ok(ExitCode::from(u8::from(args.check && !pass)))
}

/// Starts pgmon with these variables, and waits until every loop has run.
async fn start(program: &Path, dsn: &str, env: &[(&str, &str)]) -> Result<Running> {
    let (dir, port) = (tempfile::tempdir()?, free_port()?);
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir.path())
        .env("PGMON_DSN", dsn)
        .env("PGMON_HTTP_BIND", format!("127.0.0.1:{port}"))
        .envs(env.iter().copied());
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
