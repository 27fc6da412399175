//! Debian's Prometheus, and its tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::guard::Guard;
use crate::place::{self, RunAs};
use crate::server::free_port;

/// A running Prometheus; it ends when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    port: u16,
    child: Child,
    guard: Guard,
}

/// `promtool`.
pub fn promtool() -> Result<PathBuf> {
    program("promtool")
}

fn program(name: &str) -> Result<PathBuf> {
    let cached = |root: PathBuf| root.join("prometheus/usr/bin").join(name);
    let places =
        [place::program(name), place::cache().ok().map(cached), Some(cached("/var/cache/pgmon".into()))];
    let found = places.into_iter().flatten().find(|file| file.is_file());
    found.with_context(|| format!("there is no {name}: run script/bootstrap test"))
}

impl Prometheus {
    /// Starts one with this configuration; `files` (name, text) lie beside it. It answers when this
    /// returns.
    pub async fn start(config: &str, files: &[(&str, &str)]) -> Result<Self> {
        let (program, run_as) = (program("prometheus")?, RunAs::choose()?);
        for _ in 0..20 {
            let (guard, port) = (Guard::new(run_as, false)?, free_port()?);
            for (name, text) in files.iter().chain([&("prometheus.yml", config)]) {
                let path = guard.dir().join(name);
                fs::write(&path, text)?;
                run_as.own(&path)?;
            }
            let log = fs::File::create(guard.dir().join("log"))?;
            let child = run_as
                .command(&program)
                .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"])
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .current_dir(guard.dir())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .context("cannot run prometheus")?;
            let mut prometheus = Self { port, child, guard };
            for _ in 0..3000 {
                if prometheus.child.try_wait()?.is_some() {
                    break;
                }
                if prometheus.get("/-/ready").await.is_ok() {
                    return Ok(prometheus);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if !prometheus.log().contains("address already in use") {
                bail!("prometheus did not start:\n{}", prometheus.log());
            }
        }
        bail!("found no free port")
    }

    /// What an expression gives now: labels and value of each series.
    pub async fn query(&self, expression: &str) -> Result<Vec<(serde_json::Map<String, Value>, f64)>> {
        let encoded: String = expression.bytes().map(|b| format!("%{b:02X}")).collect();
        let body = self.get(&format!("/api/v1/query?query={encoded}")).await?;
        let answer: Value = serde_json::from_str(&body)?;
        let series = answer["data"]["result"].as_array().with_context(|| format!("no result: {body}"))?;
        let one = |series: &Value| {
            let value = series["value"][1].as_str()?.parse().ok()?;
            Some((series["metric"].as_object()?.clone(), value))
        };
        series.iter().map(|s| one(s).with_context(|| format!("unreadable: {s}"))).collect()
    }

    /// Waits until an expression gives so many series, and returns them.
    pub async fn wait_for(
        &self,
        expression: &str,
        series: usize,
        within: Duration,
    ) -> Result<Vec<(serde_json::Map<String, Value>, f64)>> {
        let began = Instant::now();
        loop {
            let found = self.query(expression).await?;
            if found.len() == series {
                return Ok(found);
            }
            if began.elapsed() > within {
                bail!("{expression} gives {found:?}, wanted {series} series; log:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.guard.dir().join("log")).unwrap_or_default()
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.guard.dir()
    }

    async fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        // Version 1.0: the answer ends with the connection, and has no chunks.
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no complete answer")?;
        if head.split(' ').nth(1) != Some("200") {
            bail!("{path}: {head}\n{body}");
        }
        Ok(body.to_owned())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.guard.finish();
    }
}
