//! How long a valid scrape takes while others flood pgmon or dawdle; see `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

mod load;
mod report;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use head_to_head::http::Client;
use head_to_head::running::{Running, free_port};
use head_to_head::scenario::{DATABASE, Scenario};
use head_to_head::{marks, page};
use load::{Done, Kind, Load, Loads};
use pgmon_testkit::{Major, Tier};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::time::sleep;

const KEY: &str = "the-right-key-of-the-flood-bench";

/// How long a valid scrape takes, quiet and while floods of wrong keys or slow clients are in the way.
#[derive(Debug, Parser)]
struct Args {
    /// Quiet and loaded phases, in turns, of each case.
    #[arg(long, default_value_t = 6)]
    phases: usize,
    /// Scrapes of each kind in a phase.
    #[arg(long, default_value_t = 250)]
    scrapes: usize,
    /// Clients that flood.
    #[arg(long, default_value_t = 64)]
    floods: usize,
    /// Clients that dawdle.
    #[arg(long, default_value_t = 1000)]
    slow: usize,
    /// The server's version.
    #[arg(long, default_value_t = Major::NEWEST.0)]
    pg: u8,
    /// Only the cases whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Put the table into this page, between its marks `<!-- flood:begin -->` and `:end`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Fail if p99 is more than twice the quiet one, or if a scrape is not answered.
    #[arg(long)]
    check: bool,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
    #[command(flatten)]
    load: Load,
}

/// What is in the way.
struct Case {
    name: &'static str,
    kind: Kind,
    processes: usize,
    clients: usize,
    /// Where from: only clients of other machines are limited.
    from: IpAddr,
}

/// Scrapes of one kind, in milliseconds.
#[derive(Default)]
struct Times {
    quiet: Vec<f64>,
    loaded: Vec<f64>,
}

/// What became of one case.
struct Outcome {
    name: &'static str,
    kept: Times,
    new: Times,
    done: Done,
    /// Seconds under load.
    seconds: f64,
    /// Scrapes that were not answered with 200.
    failed: usize,
    /// Kept connections that had to be made anew.
    reconnected: usize,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    head_to_head::bench::run(async {
        if args.load.kind.is_some() {
            load::run(args.load).await?;
            return Ok(ExitCode::SUCCESS);
        }
        run(args).await
    })
}

async fn run(args: Args) -> Result<ExitCode> {
    let program =
        args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?;
    take_all_files_that_are_allowed()?;
    let (server, work) = Scenario::A.start(Major(args.pg), 20).await?;
    let password = server.create_monitor("pgmon", Tier::T0).await?;
    let (dir, port) = (tempfile::tempdir()?, free_port()?);
    let file = dir.path().join("pgmon.yaml");
    // JSON is YAML.
    let config = json!({
        "cluster": "bench",
        "databases": [{"name": DATABASE, "dsn": server.dsn_as("pgmon", &password, DATABASE)}],
        "http": {"bind": format!("0.0.0.0:{port}"), "auth": {"api_keys": [KEY]}},
    });
    std::fs::write(&file, config.to_string())?;
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir.path()).arg("--config").arg(file);
    let running = Running::start(command, port, dir).await?;
    wait_for_rounds(port).await?;
    let mut outcomes = Vec::new();
    for case in cases(&args).into_iter().filter(|c| c.name.contains(&args.only)) {
        eprintln!("flood: {}", case.name);
        let outcome = measure(&case, &args, port).await;
        outcomes.push(outcome.with_context(|| running.log())?);
    }
    running.stop().await?;
    work.stop().await?;
    let (text, pass) = report::markdown(&outcomes, &args)?;
    println!("{text}");
    if let Some(file) = &args.into {
        marks::put_into(file, "flood", &text)?;
    }
    Ok(ExitCode::from(u8::from(args.check && !pass)))
}

