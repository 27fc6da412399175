//! Debian's Patroni while its etcd is away, and members that hang or never come back.

use super::{Rig, S};
use anyhow::Result;
use pgmon_core::cluster::{Cluster, ClusterSnapshot, Health, Role};
use pgmon_testkit::{Etcd, Patroni};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

async fn pair(etcd: &Etcd, failsafe: bool) -> Result<(Patroni, Rig, Arc<Cluster>)> {
    let patroni = Patroni::start_in_etcd(etcd, failsafe, 2).await?;
    let urls = patroni.urls().iter().map(|url| format!("'{url}'")).collect::<Vec<_>>().join(", ");
    let rig = Rig::new(&format!("clusters:\n- {{type: patroni, urls: [{urls}], interval: 1s}}\n"));
    let streams = |c: &Cluster| {
        c.issues.is_empty() && c.members.len() == 2 && c.members[1].is_streaming() == Some(true)
    };
    let cluster = rig.until("a pair that is well", streams).await?;
    // Patroni writes down who is to be asked in a failsafe.
    pass(&rig, S(4)).await;
    Ok((patroni, rig, cluster))
}

async fn pass(rig: &Rig, time: Duration) {
    let until = rig.timer.mono() + time;
    rig.timer.sleep_until(until).await;
}

fn codes(snapshot: &ClusterSnapshot) -> Vec<&str> {
    let issues = snapshot.cluster.as_ref().map(|cluster| cluster.issues.as_slice()).unwrap_or_default();
    issues.iter().map(|issue| issue.code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failsafe_is_shown_and_so_is_a_member_that_never_comes_back() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let (mut patroni, rig, before) = pair(&etcd, true).await?;
    let (leader, replica) = (before.members[0].id.clone(), before.members[1].id.clone());
    etcd.kill();
    let is_safe = |s: &ClusterSnapshot| {
        codes(s).contains(&"failsafe") && s.cluster.as_ref().is_some_and(|c| c.failsafe == Some(true))
    };
    rig.snapshot("a failsafe", is_safe).await?;
    // Longer than what was read before is shown.
    pass(&rig, S(8)).await;
    let scope = patroni.scope().to_owned();
    let of_cluster = ["patroni", scope.as_str()];
    assert_eq!(rig.value("pg_cluster_failsafe_active", &of_cluster), Some(1.0));
    assert_eq!(rig.value("pg_cluster_up", &of_cluster), Some(0.0));
    assert_eq!(rig.value("pg_cluster_primaries", &of_cluster), Some(1.0));
    assert_eq!(rig.value("pg_cluster_leader_locked", &of_cluster), None, "nobody can tell");
    let of_leader = ["patroni", &scope, &leader, "primary"];
    assert_eq!(rig.value("pg_cluster_member_up", &of_leader), Some(1.0));
    let seen = rig.value("pg_cluster_member_store_seen_timestamp_seconds", &of_leader).unwrap();
    assert!(rig.timer.wall().as_second() as f64 - seen > 5.0, "it grows old");
    let now = rig.clusters.snapshots()[0].clone();
    assert_eq!(now.cluster.as_ref().unwrap().leader.as_ref(), Some(&leader));
    assert!(!codes(&now).contains(&"no_leader") && !codes(&now).contains(&"unlocked"), "{now:#?}");

    etcd.start_again().await?;
    rig.until("it is well again", |c| c.issues.is_empty() && c.failsafe != Some(true)).await?;
    assert_eq!(rig.value("pg_cluster_up", &of_cluster), Some(1.0));
    assert_eq!(rig.clusters.snapshots()[0].failovers, 0);

    // At first its key in the store is still there.
    patroni.kill(&replica)?;
    rig.until("it does not answer", |c| c.issues.iter().any(|i| i.code == "member_unreachable")).await?;
    let gone = rig.until("its key is gone", |c| c.issues.iter().any(|i| i.code == "url_unreachable")).await?;
    let member = gone.member(&replica).unwrap();
    assert_eq!((member.role, member.reachable, member.registered), (Role::Unknown, Some(false), Some(false)));
    let of_replica = ["patroni", &scope, &replica, "unknown"];
    assert_eq!(rig.value("pg_cluster_member_up", &of_replica), Some(0.0));
    rig.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_failsafe_the_leader_gives_up_and_that_is_shown() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let (patroni, rig, _) = pair(&etcd, false).await?;
    etcd.kill();
    let gave_up = |s: &ClusterSnapshot| {
        matches!(s.health, Health::Failed { .. })
            && codes(s).contains(&"no_leader")
            && s.cluster.as_ref().is_some_and(|c| c.primaries() == Some(0))
    };
    let now = rig.snapshot("nobody takes writes", gave_up).await?;
    assert!(codes(&now).contains(&"state_unreadable"), "{now:#?}");
    assert_eq!(rig.value("pg_cluster_leaders", &["patroni", patroni.scope()]), Some(0.0));
    etcd.start_again().await?;
    rig.until("somebody leads again", |c| c.leaders() == 1 && c.primaries() == Some(1)).await?;
    rig.stop().await;
    Ok(())
}

/// Answers as the only member of a cluster would, or hangs.
async fn member(hangs: Arc<AtomicBool>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0_u8; 1024];
            let got = stream.read(&mut head).await.unwrap_or(0);
            if hangs.load(Ordering::Relaxed) {
                held.push(stream);
                continue;
            }
            let body = if head[..got].starts_with(b"GET /cluster") {
                format!(
                    r#"{{"members":[{{"name":"a","role":"leader","state":"running","api_url":"http://127.0.0.1:{port}/patroni","timeline":1}}]}}"#
                )
            } else if head[..got].starts_with(b"GET /history") {
                "[]".to_owned()
            } else {
                r#"{"state":"running","role":"master","timeline":1,"patroni":{"version":"3.0.2","scope":"s"}}"#.to_owned()
            };
            let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Ok(port)
}

#[tokio::test]
async fn members_that_hang_are_noticed_in_time_however_many_there_are() -> Result<()> {
    let (one, all) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let mut ports = Vec::new();
    for _ in 0..6 {
        ports.push(member(all.clone()).await?);
    }
    ports.push(member(one.clone()).await?);
    let urls = ports.iter().map(|port| format!("'http://127.0.0.1:{port}'")).collect::<Vec<_>>().join(", ");
    let config =
        format!("clusters:\n- {{type: patroni, name: c, urls: [{urls}], interval: 2s, timeout: 1s}}\n");
    let rig = Rig::new(&config);
    rig.until("one answers", |c| c.leader.as_deref() == Some("a")).await?;
    assert_eq!(rig.value("pg_cluster_up", &["patroni", "c"]), Some(1.0));
    one.store(true, Ordering::Relaxed);
    let began = rig.timer.mono();
    rig.snapshot("nobody answers", |s| matches!(s.health, Health::Failed { .. })).await?;
    // A round is due within 2 s and asks for 1 s; all of them one after the other would take 7 s.
    assert!(rig.timer.mono() - began < S(5), "{:?}", rig.timer.mono() - began);
    assert_eq!(rig.value("pg_cluster_up", &["patroni", "c"]), Some(0.0));
    rig.stop().await;
    Ok(())
}
