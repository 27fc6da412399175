//! A PostgreSQL server of our own.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::guard::Guard;
use crate::place::{self, RunAs};
use crate::template::{copy_tree, data_dir};
use crate::{Major, ServerBuilder, process, quote_literal};

/// How a server is asked to stop, as in `pg_ctl stop -m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Waits for clients to leave.
    Smart,
    /// Rolls back and disconnects, then a checkpoint.
    Fast,
    /// Leaves at once; the next start recovers.
    Immediate,
}

/// A running server; it and its data are gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub(crate) builder: ServerBuilder,
    pub(crate) run_as: RunAs,
    pub(crate) password: String,
    port: u16,
    postmaster: Mutex<Option<Child>>,
    guard: Guard,
}

impl Server {
    /// Describes a server to start.
    pub fn builder(major: Major) -> ServerBuilder {
        ServerBuilder::new(major)
    }

    /// Starts a server with the defaults.
    pub async fn start(major: Major) -> Result<Self> {
        Self::builder(major).start().await
    }

    pub(crate) async fn from_builder(builder: ServerBuilder) -> Result<Self> {
        let mut server = Self::with_empty_dir(builder)?;
        server.fill_data_dir()?;
        server.start_on_free_port().await?;
        server.set_superuser_password().await?;
        Ok(server)
    }

    /// A server whose data directory is yet to come.
    pub(crate) fn with_empty_dir(builder: ServerBuilder) -> Result<Self> {
        let run_as = RunAs::choose()?;
        let guard = Guard::new(run_as, builder.on_disk)?;
        let password = random_password();
        Ok(Self { builder, run_as, password, port: 0, postmaster: Mutex::default(), guard })
    }

    fn fill_data_dir(&self) -> Result<()> {
        let template = data_dir(self.major(), &self.builder.initdb_args, self.run_as)?;
        copy_tree(&template, &self.data_dir(), &|_| true)?;
        self.append_settings(&self.builder.settings)
    }

    pub(crate) fn append_settings(&self, settings: &[(String, String)]) -> Result<()> {
        let path = self.data_dir().join("postgresql.conf");
        let mut file = OpenOptions::new().append(true).open(&path)?;
        for (name, value) in settings {
            // Unlike in SQL, a backslash escapes here.
            writeln!(file, "{name} = {}", quote_literal(&value.replace('\\', "\\\\")))?;
        }
        Ok(())
    }

    async fn set_superuser_password(&self) -> Result<()> {
        self.exec("postgres", &format!("ALTER ROLE postgres PASSWORD {}", quote_literal(&self.password)))
            .await
    }

    /// The version of this server.
    pub fn major(&self) -> Major {
        self.builder.major
    }

