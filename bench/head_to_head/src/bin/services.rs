//! One pgmon that checks 500 services, 50 of which are dead; see `bench/README.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use head_to_head::http::Client;
use head_to_head::latency::scrape;
use head_to_head::process::{self, Memory, Spent};
use head_to_head::running::{Running, free_port};
use head_to_head::{marks, page};
use pgmon_testkit::{Redis, RedisKind};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::sleep;

/// The default interval of a service.
const INTERVAL: Duration = Duration::from_secs(15);

/// What is wrong if a good service was checked less often than this share of what its interval gives.
const SHARE: f64 = 0.9;

/// One pgmon that checks many services at their default interval and time limit: of ten one is dead, four are
/// HTTP, three Redis, two TCP.
#[derive(Debug, Parser)]
struct Args {
    /// Services.
    #[arg(long, default_value_t = 500)]
    services: usize,
    /// Minutes of everyday life, with a scrape every 15 s.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Put the table into this page, between its marks `<!-- services:begin -->` and `:end`.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Fail if a good service is late.
    #[arg(long)]
    check: bool,
    /// pgmon's program.
    #[arg(long, default_value = "target/release/pgmon")]
    pgmon: PathBuf,
}

fn main() -> Result<ExitCode> {
    head_to_head::bench::run(run(Args::parse()))
}

async fn run(args: Args) -> Result<ExitCode> {
    let program =
        args.pgmon.canonicalize().with_context(|| format!("no program {}", args.pgmon.display()))?;
    let redis = Redis::builder(RedisKind::Redis).start().await?;
    let (web, silent) = (listen(true).await?, listen(false).await?);
    let mut services = Map::new();
    for n in 0..args.services {
        let service = match n % 10 {
            // It takes connections and says nothing.
            0 => {
                json!({"type": "tcp", "host": "127.0.0.1", "port": silent, "query_response": [{"expect": "x"}]})
            }
            1..=4 => json!({"type": "http", "url": format!("http://127.0.0.1:{web}"), "body_match": "ok"}),
            5..=7 => json!({"type": "redis", "host": "127.0.0.1", "port": redis.port()}),
            _ => json!({"type": "tcp", "host": "127.0.0.1", "port": web}),
        };
        services.insert(format!("s{n}"), service);
    }
    let dead = args.services.div_ceil(10);
    let empty = memory_of_one(&program).await?;
    let (text, late) = measure(&program, &args, services, dead, empty).await?;
    println!("{text}");
    if let Some(file) = &args.into {
        marks::put_into(file, "services", &text)?;
    }
    Ok(ExitCode::from(u8::from(args.check && late)))
}

/// A listener of the bench's own that answers each request, or never says anything.
async fn listen(answers: bool) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answers));
        }
    });
    Ok(port)
}

async fn serve(mut stream: TcpStream, answers: bool) {
    let mut request = [0; 2048];
    while matches!(stream.read(&mut request).await, Ok(1..)) {
        if answers {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            return;
        }
    }
}

async fn start(program: &Path, services: Map<String, Value>) -> Result<(Running, Client)> {
    let dir = tempfile::tempdir()?;
    let port = free_port()?;
    let file = dir.path().join("pgmon.yaml");
    // JSON is YAML.
    let config = json!({"services": services, "http": {"bind": format!("127.0.0.1:{port}")}});
    std::fs::write(&file, config.to_string())?;
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir.path()).arg("--config").arg(file);
    let running = Running::start(command, port, dir).await?;
    let client = Client::connect(port)?;
    Ok((running, client))
}

/// The memory of a pgmon with one service, after two of its checks.
async fn memory_of_one(program: &Path) -> Result<Memory> {
    let one = json!({"type": "tcp", "host": "127.0.0.1", "port": 9});
    let (running, mut client) = start(program, Map::from_iter([("one".to_owned(), one)])).await?;
    sleep(2 * INTERVAL).await;
    scrape(&mut client, true)?;
    let memory = process::memory(running.pid)?;
    running.stop().await?;
    Ok(memory)
}

