//! One exporter on one server, from its start to its end.

use crate::meter::{Meter, Reading};
use crate::scenario::Scenario;
use crate::target::{Access, Intervals, Programs, Target};
use anyhow::{Context as _, Result, bail};
use head_to_head::http::Client;
use head_to_head::latency::{self, Latency, ms, scrape};
use head_to_head::page;
use head_to_head::process::{self, Memory, Spent};
use head_to_head::running::Running;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// pgmon's loops by their names.
const LOOPS: [&str; 4] = ["hot_path", "workload", "storage", "hourly"];

/// How long and how often.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Effort {
    /// Timed scrapes, plain and then compressed.
    pub scrapes: usize,
    /// Time from the start of one scrape to the start of the next, if it is done by then.
    pub pace_ms: u64,
    /// Minutes at a scrape every 15 s: pgmon.
    pub minutes: u64,
    /// Minutes at a scrape every 15 s: the others, which work on a scrape only.
    pub peer_minutes: u64,
    /// Rounds by which the storage and hourly loops are measured.
    pub rounds: u32,
}

/// pgmon's backend CPU by loop.
#[derive(Debug, Clone, Serialize)]
pub struct Loops {
    /// From connecting until every loop has run once, ms: catalog caches are cold.
    pub first_rounds_ms: f64,
    /// A minute of hot_path and workload at their default intervals, ms.
    pub hot_and_workload_ms_per_min: f64,
    /// Rounds of hot_path and workload in the minutes measured.
    pub rounds_measured: [f64; 2],
    /// A warm round of storage, ms.
    pub storage_round_ms: f64,
    /// A warm round of hourly, ms.
    pub hourly_round_ms: f64,
    /// Statements while it was scraped a thousand times between two rounds.
    pub statements_on_1000_scrapes: i64,
    /// Backend CPU meanwhile, ms.
    pub backend_ms_on_1000_scrapes: f64,
    /// Collectors that failed or miss something, as the page says.
    pub incomplete: Vec<String>,
}

/// Everything measured of one exporter in one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Who.
    pub target: String,
    /// What it says its version is.
    pub version: String,
    /// Samples on the page.
    pub series: usize,
    /// Scrapes without compression.
    pub plain: Latency,
    /// Scrapes that accept gzip.
    pub compressed: Latency,
    /// Memory after the first complete page.
    pub memory_first: Memory,
    /// Memory at the end.
    pub memory: Memory,
    /// The exporter's CPU time per plain scrape, ms (pgmon: its loops run meanwhile).
    pub cpu_ms_per_scrape: f64,
    /// The exporter's CPU time in a minute with four scrapes, ms.
    pub cpu_ms_per_min: f64,
    /// The server's CPU time for it per plain scrape, ms.
    pub backend_ms_per_scrape: f64,
    /// The server's CPU time for it in a minute with four scrapes, ms (pgmon: all loops).
    pub backend_ms_per_min: f64,
    /// Statements per plain scrape.
    pub statements_per_scrape: f64,
    /// Statements in a minute with four scrapes (pgmon: without storage and hourly).
    pub statements_per_min: f64,
    /// Connections opened in a minute with four scrapes; none before PostgreSQL 14.
    pub new_connections_per_min: Option<f64>,
    /// Connections at most.
    pub connections: usize,
    /// pgmon's loops.
    pub loops: Option<Loops>,
}

/// What stays the same for all measurements of a scenario.
pub struct Bench<'a> {
    pub programs: &'a Programs,
    pub scenario: Scenario,
    pub access: Access<'a>,
    pub effort: Effort,
}