    /// The TCP port, on 127.0.0.1. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.guard.dir()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.guard.dir().join("data")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.guard.dir().join("log")
    }

    /// The process id of the postmaster, if it was started and not stopped.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster().as_ref().map(Child::id)
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn start_on_free_port(&mut self) -> Result<()> {
        for _ in 0..20 {
            self.port = free_port()?;
            match self.start_again().await {
                // Another process may have taken it since we looked.
                Err(_) if self.log().contains("Address already in use") => fs::write(self.log_path(), "")?,
                other => return other,
            }
        }
        bail!("found no free port")
    }

    /// Starts the server after [`Server::stop`] or [`Server::kill`], on the same port and data.
    ///
    /// Processes of a server that was killed may hold its shared memory for a moment longer: then it is
    /// tried again.
    pub async fn start_again(&self) -> Result<()> {
        if self.pid().is_some() {
            bail!("the server runs already");
        }
        for _ in 0..20 {
            match self.launch().await {
                Err(error) if format!("{error:#}").contains("pre-existing shared memory block") => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                result => return result,
            }
        }
        self.launch().await
    }

    async fn launch(&self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        // Left by a server that was killed; we know that no other one works on our directory.
        let _ = fs::remove_file(self.pid_file());
        let program = place::server(self.major())?.join("bin/postgres");
        let child = self
            .run_as
            .command(&program)
            .arg("-D")
            .arg(self.data_dir())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.socket_dir().display()))
            .current_dir(self.data_dir())
            // A signal to the group of the test is not meant for the server: the guardian ends it.
            .process_group(0)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id();
        *self.postmaster() = Some(child);
        for _ in 0..6000 {
            if self.has_exited()? {
                bail!("PostgreSQL {} did not start:\n{}", self.major(), tail(&self.log()));
            }
            if self.is_ready(pid) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("PostgreSQL {} was not ready within a minute:\n{}", self.major(), tail(&self.log()))
    }

    fn pid_file(&self) -> PathBuf {
        self.data_dir().join("postmaster.pid")
    }

    /// As `pg_ctl` asks: the eighth line says whether connections are accepted.
    fn is_ready(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.pid_file()).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }

    /// Reaps the postmaster if it has ended.
    fn has_exited(&self) -> Result<bool> {
        let mut postmaster = self.postmaster();
        if let Some(child) = postmaster.as_mut()
            && child.try_wait()?.is_none()
        {
            return Ok(false);
        }
        *postmaster = None;
        Ok(true)
    }

    /// Stops the server and waits for its end.
    pub async fn stop(&self, mode: StopMode) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let signal = match mode {
            StopMode::Smart => Signal::TERM,
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        };
        process::signal(pid, signal);
        self.wait_for_exit().await
    }

    async fn wait_for_exit(&self) -> Result<()> {
        for _ in 0..6000 {
            if self.has_exited()? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the server did not stop within a minute:\n{}", tail(&self.log()))
    }

    /// A fast stop and a start: clients lose their connections.
    pub async fn restart(&self) -> Result<()> {
        self.stop(StopMode::Fast).await?;
        self.start_again().await
    }

    /// Kills the postmaster and all its children with SIGKILL, as the OOM killer would at worst.
    pub async fn kill(&self) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        // Stopped first, it cannot start more children while we collect them.
        process::signal(pid, Signal::STOP);
        for child in process::children(pid) {
            process::signal(child, Signal::KILL);
        }
        process::signal(pid, Signal::KILL);
        self.wait_for_exit().await
    }

    /// Freezes the postmaster and all its children with SIGSTOP: connections hang, none is refused.
    pub fn pause(&self) -> Result<()> {
        let pid = self.pid().context("the server does not run")?;
        process::signal(pid, Signal::STOP);
        for child in process::children(pid) {
            process::signal(child, Signal::STOP);
        }
        Ok(())
    }

    /// Ends [`Server::pause`].
    pub fn resume(&self) -> Result<()> {
        let pid = self.pid().context("the server does not run")?;
        for child in process::children(pid) {
            process::signal(child, Signal::CONT);
        }
        process::signal(pid, Signal::CONT);
        Ok(())
    }

    /// Puts a fresh server of another version, with the same settings, on the same port.
    ///
    /// Roles and databases are gone; the password of the superuser stays.
    pub async fn replace_with(&mut self, major: Major) -> Result<()> {
        self.stop(StopMode::Immediate).await?;
        fs::remove_dir_all(self.data_dir())?;
        // The defaults differ by version: ours first, then what the caller has set.
        let of_caller = self.builder.settings.split_off(ServerBuilder::new(self.major()).settings.len());
        let mut settings = ServerBuilder::new(major).settings;
        settings.extend(of_caller);
        self.builder = ServerBuilder { major, settings, ..self.builder.clone() };
        self.fill_data_dir()?;
        self.start_again().await?;
        self.set_superuser_password().await
    }

    /// The CPU time of a backend in nanoseconds, by the kernel's count.
    pub fn backend_cpu(&self, pid: i32) -> Result<u64> {
        process::cpu_nanoseconds(u32::try_from(pid)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has been stopped by signal must not keep the guardian waiting.
        let postmaster = self.postmaster().take();
        if let Some(mut child) = postmaster {
            process::signal(child.id(), Signal::QUIT);
            for pid in process::children(child.id()) {
                process::signal(pid, Signal::CONT);
            }
            process::signal(child.id(), Signal::CONT);
            self.guard.finish();
            let _ = child.wait();
        }
    }
}

/// A port that is free now, below the range that the system gives to outgoing connections:
/// so a server that is down for a while finds its port again.
pub(crate) fn free_port() -> Result<u16> {
    for _ in 0..1000 {
        let port = fastrand::u16(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("found no free port")
}

pub(crate) fn random_password() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(24).collect()
}

fn tail(log: &str) -> &str {
    let start = log.len().saturating_sub(2000);
    log.get(start..).unwrap_or(log)
}
