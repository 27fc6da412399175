//! Debian's Patroni: members of a cluster whose state is in a [`ZooKeeper`] or an [`Etcd`].

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::guard::Guard;
use crate::place::{self, RunAs};
use crate::process::signal;
use crate::server::{free_port, random_password};
use crate::{Etcd, ZooKeeper};

/// A cluster of Patroni's; it and its data are gone when this is dropped.
#[derive(Debug)]
pub struct Patroni {
    scope: String,
    password: String,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    rest: u16,
    port: u16,
    child: Option<Child>,
    guard: Guard,
    run_as: RunAs,
}

impl Patroni {
    /// Starts a cluster with so many members; one leads, and the others stream, when this returns.
    pub async fn start(zookeeper: &ZooKeeper, members: usize) -> Result<Self> {
        let store = format!("zookeeper: {{hosts: ['127.0.0.1:{}']}}", zookeeper.port());
        Self::start_with(&store, false, members).await
    }

    /// The same with its state in an etcd, and maybe with `failsafe_mode`.
    pub async fn start_in_etcd(etcd: &Etcd, failsafe: bool, members: usize) -> Result<Self> {
        Self::start_with(&format!("etcd3: {{hosts: '127.0.0.1:{}'}}", etcd.port()), failsafe, members).await
    }

    async fn start_with(store: &str, failsafe: bool, members: usize) -> Result<Self> {
        let patroni = place::program("patroni").context("there is no patroni: run script/bootstrap test")?;
        let postgres = place::program("initdb").context("there is no initdb: run script/bootstrap test")?;
        let bin = postgres.parent().context("initdb has no directory")?.to_owned();
        let scope: String = std::iter::repeat_with(fastrand::lowercase).take(8).collect();
        let mut cluster = Self { scope, password: random_password(), members: Vec::new() };
        for n in 0..members {
            let mut member = Member {
                name: format!("node{n}"),
                rest: free_port()?,
                port: free_port()?,
                child: None,
                guard: Guard::new(RunAs::choose()?, false)?,
                run_as: RunAs::choose()?,
            };
            member.configure(&cluster, store, failsafe, &bin)?;
            member.launch(&patroni)?;
            cluster.members.push(member);
        }
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    async fn wait_ready(&self) -> Result<()> {
        for _ in 0..1200 {
            if let Ok(cluster) = self.get(0, "/cluster").await {
                let list = cluster["members"].as_array().cloned().unwrap_or_default();
                let leads = list.iter().filter(|m| m["role"] == "leader" && m["state"] == "running").count();
                let follow = list.iter().filter(|m| {
                    m["role"] != "leader" && (m["state"] == "running" || m["state"] == "streaming")
                });
                if leads == 1 && follow.count() + 1 == self.members.len() {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let logs: Vec<String> = self.members.iter().map(Member::log).collect();
        bail!("the cluster was not ready within two minutes:\n{}", logs.join("\n---\n"))
    }

    /// What the cluster is called.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The REST API of every member.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("http://127.0.0.1:{}", member.rest)).collect()
    }

    /// The name of the one that leads, asked of whoever answers.
    pub async fn leader(&self) -> Result<String> {
        for n in 0..self.members.len() {
            let Ok(cluster) = self.get(n, "/cluster").await else { continue };
            let list = cluster["members"].as_array().cloned().unwrap_or_default();
            if let Some(leader) = list.iter().find(|m| m["role"] == "leader") {
                return Ok(leader["name"].as_str().unwrap_or_default().to_owned());
            }
        }
        bail!("nobody leads")
    }

    fn place(&self, name: &str) -> Result<usize> {
        self.members.iter().position(|member| member.name == name).context("there is no such member")
    }

    /// Has another member lead, as `patronictl switchover` does.
    pub async fn switchover(&self, from: &str, to: &str) -> Result<()> {
        let body = format!(r#"{{"leader":"{from}","candidate":"{to}"}}"#);
        self.send(self.place(from)?, "POST", "/switchover", &body).await.map(drop)
    }

    /// Pauses the cluster, or goes on.
    pub async fn set_paused(&self, paused: bool) -> Result<()> {
        self.send(0, "PATCH", "/config", &format!(r#"{{"pause":{paused}}}"#)).await.map(drop)
    }

    /// Kills a member: Patroni and its PostgreSQL, at once.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let place = self.place(name)?;
        if let Some(member) = self.members.get_mut(place) {
            member.kill();
        }
        Ok(())
    }

    async fn get(&self, n: usize, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.send(n, "GET", path, "").await?)?)
    }

    async fn send(&self, n: usize, method: &str, path: &str, body: &str) -> Result<String> {
        let member = self.members.get(n).context("there is no such member")?;
        let mut stream = TcpStream::connect(("127.0.0.1", member.rest)).await?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no complete answer")?;
        if head.split(' ').nth(1).is_none_or(|code| !code.starts_with('2')) {
            bail!("{method} {path}: {head}\n{body}");
        }
        Ok(body.to_owned())
    }
}

impl Member {
    fn data(&self) -> PathBuf {
        self.guard.dir().join("data")
    }

    fn configure(&self, cluster: &Patroni, store: &str, failsafe: bool, bin: &Path) -> Result<()> {
        let (dir, password) = (self.guard.dir().display(), &cluster.password);
        let text = format!(
            "scope: {scope}\nnamespace: /service/\nname: {name}\n\
             restapi: {{listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}'}}\n\
             {store}\n\
             bootstrap:\n  dcs:\n    ttl: 20\n    loop_wait: 1\n    retry_timeout: 3\n    maximum_lag_on_failover: 1048576\n    failsafe_mode: {failsafe}\n\
             \x20   postgresql:\n      use_pg_rewind: false\n      parameters: {{max_wal_senders: 5, wal_keep_size: 64MB}}\n\
             \x20 initdb: [{{encoding: UTF8}}, no-sync, {{locale: C}}]\n\
             postgresql:\n  listen: '127.0.0.1:{port}'\n  connect_address: '127.0.0.1:{port}'\n  data_dir: {data}\n  bin_dir: {bin}\n\
             \x20 pgpass: {dir}/pgpass\n\
             \x20 authentication:\n    replication: {{username: replicator, password: {password}}}\n\
             \x20   superuser: {{username: postgres, password: {password}}}\n\
             \x20 pg_hba: [local all all trust, host all all 127.0.0.1/32 scram-sha-256, host replication replicator 127.0.0.1/32 scram-sha-256]\n\
             \x20 parameters: {{unix_socket_directories: {dir}, fsync: 'off', shared_buffers: 32MB, password_encryption: scram-sha-256}}\n",
            scope = cluster.scope,
            name = self.name,
            rest = self.rest,
            port = self.port,
            data = self.data().display(),
            bin = bin.display(),
        );
        let path = self.guard.dir().join("patroni.yml");
        fs::write(&path, text)?;
        self.run_as.own(&path)
    }

    fn launch(&mut self, patroni: &Path) -> Result<()> {
        let log = fs::File::create(self.guard.dir().join("log"))?;
        let child = self
            .run_as
            .command(patroni)
            .arg("patroni.yml")
            .current_dir(self.guard.dir())
            .process_group(0)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run patroni")?;
        self.child = Some(child);
        Ok(())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.guard.dir().join("log")).unwrap_or_default();
        log.get(log.len().saturating_sub(3000)..).unwrap_or(&log).to_owned()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // PostgreSQL outlives Patroni.
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next().and_then(|line| line.trim().parse().ok()) {
            signal(pid, Signal::QUIT);
        }
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.kill();
            member.guard.finish();
        }
    }
}
