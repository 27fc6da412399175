//! PgBouncer in front of a server.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::Server;
use crate::access::dsn;
use crate::guard::Guard;
use crate::place::{self, RunAs};
use crate::server::free_port;

/// A running PgBouncer; it ends when this is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    child: Child,
    guard: Guard,
}

/// Settings of a PgBouncer to start.
#[derive(Debug, Clone)]
pub struct PgBouncerBuilder {
    server_port: u16,
    users: Vec<(String, String)>,
    settings: Vec<(String, String)>,
}

impl PgBouncer {
    /// A pooler of all databases of a server: transaction mode, one server connection per pool.
    ///
    /// The superuser of the server may log in, and be the administrator of PgBouncer's console.
    pub fn builder(server: &Server) -> PgBouncerBuilder {
        let builder =
            PgBouncerBuilder { server_port: server.port(), users: Vec::new(), settings: Vec::new() };
        builder
            .user("postgres", &server.password)
            .setting("pool_mode", "transaction")
            .setting("default_pool_size", 1)
            .setting("max_client_conn", 200)
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The DSN of a role that was named by [`PgBouncerBuilder::user`].
    pub fn dsn_as(&self, user: &str, password: &str, database: &str) -> String {
        dsn(self.port, user, password, database)
    }

    /// What PgBouncer has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.guard.dir().join("log")).unwrap_or_default()
    }
}

impl PgBouncerBuilder {
    /// Lets a role of the server in.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Sets a parameter of the section `[pgbouncer]`; the last one of a name counts.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Starts PgBouncer; it accepts connections when this returns.
    pub async fn start(self) -> Result<PgBouncer> {
        let program =
            place::program("pgbouncer").context("there is no pgbouncer: run script/bootstrap test")?;
        let run_as = RunAs::choose()?;
        for _ in 0..20 {
            let (guard, port) = (Guard::new(run_as, false)?, free_port()?);
            self.write_config(&guard, run_as, port)?;
            let log = fs::File::create(guard.dir().join("log"))?;
            let child = run_as
                .command(&program)
                .arg("pgbouncer.ini")
                .current_dir(guard.dir())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .context("cannot run pgbouncer")?;
            let mut bouncer = PgBouncer { port, child, guard };
            for _ in 0..1000 {
                if bouncer.child.try_wait()?.is_some() {
                    break;
                }
                if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Ok(bouncer);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if !bouncer.log().contains("ddress already in use") {
                bail!("pgbouncer did not start:\n{}", bouncer.log());
            }
        }
        bail!("found no free port")
    }

    fn write_config(&self, guard: &Guard, run_as: RunAs, port: u16) -> Result<()> {
        let settings: String =
            self.settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = users.txt\nadmin_users = postgres\n{settings}",
            self.server_port
        );
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let users: String = self
            .users
            .iter()
            .map(|(name, password)| format!("{} {}\n", quoted(name), quoted(password)))
            .collect();
        for (name, text) in [("pgbouncer.ini", config), ("users.txt", users)] {
            let path = guard.dir().join(name);
            fs::write(&path, text)?;
            run_as.own(&path)?;
        }
        Ok(())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.guard.finish();
    }
}
