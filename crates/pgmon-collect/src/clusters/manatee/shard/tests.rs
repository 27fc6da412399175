use super::*;
use crate::clusters::manatee::zookeeper::Stat;

const NOW: Duration = Duration::from_secs(9);

fn shard() -> Shard {
    Shard::new("/manatee/s", "s", "zk", Duration::from_secs(30))
}

fn elect(shard: &mut Shard, names: &[&str]) -> Arc<ClusterSnapshot> {
    let nodes: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| ((*name).to_owned(), b"{}".to_vec())).collect();
    shard.take_election(&nodes, Timestamp::UNIX_EPOCH);
    shard.snapshot(NOW, Some((NOW, Timestamp::UNIX_EPOCH)))
}

fn write(shard: &mut Shard, state: Option<&str>) -> Arc<ClusterSnapshot> {
    let stat = Stat { created_ms: 0, modified_ms: 0, version: 0 };
    let node = state.map(|text| Node { data: text.as_bytes().to_vec(), stat });
    shard.take_state(node.as_ref(), Timestamp::UNIX_EPOCH);
    shard.snapshot(NOW, Some((NOW, Timestamp::UNIX_EPOCH)))
}

fn leader(snapshot: &ClusterSnapshot) -> Option<&str> {
    snapshot.cluster.as_ref()?.leader.as_deref()
}

#[test]
fn an_election_that_nobody_stands_in_any_more_is_no_state() {
    let mut shard = shard();
    let found = elect(&mut shard, &["a:1:2-0", "b:1:2-1"]);
    assert_eq!((&found.health, leader(&found)), (&Health::Ok, Some("a:1:2")));
    let found = elect(&mut shard, &[]);
    let reason = "there is no state at zk/manatee/s, and nobody in its election";
    assert_eq!(found.health, Health::Failed { reason: reason.to_owned() });
    // Who comes then has taken over, although there was nobody for a while.
    let found = elect(&mut shard, &["b:1:2-2"]);
    assert_eq!((&found.health, leader(&found), found.failovers), (&Health::Ok, Some("b:1:2"), 1));
}

#[test]
fn a_shard_that_was_promoted_needs_no_election_and_without_its_state_the_order_decides() {
    let mut shard = shard();
    let found = write(&mut shard, Some(r#"{"generation":4,"primary":{"ip":"p"}}"#));
    assert_eq!((&found.health, leader(&found)), (&Health::Ok, Some("p:5432:12345")));
    let found = elect(&mut shard, &[]);
    assert_eq!((&found.health, leader(&found)), (&Health::Ok, Some("p:5432:12345")));
    elect(&mut shard, &["a:1:2-0"]);
    let found = write(&mut shard, None);
    assert_eq!((&found.health, leader(&found), found.failovers), (&Health::Ok, Some("a:1:2"), 1));
}

#[test]
fn what_peers_said_before_a_takeover_is_not_held_against_what_the_state_says_since() {
    let state = |primary: &str, sync: &str| {
        format!(r#"{{"generation":1,"primary":{{"ip":"{primary}"}},"sync":{{"ip":"{sync}"}}}}"#)
    };
    let mut shard = shard();
    write(&mut shard, Some(&state("a", "b")));
    let said = |in_recovery| {
        Asked::Answered(Box::new(crate::clusters::manatee::peer::Finding {
            in_recovery,
            ..Default::default()
        }))
    };
    shard.take_finding("a:5432:12345", said(false), NOW);
    shard.take_finding("b:5432:12345", said(true), NOW);
    let found = write(&mut shard, Some(&state("b", "a")));
    let cluster = found.cluster.as_ref().unwrap();
    assert!(cluster.members.iter().all(|m| m.in_recovery.is_none() && m.reachable.is_none()), "{cluster:#?}");
    assert!(cluster.issues.iter().all(|issue| issue.code != "role_mismatch"));
}
