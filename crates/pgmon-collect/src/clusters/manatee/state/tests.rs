use super::*;
use crate::clusters::tests::json::{any_json, put};
use proptest::prelude::*;

/// Keys that mean something.
pub(crate) const KEYS: &[&str] = &[
    "generation",
    "primary",
    "sync",
    "async",
    "deposed",
    "freeze",
    "promote",
    "oneNodeWriteMode",
    "id",
    "ip",
    "pgUrl",
    "zoneId",
    "backupUrl",
    "initWal",
    "date",
    "reason",
    "role",
    "expireTime",
];

/// A state with everything in it.
pub(crate) const WHOLE: &str = r#"{"generation":3,"initWal":"3/12345678","freeze":null,
 "primary":{"id":"10.0.0.1:5432:12345","ip":"10.0.0.1","pgUrl":"tcp://postgres@10.0.0.1:5432/postgres","zoneId":"301e2d2c-cd27","backupUrl":"http://10.0.0.1:12345"},
 "sync":{"id":"10.0.0.2:5432:12345","ip":"10.0.0.2","pgUrl":"tcp://postgres@10.0.0.2:5433/postgres","zoneId":"30219700"},
 "async":[{"id":"10.0.0.3:5432:12345","ip":"10.0.0.3","zoneId":"3022acc6"}],
 "deposed":[{"id":"10.0.0.4:5432:12345","ip":"10.0.0.4"}]}"#;

fn ids<'p>(peers: impl IntoIterator<Item = &'p Peer>) -> Vec<&'p str> {
    peers.into_iter().map(|peer| peer.ip.as_str()).collect()
}

