//! A program that is measured.

use anyhow::{Context as _, Result, bail};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running exporter; it is killed when this is dropped.
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Its port.
    pub port: u16,
    child: Child,
    dir: TempDir,
}

impl Running {
    /// Starts a command that is to listen on `port`, and waits until it does; its log goes to `dir`.
    pub async fn start(mut command: Command, port: u16, dir: TempDir) -> Result<Self> {
        let log = std::fs::File::create(dir.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let program = command.as_std().get_program().to_owned();
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id().context("it has ended at once")?;
        let mut running = Self { pid, port, child, dir };
        running.wait_until_it_listens().await?;
        Ok(running)
    }

    async fn wait_until_it_listens(&mut self) -> Result<()> {
        for _ in 0..3000 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("it does not listen:\n{}", self.log())
    }

    /// The end of what it wrote.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let start = text.len().saturating_sub(2000);
        text.get(start..).unwrap_or(&text).to_owned()
    }

    /// Tells it to end, and waits until it has: it may have something to write.
    pub async fn terminate(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.context("it has no pid")?, rustix::process::Signal::TERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.context("it does not end when it is told to")??;
        Ok(())
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