impl Bench<'_> {
    /// Measures one exporter.
    pub async fn run(&self, target: Target, meter: &mut Meter<'_>) -> Result<Measured> {
        let version = target.version(self.programs).await?;
        let at_start = meter.read(self.access.role).await?;
        let running = target.start(self.programs, self.scenario, &self.access, Intervals::DEFAULT).await?;
        let measured = self.measure(target, version, &running, at_start, meter).await;
        let log = running.log();
        running.stop().await?;
        let mut measured = measured.with_context(|| format!("{}:\n{log}", target.name()))?;
        if let Some(loops) = &mut measured.loops {
            loops.storage_round_ms = self.round_cost(target, "storage", meter).await?;
            loops.hourly_round_ms = self.round_cost(target, "hourly", meter).await?;
            measured.backend_ms_per_min = loops.hot_and_workload_ms_per_min
                + loops.storage_round_ms / 10.0
                + loops.hourly_round_ms / 60.0;
        }
        Ok(measured)
    }

    async fn measure(
        &self,
        target: Target,
        version: String,
        running: &Running,
        at_start: Reading,
        meter: &mut Meter<'_>,
    ) -> Result<Measured> {
        let role = self.access.role;
        let mut client = Client::connect(running.port)?;
        if target.is_pgmon() {
            self.wait_for_rounds(target, &mut client).await?;
        }
        let first_rounds = meter.read(role).await?.since(at_start);
        let answer = scrape(&mut client, false)?;
        let series = page::samples(client.body(answer.bytes));
        let incomplete = incomplete(client.body(answer.bytes));
        if series < 10 {
            bail!("the page has {series} samples");
        }
        let memory_first = process::memory(running.pid)?;

        // Latency: one after the other, at a pace that lets loops and other work come in between.
        let before = meter.read(role).await?;
        let cpu_before = Spent::by(running.pid)?;
        let plain = self.latency(&mut client, false).await?;
        let cpu_on_scrapes = Spent::by(running.pid)?.since(cpu_before);
        let on_scrapes = meter.read(role).await?.since(before);
        let compressed = self.latency(&mut client, true).await?;

        let mut loops = None;
        if target.is_pgmon() {
            let (statements_on_1000_scrapes, backend) = self.thousand(&mut client, meter).await?;
            loops = Some(Loops {
                first_rounds_ms: ms(first_rounds.cpu),
                hot_and_workload_ms_per_min: 0.0,
                rounds_measured: [0.0; 2],
                storage_round_ms: 0.0,
                hourly_round_ms: 0.0,
                statements_on_1000_scrapes,
                backend_ms_on_1000_scrapes: ms(backend),
                incomplete,
            });
        }

        // Everyday life: a scrape every 15 s, compressed, as Prometheus asks for it.
        let minutes = if target.is_pgmon() { self.effort.minutes } else { self.effort.peer_minutes };
        let rounds_before = all_rounds(&mut client)?;
        let (before, start) = (meter.read(role).await?, Instant::now());
        let cpu_before = Spent::by(running.pid)?;
        let mut connections = before.connections;
        for quarter in 1..=minutes * 4 {
            scrape(&mut client, true)?;
            while start.elapsed() < Duration::from_secs(quarter * 15) {
                sleep(Duration::from_millis(500)).await;
                connections = connections.max(meter.connections(role).await?);
            }
        }
        let cpu = Spent::by(running.pid)?.since(cpu_before);
        let in_life = meter.read(role).await?.since(before);
        let elapsed = start.elapsed().as_secs_f64() / 60.0;
        let per_min = |value: f64| value / elapsed;
        if let Some(loops) = &mut loops {
            let [hot, workload, storage, hourly] = difference(all_rounds(&mut client)?, rounds_before);
            if storage + hourly > 0.0 {
                bail!("a slow loop ran in the minutes of the fast ones: measure less than 8 minutes");
            }
            loops.rounds_measured = [hot, workload];
            loops.hot_and_workload_ms_per_min = per_min(ms(in_life.cpu));
        }
        let scrapes = self.effort.scrapes as f64;
        Ok(Measured {
            target: target.name().to_owned(),
            version,
            series,
            plain,
            compressed,
            memory_first,
            memory: process::memory(running.pid)?,
            cpu_ms_per_scrape: ms(cpu_on_scrapes) / scrapes,
            cpu_ms_per_min: per_min(ms(cpu)),
            backend_ms_per_scrape: match &loops {
                Some(loops) => loops.backend_ms_on_1000_scrapes / 1000.0,
                None => ms(on_scrapes.cpu) / scrapes,
            },
            backend_ms_per_min: per_min(ms(in_life.cpu)),
            statements_per_scrape: match &loops {
                Some(loops) => loops.statements_on_1000_scrapes as f64 / 1000.0,
                None => on_scrapes.statements as f64 / scrapes,
            },
            statements_per_min: per_min(in_life.statements as f64),
            new_connections_per_min: in_life.sessions.map(|n| per_min(n as f64)),
            connections,
            loops,
        })
    }

    async fn latency(&self, client: &mut Client, gzip: bool) -> Result<Latency> {
        let pace = Duration::from_millis(self.effort.pace_ms);
        latency::measure(client, gzip, self.effort.scrapes, pace).await
    }

    /// A thousand scrapes between two rounds: what reached the server meanwhile.
    async fn thousand(&self, client: &mut Client, meter: &mut Meter<'_>) -> Result<(i64, Duration)> {
        for _ in 0..50 {
            let rounds = all_rounds(client)?;
            let before = meter.read(self.access.role).await?;
            for _ in 0..1000 {
                scrape(client, true)?;
            }
            let caused = meter.read(self.access.role).await?.since(before);
            // The page is rendered at most once a second: by then it shows a round that came between.
            sleep(Duration::from_millis(2500)).await;
            if all_rounds(client)? == rounds {
                return Ok((caused.statements, caused.cpu));
            }
        }
        bail!("rounds come too close for a thousand scrapes in between")
    }

    /// Waits until each loop of each entry has run.
    async fn wait_for_rounds(&self, target: Target, client: &mut Client) -> Result<()> {
        for _ in 0..600 {
            if all_rounds(client)?.iter().all(|n| *n >= target.entries(self.scenario) as f64) {
                // With `discover`, other databases are visited after the first one.
                sleep(Duration::from_secs(5)).await;
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
        let answer = scrape(client, false)?;
        let rounds = all_rounds(client)?;
        bail!("not every loop has run within two minutes: {rounds:?}\n{:.3000}", client.body(answer.bytes))
    }

    /// What a warm round of a slow loop costs the server, ms: an instance runs this loop every five
    /// seconds and the others next to never.
    async fn round_cost(&self, target: Target, which: &str, meter: &mut Meter<'_>) -> Result<f64> {
        const SELDOM: u64 = 86_400;
        let mut intervals = Intervals { hot_path: SELDOM, workload: SELDOM, storage: SELDOM, hourly: SELDOM };
        match which {
            "storage" => intervals.storage = 5,
            _ => intervals.hourly = 5,
        }
        let running = target.start(self.programs, self.scenario, &self.access, intervals).await?;
        let mut client = Client::connect(running.port)?;
        self.wait_for_rounds(target, &mut client).await?;
        let entries = target.entries(self.scenario) as f64;
        let count = |client: &mut Client| -> Result<f64> {
            let answer = scrape(client, false)?;
            Ok(page::rounds(client.body(answer.bytes), which) / entries)
        };
        // Each reading is taken when a round has just ended.
        let next = async |client: &mut Client, from: f64| -> Result<f64> {
            for _ in 0..1200 {
                let now = count(client)?;
                if now >= from {
                    // Entries are not in step, and other databases are visited after the first one.
                    sleep(Duration::from_millis(1500)).await;
                    return Ok(now);
                }
                sleep(Duration::from_millis(100)).await;
            }
            bail!("the {which} loop does not run every 5 s")
        };
        let first = count(&mut client)?;
        // The second round is the first one with warm caches.
        let from = next(&mut client, first + 1.0).await?;
        let before = meter.read(self.access.role).await?;
        let to = next(&mut client, from + f64::from(self.effort.rounds)).await?;
        let caused = meter.read(self.access.role).await?.since(before);
        running.stop().await?;
        Ok(ms(caused.cpu) / (to - from))
    }
}

fn all_rounds(client: &mut Client) -> Result<[f64; 4]> {
    let answer = scrape(client, false)?;
    let page = client.body(answer.bytes);
    Ok(LOOPS.map(|name| page::rounds(page, name)))
}

fn difference(now: [f64; 4], then: [f64; 4]) -> [f64; 4] {
    let [a, b, c, d] = now;
    let [e, f, g, h] = then;
    [a - e, b - f, c - g, d - h]
}

fn incomplete(page: &str) -> Vec<String> {
    let failed = page::values(page, "pgmon_collector_success");
    let failed =
        failed.iter().filter(|(_, value)| *value == 0.0).map(|(labels, _)| format!("failed: {labels}"));
    let blind = page::values(page, "pgmon_blind");
    failed.chain(blind.iter().map(|(labels, _)| format!("blind: {labels}"))).collect()
}
