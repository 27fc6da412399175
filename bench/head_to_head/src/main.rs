//! Measures pgmon and its peers on the same server in the same run; see `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

mod measure;
mod meter;
mod report;
mod target;

use anyhow::{Context as _, Result};
use clap::Parser;
use head_to_head::{marks, scenario};
use measure::{Bench, Effort};
use meter::Meter;
use pgmon_testkit::{Major, Tier};
use report::Outcome;
use scenario::Scenario;
use std::path::PathBuf;
use std::process::ExitCode;
use target::{Access, Programs, Target};

/// Measures pgmon and its peers on the same server in the same run.
#[derive(Debug, Parser)]
struct Args {
    /// What the server holds.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "a,b,c")]
    scenario: Vec<Scenario>,
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    target: Vec<Target>,
    /// The server's version.
    #[arg(long, default_value_t = Major::NEWEST.0)]
    pg: u8,
    /// The rights of the exporters' roles.
    #[arg(long, value_enum, default_value = "t0")]
    tier: Rights,
    /// Timed scrapes, plain and then compressed.
    #[arg(long, default_value_t = 200)]
    scrapes: usize,
    /// Milliseconds from the start of one timed scrape to the start of the next.
    #[arg(long, default_value_t = 100)]
    pace_ms: u64,
    /// Minutes of pgmon's loops at their default intervals, with a scrape every 15 s (at most 7).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=7))]
    minutes: u64,
    /// Minutes of the others with a scrape every 15 s.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    peer_minutes: u64,
    /// Rounds by which pgmon's storage and hourly loops are measured.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Transactions a second that the server works on meanwhile.
    #[arg(long, default_value_t = 20)]
    load: u32,
    /// A quick pass over everything, to see that it works; its figures mean little.
    #[arg(long)]
    quick: bool,
    /// Write all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the tables into this page, between its marks `<!-- head-to-head:begin -->` and `:end`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Fail if pgmon does not reach its figures.
    #[arg(long)]
    check: bool,
    /// Measure nothing: start the (first) scenario's server, print the DSN of a monitoring role, and
    /// wait for Ctrl-C. For profilers.
    #[arg(long)]
    serve: bool,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
    /// prometheus-postgres-exporter's program; without it, it is left out.
    #[arg(long)]
    postgres_exporter: Option<PathBuf>,
    /// pg_exporter's program; without it, it is left out.
    #[arg(long)]
    pg_exporter: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Rights {
    /// `pg_monitor`.
    T0,
    /// `pg_monitor` and reading all data.
    T1,
}

impl From<Rights> for Tier {
    fn from(rights: Rights) -> Self {
        match rights {
            Rights::T0 => Self::T0,
            Rights::T1 => Self::T1,
        }
    }
}

fn main() -> Result<ExitCode> {
    head_to_head::bench::run(run(Args::parse()))
}

async fn run(args: Args) -> Result<ExitCode> {
    if args.serve {
        return serve(&args).await;
    }
    let mut effort = Effort {
        scrapes: args.scrapes,
        pace_ms: args.pace_ms,
        minutes: args.minutes,
        peer_minutes: args.peer_minutes,
        rounds: args.rounds,
    };
    if args.quick {
        effort = Effort { scrapes: 20, pace_ms: 10, minutes: 1, peer_minutes: 1, rounds: 2 };
    }
    let programs = Programs {
        pgmon: args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?,
        postgres_exporter: args.postgres_exporter.clone(),
        pg_exporter: args.pg_exporter.clone(),
    };
    let mut text = format!("PostgreSQL {}. {}\n", args.pg, conditions(&effort, &args));
    println!("{text}");
    let mut outcomes = Vec::new();
    for scenario in &args.scenario {
        let outcome = measure(*scenario, &args, &programs, effort).await?;
        let tables = report::markdown(&outcome);
        println!("{tables}");
        text.push_str(&tables);
        outcomes.push(outcome);
    }
    if let Some(file) = &args.json {
        let all = serde_json::json!({"pg": args.pg, "effort": effort, "scenarios": outcomes});
        std::fs::write(file, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.into {
        marks::put_into(file, "head-to-head", &text)?;
    }
    let failed = outcomes.iter().flat_map(|o| &o.checks).any(|c| !c.pass);
    Ok(ExitCode::from(u8::from(args.check && failed)))
}

async fn serve(args: &Args) -> Result<ExitCode> {
    let scenario = args.scenario.first().context("no scenario")?;
    let (server, _load) = scenario.start(Major(args.pg), args.load).await?;
    let password = server.create_monitor("pgmon", args.tier.into()).await?;
    println!("{}", server.dsn_as("pgmon", &password, scenario::DATABASE));
    std::future::pending().await
}

async fn measure(scenario: Scenario, args: &Args, programs: &Programs, effort: Effort) -> Result<Outcome> {
    eprintln!("{}: starting the server", scenario.name());
    let (server, load) = scenario.start(Major(args.pg), args.load).await?;
    let mut meter = Meter::new(&server).await?;
    let mut measured = Vec::new();
    for target in Target::of(scenario) {
        if !args.target.is_empty() && !args.target.contains(&target) {
            continue;
        }
        if target.program(programs).is_none() {
            eprintln!("{}: {} is left out: its program is not given", scenario.name(), target.name());
            continue;
        }
        eprintln!("{}: {}", scenario.name(), target.name());
        let role = target.role();
        let password = server.create_monitor(&role, args.tier.into()).await?;
        let access = Access { server: &server, role: &role, password: &password };
        let bench = Bench { programs, scenario, access, effort };
        match bench.run(target, &mut meter).await {
            Ok(m) => measured.push(m),
            Err(error) if target.is_pgmon() => return Err(error),
            Err(error) => eprintln!("{}: no figures: {error:#}", scenario.name()),
        }
    }
    load.stop().await?;
    let checks = report::check(scenario, &measured);
    Ok(Outcome { scenario: scenario.name(), title: scenario.title(), measured, checks })
}

fn conditions(effort: &Effort, args: &Args) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{cores} cores, load average {load} before the start; server, exporters and client on the same machine. \
         {} scrapes at a pace of {} ms, {} minutes of pgmon's and {} of the others' everyday life, \
         {} rounds of each slow loop, a load of {} transactions a second, roles of tier {:?}.",
        effort.scrapes,
        effort.pace_ms,
        effort.minutes,
        effort.peer_minutes,
        effort.rounds,
        args.load,
        args.tier,
    )
}