fn cases(args: &Args) -> Vec<Case> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let flood = |name, kind, from| Case { name, kind, processes: 2, clients: args.floods / 2, from };
    let slow = |name, kind| Case { name, kind, processes: 1, clients: args.slow, from: here };
    let mut cases = vec![
        flood("wrong keys, kept connections, no limit", Kind::Kept, here),
        flood("wrong keys, new connections, no limit", Kind::New, here),
    ];
    match own_address() {
        Some(address) => cases.extend([
            flood("wrong keys, kept connections, limited", Kind::Kept, address),
            flood("wrong keys, new connections, limited", Kind::New, address),
        ]),
        None => eprintln!("flood: this machine has no address but loopback: nothing is limited here"),
    }
    cases.extend([
        slow("slow clients: silent", Kind::Silent),
        slow("slow clients: half a head", Kind::Head),
        slow("slow clients: half a body", Kind::Body),
        slow("slow clients: read a byte at a time", Kind::Reader),
    ]);
    cases
}

/// An address of this machine that is not loopback; nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

async fn measure(case: &Case, args: &Args, port: u16) -> Result<Outcome> {
    let mut kept = Client::connect(port)?.with_key(KEY);
    let (name, done) = (case.name, Done::default());
    let mut outcome = Outcome {
        name,
        kept: Times::default(),
        new: Times::default(),
        done,
        seconds: 0.0,
        failed: 0,
        reconnected: 0,
    };
    let load = Load {
        kind: Some(case.kind),
        to: SocketAddr::new(case.from, port),
        clients: case.clients,
        key: KEY.to_owned(),
    };
    for _ in 0..args.phases {
        scrapes(&mut kept, args, port, &mut outcome, false)?;
        let loads = Loads::start(&load, case.processes).await?;
        let began = Instant::now();
        // Until those that came together have been closed and are back one by one.
        sleep(Duration::from_secs(2)).await;
        scrapes(&mut kept, args, port, &mut outcome, true)?;
        outcome.seconds += began.elapsed().as_secs_f64();
        let done = loads.stop().await?;
        outcome.done.refused += done.refused;
        outcome.done.too_many += done.too_many;
        outcome.done.closed += done.closed;
        // What they left behind is cleared away before it is quiet again.
        sleep(Duration::from_millis(500)).await;
    }
    Ok(outcome)
}

/// Scrapes on the kept connection and on new ones, in turns, a few milliseconds apart.
fn scrapes(kept: &mut Client, args: &Args, port: u16, outcome: &mut Outcome, loaded: bool) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(1);
    for scrape in 0..args.scrapes + 3 {
        let start = Instant::now();
        if kept.scrape(true).is_err() {
            outcome.reconnected += 1;
            *kept = Client::connect(port)?.with_key(KEY);
            outcome.failed += usize::from(kept.scrape(true).is_err());
        }
        let on_kept = start.elapsed();
        std::thread::sleep(Duration::from_micros(rng.u64(1000..3000)));
        let start = Instant::now();
        let fresh = Client::connect(port).and_then(|client| client.with_key(KEY).scrape(true));
        let on_new = start.elapsed();
        outcome.failed += usize::from(fresh.is_err());
        std::thread::sleep(Duration::from_micros(rng.u64(1000..3000)));
        // The first ones warm up.
        if scrape >= 3 {
            for (times, took) in [(&mut outcome.kept, on_kept), (&mut outcome.new, on_new)] {
                let list = if loaded { &mut times.loaded } else { &mut times.quiet };
                list.push(took.as_secs_f64() * 1000.0);
            }
        }
    }
    Ok(())
}

async fn wait_for_rounds(port: u16) -> Result<()> {
    let mut client = Client::connect(port)?.with_key(KEY);
    for _ in 0..300 {
        let answer = client.scrape(false)?;
        let text = client.text(&answer)?;
        if ["hot_path", "workload", "storage", "hourly"].iter().all(|l| page::rounds(&text, l) >= 1.0) {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("not every loop has run within a minute")
}

/// A thousand clients need more files than many systems give by default.
fn take_all_files_that_are_allowed() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let all = Rlimit { current: now.maximum.or(Some(65_536)), maximum: now.maximum };
    Ok(setrlimit(Resource::Nofile, all)?)
}
