use super::super::rest;
use super::*;

fn url(port: u16) -> HttpUrl {
    format!("http://127.0.0.1:{port}").parse().unwrap()
}

fn member(name: &str, role: &str, port: u16, more: &str) -> String {
    format!(
        r#"{{"name":"{name}","role":"{role}","state":"running","api_url":"http://127.0.0.1:{port}/patroni","host":"127.0.0.1","port":{port},"timeline":3{more}}}"#
    )
}

fn status(role: &str, xlog: &str, more: &str) -> Status {
    let text = format!(
        r#"{{"state":"running","role":"{role}","xlog":{{{xlog}}},"timeline":3,"dcs_last_seen":100,"patroni":{{"version":"3.0.2","scope":"s"}}{more}}}"#
    );
    rest::status(text.as_bytes()).unwrap()
}

fn asked(port: u16, status: Result<Status, String>) -> Asked {
    Asked { url: url(port), status, body: None }
}

fn pair(b: &str) -> ClusterAnswer {
    let members = [member("a", "leader", 1, ""), member("b", "replica", 2, b)].join(",");
    rest::cluster(format!(r#"{{"members":[{members}]}}"#).as_bytes()).unwrap()
}

const STREAMS: &str = r#","replication":[{"application_name":"b","state":"streaming","sync_state":"async"}]"#;

fn made(cluster: &ClusterAnswer, asked: &[Asked]) -> Cluster {
    let wall = Timestamp::from_second(1_000).unwrap();
    let view = View { cluster, asked, history: &[], now: Duration::from_secs(1), wall };
    view.cluster("s", "u", &mut Lags::default())
}

fn codes(cluster: &Cluster) -> Vec<&str> {
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
    assert_eq!(codes(&found), ["unlocked", "role_mismatch", "role_mismatch", "not_streaming"]);
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
