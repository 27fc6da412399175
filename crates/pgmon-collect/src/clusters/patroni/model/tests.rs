use super::super::rest;
use super::super::rest::tests::{CLUSTER, STATUS};
use super::*;
use crate::clusters::fuzzing::assert_sound;
use crate::clusters::tests::json::{any_json, put};
use proptest::prelude::*;
use serde_json::Value;

/// Keys that mean something.
const KEYS: &[&str] = &[
    "members",
    "name",
    "role",
    "state",
    "api_url",
    "host",
    "port",
    "timeline",
    "lag",
    "replay_lag",
    "tags",
    "pause",
    "scope",
    "xlog",
    "location",
    "received_location",
    "replayed_location",
    "replication",
    "application_name",
    "sync_state",
    "patroni",
    "dcs_last_seen",
    "scheduled_switchover",
    "at",
    "failsafe_mode_is_active",
];

pub(in crate::clusters::patroni) fn url(port: u16) -> HttpUrl {
    format!("http://127.0.0.1:{port}").parse().unwrap()
}

pub(in crate::clusters::patroni) fn member(name: &str, role: &str, port: u16, more: &str) -> String {
    format!(
        r#"{{"name":"{name}","role":"{role}","state":"running","api_url":"http://127.0.0.1:{port}/patroni","host":"127.0.0.1","port":{port},"timeline":3{more}}}"#
    )
}

pub(in crate::clusters::patroni) fn status(role: &str, xlog: &str, more: &str) -> Status {
    let text = format!(
        r#"{{"state":"running","role":"{role}","xlog":{{{xlog}}},"timeline":3,"dcs_last_seen":100,"patroni":{{"version":"3.0.2","scope":"s"}}{more}}}"#
    );
    rest::status(text.as_bytes()).unwrap()
}

pub(in crate::clusters::patroni) fn asked(port: u16, status: Result<Status, String>) -> Asked {
    let name = status.as_ref().ok().and_then(|status| status.name.clone());
    Asked { url: url(port), configured: true, name, status, body: None }
}

