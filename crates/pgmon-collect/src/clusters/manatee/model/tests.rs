use super::super::judge::tests::of_fixture;
use super::super::peer::Sender;
use super::super::state::past;
use super::super::state::tests::{KEYS, WHOLE};
use super::*;
use crate::clusters::fuzzing::assert_sound;
use crate::clusters::tests::json::{any_json, put};
use pgmon_core::cluster::Severity;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

const S: fn(u64) -> Duration = Duration::from_secs;

fn fixture() -> (State, Findings) {
    let details: Value = serde_json::from_str(include_str!("../judge/fixture.json")).unwrap();
    of_fixture(&details)
}

fn cluster(state: &State, findings: &Findings, lags: &Lags, now: Duration) -> Cluster {
    let shard = Shard { name: "1.moray", source: "zk", state, election: None, findings, history: &[] };
    shard.cluster(lags, now)
}

/// Puts the peers of the fixture at these positions.
fn at(findings: &mut Findings, written: i64, replayed: i64) {
    for asked in findings.values_mut() {
        if let Asked::Answered(finding) = asked {
            finding.written_bytes = (!finding.in_recovery).then_some(written);
            (finding.received_bytes, finding.replayed_bytes) =
                if finding.in_recovery { (Some(written), Some(replayed)) } else { (None, None) };
        }
    }
}

/// All of them have answered at `now`.
fn note(lags: &mut Lags, findings: &Findings, now: Duration) {
    findings.iter().for_each(|(id, asked)| lags.note(id, asked, now));
}

fn lag(cluster: &Cluster, n: usize) -> (Option<i64>, Option<f64>) {
    (cluster.members[n].lag_bytes, cluster.members[n].lag_seconds)
}

#[test]
fn two_minutes_and_five_seconds_are_125_seconds() {
    let (state, mut findings) = fixture();
    at(&mut findings, 5000, 4000);
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(lag(&found, 0), (Some(0), Some(0.0)), "nothing is ahead of the primary");
    assert_eq!(lag(&found, 1), (Some(1000), Some(125.0)));
    assert_eq!(lag(&found, 2), (None, None), "it is down");
    let roles: Vec<_> = found.members.iter().map(|m| m.role.as_str()).collect();
    assert_eq!(roles, ["primary", "sync", "async"]);
    assert_eq!(found.members[1].upstream, Some(state.primary.id.clone()));
    assert_eq!((found.generation, found.count(Severity::Error)), (Some(3), 0));
}

#[test]
fn the_lag_of_who_has_caught_up_with_an_idle_primary_is_zero() {
    let (state, mut findings) = fixture();
    at(&mut findings, 5000, 5000);
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(lag(&found, 1), (Some(0), Some(0.0)), "although its last commit is 125 s old");
}

#[test]
fn after_an_idle_hour_the_first_write_is_no_lag_of_an_hour() {
    let (state, mut findings) = fixture();
    let mut lags = Lags::default();
    for second in [0, 10, 20] {
        at(&mut findings, 5000, 5000);
        note(&mut lags, &findings, S(second));
    }
    at(&mut findings, 9000, 5000);
    note(&mut lags, &findings, S(30));
    let (bytes, seconds) = lag(&cluster(&state, &findings, &lags, S(30)), 1);
    assert_eq!(bytes, Some(4000));
    assert!(seconds.is_some_and(|s| s <= 10.0), "{seconds:?}");
}

#[test]
fn without_the_source_only_what_is_certain_is_said() {
    let (state, mut findings) = fixture();
    at(&mut findings, 5000, 5000);
    findings.insert(state.primary.id.clone(), Asked::Failed("gone".into()));
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(lag(&found, 1), (None, None));
    assert_eq!(found.members[1].replication_state, None);
    assert_eq!((found.members[0].reachable, lag(&found, 0)), (Some(false), (None, None)));
    at(&mut findings, 5000, 4000);
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(lag(&found, 1), (None, Some(125.0)), "behind what it has received itself");
}

#[test]
fn another_one_in_the_place_of_a_peer_is_not_taken_for_it() {
    let (state, mut findings) = fixture();
    let other =
        Sender { client_addr: Some("10.9.9.9".into()), state: Some("streaming".into()), ..Sender::default() };
    let finding = Finding { senders: vec![other], ..Finding::default() };
    findings.insert(state.primary.id.clone(), Asked::Answered(Box::new(finding)));
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(found.members[1].replication_state.as_deref(), Some("none"));
    assert_eq!(found.members[1].is_streaming(), Some(false));
}

#[test]
fn deposed_peers_and_those_who_are_not_registered_are_told() {
    let (mut state, findings) = fixture();
    state.deposed = std::mem::take(&mut state.asyncs);
    let election = [Registered { peer: state.primary.clone(), sequence: 1 }];
    let shard = Shard {
        name: "s",
        source: "zk",
        state: &state,
        election: Some(&election),
        findings: &findings,
        history: &[],
    };
    let found = shard.cluster(&Lags::default(), S(1));
    let told: Vec<_> = found.members.iter().map(|m| (m.role, m.registered, m.reachable)).collect();
    let expected = [
        (Role::Primary, Some(true), Some(true)),
        (Role::Sync, Some(false), Some(true)),
        // It is asked as well, and does not look up because nobody asked.
        (Role::Deposed, Some(false), Some(false)),
    ];
    assert_eq!(told, expected);
}