async fn measure(
    program: &Path,
    args: &Args,
    services: Map<String, Value>,
    dead: usize,
    one: Memory,
) -> Result<(String, bool)> {
    let (running, mut client) = start(program, services).await?;
    let began = Instant::now();
    loop {
        let answer = scrape(&mut client, true)?;
        let text = client.text(&answer)?;
        let checked = page::values(&text, "service_requests_total").iter().filter(|(_, n)| *n >= 1.0).count();
        if checked == args.services {
            break;
        }
        if began.elapsed() > 4 * INTERVAL {
            bail!("only {checked} services were checked within a minute:\n{}", running.log());
        }
        sleep(Duration::from_millis(200)).await;
    }
    let complete = began.elapsed();
    eprintln!("services: each was checked after {:.1} s", complete.as_secs_f64());
    let before = checks(&mut client)?;
    let (start, cpu) = (Instant::now(), Spent::by(running.pid)?);
    for quarter in 1..=args.minutes * 4 {
        sleep(Duration::from_secs(quarter * 15).saturating_sub(start.elapsed())).await;
        scrape(&mut client, true)?;
    }
    let (took, cpu) = (start.elapsed(), Spent::by(running.pid)?.since(cpu));
    let after = checks(&mut client)?;
    let memory = process::memory(running.pid)?;
    let answer = scrape(&mut client, true)?;
    let text = client.text(&answer)?;
    let series = page::samples(&text);
    let bad = page::values(&text, "service_health").iter().filter(|(_, value)| *value == 0.0).count();
    let is_dead = |service: &str| {
        service.strip_prefix('s').and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n % 10 == 0)
    };
    let grown = |of_dead: bool| {
        let of = after.iter().filter(|(name, _)| is_dead(name) == of_dead);
        let grown = of.map(|(name, now)| {
            now - before.iter().find(|(other, _)| other == name).map_or(0.0, |(_, then)| *then)
        });
        grown.fold((f64::MAX, 0.0_f64), |(least, most), n| (least.min(n), most.max(n)))
    };
    let expected = took.as_secs_f64() / INTERVAL.as_secs_f64();
    let (good, of_dead) = (grown(false), grown(true));
    running.stop().await?;

    let mib = |kb: u64| kb as f64 / 1024.0;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut out = String::new();
    writeln!(
        out,
        "{} services, {dead} of them dead, each checked every 15 s; {cores} cores, services, pgmon and client on the same \
         machine; {} minutes with a scrape every 15 s.\n\n| | measured |\n|---|---|",
        args.services, args.minutes
    )?;
    writeln!(out, "| Until each had been checked once | {:.1} s |", complete.as_secs_f64())?;
    writeln!(out, "| Services that fail | {bad} |")?;
    writeln!(
        out,
        "| Checks of a good one, fewest and most; its interval gives {expected:.1} | {} to {} |",
        good.0, good.1
    )?;
    writeln!(out, "| Checks of a dead one, fewest and most | {} to {} |", of_dead.0, of_dead.1)?;
    writeln!(out, "| Own CPU, of one core | {:.1} % |", 100.0 * cpu.as_secs_f64() / took.as_secs_f64())?;
    writeln!(out, "| Resident memory | {:.1} MiB |", mib(memory.rss))?;
    writeln!(out, "| Of it: heap and stacks | {:.1} MiB |", mib(memory.anonymous))?;
    writeln!(out, "| At most | {:.1} MiB |", mib(memory.peak))?;
    writeln!(out, "| Resident memory with one service | {:.1} MiB |", mib(one.rss))?;
    writeln!(out, "| Series on the page | {series} |")?;
    Ok((out, good.0 < (expected * SHARE).floor() || bad != dead))
}

/// Names of services and how often each was checked.
fn checks(client: &mut Client) -> Result<Vec<(String, f64)>> {
    let answer = scrape(client, true)?;
    let text = client.text(&answer)?;
    let of = |(labels, value): &(&str, f64)| Some((page::label(labels, "service")?.to_owned(), *value));
    Ok(page::values(&text, "service_requests_total").iter().filter_map(of).collect())
}
