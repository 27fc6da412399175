//! Streaming standbys.

use std::ffi::OsStr;
use std::fs;
use std::future::IntoFuture;
use std::ops::Deref;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::access::{execute, query};
use crate::template::copy_tree;
use crate::{Fault, Major, Proxy, Server, quote_literal};

/// A hot standby of a [`Server`], which it dereferences to. The link goes through a [`Proxy`].
#[derive(Debug)]
pub struct Replica {
    server: Server,
    primary: PgConnectOptions,
    link: Proxy,
}

/// Settings of a replica to start: `server.replica("a").slot().await`.
#[derive(Debug)]
#[must_use = "a replica is started by awaiting this"]
pub struct ReplicaBuilder<'a> {
    primary: &'a Server,
    name: String,
    slot: bool,
    settings: Vec<(String, String)>,
}

impl Server {
    /// A streaming standby of this server, with this `application_name`. Await it to start it.
    pub fn replica(&self, name: &str) -> ReplicaBuilder<'_> {
        ReplicaBuilder { primary: self, name: name.to_owned(), slot: false, settings: Vec::new() }
    }
}

impl ReplicaBuilder<'_> {
    /// Uses a physical replication slot of the replica's name.
    pub fn slot(mut self) -> Self {
        self.slot = true;
        self
    }

    /// Turns `hot_standby_feedback` on.
    pub fn feedback(self) -> Self {
        self.setting("hot_standby_feedback", "on").setting("wal_receiver_status_interval", "1s")
    }

    /// Sets a parameter of the replica.
    pub fn setting(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    async fn start(self) -> Result<Replica> {
        let link = Proxy::start(self.primary.port())?;
        let mut builder = self.primary.builder.clone();
        let of_primary = builder.settings.len();
        let conninfo = format!(
            "host=127.0.0.1 port={} user=postgres password={} application_name={}",
            link.port(),
            conninfo_value(&self.primary.password),
            conninfo_value(&self.name)
        );
        builder = builder
            .setting("primary_conninfo", conninfo)
            // The default of 5 s would make every test of a broken link wait.
            .setting("wal_retrieve_retry_interval", "200ms");
        if self.slot {
            builder = builder.setting("primary_slot_name", &self.name);
        }
        builder.settings.extend(self.settings.iter().cloned());

        let mut server = Server::with_empty_dir(builder)?;
        server.password.clone_from(&self.primary.password);
        self.copy_primary(&server).await?;
        server.append_settings(server.builder.settings.get(of_primary..).unwrap_or_default())?;
        let signal_file = server.data_dir().join("standby.signal");
        fs::write(&signal_file, "")?;
        server.run_as.own(&signal_file)?;
        server.start_on_free_port().await?;
        Ok(Replica { server, primary: self.primary.connect_options("postgres"), link })
    }

    /// A base backup by hand: the packages of the servers hold no `pg_basebackup`.
    async fn copy_primary(&self, server: &Server) -> Result<()> {
        let (start, stop) = if self.primary.major() >= Major(15) {
            ("pg_backup_start('pgmon-testkit', true)", "pg_backup_stop(false)")
        } else {
            ("pg_start_backup('pgmon-testkit', true, false)", "pg_stop_backup(false, false)")
        };
        let (from, to) = (self.primary.data_dir(), server.data_dir());
        if fs::read_dir(from.join("pg_tblspc"))?.next().is_some() {
            bail!("a replica would share the tablespaces of its primary");
        }
        // The backup ends with the session that began it.
        let mut session = self.primary.connect("postgres").await?;
        if self.slot {
            let slot = quote_literal(&self.name);
            execute(&mut session, &format!("SELECT pg_create_physical_replication_slot({slot}, true)"))
                .await?;
        }
        execute(&mut session, &format!("SELECT {start}")).await?;
        let copied = tokio::task::spawn_blocking({
            let to = to.clone();
            move || copy_tree(&from, &to, &belongs_to_backup)
        });
        copied.await??;
        let label: String = query(&mut session, &format!("SELECT labelfile FROM {stop}")).await?;
        session.close().await.ok();
        let label_file = to.join("backup_label");
        fs::write(&label_file, label)?;
        server.run_as.own(&label_file)
    }
}

impl<'a> IntoFuture for ReplicaBuilder<'a> {
    type Output = Result<Replica>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Replica>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

/// What `pg_basebackup` copies: the WAL comes by streaming, the rest is of the primary alone.
fn belongs_to_backup(below: &Path) -> bool {
    let mut parts = below.iter().map(OsStr::to_string_lossy);
    let Some(top) = parts.next() else { return true };
    let is_content = parts.next().is_some();
    let emptied =
        ["pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp"];
    let left_out = ["postmaster.pid", "postmaster.opts", "standby.signal", "backup_label"];
    let name = below.file_name().unwrap_or_default().to_string_lossy();
    !(left_out.contains(&&*top)
        || is_content && (emptied.contains(&&*top) || top == "pg_subtrans")
        || name.starts_with("pgsql_tmp")
        || name == "pg_internal.init")
}

fn conninfo_value(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Replica {
    /// Makes it a primary; it is one when this returns.
    pub async fn promote(&self) -> Result<()> {
        if !self.server.query::<bool>("postgres", "SELECT pg_promote(true, 30)").await? {
            bail!("the replica was not promoted:\n{}", self.server.log());
        }
        self.server.wait_until("postgres", "SELECT NOT pg_is_in_recovery()").await
    }

    /// Stops the replay: WAL still arrives.
    pub async fn pause_replay(&self) -> Result<()> {
        self.server.exec("postgres", "SELECT pg_wal_replay_pause()").await
    }

    /// Ends [`Replica::pause_replay`].
    pub async fn resume_replay(&self) -> Result<()> {
        self.server.exec("postgres", "SELECT pg_wal_replay_resume()").await
    }

    /// The proxy between replica and primary, for faults other than the ones below.
    pub fn link(&self) -> &Proxy {
        &self.link
    }

    /// Cuts the link: both sides notice at once, and the replica cannot connect again.
    pub async fn break_link(&self) -> Result<()> {
        self.link.set(Fault::Refuse).await
    }

    /// Ends [`Replica::break_link`]; the replica is streaming again when this returns.
    pub async fn restore_link(&self) -> Result<()> {
        self.link.set(Fault::Pass).await?;
        self.server
            .wait_until(
                "postgres",
                "SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'",
            )
            .await
    }

    /// Waits until everything that the primary has written by now is replayed here.
    pub async fn wait_caught_up(&self) -> Result<()> {
        let mut primary = self.primary.clone().disable_statement_logging().connect().await?;
        let lsn: String = query(&mut primary, "SELECT pg_current_wal_lsn()::text").await?;
        primary.close().await.ok();
        let caught_up = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn");
        let waiting = self.server.wait_until("postgres", &caught_up);
        tokio::time::timeout(Duration::from_secs(30), waiting).await.context("the replica is behind")?
    }
}

impl Deref for Replica {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
