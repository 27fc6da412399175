use super::*;

fn member(id: &str, role: Role, in_recovery: Option<bool>, timeline: Option<i64>) -> Member {
    let streams = (in_recovery == Some(true)).then(|| "streaming".to_owned());
    Member { in_recovery, timeline, replication_state: streams, ..Member::new(id, role) }
}

fn told(manager: Manager, members: Vec<Member>) -> Vec<String> {
    let mut cluster = Cluster { members, ..Cluster::new(manager, "c", "s") };
    let before = Issue { code: "deposed", severity: Severity::Warning, peer: None, text: "old".into() };
    cluster.issues.push(before);
    cluster.note_contradictions();
    assert_eq!(cluster.issues.pop().map(|issue| (issue.code, issue.is_own())), Some(("deposed", false)));
    assert!(cluster.issues.iter().all(|issue| issue.is_own() && issue.severity == Severity::Error));
    cluster.issues.into_iter().map(|issue| format!("{}: {}", issue.code, issue.text)).collect()
}

#[test]
fn members_that_agree_and_those_of_whom_nothing_is_known_are_not_accused() {
    let chain = || {
        vec![
            member("a", Role::Primary, Some(false), Some(3)),
            member("b", Role::Sync, Some(true), Some(3)),
            member("c", Role::Async, None, None),
            member("d", Role::Deposed, Some(true), Some(2)),
        ]
    };
    for manager in [Manager::Manatee, Manager::Patroni, Manager::Streaming] {
        assert!(told(manager, chain()).is_empty());
    }
    assert!(told(Manager::Manatee, Vec::new()).is_empty());
}

#[test]
fn a_deposed_peer_that_takes_writes_is_a_second_primary() {
    let found = told(
        Manager::Manatee,
        vec![
            member("a", Role::Primary, Some(false), Some(2)),
            member("old", Role::Deposed, Some(false), Some(1)),
        ],
    );
    assert_eq!(found, ["several_primaries: 2 members take writes: a, old"]);
}

#[test]
fn a_primary_that_is_a_standby_and_a_standby_that_is_none_are_told_by_name() {
    let found = told(
        Manager::Patroni,
        vec![member("a", Role::Primary, Some(true), Some(1)), member("b", Role::Sync, Some(false), Some(1))],
    );
    let expected = [
        "role_mismatch: a is primary as the manager says, and its PostgreSQL is a standby",
        "role_mismatch: b is sync as the manager says, and its PostgreSQL is no standby",
    ];
    assert_eq!(found, expected);
}

#[test]
fn who_is_left_behind_on_a_timeline_is_told_and_who_follows_is_not() {
    let fork = |of_b: Option<&str>| {
        let b = Member {
            replication_state: of_b.map(str::to_owned),
            ..member("b", Role::Async, Some(true), Some(1))
        };
        told(Manager::Streaming, vec![member("a", Role::Primary, Some(false), Some(2)), b])
    };
    assert_eq!(fork(Some("none")), ["timeline_fork: the timelines differ: a on 2, b on 1"]);
    assert!(fork(Some("streaming")).is_empty(), "it is sent the rest of the old timeline");
    assert!(fork(None).is_empty(), "nobody can tell");
    // A primary cannot follow anybody.
    let two = vec![
        member("a", Role::Primary, Some(false), Some(1)),
        member("b", Role::Primary, Some(false), Some(2)),
    ];
    let found = told(Manager::Streaming, two);
    assert_eq!(
        found,
        [
            "several_primaries: 2 members take writes: a, b",
            "timeline_fork: the timelines differ: a on 1, b on 2"
        ]
    );
}