#[test]
fn a_whole_state_is_read() {
    let state = State::read(WHOLE.as_bytes()).unwrap();
    assert_eq!((state.generation, state.init_wal.as_deref()), (Some(3), Some("3/12345678")));
    assert_eq!(ids(state.peers()), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    assert_eq!(state.primary.label(), "301e2d2c");
    assert_eq!(state.primary.postgres(), Some(("10.0.0.1".into(), 5432)));
    assert_eq!(state.sync.as_ref().unwrap().postgres(), Some(("10.0.0.2".into(), 5433)));
    assert_eq!(state.asyncs[0].postgres(), Some(("10.0.0.3".into(), 5432)), "from the id");
    let downstream = |id: &str| state.downstream(id).map(|peer| peer.ip.as_str());
    assert_eq!(downstream("10.0.0.1:5432:12345"), Some("10.0.0.2"));
    assert_eq!(downstream("10.0.0.2:5432:12345"), Some("10.0.0.3"));
    assert_eq!(downstream("10.0.0.3:5432:12345"), None);
    assert_eq!(downstream("10.0.0.4:5432:12345"), None, "a deposed peer is not in the chain");
    assert_eq!(state.upstream("10.0.0.3:5432:12345").map(|peer| peer.ip.as_str()), Some("10.0.0.2"));
    assert_eq!(state.upstream("10.0.0.1:5432:12345"), None);
}

#[test]
fn what_is_missing_or_of_another_shape_is_left_out() {
    let read = |text: &str| State::read(text.as_bytes());
    let least = read(r#"{"primary":{"ip":"10.0.0.1"},"sync":null}"#).unwrap();
    assert_eq!((least.generation, least.sync, least.asyncs.len()), (None, None, 0));
    assert_eq!(least.primary.id, "10.0.0.1:5432:12345");
    let odd = r#"{"primary":{"ip":"h","pgUrl":5},"sync":[],"async":{"0":1},"deposed":7,"generation":"3","freeze":0}"#;
    let odd = read(odd).unwrap();
    assert_eq!((odd.sync, odd.generation, odd.freeze), (None, None, None));
    // Manatee 1: no ids.
    let one = read(
        r#"{"primary":{"pgUrl":"tcp://postgres@10.1.0.1:5439/postgres","backupUrl":"http://10.1.0.1:777"}}"#,
    );
    assert_eq!(one.unwrap().primary.id, "10.1.0.1:5439:777");
    assert_eq!(read("{}"), Err(StateError::NoPrimary));
    assert_eq!(read(r#"{"primary":"10.0.0.1"}"#), Err(StateError::NoPrimary));
    for text in ["", "[]", "null", "{", "{} x", "\u{0}"] {
        assert!(matches!(read(text), Err(StateError::NoObject(_))), "{text}");
    }
    let peers = [r#"{"ip":"h","id":"x"}"#; 3].join(",");
    let twice = format!(r#"{{"primary":{{"ip":"a"}},"async":[{peers}]}}"#);
    assert_eq!(read(&twice).unwrap().peers().count(), 2, "each peer once");
    let many: Vec<_> = (0..=MOST_PEERS).map(|n| format!(r#"{{"ip":"h{n}"}}"#)).collect();
    let many = format!(r#"{{"primary":{{"ip":"a"}},"async":[{}]}}"#, many.join(","));
    assert_eq!(read(&many), Err(StateError::TooManyPeers));
    let deep = format!(r#"{{"primary":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read(&deep), Err(StateError::NoObject(_))));
}

#[test]
fn a_cluster_is_frozen_by_what_javascript_takes_for_true() {
    let freeze = |value: &str| {
        State::read(format!(r#"{{"primary":{{"ip":"a"}},"freeze":{value}}}"#).as_bytes()).unwrap().freeze
    };
    for not in ["null", "false", "0", "\"\""] {
        assert_eq!(freeze(not), None, "{not}");
    }
    assert_eq!(freeze("true"), Some(Freeze { reason: "unknown".into(), date: None }));
    let why = freeze(r#"{"date":"2014-12-12T19:00:00.000Z","reason":"by hand"}"#).unwrap();
    assert_eq!((why.reason.as_str(), why.date), ("by hand", "2014-12-12T19:00:00Z".parse().ok()));
    assert_eq!(freeze("{}").unwrap().reason, "unknown");
}

#[test]
fn who_is_alive_counts_once_and_by_its_newest_node() {
    let data = br#"{"zoneId":"z","ip":"10.0.0.1","pgUrl":"tcp://postgres@10.0.0.1:5432/postgres"}"#;
    let nodes: [(&str, &[u8]); 7] = [
        // Found by random inputs: nobody, in both.
        ("-5", b"{}"),
        ("\u{1}-6", b"{}"),
        ("10.0.0.1:5432:12345-0000000009", data),
        ("10.0.0.2:5432:12345-0000000004", b"{}"),
        ("10.0.0.1:5432:12345-0000000003", data),
        ("nonsense", b""),
        ("10.0.0.3:5432:12345-x", b""),
    ];
    let found = election(nodes);
    let shown: Vec<_> = found.iter().map(|r| (r.peer.id.as_str(), r.sequence)).collect();
    assert_eq!(shown, [("10.0.0.2:5432:12345", 4), ("10.0.0.1:5432:12345", 9)]);
    assert_eq!(found[0].peer.ip, "10.0.0.2");
    // Manatee 1 has no other state than this order.
    let state = State::of_election(&found).unwrap();
    assert_eq!((state.primary.ip.as_str(), ids(&state.sync)), ("10.0.0.2", vec!["10.0.0.1"]));
    assert_eq!(State::of_election(&[]), None);
}

#[test]
fn nodes_of_the_history_are_read_in_both_versions() {
    let two = past("0-0000000007", WHOLE.as_bytes(), Some(Timestamp::UNIX_EPOCH)).unwrap();
    assert_eq!((two.sequence, two.at), (7, Some(Timestamp::UNIX_EPOCH)));
    let PastState::Whole(state) = two.what else { panic!("{:?}", two.what) };
    assert_eq!(state.generation, Some(3), "not the 0 of the name");
    let one = past("1399934340539-10.77.77.7-primary-undefined-0000000002", b"", None).unwrap();
    let what = PastState::Took { ip: "10.77.77.7".into(), role: "primary".into(), leader: None };
    assert_eq!((one.sequence, one.what), (2, what));
    assert_eq!(one.at.unwrap().as_millisecond(), 1_399_934_340_539);
    assert!(matches!(past("3-0000000001", b"{", None).unwrap().what, PastState::Unreadable(_)));
    assert_eq!(past("nonsense", b"", None), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..300), name in ".{0,40}") {
        let _ = State::read(&text);
        let _ = past(&name, &text, None);
        let _ = election([(name.as_str(), text.as_slice())]);
    }

    #[test]
    fn a_damaged_state_does_not_panic(at in 0..WHOLE.len(), with in any::<u8>(), cut in 0..WHOLE.len()) {
        let mut text = WHOLE.as_bytes().to_vec();
        text[at] = with;
        if let Ok(state) = State::read(&text) {
            prop_assert!(state.peers().count() <= MOST_PEERS);
        }
        let _ = State::read(&text[..cut]);
    }

    #[test]
    fn any_json_in_any_place_is_read_or_refused(place in any::<usize>(), value in any_json(KEYS)) {
        let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
        put(&mut whole, place, value);
        if let Ok(state) = State::read(whole.to_string().as_bytes()) {
            for peer in state.peers() {
                prop_assert!(!peer.id.is_empty());
                let _ = (peer.label(), peer.postgres(), state.downstream(&peer.id), state.upstream(&peer.id));
            }
        }
    }
}
