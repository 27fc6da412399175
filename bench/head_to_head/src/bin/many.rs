//! One pgmon that watches 200 databases on 20 servers; see `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use head_to_head::http::Client;
use head_to_head::kept::Piece;
use head_to_head::latency::{self, Latency, scrape};
use head_to_head::process::{self, Memory, Spent};
use head_to_head::running::{Running, free_port};
use head_to_head::week::{Course, RECORDED, Recording};
use head_to_head::{marks, page};
use pgmon_core::history::Id;
use pgmon_testkit::workload::many_tables;
use pgmon_testkit::{Major, Server, Tier};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::process::Command;
use tokio::time::sleep;

const LOOPS: [&str; 4] = ["hot_path", "workload", "storage", "hourly"];

/// What the history may hold beside `history.max_bytes`, for each database: 0.3 MiB.
const HISTORY_OF_A_DATABASE: f64 = 0.3;

const MIB: f64 = 1024.0 * 1024.0;

/// One pgmon that watches many databases on many servers, at its default intervals.
#[derive(Debug, Parser)]
struct Args {
    /// Servers.
    #[arg(long, default_value_t = 20)]
    servers: usize,
    /// Databases of each server; each is an entry of its own.
    #[arg(long, default_value_t = 10)]
    databases: usize,
    /// Tables in each database, with as many indexes.
    #[arg(long, default_value_t = 10)]
    tables: u32,
    /// The servers' version.
    #[arg(long, default_value_t = Major::NEWEST.0)]
    pg: u8,
    /// Minutes of everyday life, with a scrape every 15 s.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Timed scrapes, plain and then compressed.
    #[arg(long, default_value_t = 200)]
    scrapes: usize,
    /// Milliseconds from the start of one timed scrape to the start of the next.
    #[arg(long, default_value_t = 100)]
    pace_ms: u64,
    /// Write all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the table into this page, between its marks `<!-- many:begin -->` and `:end`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Fail if pgmon does not reach its figures.
    #[arg(long)]
    check: bool,
    /// For how long a database is recorded that is to become a week of all of them.
    #[arg(long, default_value_t = 120)]
    record_seconds: u64,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    servers: usize,
    databases: usize,
    /// Lines of the page.
    series: usize,
    /// Until every loop of every database had run, from the start of the process, seconds.
    complete_s: f64,
    /// Until every database was up.
    up_s: f64,
    memory_first: Memory,
    memory: Memory,
    /// Of one that began with as much of a week as it may keep, and MiB of that.
    memory_full: Memory,
    full_mib: f64,
    /// MiB of the history at the end, and what it may hold.
    history_mib: f64,
    history_limit_mib: f64,
    history_series: f64,
    /// Of one core, at the default intervals with a scrape every 15 s.
    cpu_percent: f64,
    plain: Latency,
    compressed: Latency,
    /// The same with a page of about [`PAGE`] series, of so many databases.
    page: OfAPage,
    /// Ticks that were not run.
    missed: f64,
    /// Failed collector runs.
    errors: f64,
}

/// Latency of a page of a given size.
#[derive(Debug, Serialize)]
struct OfAPage {
    databases: usize,
    series: usize,
    plain: Latency,
    compressed: Latency,
}

/// Series of the page whose latency is promised.
const PAGE: usize = 50_000;

fn main() -> Result<ExitCode> {
    head_to_head::bench::run(run(Args::parse()))
}

async fn run(args: Args) -> Result<ExitCode> {
    let program =
        args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?;
    let mut servers = Vec::new();
    let mut entries = Vec::new();
    for s in 0..args.servers {
        eprintln!("many: server {} of {}", s + 1, args.servers);
        let (server, password) = start(&args).await?;
        for d in 0..args.databases {
            let dsn = server.dsn_as("pgmon", &password, &format!("d{d}"));
            entries.push(serde_json::json!({"name": format!("s{s}d{d}"), "dsn": dsn}));
        }
        servers.push(server);
    }
    let measured = measure(&program, &args, entries).await?;
    let (text, pass) = report(&measured, &args)?;
    println!("{text}");
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&measured)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.into {
        marks::put_into(file, "many", &text)?;
    }
    Ok(ExitCode::from(u8::from(args.check && !pass)))
}

