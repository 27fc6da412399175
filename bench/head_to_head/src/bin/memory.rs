//! Resident memory of pgmon with a history of a week, and with a history that is full; see `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use head_to_head::http::Client;
use head_to_head::kept::Piece;
use head_to_head::latency::scrape;
use head_to_head::process::{self, Memory};
use head_to_head::running::{Running, free_port};
use head_to_head::scenario::{DATABASE, Scenario};
use head_to_head::week::{Course, RECORDED, Recording};
use head_to_head::{marks, page};
use pgmon_testkit::{Major, Server, Tier};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

/// What each database adds to `history.max_bytes`: 0.3 MiB.
const OF_A_DATABASE: usize = 3 * 1024 * 1024 / 10;

const LOOPS: [&str; 4] = ["hot_path", "workload", "storage", "hourly"];

/// pgmon's resident memory beside one database, with an empty history, after a week, and when it is full.
#[derive(Debug, Parser)]
struct Args {
    /// What the server holds.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "a,b")]
    scenario: Vec<Scenario>,
    /// The server's version.
    #[arg(long, default_value_t = Major::NEWEST.0)]
    pg: u8,
    /// For how long the series are recorded that are to become a week.
    #[arg(long, default_value_t = 150)]
    record_seconds: u64,
    /// For how long an agent runs before it is measured.
    #[arg(long, default_value_t = 135)]
    run_seconds: u64,
    /// `history.max_bytes`; pgmon's own default if it is not given.
    #[arg(long)]
    max_bytes: Option<usize>,
    /// Put the table into this page, between its marks `<!-- memory:begin -->` and `:end`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Fail if pgmon does not reach its figures.
    #[arg(long)]
    check: bool,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
}

/// One agent's history and memory.
struct Measured {
    scenario: Scenario,
    what: &'static str,
    series: f64,
    bytes: f64,
    dropped: f64,
    memory: Memory,
}

fn main() -> Result<ExitCode> {
    head_to_head::bench::run(run(Args::parse()))
}

async fn run(args: Args) -> Result<ExitCode> {
    let program =
        args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?;
    let mut rows = Vec::new();
    let mut notes = String::new();
    for scenario in &args.scenario {
        eprintln!("memory: {}: starting the server", scenario.name());
        let (server, load) = scenario.start(Major(args.pg), 20).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, DATABASE);
        let agents = Agents { program: &program, args: &args, dsn };
        rows.extend(measure(&agents, *scenario, &server, &mut notes).await?);
        load.stop().await?;
    }
    let (text, pass) = report(&rows, &notes, &args)?;
    println!("{text}");
    if let Some(file) = &args.into {
        marks::put_into(file, "memory", &text)?;
    }
    Ok(ExitCode::from(u8::from(args.check && !pass)))
}

/// How pgmon is started.
struct Agents<'a> {
    program: &'a Path,
    args: &'a Args,
    dsn: String,
}

impl Agents<'_> {
    /// What the history of one database may take.
    fn limit(&self) -> Result<usize> {
        let default = pgmon_config::History::default().limit(1);
        Ok(self.args.max_bytes.map_or(usize::try_from(default), Ok)? + OF_A_DATABASE)
    }

    async fn start(&self, history: &Path, intervals: Option<[u64; 4]>) -> Result<(Running, Client)> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let mut config = json!({
            "cluster": "bench",
            "databases": [{"name": DATABASE, "dsn": self.dsn}],
            "http": {"bind": format!("127.0.0.1:{port}")},
            "history": {"path": history},
        });
        if let Some(bytes) = self.args.max_bytes {
            config["history"]["max_bytes"] = json!(bytes);
        }
        if let Some(intervals) = intervals {
            let of =
                LOOPS.into_iter().zip(intervals).map(|(name, s)| (name.to_owned(), json!(format!("{s}s"))));
            config["sample_intervals"] = serde_json::Value::Object(of.collect());
        }
        let file = dir.path().join("pgmon.yaml");
        // JSON is YAML.
        std::fs::write(&file, config.to_string())?;
        let mut command = Command::new(self.program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir.path()).arg("--config").arg(file);
        let running = Running::start(command, port, dir).await?;
        let client = Client::connect(port)?;
        Ok((running, client))
    }

    /// Runs one on a history for a while, at the default intervals, scraped as Prometheus does.
    async fn memory(&self, history: &TempDir) -> Result<(Memory, String)> {
        let (running, mut client) = self.start(history.path(), None).await?;
        let began = Instant::now();
        loop {
            let answer = scrape(&mut client, false)?;
            let text = client.text(&answer)?;
            if LOOPS.iter().all(|l| page::rounds(&text, l) >= 1.0) {
                break;
            }
            if began.elapsed() > Duration::from_secs(60) {
                bail!("not every loop has run within a minute:\n{}", running.log());
            }
            sleep(Duration::from_millis(500)).await;
        }
        while began.elapsed() < Duration::from_secs(self.args.run_seconds) {
            sleep(Duration::from_secs(15)).await;
            scrape(&mut client, false)?;
            scrape(&mut client, true)?;
        }
        // Not at the moment in which the page is made.
        sleep(Duration::from_secs(2)).await;
        let memory = process::memory(running.pid)?;
        let answer = scrape(&mut client, true)?;
        let text = client.text(&answer)?.into_owned();
        running.stop().await?;
        Ok((memory, text))
    }
}

