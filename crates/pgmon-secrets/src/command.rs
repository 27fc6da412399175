//! Passwords that a program prints (`password_command`): a cloud's secret tool or token generator.

use crate::{Answer, Login, LoginError, Logins};
use pgmon_config::{Argv, ConnectSpec, PasswordSource, Secret, Secrets};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;

/// The longest password (bytes). Tokens of clouds have one or two thousand.
const LARGEST: u64 = 16 * 1024;

/// What every command sees of the environment, if it is set.
const SEEN: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CREDENTIALS_DIRECTORY",
    "XDG_CONFIG_HOME",
];

/// Beginnings of what the tools of clouds need.
const SEEN_PREFIXES: [&str; 4] = ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_"];

/// What all commands have in common.
pub(crate) struct Setting {
    env: Vec<(String, String)>,
    timeout: Duration,
}

impl Setting {
    pub(crate) fn new(config: &Secrets, env: &BTreeMap<String, String>) -> Self {
        let seen = |name: &str| {
            SEEN.contains(&name)
                || SEEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || config.command_env.iter().any(|further| further == name)
        };
        let env = env.iter().filter(|(name, _)| seen(name));
        Self {
            env: env.map(|(name, value)| (name.clone(), value.clone())).collect(),
            timeout: config.command_timeout(),
        }
    }
}

/// How long to wait for more from a command that has ended, where its output is still open.
const LINGER: Duration = Duration::from_millis(100);

/// The logins of an entry with a `password_command`.
pub(crate) struct Command {
    setting: std::sync::Arc<Setting>,
    argv: Argv,
    source: PasswordSource,
    user: String,
    env: [(&'static str, String); 4],
    /// What it printed last, until the server refuses it.
    known: Mutex<Option<Login>>,
    runs: AtomicU64,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("program", &self.argv.program()).finish_non_exhaustive()
    }
}

impl Command {
    pub(crate) fn new(setting: std::sync::Arc<Setting>, argv: Argv, connect: &ConnectSpec) -> Self {
        let host = match &connect.host {
            // Without the brackets that an address has in a URL.
            pgmon_config::Host::Ip(ip) => ip.to_string(),
            host => host.to_string(),
        };
        Self {
            setting,
            source: connect.password.clone(),
            argv,
            user: connect.user.clone(),
            env: [
                ("PGHOST", host),
                ("PGPORT", connect.port.to_string()),
                ("PGUSER", connect.user.clone()),
                ("PGDATABASE", connect.database.clone()),
            ],
            known: Mutex::new(None),
            runs: AtomicU64::new(0),
        }
    }

    async fn known_or_fresh(&self) -> Result<Login, LoginError> {
        let mut known = self.known.lock().await;
        if let Some(login) = &*known {
            return Ok(Login { kept: true, ..login.clone() });
        }
        let login = self.fresh().await?;
        *known = Some(login.clone());
        Ok(login)
    }

    /// Runs the command anew, unless that has been done since `login` was given.
    async fn another(&self, login: &Login) -> Result<Option<Login>, LoginError> {
        let mut known = self.known.lock().await;
        if known.take_if(|now| now.revision == login.revision).is_some() {
            // Should it fail now, the next attempt runs it again; and what was printed just now would only
            // be printed once more.
            if !login.kept {
                return Ok(None);
            }
            let fresh = self.fresh().await?;
            *known = Some(fresh.clone());
            return Ok(Some(fresh).filter(|fresh| fresh.password != login.password));
        }
        Ok(known.clone().filter(|now| now.password != login.password))
    }

    async fn fresh(&self) -> Result<Login, LoginError> {
        let password = self.run().await.map_err(|what| LoginError::new(&self.source, what))?;
        tracing::debug!(program = self.argv.program(), "password_command was run");
        let revision = self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(Login { revision, ..Login::new(&self.user, Some(password)) })
    }

    /// What it prints. Standard error goes nowhere: tools have printed secrets there, too.
    async fn run(&self) -> Result<Secret, String> {
        let limit = self.setting.timeout;
        let mut child = tokio::process::Command::new(self.argv.program())
            .args(self.argv.arguments())
            .env_clear()
            .envs(self.setting.env.iter().map(|(name, value)| (name, value)))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            // A group of its own, so that what it started ends with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot be run: {error}"))?;
        let mut group = Group(child.id());
        let Some(out) = child.stdout.take() else { return Err("has no output".to_owned()) };
        let work = async {
            let (mut bytes, mut out) = (Vec::new(), out.take(LARGEST + 1));
            let (mut ended, mut left_open) = (None, false);
            loop {
                let read = tokio::select! {
                    read = out.read_buf(&mut bytes) => read,
                    status = child.wait(), if ended.is_none() => {
                        ended = Some(status.map_err(|error| format!("cannot be waited for: {error}"))?);
                        continue;
                    }
                    // What it printed is there by then; who holds the pipe open is somebody that it left behind.
                    () = tokio::time::sleep(LINGER), if ended.is_some() => {
                        left_open = true;
                        break;
                    }
                };
                if read.map_err(|error| format!("cannot be read from: {error}"))? == 0 {
                    break;
                }
            }
            if bytes.len() as u64 > LARGEST {
                return Err(format!("printed more than {LARGEST} bytes"));
            }
            let status = match ended {
                Some(status) => status,
                None => child.wait().await.map_err(|error| format!("cannot be waited for: {error}"))?,
            };
            Ok((bytes, status, left_open))
        };
        let result = tokio::time::timeout(limit, work).await;
        let (bytes, status, left_open) = result.map_err(|_| format!("did not end within {limit:?}"))??;
        if !left_open {
            group.0 = None;
        }
        if !status.success() {
            return Err(format!("failed ({status}); run it by hand as pgmon's user to see why"));
        }
        let text = String::from_utf8(bytes).map_err(|_| "printed what is no UTF-8".to_owned())?;
        let text = Secret::new(text);
        let line = text.expose();
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        if line.is_empty() {
            return Err("printed nothing".to_owned());
        }
        if line.contains(['\n', '\0']) {
            return Err("printed more than one line; it must print the password and nothing else".to_owned());
        }
        Ok(Secret::new(line))
    }
}

/// Ends the processes of a command that is given up.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Gone already, usually.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Logins for Command {
    fn login(&self) -> Answer<'_, Login> {
        Box::pin(self.known_or_fresh())
    }

    fn refused<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<Login>> {
        Box::pin(self.another(login))
    }

    fn is_outdated(&self, _: &Login) -> bool {
        false
    }

    fn outdated<'a>(&'a self, _: &'a Login) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
#[path = "command/tests.rs"]
mod tests;