/// A server with its databases, and the password of a monitoring role.
async fn start(args: &Args) -> Result<(Server, String)> {
    let server =
        Server::builder(Major(args.pg)).statements().setting("shared_buffers", "16MB").start().await?;
    server.create_database("d0").await?;
    server.create_extension("d0", "pg_stat_statements").await?;
    many_tables(&server, "d0", args.tables, args.tables).await?;
    let rows = format!(
        "DO $$ BEGIN FOR i IN 0..{} - 1 LOOP \
         EXECUTE format('INSERT INTO many.t%s SELECT n, n, n FROM generate_series(1, 20) n', i); END LOOP; END $$",
        args.tables
    );
    server.exec("d0", &rows).await?;
    server.exec("d0", "ANALYZE").await?;
    for d in 1..args.databases {
        server.exec("postgres", &format!("CREATE DATABASE d{d} TEMPLATE d0")).await?;
        // A template leaves no statistics behind.
        server.exec(&format!("d{d}"), "ANALYZE").await?;
    }
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    Ok((server, password))
}

async fn measure(program: &Path, args: &Args, entries: Vec<serde_json::Value>) -> Result<Measured> {
    let count = entries.len();
    let wanted = count as f64;
    let began = Instant::now();
    let (running, mut client) = start_pgmon(program, &entries, None, None).await?;
    let (up_s, complete_s) = wait_until_complete(&mut client, &running, count, began).await?;
    let memory_first = process::memory(running.pid)?;
    eprintln!("many: complete after {complete_s:.1} s");

    // A rate takes two rounds.
    let (start, cpu_before) = (Instant::now(), Spent::by(running.pid)?);
    for quarter in 1..=args.minutes * 4 {
        scrape(&mut client, true)?;
        sleep(Duration::from_secs(quarter * 15).saturating_sub(start.elapsed())).await;
    }
    let cpu = Spent::by(running.pid)?.since(cpu_before).as_secs_f64();
    let memory = process::memory(running.pid)?;
    let cpu_percent = 100.0 * cpu / start.elapsed().as_secs_f64().max(1.0);

    let pace = Duration::from_millis(args.pace_ms);
    let plain = latency::measure(&mut client, false, args.scrapes, pace).await?;
    let compressed = latency::measure(&mut client, true, args.scrapes, pace).await?;
    let answer = scrape(&mut client, true)?;
    let text = &client.text(&answer)?;
    let series = page::samples(text);
    running.stop().await?;
    let limit_mib =
        pgmon_config::History::default().limit(entries.len()) as f64 / MIB + HISTORY_OF_A_DATABASE * wanted;
    let (memory_full, full_mib) = of_a_week(program, args, &entries, limit_mib).await?;
    let page = of_a_page(program, args, &entries, series).await?;
    let measured = Measured {
        servers: args.servers,
        databases: count,
        series,
        complete_s,
        up_s,
        memory_first,
        memory,
        memory_full,
        full_mib,
        history_mib: sum(text, "pgmon_history_bytes") / MIB,
        history_limit_mib: limit_mib,
        history_series: sum(text, "pgmon_history_series"),
        cpu_percent,
        plain,
        compressed,
        page,
        missed: sum(text, "pgmon_missed_ticks_total"),
        errors: sum(text, "pgmon_errors_total"),
    };
    Ok(measured)
}

