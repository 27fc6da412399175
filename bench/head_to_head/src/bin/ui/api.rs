//! How long each path of the API takes.

use super::Args;
use anyhow::{Context as _, Result, ensure};
use head_to_head::http::Client;
use head_to_head::latency::ms;
use head_to_head::running::Running;
use serde::Serialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use tokio::time::sleep;

/// The API's document: what is asked.
const OPENAPI: &str = include_str!("../../../../../docs/openapi.json");

/// One path of the API.
#[derive(Debug, Serialize)]
pub struct Timed {
    /// The path.
    pub path: String,
    /// Uncompressed.
    pub plain: Kind,
    /// Compressed.
    pub gzip: Kind,
    /// Where the client has the answer already; `None` of what has no ETag.
    pub unchanged: Option<Kind>,
}

/// One way of asking.
#[derive(Debug, Serialize)]
pub struct Kind {
    /// Half of the answers took at most so long.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// All of them.
    pub max_ms: f64,
    /// The last answer's body.
    pub bytes: usize,
    /// Of how many requests the answer was 304.
    pub unchanged: usize,
}

impl Timed {
    /// The slowest of its kinds.
    pub fn p99_ms(&self) -> f64 {
        let unchanged = self.unchanged.as_ref().map_or(0.0, |kind| kind.p99_ms);
        self.plain.p99_ms.max(self.gzip.p99_ms).max(unchanged)
    }
}

/// All paths of the API, with a statement, a collector and a metric that there are.
pub fn paths(running: &Running) -> Result<Vec<String>> {
    let mut client = Client::connect(running.port)?;
    let answer = block_in_place(|| client.get("/api/v1/top-queries?panel=statements&limit=1", false))?;
    let top: Value = serde_json::from_str(client.body(answer.bytes))?;
    let queryid = top.pointer("/data/panels/statements/rows/0/queryid").and_then(Value::as_str);
    let queryid = queryid.context("no statement is known: the page of one cannot be measured")?;
    let document: Value = serde_json::from_str(OPENAPI)?;
    let described = document.get("paths").and_then(Value::as_object).context("it has no paths")?;
    let paths: Vec<String> = described
        .keys()
        // Of services and clusters none is configured here that could be asked for by its name.
        .filter(|path| !path.ends_with("services/{name}") && !path.ends_with("clusters/{name}"))
        .map(|path| path.replace("{metric}", "pg_connections").replace("{collector}", "tables"))
        .map(|path| path.replace("{name}", "tables").replace("{queryid}", queryid))
        .chain(["/api/v1/openapi.json".to_owned(), "/api/v1/targets?sparklines=true".to_owned()])
        .collect();
    let unknown = paths.iter().find(|path| path.contains('{'));
    ensure!(unknown.is_none(), "{unknown:?} has a part that this bench does not know");
    Ok(paths)
}

/// Times one path in all ways.
pub async fn time(running: &Running, args: &Args, path: &str) -> Result<Timed> {
    let mut client = Client::connect(running.port)?;
    let first = block_in_place(|| client.get(path, true))?;
    let plain = kind(&mut client, args, path, false, false).await?;
    let gzip = kind(&mut client, args, path, true, false).await?;
    let unchanged = match first.etag {
        Some(_) => Some(kind(&mut client, args, path, true, true).await?),
        None => None,
    };
    Ok(Timed { path: path.to_owned(), plain, gzip, unchanged })
}

/// Requests at a pace: while they run, answers grow too old and are made anew, and loops have their rounds.
async fn kind(client: &mut Client, args: &Args, path: &str, gzip: bool, has_it: bool) -> Result<Kind> {
    let (mut took, mut bytes, mut unchanged, mut etag) = (Vec::new(), 0, 0, None);
    for _ in 0..args.requests.max(1) {
        let start = Instant::now();
        let known = etag.take().filter(|_| has_it);
        let answer = block_in_place(|| client.ask(path, gzip, known.as_deref()))?;
        took.push(answer.took);
        match answer.status {
            200 => bytes = answer.bytes,
            304 => unchanged += 1,
            other => anyhow::bail!("{path}: {other}"),
        }
        etag = answer.etag;
        sleep(Duration::from_millis(args.pace_ms).saturating_sub(start.elapsed())).await;
    }
    took.sort_unstable();
    let at = |percent: usize| {
        let index = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(index).copied().map(ms).unwrap_or_default()
    };
    Ok(Kind { p50_ms: at(50), p99_ms: at(99), max_ms: at(100), bytes, unchanged })
}
