//! Debian's ZooKeeper, one server alone.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::guard::Guard;
use crate::place::RunAs;
use crate::process::signal;
use crate::server::free_port;

/// Debian's packages put it there.
const JAR: &str = "/usr/share/java/zookeeper.jar";

/// A running ZooKeeper; it ends when this is dropped. What it holds is gone with it.
#[derive(Debug)]
pub struct ZooKeeper {
    port: u16,
    child: Option<Child>,
    guard: Guard,
    run_as: RunAs,
}

impl ZooKeeper {
    /// Starts one; it answers when this returns.
    pub async fn start() -> Result<Self> {
        if !Path::new(JAR).exists() {
            bail!("there is no ZooKeeper: run script/bootstrap test");
        }
        let run_as = RunAs::choose()?;
        for _ in 0..20 {
            let (guard, port) = (Guard::new(run_as, false)?, free_port()?);
            let data = guard.dir().join("data");
            let config = format!(
                "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxClientCnxns=0\n\
                 admin.enableServer=false\n4lw.commands.whitelist=*\nforceSync=no\n",
                data.display()
            );
            let path = guard.dir().join("zoo.cfg");
            fs::write(&path, config)?;
            run_as.own(&path)?;
            let mut server = Self { port, child: None, guard, run_as };
            server.launch()?;
            if server.is_up().await? {
                return Ok(server);
            }
            if !server.log().contains("Address already in use") {
                bail!("ZooKeeper did not start:\n{}", server.log());
            }
        }
        bail!("found no free port")
    }

    fn launch(&mut self) -> Result<()> {
        let java = Path::new("/usr/bin/java");
        let log = fs::File::create(self.guard.dir().join("log"))?;
        let child = self
            .run_as
            .command(java)
            // Small and quick to start: a handful of nodes is all that it holds.
            .args(["-Xmx96m", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", JAR])
            .args(["org.apache.zookeeper.server.ZooKeeperServerMain", "zoo.cfg"])
            .current_dir(self.guard.dir())
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot run java")?;
        self.child = Some(child);
        Ok(())
    }

    async fn is_up(&mut self) -> Result<bool> {
        for _ in 0..600 {
            if self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|s| s.is_some())) {
                return Ok(false);
            }
            // It says imok before it takes sessions.
            if self.ask("srvr").await.is_ok_and(|answer| answer.contains("Mode:")) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("ZooKeeper was not ready within 30 s:\n{}", self.log())
    }

    /// What one of its four-letter commands answers.
    pub async fn ask(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(command.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// The port, on 127.0.0.1. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far.
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

    /// Starts it again after [`ZooKeeper::kill`], with what it held.
    pub async fn start_again(&mut self) -> Result<()> {
        self.launch()?;
        if self.is_up().await? { Ok(()) } else { bail!("ZooKeeper did not start again:\n{}", self.log()) }
    }

    /// Freezes it: connections hang, none is refused.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`ZooKeeper::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, which: Signal) {
        if let Some(child) = &self.child {
            signal(child.id(), which);
        }
    }

    /// Writes a node and those above it, whether it is there or not. A path that ends in `-` gets a number.
    pub async fn put(&self, path: &str, data: &str) -> Result<()> {
        self.edit("put", path, data).await
    }

    /// Takes a node away, and all below it.
    pub async fn remove(&self, path: &str) -> Result<()> {
        self.edit("remove", path, "").await
    }

    /// By Debian's Python client, so that what reads is not tested against itself.
    async fn edit(&self, what: &str, path: &str, data: &str) -> Result<()> {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", include_str!("zookeeper.py"), &self.port.to_string(), what, path, data]);
        let output =
            tokio::task::spawn_blocking(move || command.output()).await?.context("cannot run python3")?;
        if !output.status.success() {
            bail!("{what} {path} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.resume();
        self.kill();
        self.guard.finish();
    }
}
