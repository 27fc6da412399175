//! Ensembles that are away, empty, misspelt or called alike; and peers that hang, or write though they should not.

use super::{Rig, S, said};
use anyhow::Result;
use pgmon_core::cluster::{ClusterSnapshot, Health};
use pgmon_testkit::{Fault, Major, Proxy, Server, Tier, ZooKeeper};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// One that nobody can be asked of: its peer's port is closed.
const NOBODY: &str = r#"{"generation":1,"primary":{"ip":"127.0.0.1","pgUrl":"tcp://p@127.0.0.1:1/p"},"oneNodeWriteMode":true}"#;

fn at(port: u16) -> Value {
    json!({
        "id": format!("127.0.0.1:{port}:1"), "ip": "127.0.0.1", "zoneId": format!("{port}-zone"),
        "pgUrl": format!("tcp://postgres@127.0.0.1:{port}/postgres"),
    })
}

fn of(rig: &Rig, name: &str) -> Option<Arc<ClusterSnapshot>> {
    rig.clusters.snapshots().into_iter().find(|snapshot| &*snapshot.name == name)
}

fn failed_by(snapshot: &ClusterSnapshot, why: &str) -> bool {
    matches!(&snapshot.health, Health::Failed { reason } if reason.contains(why))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_hang_hold_nobody_else_up() -> Result<()> {
    let (zookeeper, server) = tokio::try_join!(ZooKeeper::start(), Server::start(Major(15)))?;
    let password = server.create_monitor("pgmon", Tier::T0).await?;
    let hang = [Proxy::start(server.port())?, Proxy::start(server.port())?];
    let state = json!({
        "generation": 1, "primary": at(server.port()), "sync": at(hang[0].port()), "async": [at(hang[1].port())],
    });
    zookeeper.put("/manatee/hangs/state", &state.to_string()).await?;
    let alone = json!({"generation": 1, "primary": at(server.port()), "oneNodeWriteMode": true});
    zookeeper.put("/manatee/well/state", &alone.to_string()).await?;
    // The timeout is as long as the interval then: who hangs is asked in every other round.
    let rig = Rig::new(&format!(
        "clusters:\n- type: manatee\n  zookeeper: 127.0.0.1:{}\n  interval: 2s\n  session_timeout: 4s\n\
         \x20 postgres: {{user: pgmon, password: '{password}', sslmode: disable}}\n",
        zookeeper.port()
    ));
    rig.snapshot("all are asked", |_| {
        let up = |name: &str| {
            of(&rig, name)
                .and_then(|s| s.cluster.clone())
                .is_some_and(|cluster| cluster.members.iter().all(|member| member.reachable == Some(true)))
        };
        up("hangs") && up("well")
    })
    .await?;
    // Out of phase: one of them is asked whenever the other is not.
    hang[0].set(Fault::Blackhole).await?;
    let later = rig.timer.mono() + S(2);
    rig.timer.sleep_until(later).await;
    hang[1].set(Fault::Blackhole).await?;
    let until = rig.timer.mono() + S(16);
    let mut oldest = Duration::ZERO;
    while rig.timer.mono() < until {
        let soon = rig.timer.mono() + Duration::from_millis(200);
        rig.timer.sleep_until(soon).await;
        for name in ["hangs", "well"] {
            let age = of(&rig, name).and_then(|s| s.age(rig.timer.mono())).expect("a state that was read");
            oldest = oldest.max(age);
        }
    }
    // Each round, and what ZooKeeper's pings add: a third of the session's time.
    assert!(oldest < S(5), "{oldest:?}");
    let up = |shard: &str, port: u16, role: &str| {
        rig.value("manatee_peer_postgres_up", &[shard, &format!("127.0.0.1:{port}:1"), role])
    };
    assert_eq!(up("well", server.port(), "primary"), Some(1.0));
    assert_eq!(up("hangs", server.port(), "primary"), Some(1.0));
    assert_eq!(up("hangs", hang[0].port(), "sync"), Some(0.0));
    assert_eq!(up("hangs", hang[1].port(), "async"), Some(0.0));
    hang[0].set(Fault::Pass).await?;
    hang[1].set(Fault::Pass).await?;
    rig.snapshot("all are up", |_| {
        up("hangs", hang[0].port(), "sync") == Some(1.0) && up("hangs", hang[1].port(), "async") == Some(1.0)
    })
    .await?;
    rig.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_that_is_away_misspelt_or_empty_is_told_of_and_waited_for() -> Result<()> {
    let mut zookeeper = ZooKeeper::start().await?;
    let port = zookeeper.port();
    zookeeper.put("/manatee/1.moray/state", NOBODY).await?;
    zookeeper.kill();
    let entry = |more: &str| {
        format!(
            "- {{type: manatee, zookeeper: '127.0.0.1:{port}', interval: 1s, postgres: {{user: u}}{more}}}\n"
        )
    };
    let rig = Rig::new(&format!("clusters:\n{}{}", entry(""), entry(", root: /manate")));
    let whole = [format!("127.0.0.1:{port}/manatee"), format!("127.0.0.1:{port}/manate")];
    let up = |name: &str| rig.value("pg_cluster_up", &["manatee", name]);
    rig.snapshot("it cannot be reached", |_| {
        whole.iter().all(|name| of(&rig, name).is_some_and(|s| failed_by(&s, "no ZooKeeper server")))
    })
    .await?;
    assert_eq!([up(&whole[0]), up(&whole[1])], [Some(0.0), Some(0.0)]);

    zookeeper.start_again().await?;
    rig.snapshot("the shard is found", |_| up("1.moray") == Some(1.0)).await?;
    assert_eq!(up(&whole[0]), None, "the ensemble gives way to its shards");
    rig.snapshot("the other root is not there", |_| {
        of(&rig, &whole[1]).is_some_and(|s| failed_by(&s, "there is no node /manate:") && s.cluster.is_none())
    })
    .await?;
    assert_eq!(up(&whole[1]), Some(0.0));
    // It comes after all, and is seen at once.
    zookeeper.put("/manate/2.moray/state", NOBODY).await?;
    rig.snapshot("its shard", |_| up("2.moray") == Some(1.0) && up(&whole[1]).is_none()).await?;
    zookeeper.remove("/manate/2.moray").await?;
    rig.snapshot("none any more", |_| {
        of(&rig, &whole[1]).is_some_and(|s| failed_by(&s, "there is no shard below /manate"))
    })
    .await?;
    assert_eq!((up("2.moray"), up(&whole[1])), (None, Some(0.0)));

    // Manatee 1: nobody stands in the election any more.
    zookeeper.put("/manate/old/election/127.0.0.1:2:3-", "{}").await?;
    rig.snapshot("a leader by the order", |_| {
        rig.value("pg_cluster_leaders", &["manatee", "old"]) == Some(1.0)
    })
    .await?;
    zookeeper.remove("/manate/old/election").await?;
    rig.snapshot("nobody leads", |_| {
        of(&rig, "old").is_some_and(|s| failed_by(&s, "and nobody in its election"))
    })
    .await?;
    assert_eq!(up("old"), Some(0.0));
    rig.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_one_name_in_two_ensembles_are_both_shown() -> Result<()> {
    let zookeeper = ZooKeeper::start().await?;
    zookeeper.put("/manatee/1.moray/state", &NOBODY.replace(":1,\"primary", ":11,\"primary")).await?;
    zookeeper.put("/dc2/manatee/1.moray/state", &NOBODY.replace(":1,\"primary", ":99,\"primary")).await?;
    let entry = |chroot: &str| {
        let port = zookeeper.port();
        format!(
            "- {{type: manatee, zookeeper: '127.0.0.1:{port}{chroot}', interval: 1s, postgres: {{user: u}}}}\n"
        )
    };
    let rig = Rig::new(&format!("clusters:\n{}{}", entry(""), entry("/dc2")));
    let generation = |shard: &str| rig.value("manatee_cluster_generation", &[shard]);
    rig.snapshot("both", |_| generation("1.moray") == Some(11.0) && generation("1.moray/2") == Some(99.0))
        .await?;
    let told =
        |name: &str| of(&rig, name).and_then(|s| s.cluster.as_ref().map(|c| said(c))).unwrap_or_default();
    let text = "W another source has a cluster 1.moray as well: this one is called 1.moray/2; set `name` in one of their entries";
    assert!(told("1.moray/2").iter().any(|s| s == text), "{:?}", told("1.moray/2"));
    assert!(!told("1.moray").iter().any(|s| s.contains("as well")), "{:?}", told("1.moray"));
    let warnings = rig.value("pg_cluster_issues", &["manatee", "1.moray/2", "warning"]);
    assert_eq!(
        (warnings, rig.value("manatee_cluster_warnings_total", &["1.moray/2"])),
        (Some(1.0), Some(0.0))
    );
    rig.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposed_peer_that_writes_and_a_role_that_could_are_told_apart_from_servers_that_are_down()
-> Result<()> {
    let (zookeeper, primary, deposed) =
        tokio::try_join!(ZooKeeper::start(), Server::start(Major(15)), Server::start(Major(15)))?;
    let password = primary.create_monitor("pgmon", Tier::T0).await?;
    deposed.create_monitor("pgmon", Tier::T0).await?;
    for server in [&primary, &deposed] {
        server.exec("postgres", &format!("ALTER ROLE pgmon PASSWORD '{password}'")).await?;
    }
    let state = json!({
        "generation": 2, "primary": at(primary.port()), "deposed": [at(deposed.port())], "oneNodeWriteMode": true,
    });
    zookeeper.put("/manatee/1.moray/state", &state.to_string()).await?;
    let config = format!(
        "clusters:\n- type: manatee\n  zookeeper: 127.0.0.1:{}\n  interval: 1s\n  shard: 1.moray\n\
         \x20 postgres: {{user: pgmon, password: '{password}', sslmode: disable}}\n",
        zookeeper.port()
    );
    let rig = Rig::new(&config);
    let ids = [&primary, &deposed].map(|server| format!("127.0.0.1:{}:1", server.port()));
    let both = format!("E 2 members take writes: {}, {}", ids[0], ids[1]);
    rig.wrong(&[&both, "W found 2 peers in singleton mode"]).await?;
    assert_eq!(rig.value("pg_cluster_primaries", &["manatee", "1.moray"]), Some(2.0));
    let counted = |family: &str| rig.value(family, &["1.moray"]);
    assert_eq!(counted("manatee_cluster_errors_total"), Some(0.0), "manatee-adm does not look there");
    assert_eq!(counted("manatee_cluster_warnings_total"), Some(1.0));
    deposed.stop(pgmon_testkit::StopMode::Immediate).await?;
    rig.wrong(&["W found 2 peers in singleton mode"]).await?;
    rig.stop().await;

    primary.exec("postgres", "ALTER ROLE pgmon SUPERUSER").await?;
    let rig = Rig::new(&config);
    let refused = format!("W peer \"{}-zo\": refused: pgmon's role there can write (", primary.port());
    let cluster = rig.wrong(&["W found 2 peers in singleton mode", &refused]).await?;
    let told: Vec<_> = cluster.members.iter().map(|m| (m.reachable, m.in_recovery)).collect();
    assert_eq!(told, [(Some(true), None), (Some(false), None)]);
    let up = |n: usize, role: &str| rig.value("manatee_peer_postgres_up", &["1.moray", &ids[n], role]);
    assert_eq!([up(0, "primary"), up(1, "deposed")], [Some(1.0), Some(0.0)]);
    assert_eq!(rig.value("pg_cluster_primaries", &["manatee", "1.moray"]), None, "nobody could be asked");
    rig.stop().await;
    Ok(())
}
