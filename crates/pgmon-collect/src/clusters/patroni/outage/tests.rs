use super::super::model::tests::{STREAMS, asked, codes, pair, status};
use super::super::model::{Lags, View};
use super::*;
use jiff::Timestamp;
use pgmon_core::cluster::{Cluster, Role};
use std::time::Duration;

/// What is made of it while the store is away.
fn made(last: &ClusterAnswer, asked: &[Asked]) -> Cluster {
    let (cluster, wall) = (told(last, asked), Timestamp::from_second(1_000).unwrap());
    let unread = Some("away");
    let view = View { cluster: &cluster, asked, history: &[], unread, now: Duration::from_secs(1), wall };
    view.cluster("s", "u", &mut Lags::default())
}

fn roles(cluster: &Cluster) -> Vec<(&str, Role)> {
    cluster.members.iter().map(|member| (member.id.as_str(), member.role)).collect()
}

fn replica(more: &str) -> Asked {
    asked(2, Ok(status("replica", r#""received_location":90,"replayed_location":90"#, more)))
}

#[test]
fn a_failsafe_is_told_with_who_leads_and_who_follows() {
    // As Patroni 3.0.2 answers with etcd away: it does not know who holds the lock.
    let failsafe = r#","failsafe_mode_is_active":true,"cluster_unlocked":true"#;
    let leader = asked(1, Ok(status("master", r#""location":100"#, &format!("{STREAMS}{failsafe}"))));
    let found = made(&pair(r#","lag":4096"#), &[leader, replica("")]);
    assert_eq!((codes(&found), found.failsafe), (vec!["failsafe", "state_unreadable"], Some(true)));
    assert_eq!(roles(&found), [("a", Role::Primary), ("b", Role::Async)]);
    assert_eq!((found.leader.as_deref(), found.locked, found.timeline), (Some("a"), None, Some(3)));
    assert_eq!(found.members[1].lag_bytes, Some(10), "from their own positions");
    assert!(found.members.iter().all(|m| m.store_seen.is_some() && m.registered.is_none()));
}

#[test]
fn a_leader_that_gave_up_leads_no_more() {
    let both = [asked(1, Ok(status("replica", "", r#","cluster_unlocked":true"#))), replica("")];
    let found = made(&pair(r#","lag":4096"#), &both);
    assert_eq!((codes(&found), found.primaries()), (vec!["no_leader", "state_unreadable"], Some(0)));
    assert_eq!(found.members[0].lag_bytes, None, "what the store had of it is old");
}

#[test]
fn who_is_silent_leads_until_another_one_does() {
    let silent = || asked(1, Err("no".into()));
    let found = made(&pair(""), &[silent(), replica("")]);
    assert_eq!(codes(&found), ["state_unreadable", "member_unreachable"]);
    assert_eq!(roles(&found), [("a", Role::Primary), ("b", Role::Async)]);
    let promoted = asked(2, Ok(status("primary", r#""location":90"#, "")));
    let found = made(&pair(""), &[silent(), promoted]);
    assert_eq!(roles(&found), [("b", Role::Primary), ("a", Role::Unknown)]);
}

#[test]
fn without_a_state_from_before_members_are_who_answers() {
    let leader = asked(1, Ok(status("master", r#""location":100"#, "")));
    let found = made(&ClusterAnswer::default(), &[leader, replica(""), asked(3, Err("no".into()))]);
    let expected =
        [("127.0.0.1:1", Role::Primary), ("127.0.0.1:2", Role::Async), ("http://127.0.0.1:3", Role::Unknown)];
    assert_eq!(roles(&found), expected);
}
