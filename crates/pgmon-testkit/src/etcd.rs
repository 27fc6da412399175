//! Debian's etcd, one server alone.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::guard::Guard;
use crate::place::{self, RunAs};
use crate::server::free_port;

/// A running etcd; it ends when this is dropped. What it holds is gone with it.
#[derive(Debug)]
pub struct Etcd {
    port: u16,
    peers: u16,
    child: Option<Child>,
    guard: Guard,
    run_as: RunAs,
}

impl Etcd {
    /// Starts one; it answers when this returns.
    pub async fn start() -> Result<Self> {
        let run_as = RunAs::choose()?;
        for _ in 0..20 {
            let (guard, port, peers) = (Guard::new(run_as, false)?, free_port()?, free_port()?);
            let mut server = Self { port, peers, child: None, guard, run_as };
            server.launch()?;
            if server.is_up().await? {
                return Ok(server);
            }
            if !server.log().contains("address already in use") {
                bail!("etcd did not start:\n{}", server.log());
            }
        }
        bail!("found no free port")
    }

    fn launch(&mut self) -> Result<()> {
        let etcd = place::program("etcd").context("there is no etcd: run script/bootstrap test")?;
        let log = fs::File::create(self.guard.dir().join("log"))?;
        let clients = format!("http://127.0.0.1:{}", self.port);
        let peers = format!("http://127.0.0.1:{}", self.peers);
        let child = self
            .run_as
            .command(&etcd)
            .args(["--name", "one", "--data-dir", "data", "--listen-client-urls", &clients])
            .args(["--advertise-client-urls", &clients, "--listen-peer-urls", &peers])
            .args(["--initial-advertise-peer-urls", &peers, "--initial-cluster", &format!("one={peers}")])
            .current_dir(self.guard.dir())
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot run etcd")?;
        self.child = Some(child);
        Ok(())
    }

    async fn is_up(&mut self) -> Result<bool> {
        for _ in 0..600 {
            if self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|s| s.is_some())) {
                return Ok(false);
            }
            if self.health().await.is_ok_and(|answer| answer.contains("true")) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("etcd was not ready within 30 s:\n{}", self.log())
    }

    async fn health(&self) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// The port for clients, on 127.0.0.1. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.guard.dir().join("log")).unwrap_or_default()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again after [`Etcd::kill`], with what it held.
    pub async fn start_again(&mut self) -> Result<()> {
        self.launch()?;
        if self.is_up().await? { Ok(()) } else { bail!("etcd did not start again:\n{}", self.log()) }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
        self.guard.finish();
    }
}
