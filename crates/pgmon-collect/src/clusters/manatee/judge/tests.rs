//! From the fixture that Manatee's own tool takes (`MANATEE_ADM_TEST_STATE`).

use super::super::peer::Finding;
use super::*;
use pgmon_core::cluster::lsn_bytes;
use serde_json::{Value, json};

const FIXTURE: &str = include_str!("fixture.json");

/// The state and the findings behind a tool's view of a shard.
pub(crate) fn of_fixture(details: &Value) -> (State, Findings) {
    let ident = |id: &Value| details["pgs_peers"][id.as_str().unwrap_or_default()]["pgp_ident"].clone();
    let list =
        |key: &str| -> Vec<Value> { details[key].as_array().into_iter().flatten().map(&ident).collect() };
    let state = json!({
        "generation": details["pgs_generation"], "initWal": details["pgs_initwal"],
        "primary": ident(&details["pgs_primary"]), "sync": ident(&details["pgs_sync"]),
        "async": list("pgs_asyncs"), "deposed": list("pgs_deposed"),
        "freeze": details["pgs_frozen"], "oneNodeWriteMode": details["pgs_singleton"],
    });
    let state = State::read(state.to_string().as_bytes()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut findings = Findings::new();
    for (id, peer) in details["pgs_peers"].as_object().unwrap() {
        let asked = match peer["pgp_pgerr"]["message"].as_str() {
            Some(message) => Asked::Failed(message.to_owned()),
            None => {
                let repl = &peer["pgp_repl"];
                let senders = repl.is_object().then(|| Sender {
                    client_addr: text(&repl["client_addr"]),
                    state: text(&repl["state"]),
                    sync_state: text(&repl["sync_state"]),
                    replay_bytes: repl["replay_location"].as_str().and_then(lsn_bytes),
                    ..Sender::default()
                });
                let seconds = |key: &str| peer["pgp_lag"][key].as_f64().unwrap_or(0.0);
                Asked::Answered(Box::new(Finding {
                    in_recovery: *id != state.primary.id,
                    replay_age_seconds: peer["pgp_lag"]
                        .is_object()
                        .then(|| seconds("minutes") * 60.0 + seconds("seconds")),
                    senders: senders.into_iter().collect(),
                    ..Finding::default()
                }))
            }
        };
        findings.insert(id.clone(), asked);
    }
    (state, findings)
}

const A: &str = "10.0.0.1:5432:12345-0000000001";
const B: &str = "10.0.0.2:5432:12345-0000000002";
const C: &str = "10.0.0.3:5432:12345-0000000003";

/// What is said of the fixture after `change`: `E` or `W`, and the text.
fn said(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut details: Value = serde_json::from_str(FIXTURE).unwrap();
    change(&mut details);
    let (state, findings) = of_fixture(&details);
    judge(&state, &findings)
        .into_iter()
        .map(|issue| {
            let kind = if issue.severity == Severity::Error { "E" } else { "W" };
            format!("{kind} {}", issue.text)
        })
        .collect()
}

fn repl(details: &mut Value, id: &str, key: &str, value: Value) {
    details["pgs_peers"][id]["pgp_repl"][key] = value;
}

fn down(details: &mut Value, id: &str) {
    details["pgs_peers"][id]["pgp_pgerr"] = json!({"message": "ECONNREFUSED"});
    details["pgs_peers"][id]["pgp_repl"] = Value::Null;
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn an_async_that_is_down_alone_is_no_issue() {
    // As in the fixture: its upstream still shows it, and nobody replicates from it.
    assert_eq!(said(|_| {}), nothing());
    let gone = said(|d| d["pgs_peers"][B]["pgp_repl"] = Value::Null);
    assert_eq!(gone, ["W peer \"30219700\": downstream replication peer not connected"]);
}

#[test]
fn a_primary_that_is_down_is_two_errors() {
    let errors = [
        "E cannot query postgres on primary: peer \"301e2d2c\": ECONNREFUSED",
        "E peer \"301e2d2c\": downstream replication peer not connected",
    ];
    assert_eq!(said(|d| down(d, A)), errors);
}

#[test]
fn a_sync_that_is_down_ends_the_checks_behind_those_of_the_chain() {
    let found = said(|d| {
        down(d, B);
        d["pgs_asyncs"] = json!([]);
        d["pgs_deposed"] = json!([C]);
        repl(d, A, "state", json!("catchup"));
    });
    let expected = [
        "E cannot query postgres on sync: peer \"30219700\": ECONNREFUSED",
        "W cluster has a deposed peer",
        "W cluster has no async peers",
    ];
    assert_eq!(found, expected);
}

#[test]
fn one_node_write_mode_ends_the_checks() {
    let alone = |d: &mut Value| {
        d["pgs_singleton"] = json!(true);
        d["pgs_sync"] = Value::Null;
        d["pgs_asyncs"] = json!([]);
    };
    assert_eq!(said(alone), nothing());
    let two = said(|d| {
        alone(d);
        d["pgs_asyncs"] = json!([C]);
        down(d, A);
    });
    let expected = [
        "E cannot query postgres on primary: peer \"301e2d2c\": ECONNREFUSED",
        "W found 2 peers in singleton mode",
    ];
    assert_eq!(two, expected);
}

#[test]
fn a_missing_sync_outside_of_one_node_write_mode_is_an_error_and_no_crash() {
    let found = said(|d| d["pgs_sync"] = Value::Null);
    assert_eq!(found, ["E cluster has no sync peer and is not in singleton mode"]);
}

#[test]
fn frozen_and_lag_are_no_issues() {
    assert_eq!(said(|d| d["pgs_frozen"] = json!({"reason": "x", "date": "y"})), nothing());
}

#[test]
fn each_fault_of_a_hop_has_its_words() {
    assert_eq!(
        said(|d| repl(d, A, "client_addr", json!("10.0.0.9"))),
        ["E peer \"301e2d2c\": expected downstream peer to be \"10.0.0.2\", but found \"10.0.0.9\""]
    );
    assert_eq!(
        said(|d| repl(d, A, "state", json!("catchup"))),
        [
            "E peer \"301e2d2c\": downstream replication not yet established (expected state \"streaming\", found \"catchup\")"
        ]
    );
    assert_eq!(
        said(|d| repl(d, A, "sync_state", json!("async"))),
        ["E peer \"301e2d2c\": expected downstream replication to be \"sync\", but found \"async\""]
    );
    assert_eq!(
        said(|d| repl(d, B, "sync_state", json!("sync"))),
        ["W peer \"30219700\": expected downstream replication to be \"async\", but found \"sync\""]
    );
    // Both of the first two, and not the third then.
    let both = said(|d| {
        for (key, value) in [("client_addr", "10.0.0.9"), ("state", "catchup"), ("sync_state", "async")] {
            repl(d, A, key, json!(value));
        }
    });
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[0].contains("expected downstream peer") && both[1].contains("not yet established"));
}

#[test]
fn a_longer_chain_is_checked_hop_by_hop() {
    const D: &str = "10.0.0.4:5432:12345-0000000004";
    let found = said(|d| {
        let mut fourth = d["pgs_peers"][B].clone();
        fourth["pgp_ident"]["id"] = json!(D);
        fourth["pgp_ident"]["ip"] = json!("10.0.0.4");
        fourth["pgp_repl"] = Value::Null;
        d["pgs_peers"][D] = fourth;
        d["pgs_asyncs"] = json!([C, D]);
    });
    // The third is down: whoever should replicate from it does not.
    assert_eq!(found, ["W peer \"3022acc6\": downstream replication peer not connected"]);
}

#[test]
fn a_peer_that_was_not_asked_yet_is_not_judged() {
    let details: Value = serde_json::from_str(FIXTURE).unwrap();
    let (state, _) = of_fixture(&details);
    assert_eq!(judge(&state, &Findings::new()), []);
}

#[test]
fn the_row_is_that_of_the_expected_peer_and_no_base_backup_counts() {
    let row = |app: &str, addr: &str, state: &str| Sender {
        application_name: Some(app.to_owned()),
        client_addr: Some(addr.to_owned()),
        state: Some(state.to_owned()),
        ..Sender::default()
    };
    let peer = Peer { id: "10.0.0.2:5432:12345".into(), ip: "10.0.0.2".into(), ..Peer::default() };
    let backups = [row("pg_basebackup", "10.0.0.2", "backup"), row("pg_basebackup", "10.0.0.2", "streaming")];
    assert_eq!(row_of(&backups, &peer), None);
    let rows = [
        row("other", "10.0.0.3", "streaming"),
        row("other", "10.0.0.2", "streaming"),
        row("10.0.0.2:5432:12345", "10.0.0.2", "catchup"),
        row("pg_basebackup", "10.0.0.2", "backup"),
    ];
    assert_eq!(row_of(&rows, &peer), rows.get(2));
    assert_eq!(row_of(&rows[..1], &peer), rows.first(), "another one in its place is told as such");
}
