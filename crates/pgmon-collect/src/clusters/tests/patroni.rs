//! Debian's Patroni, its state in a real ZooKeeper.

use super::{Rig, said};
use anyhow::Result;
use pgmon_core::cluster::{Health, Role};
use pgmon_testkit::{Patroni, ZooKeeper};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_a_pause_and_a_killed_leader_are_followed() -> Result<()> {
    let zookeeper = ZooKeeper::start().await?;
    let mut patroni = Patroni::start(&zookeeper, 2).await?;
    let urls = patroni.urls().iter().map(|url| format!("'{url}'")).collect::<Vec<_>>().join(", ");
    let rig = Rig::new(&format!("clusters:\n- {{type: patroni, urls: [{urls}], interval: 1s}}\n"));
    let streams = |c: &pgmon_core::cluster::Cluster| {
        c.issues.is_empty() && c.members.len() == 2 && c.members[1].is_streaming() == Some(true)
    };
    let cluster = rig.until("a pair that is well", streams).await?;
    assert_eq!(cluster.name, patroni.scope());
    assert_eq!(cluster.leader, patroni.leader().await.ok());
    let (leader, replica) = (cluster.members[0].id.clone(), cluster.members[1].id.clone());
    let roles: Vec<_> = cluster.members.iter().map(|m| (m.role, m.in_recovery, m.reachable)).collect();
    let expected = [(Role::Primary, Some(false), Some(true)), (Role::Async, Some(true), Some(true))];
    assert_eq!(roles, expected);
    assert_eq!((cluster.locked, cluster.timeline, cluster.timelines()), (Some(true), Some(1), Some(1)));
    rig.until("a lag of nothing", |c| c.members[1].lag_seconds == Some(0.0)).await?;
    assert!(cluster.members.iter().all(|m| m.store_seen.is_some() && m.system_identifier.is_some()));

    patroni.switchover(&leader, &replica).await?;
    let after = rig
        .until("the other one leads", |c| {
            c.leader.as_ref() == Some(&replica) && streams(c) && !c.history.is_empty()
        })
        .await?;
    assert_eq!(
        (after.timeline, after.history.first().and_then(|h| h.primary.clone())),
        (Some(2), Some(replica.clone()))
    );
    assert_eq!(rig.clusters.snapshots()[0].failovers, 1);

    patroni.set_paused(true).await?;
    rig.until("paused", |c| c.paused.is_some()).await?;
    patroni.set_paused(false).await?;
    rig.until("not paused", |c| c.paused.is_none()).await?;

    patroni.kill(&replica)?;
    let lost =
        rig.until("its API is gone", |c| said(c).iter().any(|s| s.contains("does not answer"))).await?;
    assert_eq!(lost.member(&replica).and_then(|m| m.reachable), Some(false));
    let again = rig.until("the first one leads again", |c| c.leader.as_ref() == Some(&leader)).await?;
    assert_eq!(again.leaders(), 1);
    assert_eq!(rig.clusters.snapshots()[0].failovers, 2);
    let name = patroni.scope().to_owned();
    assert_eq!(rig.value("pg_cluster_failovers_total", &["patroni", &name]), Some(2.0));

    patroni.kill(&leader)?;
    let gone = rig.snapshot("nobody answers", |s| matches!(s.health, Health::Failed { .. })).await?;
    assert!(gone.cluster.is_some());
    rig.stop().await;
    Ok(())
}