fn codes(cluster: &Cluster) -> Vec<&str> {
    cluster.issues.iter().map(|issue| issue.code).collect()
}

#[test]
fn a_deposed_peer_that_takes_writes_is_the_first_thing_that_is_said() {
    let (mut state, mut findings) = fixture();
    state.deposed = state.sync.take().into_iter().collect();
    (state.asyncs, state.singleton) = (Vec::new(), true);
    let deposed = state.deposed[0].id.clone();
    for (id, asked) in &mut findings {
        if let Asked::Answered(finding) = asked {
            finding.in_recovery = *id != deposed && *id != state.primary.id;
        }
    }
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(codes(&found), ["several_primaries", "singleton_peers"]);
    assert_eq!(found.issues[0].text, format!("2 members take writes: {}, {deposed}", state.primary.id));
}

#[test]
fn a_peer_whose_role_is_refused_is_up_and_nothing_else_is_known_of_it() {
    let (state, mut findings) = fixture();
    findings.values_mut().for_each(|asked| *asked = Asked::Refused("refused: it can write".into()));
    let found = cluster(&state, &findings, &Lags::default(), S(1));
    assert_eq!(codes(&found), ["role_refused"; 3]);
    assert!(found.issues.iter().all(|issue| issue.severity == Severity::Warning && issue.is_own()));
    assert!(found.issues[0].text.ends_with("\": refused: it can write"), "{}", found.issues[0].text);
    for member in &found.members {
        assert_eq!((member.reachable, member.in_recovery, member.is_streaming()), (Some(true), None, None));
        assert_eq!((member.lag_bytes, member.lag_seconds, member.position_bytes), (None, None, None));
    }
}

#[test]
fn the_history_tells_takeovers_from_edits() {
    let state = |generation: i64, primary: &str, sync: &str, freeze: &str| {
        format!(
            r#"{{"generation":{generation},"primary":{{"ip":"{primary}"}},"sync":{{"ip":"{sync}"}},"freeze":{freeze}}}"#
        )
    };
    let texts = [
        ("1-0000000000", state(1, "a", "b", "null")),
        ("0-0000000001", state(1, "a", "b", r#"{"reason":"maintenance"}"#)),
        ("0-0000000002", state(1, "a", "b", "null")),
        ("2-0000000003", state(2, "b", "c", "null")),
    ];
    // In the order in which ZooKeeper happens to list them.
    let past: Vec<_> = texts.iter().rev().filter_map(|(n, t)| past(n, t.as_bytes(), None)).collect();
    let told: Vec<_> = history(&past).into_iter().map(|h| (h.generation, h.failover, h.what)).collect();
    let expected = [
        (Some(2), true, "b:5432:12345 took over from a:5432:12345; c:5432:12345 became the sync"),
        (Some(1), false, "unfrozen"),
        (Some(1), false, "frozen: maintenance"),
        (Some(1), false, "the state was first written"),
    ];
    assert_eq!(told, expected.map(|(g, f, w)| (g, f, w.to_owned())));
}

/// What a peer may say, if it is no PostgreSQL but something that calls itself so.
fn any_finding() -> impl Strategy<Value = Asked> {
    let position = || option::of(prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 0..100_i64]);
    let age =
        option::of(prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)]);
    let word =
        || option::of(prop_oneof![Just("streaming".to_owned()), Just("10.0.0.2".to_owned()), ".{0,9}"]);
    let sender = (word(), word(), word(), word(), position()).prop_map(
        |(application_name, client_addr, state, sync_state, replay_bytes)| Sender {
            application_name,
            client_addr,
            state,
            sync_state,
            replay_bytes,
        },
    );
    let senders = proptest::collection::vec(sender, 0..4);
    let answered = (any::<bool>(), position(), position(), position(), position(), age, senders).prop_map(
        |(
            in_recovery,
            timeline,
            written_bytes,
            received_bytes,
            replayed_bytes,
            replay_age_seconds,
            senders,
        )| {
            let system_identifier = None;
            Asked::Answered(Box::new(Finding {
                in_recovery,
                system_identifier,
                timeline,
                written_bytes,
                received_bytes,
                replayed_bytes,
                replay_age_seconds,
                senders,
            }))
        },
    );
    prop_oneof![
        4 => answered,
        1 => ".{0,9}".prop_map(Asked::Failed),
        1 => ".{0,9}".prop_map(Asked::Refused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_states_and_peers_say_becomes_numbers_and_no_series_twice(
        place in any::<usize>(),
        value in any_json(KEYS),
        rounds in proptest::collection::vec(proptest::collection::vec(any_finding(), 4), 1..4),
    ) {
        let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
        put(&mut whole, place, value);
        let Ok(state) = State::read(whole.to_string().as_bytes()) else { return Ok(()) };
        let mut lags = Lags::default();
        for (n, said) in (1..).zip(rounds) {
            let findings: Findings = state.peers().map(|peer| peer.id.clone()).zip(said).collect();
            note(&mut lags, &findings, S(n));
            assert_sound(cluster(&state, &findings, &lags, S(n)));
        }
    }
}