/// Until a page said that every database is up (a large page is up to 10 s old), and until every loop of
/// every database had run, by the times that the page tells of the rounds themselves; seconds since `began`.
async fn wait_until_complete(
    client: &mut Client,
    running: &Running,
    databases: usize,
    began: Instant,
) -> Result<(f64, f64)> {
    let wanted = databases as f64;
    let mut up_s = None;
    loop {
        let answer = scrape(client, true)?;
        let text = client.text(&answer)?;
        let seconds = began.elapsed().as_secs_f64();
        if up_s.is_none() && sum(&text, "pg_up") >= wanted {
            up_s = Some(seconds);
        }
        if LOOPS.iter().all(|l| page::rounds(&text, l) >= wanted) {
            return Ok((up_s.unwrap_or(seconds), page::first_rounds_done(&text).unwrap_or(seconds)));
        }
        if began.elapsed() > Duration::from_secs(300) {
            bail!("not every loop has run within five minutes:\n{}", running.log());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Starts pgmon with `entries`, and connects to it.
async fn start_pgmon(
    program: &Path,
    entries: &[serde_json::Value],
    history: Option<&Path>,
    intervals: Option<[u64; 4]>,
) -> Result<(Running, Client)> {
    let dir = tempfile::tempdir()?;
    let port = free_port()?;
    let file = dir.path().join("pgmon.yaml");
    // JSON is YAML.
    let mut config = serde_json::json!({
        "cluster": "bench", "databases": entries, "http": {"bind": format!("127.0.0.1:{port}")},
    });
    if let Some(path) = history {
        config["history"] = serde_json::json!({"path": path});
    }
    if let Some(intervals) = intervals {
        let of = LOOPS.into_iter().zip(intervals).map(|(name, s)| (name.to_owned(), format!("{s}s").into()));
        config["sample_intervals"] = serde_json::Value::Object(of.collect());
    }
    std::fs::write(&file, config.to_string())?;
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir.path()).arg("--config").arg(file);
    let running = Running::start(command, port, dir).await?;
    let client = Client::connect(port)?;
    Ok((running, client))
}

/// The memory of one that begins with a week of all databases, as much of it as it may keep, and MiB of that.
///
/// One database is recorded for minutes; what becomes of it in a week is given to all of them.
async fn of_a_week(
    program: &Path,
    args: &Args,
    entries: &[serde_json::Value],
    limit_mib: f64,
) -> Result<(Memory, f64)> {
    let (recorded, history) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let first = entries.get(..1).context("no databases")?;
    let (running, _) = start_pgmon(program, first, Some(recorded.path()), Some(RECORDED)).await?;
    sleep(Duration::from_secs(args.record_seconds)).await;
    running.terminate().await?;
    // More than its part: it takes as much as it may.
    let part = limit_mib * MIB / entries.len() as f64 * 1.25;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred thousand")]
    let course = Course { max_bytes: part as usize, days: 7, lifetime_hours: 24.0 };
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (pieces, stats) = Recording::read(recorded.path())?.live(course, now)?;
    eprintln!("many: a week of one database: {stats:?}");
    let ids: Vec<Id> =
        entries.iter().filter_map(|e| Some(Id::new("bench", e.get("name")?.as_str()?))).collect();
    Piece::write(history.path(), ids.iter().flat_map(|id| pieces.iter().map(move |piece| (id, piece))))?;
    let began = Instant::now();
    let (running, mut client) = start_pgmon(program, entries, Some(history.path()), None).await?;
    wait_until_complete(&mut client, &running, entries.len(), began).await?;
    for _ in 0..8 {
        sleep(Duration::from_secs(15)).await;
        scrape(&mut client, true)?;
    }
    scrape(&mut client, false)?;
    sleep(Duration::from_secs(2)).await;
    let memory = process::memory(running.pid)?;
    let answer = scrape(&mut client, true)?;
    let full_mib = sum(&client.text(&answer)?, "pgmon_history_bytes") / MIB;
    running.stop().await?;
    Ok((memory, full_mib))
}

/// Scrapes of a page of about [`PAGE`] series: of as many of the databases as have that many.
async fn of_a_page(
    program: &Path,
    args: &Args,
    entries: &[serde_json::Value],
    series: usize,
) -> Result<OfAPage> {
    let databases = (PAGE * entries.len()).div_ceil(series.max(1)).clamp(1, entries.len());
    let began = Instant::now();
    let (running, mut client) =
        start_pgmon(program, entries.get(..databases).unwrap_or(entries), None, None).await?;
    wait_until_complete(&mut client, &running, databases, began).await?;
    // A rate takes two rounds.
    sleep(Duration::from_secs(75)).await;
    let pace = Duration::from_millis(args.pace_ms);
    let plain = latency::measure(&mut client, false, args.scrapes, pace).await?;
    let compressed = latency::measure(&mut client, true, args.scrapes, pace).await?;
    let answer = scrape(&mut client, true)?;
    let series = page::samples(&client.text(&answer)?);
    running.stop().await?;
    Ok(OfAPage { databases, series, plain, compressed })
}

fn sum(text: &str, name: &str) -> f64 {
    page::values(text, name).iter().map(|(_, value)| value).sum()
}

/// The table, and whether all figures are reached.
fn report(m: &Measured, args: &Args) -> Result<(String, bool)> {
    let mib = |kb: u64| kb as f64 / 1024.0;
    let mut text = String::new();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    writeln!(
        text,
        "{} databases on {} servers of PostgreSQL {}, {} tables each; {cores} cores, servers, pgmon and client on the \
         same machine; {} minutes at the default intervals with a scrape every 15 s, then {} timed scrapes of each \
         kind.\n",
        m.databases, m.servers, args.pg, args.tables, args.minutes, args.scrapes
    )?;
    writeln!(text, "| | measured | promised |\n|---|---|---|")?;
    let mut pass = true;
    let mut row = |what: &str, value: f64, unit: &str, limit: Option<f64>| {
        let promised = limit.map(|l| format!("{l} {unit}")).unwrap_or_default();
        let missed = limit.is_some_and(|l| value > l);
        pass &= !missed;
        let mark = if missed { " **missed**" } else { "" };
        writeln!(text, "| {what} | {value:.1} {unit}{mark} | {promised} |")
    };
    row("Series on the page", m.series as f64, "", None)?;
    row("Until every loop of every database had run", m.complete_s, "s", Some(15.0))?;
    row("Until a scraped page said that every database is up", m.up_s, "s", None)?;
    row("Scrape of all that, with gzip, p99", m.compressed.p99, "ms", None)?;
    row("Scrape of all that, uncompressed, p99", m.plain.p99, "ms", None)?;
    row("Uncompressed size of it", m.plain.bytes as f64 / 1024.0 / 1024.0, "MiB", None)?;
    row("Own CPU, of one core", m.cpu_percent, "%", Some(10.0))?;
    row("Resident memory after the first rounds", mib(m.memory_first.rss), "MiB", None)?;
    row("Resident memory after that everyday life", mib(m.memory.rss), "MiB", Some(150.0))?;
    row("Of it: heap and stacks", mib(m.memory.anonymous), "MiB", None)?;
    row("At most", mib(m.memory.peak), "MiB", None)?;
    row("History at the end", m.history_mib, "MiB", Some(m.history_limit_mib))?;
    row("Series in the history", m.history_series, "", None)?;
    row(
        "Of an agent that begins with a week of all databases: history",
        m.full_mib,
        "MiB",
        Some(m.history_limit_mib),
    )?;
    row("Its resident memory", mib(m.memory_full.rss), "MiB", Some(150.0))?;
    row("Of it: heap and stacks", mib(m.memory_full.anonymous), "MiB", None)?;
    row("At most", mib(m.memory_full.peak), "MiB", None)?;
    row("Databases for a smaller page", m.page.databases as f64, "", None)?;
    row("Series on it", m.page.series as f64, "", None)?;
    row("Scrape of it, p99", m.page.plain.p99, "ms", Some(5.0))?;
    row("Scrape of it with gzip, p99", m.page.compressed.p99, "ms", Some(5.0))?;
    row("Rounds missed", m.missed, "", None)?;
    row("Collector runs failed", m.errors, "", None)?;
    Ok((text, pass))
}
