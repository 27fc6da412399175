//! Debian's Redis and PyPI's Valkey.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::guard::Guard;
use crate::place::{self, RunAs};
use crate::server::free_port;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisKind {
    /// Redis 7.
    Redis,
    /// Valkey 9.
    Valkey,
}

/// A running Redis or Valkey; it ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    child: Child,
    guard: Guard,
    builder: RedisBuilder,
}

/// Settings of a server to start.
#[derive(Debug, Clone)]
pub struct RedisBuilder {
    kind: RedisKind,
    settings: Vec<String>,
    files: Vec<(String, String)>,
    sentinel: bool,
    silent: bool,
}

impl RedisKind {
    fn program(self) -> Result<PathBuf> {
        let name = match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        };
        let cached = |root: PathBuf| root.join("valkey").join(name);
        let places =
            [place::program(name), place::cache().ok().map(cached), Some(cached("/var/cache/pgmon".into()))];
        let found = places.into_iter().flatten().find(|file| file.is_file());
        found.with_context(|| format!("there is no {name}: run script/bootstrap test"))
    }
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub fn builder(kind: RedisKind) -> RedisBuilder {
        RedisBuilder { kind, settings: Vec::new(), files: Vec::new(), sentinel: false, silent: false }
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory with its files, and its socket `socket`.
    pub fn dir(&self) -> &Path {
        self.guard.dir()
    }

    /// Runs a command on a connection of its own and answers its reply as text: an error with its dash.
    pub async fn run(&self, words: &[&str]) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(command.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&answer);
            if let Some((line, rest)) = text.split_once("\r\n") {
                match line.strip_prefix('$').map(str::parse::<usize>) {
                    Some(Ok(length)) if rest.len() >= length + 2 => return Ok(rest[..length].to_owned()),
                    Some(Ok(_)) => {}
                    _ => return Ok(line.trim_start_matches(['+', ':']).to_owned()),
                }
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await? {
                0 => bail!("the connection was closed; log:\n{}", self.log()),
                n => answer.extend_from_slice(&piece[..n]),
            }
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`Redis::kill`], on the same port and data, with more settings. With
    /// `ready: false` it does not wait until it takes commands.
    pub async fn start_again(&mut self, settings: &[(&str, &str)], ready: bool) -> Result<()> {
        for (name, value) in settings {
            self.builder = self.builder.clone().setting(name, value);
        }
        self.builder.silent = !ready;
        self.child = self.builder.spawn(&self.guard, self.port)?;
        self.wait().await
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.guard.dir().join("log")).unwrap_or_default()
    }

    async fn wait(&mut self) -> Result<()> {
        for _ in 0..2000 {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}:\n{}", self.log());
            }
            let there = match self.builder.silent {
                true => TcpStream::connect(("127.0.0.1", self.port)).await.is_ok(),
                // With a password it is there as well.
                false => self.run(&["PING"]).await.is_ok_and(|text| !text.starts_with("-LOADING")),
            };
            if there {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("it did not start:\n{}", self.log())
    }
}

impl RedisBuilder {
    /// Sets a parameter of its configuration.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("{name} {value}"));
        self
    }

    /// A file beside its configuration.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A sentinel in place of a server.
    #[must_use]
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts it; it takes commands when this returns.
    pub async fn start(self) -> Result<Redis> {
        let run_as = RunAs::choose()?;
        for _ in 0..20 {
            let (guard, port) = (Guard::new(run_as, false)?, free_port()?);
            for (name, text) in &self.files {
                let path = guard.dir().join(name);
                fs::write(&path, text)?;
                run_as.own(&path)?;
            }
            let child = self.spawn(&guard, port)?;
            let mut redis = Redis { port, child, guard, builder: self.clone() };
            match redis.wait().await {
                Ok(()) => return Ok(redis),
                Err(_) if redis.log().contains("ddress already in use") => {}
                Err(error) => return Err(error),
            }
        }
        bail!("found no free port")
    }

    fn spawn(&self, guard: &Guard, port: u16) -> Result<Child> {
        let run_as = RunAs::choose()?;
        let mut config =
            format!("port {port}\nbind 127.0.0.1\nunixsocket {}/socket\n", guard.dir().display());
        if !self.sentinel {
            config.push_str("save \"\"\n");
        }
        config.extend(self.settings.iter().map(|line| format!("{line}\n")));
        let path = guard.dir().join("server.conf");
        fs::write(&path, config)?;
        run_as.own(&path)?;
        let log = fs::File::create(guard.dir().join("log"))?;
        let mut command = run_as.command(&self.kind.program()?);
        command.arg("server.conf").current_dir(guard.dir()).stdout(log.try_clone()?).stderr(log);
        if self.sentinel {
            command.arg("--sentinel");
        }
        command.stdin(Stdio::null()).spawn().context("cannot run it")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        self.guard.finish();
    }
}
