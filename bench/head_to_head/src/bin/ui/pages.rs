//! How soon a browser shows the pages.

use anyhow::{Context as _, Result, ensure};
use head_to_head::running::Running;
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use tokio::process::Command;

/// What `paint.mjs` measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Painted {
    /// What it may be.
    pub limits: Limits,
    /// How many times slower the CPU was.
    pub cpu: f64,
    /// The pages.
    pub pages: Vec<Page>,
}

/// Limits in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Limits {
    /// First contentful paint.
    pub fcp_ms: f64,
    /// Largest contentful paint.
    pub lcp_ms: f64,
}

/// A page: the medians of its loads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    /// Its path.
    pub path: String,
    /// Loads.
    pub runs: usize,
    /// First contentful paint.
    pub fcp_ms: f64,
    /// Largest contentful paint.
    pub lcp_ms: f64,
    /// What came over the network.
    pub kib: f64,
}

impl Painted {
    /// The slowest first and largest paint of all pages.
    pub fn slowest(&self) -> (f64, f64) {
        let most = |of: fn(&Page) -> f64| self.pages.iter().map(of).fold(f64::NAN, f64::max);
        (most(|p| p.fcp_ms), most(|p| p.lcp_ms))
    }
}

/// Loads every page so many times.
pub async fn paint(running: &Running, runs: usize) -> Result<Painted> {
    let output = Command::new("node")
        .args(["bench/ui/paint.mjs", "--runs", &runs.max(1).to_string()])
        .env("PGMON_URL", format!("http://127.0.0.1:{}/", running.port))
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("node cannot be started: script/bootstrap installs it")?;
    ensure!(output.status.success(), "paint.mjs failed: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.trim_end().lines().next_back().context("paint.mjs measured nothing")?;
    serde_json::from_str(json).context("paint.mjs does not end with its figures")
}
