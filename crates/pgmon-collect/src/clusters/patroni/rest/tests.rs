use super::*;
use proptest::prelude::*;

const CLUSTER: &str = r#"{"members": [
 {"name": "a", "role": "leader", "state": "running", "api_url": "http://127.0.0.1:8008/patroni", "host": "127.0.0.1", "port": 5432, "timeline": 3},
 {"name": "b", "role": "sync_standby", "state": "streaming", "api_url": "http://127.0.0.1:8009/patroni", "host": "127.0.0.1", "port": 5433, "timeline": 3, "lag": 17, "pending_restart": true},
 {"name": "c", "role": "replica", "state": "stopped", "lag": "unknown", "tags": {"nofailover": true, "replicatefrom": "b"}}],
 "pause": true, "scheduled_switchover": {"at": "2026-11-21T20:00:00+00:00", "from": "a"}, "scope": "batman"}"#;

const STATUS: &str = r#"{"state": "running", "postmaster_start_time": "2026-11-21 19:00:00.1+00:00", "role": "replica", "server_version": 150003,
 "xlog": {"received_location": 67419584, "replayed_location": 67419580, "replayed_timestamp": "2026-11-21 19:00:00.5+00:00", "paused": false},
 "timeline": 3, "dcs_last_seen": 1795288800, "database_system_identifier": "7300000000000000000", "patroni": {"version": "3.0.2", "scope": "batman"}}"#;

#[test]
fn a_cluster_is_read() {
    let found = cluster(CLUSTER.as_bytes()).unwrap();
    assert_eq!((found.scope.as_deref(), found.paused), (Some("batman"), true));
    assert_eq!(found.switchover.unwrap().at, "2026-11-21T20:00:00Z".parse().ok());
    let told: Vec<_> =
        found.members.iter().map(|m| (m.name.as_str(), m.lag_bytes, m.pending_restart)).collect();
    assert_eq!(told, [("a", None, None), ("b", Some(17), Some(true)), ("c", None, None)]);
    assert_eq!(
        found.members[2].tags,
        [("nofailover".into(), "true".into()), ("replicatefrom".into(), "b".into())]
    );
}

#[test]
fn a_lag_is_the_replays_and_never_a_word() {
    let lag = |fields: &str| {
        cluster(format!(r#"{{"members":[{{"name":"a",{fields}}}]}}"#).as_bytes()).unwrap().members[0]
            .lag_bytes
    };
    assert_eq!(lag(r#""lag":"unknown""#), None);
    assert_eq!(lag(r#""lag":3,"replay_lag":5"#), Some(5), "from 4.0 on there are several");
    assert_eq!(lag(r#""lag":-1"#), None);
    assert_eq!(lag(r#""receive_lag":7"#), None);
}

#[test]
fn a_status_is_read_in_the_words_of_all_versions() {
    let found = status(STATUS.as_bytes()).unwrap();
    assert_eq!((found.in_recovery(), found.replayed_bytes), (Some(true), Some(67_419_580)));
    assert_eq!(found.replayed_at, "2026-11-21T19:00:00.5Z".parse().ok());
    assert_eq!(found.replication, Some(Vec::new()), "it runs, and nobody replicates from it");
    for role in ["master", "primary"] {
        let text = STATUS.replace("\"replica\"", &format!("{role:?}"));
        assert_eq!(status(text.as_bytes()).unwrap().in_recovery(), Some(false));
    }
    let stopped = status(STATUS.replace("\"running\"", "\"stopped\"").as_bytes()).unwrap();
    assert_eq!((stopped.in_recovery(), stopped.replication), (None, None));
}

#[test]
fn the_history_has_its_words_where_there_are_some() {
    let text = r#"[[1, 67395656, "no recovery target specified", "2026-11-21T19:00:00.1+00:00", "b"], [2, 67395999, "x"], "odd", [3, "0/4000000"]]"#;
    let found = history(text.as_bytes());
    assert_eq!(found.len(), 3);
    assert_eq!((found[0].timeline, found[0].leader.as_deref()), (Some(1), Some("b")));
    assert_eq!((found[1].at, found[2].lsn), (None, Some(0x400_0000)));
    assert_eq!(history(b"{}"), []);
}

#[test]
fn what_is_not_patronis_is_refused() {
    for text in ["", "[]", "{}", "<html>", r#"{"members": 5}"#] {
        assert_eq!(cluster(text.as_bytes()), Err(RestError::Strange), "{text}");
        assert_eq!(status(text.as_bytes()), Err(RestError::Strange), "{text}");
    }
    let many = format!(r#"{{"members":[{}]}}"#, vec![r#"{"name":"a"}"#; MOST_MEMBERS + 1].join(","));
    assert_eq!(cluster(many.as_bytes()), Err(RestError::TooMany));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (cluster(&bytes), status(&bytes), history(&bytes));
    }

    #[test]
    fn a_damaged_answer_does_not_panic(at in 0..CLUSTER.len(), of in 0..STATUS.len(), with in any::<u8>()) {
        let mut text = CLUSTER.as_bytes().to_vec();
        text[at] = with;
        let _ = cluster(&text);
        let mut text = STATUS.as_bytes().to_vec();
        text[of] = with;
        let _ = status(&text);
    }
}