async fn measure(
    agents: &Agents<'_>,
    scenario: Scenario,
    server: &Server,
    notes: &mut String,
) -> Result<Vec<Measured>> {
    let recorded = tempfile::tempdir()?;
    let (running, _) = agents.start(recorded.path(), Some(RECORDED)).await?;
    live(server, Duration::from_secs(agents.args.record_seconds)).await?;
    running.terminate().await?;
    let (series, changing) = Recording::read(recorded.path())?.series();
    writeln!(
        notes,
        "Scenario *{}*: {series} series were recorded, of which {changing} changed.\n",
        scenario.name()
    )?;

    let empty = tempfile::tempdir()?;
    let limit = agents.limit()?;
    let week = written(recorded.path(), Course { max_bytes: limit, days: 7, lifetime_hours: 168.0 })?;
    // More than may be: pgmon takes as much as it may.
    let full = written(recorded.path(), Course { max_bytes: limit * 5 / 4, days: 1, lifetime_hours: 0.25 })?;
    eprintln!("memory: {}: three agents at once", scenario.name());
    let (empty, week, full) = tokio::join!(agents.memory(&empty), agents.memory(&week), agents.memory(&full));
    let mut rows = Vec::new();
    for (what, result) in [("empty at the start", empty), ("a week", week), ("full", full)] {
        let (memory, text) = result?;
        let sum = |name| page::values(&text, name).iter().map(|(_, value)| value).sum();
        let (series, bytes) = (sum("pgmon_history_series"), sum("pgmon_history_bytes"));
        let dropped = sum("pgmon_history_samples_dropped_total");
        rows.push(Measured { scenario, what, series, bytes, dropped, memory });
    }
    Ok(rows)
}

/// A directory with a history of such a course that ends now.
fn written(recorded: &Path, course: Course) -> Result<TempDir> {
    let began = Instant::now();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (pieces, stats) = Recording::read(recorded)?.live(course, now)?;
    let directory = tempfile::tempdir()?;
    Piece::write(directory.path(), pieces.iter().map(|p| (&p.id, p)))?;
    eprintln!("memory: {course:?}: {stats:?} in {:.0} s", began.elapsed().as_secs_f64());
    Ok(directory)
}

/// Beside pgbench: one of the thousand statements, and a change to one of the tables, ten times a second.
async fn live(server: &Server, time: Duration) -> Result<()> {
    let began = Instant::now();
    let mut rng = fastrand::Rng::with_seed(3);
    while began.elapsed() < time {
        let table = rng.u32(0..16);
        let sql = format!(
            "{}; UPDATE many.t{table} SET {} WHERE ctid IN (SELECT ctid FROM many.t{table} LIMIT {})",
            head_to_head::scenario::statement(rng.u32(0..1024)),
            "a = a",
            rng.u32(1..20)
        );
        server.exec(DATABASE, &sql).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn report(rows: &[Measured], notes: &str, args: &Args) -> Result<(String, bool)> {
    let mib = |kb: u64| kb as f64 / 1024.0;
    let mut text = notes.to_owned();
    writeln!(
        text,
        "PostgreSQL {}, {} s at the default intervals with a scrape of each kind every 15 s.\n",
        args.pg, args.run_seconds
    )?;
    writeln!(
        text,
        "| scenario, history | series | history, MB | values that went early | heap and stacks, MB | program, MB | resident, MB | at most, MB | promised |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
    let mut pass = true;
    for m in rows {
        let limit = if m.scenario == Scenario::B { 25.0 } else { 15.0 };
        let resident = mib(m.memory.rss);
        pass &= resident <= limit;
        let mark = if resident > limit { " **missed**" } else { "" };
        writeln!(
            text,
            "| *{}*, {} | {:.0} | {:.2} | {:.0} | {:.1} | {:.1} | {resident:.1}{mark} | {:.1} | {limit} |",
            m.scenario.name(),
            m.what,
            m.series,
            m.bytes / 1024.0 / 1024.0,
            m.dropped,
            mib(m.memory.anonymous),
            mib(m.memory.file),
            mib(m.memory.peak),
        )?;
    }
    Ok((text, pass))
}