pub(in crate::clusters::patroni) fn pair(b: &str) -> ClusterAnswer {
    let members = [member("a", "leader", 1, ""), member("b", "replica", 2, b)].join(",");
    rest::cluster(format!(r#"{{"members":[{members}]}}"#).as_bytes()).unwrap()
}

pub(in crate::clusters::patroni) const STREAMS: &str =
    r#","replication":[{"application_name":"b","state":"streaming","sync_state":"async"}]"#;

fn made(cluster: &ClusterAnswer, asked: &[Asked]) -> Cluster {
    let wall = Timestamp::from_second(1_000).unwrap();
    let view = View { cluster, asked, history: &[], unread: None, now: Duration::from_secs(1), wall };
    view.cluster("s", "u", &mut Lags::default())
}

pub(in crate::clusters::patroni) fn codes(cluster: &Cluster) -> Vec<&str> {
    cluster.issues.iter().map(|issue| issue.code).collect()
}

#[test]
fn a_pair_that_is_well_has_no_issue_and_a_lag_from_its_positions() {
    let replica =
        r#""received_location":90,"replayed_location":90,"replayed_timestamp":"1970-01-01 00:14:35+00:00""#;
    let both = [
        asked(1, Ok(status("master", r#""location":100"#, STREAMS))),
        asked(2, Ok(status("replica", replica, ""))),
    ];
    let found = made(&pair(r#","lag":4096"#), &both);
    assert_eq!(codes(&found), [""; 0]);
    let b = &found.members[1];
    assert_eq!((b.lag_bytes, b.lag_seconds), (Some(10), Some(125.0)), "not the 4096 of the store");
    assert_eq!((b.upstream.as_deref(), b.is_streaming()), (Some("a"), Some(true)));
    assert_eq!((found.members[0].lag_seconds, found.locked), (Some(0.0), Some(true)));
}

#[test]
fn a_lag_that_nobody_knows_is_absent() {
    let silent = [asked(1, Err("no".into())), asked(2, Err("no".into()))];
    let found = made(&pair(r#","lag":"unknown""#), &silent);
    let b = &found.members[1];
    assert_eq!((b.lag_bytes, b.lag_seconds, b.in_recovery, b.is_streaming()), (None, None, None, None));
    assert_eq!(found.locked, None);
    assert_eq!(codes(&found), ["member_unreachable", "member_unreachable"]);
    let by_store = made(&pair(r#","lag":4096"#), &silent);
    assert_eq!(by_store.members[1].lag_bytes, Some(4096));
}

#[test]
fn who_contradicts_or_does_not_stream_is_told() {
    let both = [
        asked(1, Ok(status("replica", r#""replayed_location":9"#, r#","cluster_unlocked":true"#))),
        asked(2, Ok(status("master", r#""location":9"#, ""))),
    ];
    let found = made(&pair(""), &both);
    assert_eq!(codes(&found), ["role_mismatch", "role_mismatch", "unlocked", "not_streaming"]);
    assert_eq!(found.primaries(), Some(1));
}

#[test]
fn no_leader_and_failsafe_are_told() {
    let mut answer = pair("");
    answer.members[0].role = "replica".into();
    let one = [asked(1, Ok(status("replica", "", r#","failsafe_mode_is_active":true"#)))];
    let found = made(&answer, &one);
    assert_eq!((found.leader.clone(), found.failsafe), (None, Some(true)));
    assert_eq!(codes(&found), ["no_leader", "failsafe"]);
}

#[test]
fn who_is_configured_and_gone_for_good_is_told() {
    let members = [member("b", "leader", 2, "")].join(",");
    let alone = rest::cluster(format!(r#"{{"members":[{members}]}}"#).as_bytes()).unwrap();
    let leads = || asked(2, Ok(status("master", r#""location":100"#, "")));
    let dead = || asked(1, Err("cannot connect: refused".into()));
    let found = made(&alone, &[dead(), leads()]);
    assert_eq!((codes(&found), found.count(Severity::Warning)), (vec!["url_unreachable"], 1));
    let gone = &found.members[1];
    assert_eq!(
        (gone.id.as_str(), gone.role, gone.reachable),
        ("http://127.0.0.1:1", Role::Unknown, Some(false))
    );
    assert_eq!(gone.registered, Some(false), "the manager does not hear of it");
    // What it was called is known from before.
    let found = made(&alone, &[Asked { name: Some("a".into()), ..dead() }, leads()]);
    assert_eq!(found.members[1].id, "a");
    // A name or a proxy for a member that answers is nobody's fault; one that others named is not ours.
    let proxy = asked(9, Ok(status("master", r#""location":100"#, "")));
    assert_eq!(codes(&made(&alone, &[leads(), proxy])), [""; 0]);
    assert_eq!(codes(&made(&alone, &[Asked { configured: false, ..dead() }, leads()])), [""; 0]);
    // A member that is listed and silent is that already.
    assert_eq!(codes(&made(&pair(""), &[leads(), dead()])), ["role_mismatch", "member_unreachable"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_members_answer_becomes_numbers_and_no_series_twice(
        places in any::<[usize; 3]>(),
        values in proptest::array::uniform3(any_json(KEYS)),
        written in any::<i64>(),
    ) {
        let [of_cluster, of_leader, of_replica] = values;
        let damaged = |text: &str, place, value| {
            let mut whole: Value = serde_json::from_str(text).unwrap();
            put(&mut whole, place, value);
            whole.to_string()
        };
        let Ok(answer) = rest::cluster(damaged(CLUSTER, places[0], of_cluster).as_bytes()) else { return Ok(()) };
        let leads = STATUS.replace("replica\"", "primary\"").replace("received_location\": 67419584", &format!("location\": {written}"));
        let read = |text: String| rest::status(text.as_bytes()).map_err(|error| error.to_string());
        let both = [
            asked(8008, read(damaged(&leads, places[1], of_leader))),
            asked(8009, read(damaged(STATUS, places[2], of_replica))),
        ];
        let mut lags = Lags::default();
        for n in 1..3 {
            let wall = Timestamp::from_second(1_000).unwrap();
            let view = View { cluster: &answer, asked: &both, history: &[], unread: None, now: Duration::from_secs(n), wall };
            assert_sound(view.cluster("s", "u", &mut lags));
        }
    }
}
