//! How long scrapes take.

use crate::http::{Answer, Client};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Latency in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// Bytes of the last answer.
    pub bytes: usize,
    /// Whether it was compressed.
    pub gzip: bool,
}

/// Scrapes one after the other, each begun `pace` after the one before, or when that is done.
pub async fn measure(client: &mut Client, gzip: bool, scrapes: usize, pace: Duration) -> Result<Latency> {
    for _ in 0..3 {
        scrape(client, gzip)?;
    }
    let mut took = Vec::new();
    let mut last = None;
    for _ in 0..scrapes {
        let start = Instant::now();
        let answer = scrape(client, gzip)?;
        took.push(answer.took);
        last = Some(answer);
        sleep(pace.saturating_sub(start.elapsed()).max(Duration::from_millis(1))).await;
    }
    took.sort_unstable();
    let last = last.context("no scrape was asked for")?;
    let at = |percent: usize| {
        let index = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(index).copied().map(ms).unwrap_or_default()
    };
    Ok(Latency { p50: at(50), p99: at(99), max: at(100), bytes: last.bytes, gzip: last.gzip })
}

/// One scrape.
pub fn scrape(client: &mut Client, gzip: bool) -> Result<Answer> {
    tokio::task::block_in_place(|| client.scrape(gzip))
}

/// In milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
