//! Manatee's states as the test writes them, with three servers in a chain behind them.

use super::{Rig, S};
use anyhow::Result;
use pgmon_core::cluster::{Health, Role};
use pgmon_testkit::{Fault, Major, Proxy, Replica, Server, StopMode, Tier, ZooKeeper, program};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

const SHARD: &str = "/manatee/1.moray.test";

/// A primary, a sync and an async in a chain, with ZooKeeper and a role to ask them with.
struct Chain {
    zookeeper: ZooKeeper,
    last: Replica,
    sync: Replica,
    primary: Server,
    password: String,
}

fn peer(server: &Server) -> Value {
    let port = server.port();
    json!({
        "id": id(server), "ip": "127.0.0.1", "pgUrl": format!("tcp://postgres@127.0.0.1:{port}/postgres"),
        "zoneId": format!("{port}-cd27-4092-9b1d-111111111111"), "backupUrl": "http://127.0.0.1:12345",
    })
}

fn id(server: &Server) -> String {
    format!("127.0.0.1:{}:12345", server.port())
}

impl Chain {
    async fn start() -> Result<Self> {
        let (zookeeper, primary) = tokio::try_join!(ZooKeeper::start(), Server::start(Major(15)))?;
        let password = primary.create_monitor("pgmon", Tier::T0).await?;
        primary.exec("postgres", "CREATE TABLE t (n int)").await?;
        let sync = primary.replica("sync").await?;
        sync.wait_caught_up().await?;
        let last = sync.replica("last").await?;
        primary.set("synchronous_standby_names", "sync").await?;
        primary
            .wait_until("postgres", "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
            .await?;
        let chain = Self { zookeeper, last, sync, primary, password };
        for server in [&chain.primary, &*chain.sync, &*chain.last] {
            chain
                .zookeeper
                .put(&format!("{SHARD}/election/{}-", id(server)), &peer(server).to_string())
                .await?;
        }
        chain.write(&chain.state(1)).await?;
        Ok(chain)
    }

    fn state(&self, generation: i64) -> Value {
        json!({
            "generation": generation, "primary": peer(&self.primary), "sync": peer(&self.sync),
            "async": [peer(&self.last)], "deposed": [], "initWal": "0/3000000", "freeze": null,
        })
    }

    /// As Manatee does it: the state, and a copy of it under `history`.
    async fn write(&self, state: &Value) -> Result<()> {
        let generation = &state["generation"];
        self.zookeeper.put(&format!("{SHARD}/history/{generation}-"), &state.to_string()).await?;
        self.zookeeper.put(&format!("{SHARD}/state"), &state.to_string()).await
    }

    async fn with(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut state = self.state(2);
        change(&mut state);
        self.write(&state).await
    }

    fn config(&self, port: u16) -> String {
        format!(
            "clusters:\n- type: manatee\n  zookeeper: 127.0.0.1:{port}\n  shard: 1.moray.test\n  interval: 2s\n  session_timeout: 4s\n\
             \x20 postgres: {{user: pgmon, password: '{}', sslmode: disable}}\n",
            self.password
        )
    }

    fn rig(&self) -> Rig {
        Rig::new(&self.config(self.zookeeper.port()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_of_a_shard_is_told_as_it_is() -> Result<()> {
    let chain = Chain::start().await?;
    let rig = chain.rig();
    let ids = [id(&chain.primary), id(&chain.sync), id(&chain.last)];

    // Healthy.
    let cluster = rig.wrong(&[]).await?;
    let cluster = match cluster.members.iter().all(|m| m.lag_seconds.is_some()) {
        true => cluster,
        false => {
            rig.until("all lags are known", |c| c.members.iter().all(|m| m.lag_seconds.is_some())).await?
        }
    };
    let roles: Vec<_> =
        cluster.members.iter().map(|m| (m.id.clone(), m.role, m.reachable, m.registered)).collect();
    let expected = [Role::Primary, Role::Sync, Role::Async].into_iter().zip(&ids);
    let expected: Vec<_> = expected.map(|(role, id)| (id.clone(), role, Some(true), Some(true))).collect();
    assert_eq!(roles, expected);
    assert_eq!((cluster.generation, cluster.timeline, cluster.timelines()), (Some(1), Some(1), Some(1)));
    let upstreams: Vec<_> = cluster.hops().into_iter().map(|hop| (hop.from, hop.to)).collect();
    assert_eq!(upstreams, [(ids[0].clone(), ids[1].clone()), (ids[1].clone(), ids[2].clone())]);
    let shard = "1.moray.test";
    for (n, role) in ["primary", "sync", "async"].into_iter().enumerate() {
        let labels = [shard, ids[n].as_str(), role];
        assert_eq!(rig.value("manatee_peer_postgres_up", &labels), Some(1.0));
        assert!(
            rig.value("manatee_peer_replication_lag_seconds", &labels).is_some_and(|s| s < 5.0),
            "{role}"
        );
        let streams = (n > 0).then_some(1.0);
        assert_eq!(rig.value("manatee_peer_replication_state", &labels), streams, "{role}");
        let position = rig.value("manatee_peer_wal_position", &labels);
        assert!(position.is_some_and(|p| p > 1e6), "{role}: {position:?}");
    }
    assert_eq!(rig.value("manatee_cluster_peers_total", &[shard]), Some(3.0));
    assert_eq!(rig.value("manatee_cluster_errors_total", &[shard]), Some(0.0));

    // Another generation is seen at once, and who took over.
    let mut other = chain.state(2);
    other["primary"] = peer(&chain.sync);
    other["sync"] = peer(&chain.primary);
    chain.write(&other).await?;
    let written = rig.timer.mono();
    let seen = rig.snapshot("generation 2", |s| s.cluster.as_ref().unwrap().generation == Some(2)).await?;
    assert!(rig.timer.mono() - written < S(2), "{:?}", rig.timer.mono() - written);
    assert_eq!(seen.failovers, 1);
    // The state and PostgreSQL disagree who is the primary.
    rig.until("a mismatch", |c| c.members[0].role_mismatch() == Some(true)).await?;
    chain.write(&chain.state(3)).await?;
    let cluster = rig.wrong(&[]).await?;
    let told = |n: usize| (cluster.history[n].generation, cluster.history[n].failover);
    assert_eq!([told(0), told(1), told(2)], [(Some(3), true), (Some(2), true), (Some(1), false)]);
    assert!(cluster.history[0].at.is_some());

    // Frozen, which is no error.
    chain.with(|s| s["freeze"] = json!({"date": "2026-01-02T03:04:05.000Z", "reason": "by hand"})).await?;
    let frozen = rig.until("frozen", |c| c.paused.is_some()).await?;
    assert_eq!(frozen.paused.as_ref().unwrap().reason.as_deref(), Some("by hand"));
    assert!(frozen.issues.is_empty() && frozen.paused.as_ref().unwrap().since.is_some());
    assert_eq!(rig.value("manatee_cluster_frozen", &[shard]), Some(1.0));

    // Without a sync, without asyncs, in one-node-write mode.
    chain.with(|s| s["sync"] = Value::Null).await?;
    rig.wrong(&["E cluster has no sync peer and is not in singleton mode"]).await?;
    chain.with(|s| drop(s.as_object_mut().unwrap().remove("async"))).await?;
    rig.wrong(&["W cluster has no async peers"]).await?;
    chain
        .with(|s| {
            s["oneNodeWriteMode"] = json!(true);
            (s["sync"], s["async"]) = (Value::Null, json!([]));
        })
        .await?;
    let alone = rig.until("one-node-write mode", |c| c.singleton && c.members.len() == 1).await?;
    assert!(alone.issues.is_empty());
    chain
        .with(|s| {
            s["oneNodeWriteMode"] = json!(true);
            s["sync"] = Value::Null;
        })
        .await?;
    rig.wrong(&["W found 2 peers in singleton mode"]).await?;

    // A deposed peer is asked as the others are.
    chain
        .with(|s| {
            s["deposed"] = s["async"].clone();
            s["async"] = json!([]);
        })
        .await?;
    let deposed = rig.wrong(&["W cluster has a deposed peer", "W cluster has no async peers"]).await?;
    assert_eq!((deposed.members[2].role, deposed.members[2].reachable), (Role::Deposed, Some(true)));

    // Another downstream than the expected one.
    chain.with(|s| s["sync"]["ip"] = json!("127.0.0.9")).await?;
    rig.wrong(&[&format!(
        "E peer \"{}-cd\": expected downstream peer to be \"127.0.0.9\", but found \"127.0.0.1\"",
        chain.primary.port()
    )])
    .await?;

    // No commit waits for the sync any more.
    chain.write(&chain.state(4)).await?;
    chain.primary.set("synchronous_standby_names", "").await?;
    rig.wrong(&[&format!(
        "E peer \"{}-cd\": expected downstream replication to be \"sync\", but found \"async\"",
        chain.primary.port()
    )])
    .await?;
    chain.primary.set("synchronous_standby_names", "sync").await?;
    rig.wrong(&[]).await?;
    rig.stop().await;
    // Nobody is left behind on the servers.
    chain
        .primary
        .wait_until("postgres", "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'pgmon'")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_down_and_lag_are_told() -> Result<()> {
    let chain = Chain::start().await?;
    let rig = chain.rig();
    let (primary, sync) = (chain.primary.port(), chain.sync.port());
    rig.wrong(&[]).await?;

    // The replay of the last one stands still while the primary writes.
    chain.last.pause_replay().await?;
    chain.primary.exec("postgres", "INSERT INTO t SELECT generate_series(1, 1000)").await?;
    let behind = |c: &pgmon_core::cluster::Cluster, least: f64| {
        let last = &c.members[2];
        last.lag_seconds.is_some_and(|s| s >= least) && last.lag_bytes.is_some_and(|b| b > 0)
    };
    rig.until("a lag of some seconds", |c| behind(c, 5.0)).await?;
    let label = ["1.moray.test", &id(&chain.last), "async"];
    let lag = rig.value("manatee_peer_replication_lag_seconds", &label).unwrap();
    assert!((5.0..60.0).contains(&lag), "{lag}");
    chain.last.resume_replay().await?;
    rig.until("no lag", |c| c.members[2].lag_seconds == Some(0.0)).await?;

    // A base backup is no replica in the way of one.
    let backup = program("pg_basebackup").expect("pg_basebackup of Debian's postgresql-client");
    let target = tempfile::tempdir()?;
    let mut running = Command::new(backup)
        .args([
            "-h",
            &chain.primary.socket_dir().display().to_string(),
            "-p",
            &primary.to_string(),
            "-U",
            "postgres",
        ])
        .args(["--max-rate=64k", "-X", "stream", "-D"])
        .arg(target.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let backs_up = "SELECT count(*) >= 2 FROM pg_stat_replication WHERE application_name = 'pg_basebackup'";
    let began = chain.primary.wait_until("postgres", backs_up).await;
    let at = rig.timer.mono();
    let during =
        rig.snapshot("a round during the backup", |s| s.at_mono.is_some_and(|m| m > at + S(3))).await;
    let _ = running.kill();
    let _ = running.wait();
    began?;
    let during = during?;
    assert!(during.cluster.as_ref().unwrap().issues.is_empty(), "{during:#?}");

    chain.last.stop(StopMode::Immediate).await?;
    let down =
        rig.wrong(&[&format!("W peer \"{sync}-cd\": downstream replication peer not connected")]).await?;
    assert_eq!((down.members[2].reachable, down.members[2].lag_seconds), (Some(false), None));
    assert_eq!(rig.value("manatee_peer_postgres_up", &label), Some(0.0));
    assert_eq!(rig.value("manatee_peer_replication_lag_seconds", &label), None, "unknown is absent");
    chain.last.start_again().await?;
    rig.wrong(&[]).await?;

    chain.sync.stop(StopMode::Immediate).await?;
    rig.wrong(&[&format!("E cannot query postgres on sync: peer \"{sync}-cd\": ")]).await?;
    chain.sync.start_again().await?;
    rig.wrong(&[]).await?;

    chain.primary.stop(StopMode::Immediate).await?;
    let both = [
        format!("E cannot query postgres on primary: peer \"{primary}-cd\": "),
        format!("E peer \"{primary}-cd\": downstream replication peer not connected"),
    ];
    let gone = rig.wrong(&[&both[0], &both[1]]).await?;
    assert_eq!((gone.members[1].lag_seconds, gone.members[0].reachable), (None, Some(false)));
    rig.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zookeeper_that_goes_and_comes_back_is_followed() -> Result<()> {
    let mut chain = Chain::start().await?;
    let proxy = Proxy::start(chain.zookeeper.port())?;
    let rig = Rig::new(&chain.config(proxy.port()));
    rig.wrong(&[]).await?;
    let up = ["manatee", "1.moray.test"];
    assert_eq!(rig.value("pg_cluster_up", &up), Some(1.0));

    // Silent for longer than the session lives: the server forgets it.
    proxy.set(Fault::Blackhole).await?;
    let failed = rig.snapshot("it is noticed", |s| matches!(s.health, Health::Failed { .. })).await?;
    assert!(failed.cluster.is_some(), "what was read last is still known");
    assert_eq!(rig.value("pg_cluster_up", &up), Some(0.0));
    let expired = rig.timer.mono() + S(6);
    rig.timer.sleep_until(expired).await;
    chain.write(&chain.state(7)).await?;
    proxy.set(Fault::Pass).await?;
    rig.until("generation 7", |c| c.generation == Some(7)).await?;
    assert_eq!(rig.value("pg_cluster_up", &up), Some(1.0));

    // Stopped: after a while nothing of the state is shown any more, and then it is there again.
    chain.zookeeper.kill();
    rig.snapshot("it is noticed", |s| matches!(s.health, Health::Failed { .. })).await?;
    let frozen = rig.value("manatee_cluster_frozen", &["1.moray.test"]);
    assert_eq!(frozen, Some(0.0), "for three intervals and the session's time");
    let keeps = rig.clusters.snapshots()[0].keeps;
    let late = rig.timer.mono() + keeps + S(1);
    rig.timer.sleep_until(late).await;
    assert_eq!(rig.value("manatee_cluster_frozen", &["1.moray.test"]), None);
    assert!(rig.value("pg_cluster_state_timestamp_seconds", &up).is_some());
    chain.zookeeper.start_again().await?;
    chain.write(&chain.state(8)).await?;
    rig.until("generation 8", |c| c.generation == Some(8)).await?;
    rig.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_found_and_one_that_is_broken_is_told() -> Result<()> {
    let zookeeper = ZooKeeper::start().await?;
    zookeeper.put("/manatee/good/state", r#"{"generation":1,"primary":{"ip":"127.0.0.1","pgUrl":"tcp://p@127.0.0.1:1/p"},"sync":null,"oneNodeWriteMode":true}"#).await?;
    zookeeper.put("/manatee/broken/state", "{").await?;
    zookeeper.put("/manatee/old/election/127.0.0.1:2:3-", "{}").await?;
    let config = |more: &str| {
        let port = zookeeper.port();
        format!(
            "clusters:\n- {{type: manatee, zookeeper: '127.0.0.1:{port}', interval: 2s, postgres: {{user: u}}{more}}}\n"
        )
    };
    let mut rig = Rig::new(&config(""));
    let names = |rig: &Rig| rig.clusters.snapshots().iter().map(|s| s.name.to_string()).collect::<Vec<_>>();
    rig.snapshot("three shards", |_| names(&rig).len() == 3).await?;
    assert_eq!(names(&rig), ["broken", "good", "old"]);
    let of = |rig: &Rig, name: &str| rig.clusters.snapshots().into_iter().find(|s| &*s.name == name).unwrap();
    rig.snapshot("the first peer was asked", |_| {
        of(&rig, "good").cluster.as_ref().is_some_and(|c| c.members[0].reachable == Some(false))
    })
    .await?;
    assert!(
        matches!(&of(&rig, "broken").health, Health::Failed { reason } if reason.contains("no JSON object"))
    );
    let old = of(&rig, "old").cluster.clone().unwrap();
    assert_eq!((old.generation, old.members[0].id.as_str()), (None, "127.0.0.1:2:3"), "Manatee 1");

    zookeeper.put("/manatee/new/state", "{}").await?;
    rig.snapshot("a fourth", |_| names(&rig) == ["broken", "good", "new", "old"]).await?;
    zookeeper.remove("/manatee/broken").await?;
    rig.snapshot("three again", |_| names(&rig) == ["good", "new", "old"]).await?;

    // Another configuration: what is the same goes on, what is not is asked anew.
    assert_eq!(rig.apply(&config("")), (0, 0));
    assert_eq!(rig.apply(&config(", shard: good, statusServer: {metrics: {enabled: false}}")), (1, 1));
    rig.snapshot("one", |s| s.health == Health::Ok).await?;
    assert_eq!(names(&rig), ["good"]);
    assert_eq!(rig.value("pg_cluster_up", &["manatee", "good"]), None, "its metrics are off");
    rig.stop().await;
    Ok(())
}
