use super::*;

fn primary(db: &str) -> Seen {
    Seen {
        cluster: "shop".into(),
        db: db.into(),
        place: Some((db.into(), 5432)),
        up: Some(true),
        server: Some(db.into()),
        system_identifier: Some("7".into()),
        in_recovery: Some(false),
        senders: Some(Vec::new()),
        ..Seen::default()
    }
}

fn standby(db: &str, source: &str) -> Seen {
    let row = standby::Row {
        replay_age_seconds: None,
        received_bytes: Some(9),
        replayed_bytes: Some(9),
        paused: false,
        link_configured: Some(true),
        receiver_timeout_seconds: 60.0,
        receiver_running: true,
        receiver_status: Some("streaming".into()),
        written_bytes: Some(9),
        source_bytes: Some(9),
        last_message_age_seconds: Some(0.1),
        slot_name: None,
        sender_host: Some(source.into()),
        sender_port: Some(5432),
        timeline: Some(1),
        link_down: Some(false),
        lag_seconds: Some(0.0),
        lag_bytes: Some(0),
    };
    Seen { in_recovery: Some(true), senders: None, standby: Some(row), ..primary(db) }
}

fn found(name: Option<&str>, seen: &[Seen]) -> Vec<Cluster> {
    clusters(name, seen, &mut Names::default())
}

fn of(name: &str, data: Option<&str>, db: &str) -> Seen {
    let (up, in_recovery) = (Some(data.is_some()), data.map(|_| false));
    Seen { cluster: name.into(), system_identifier: data.map(str::to_owned), up, in_recovery, ..primary(db) }
}

fn named(clusters: &[Cluster]) -> Vec<(&str, Vec<&str>)> {
    clusters.iter().map(|c| (c.name.as_str(), c.members.iter().map(|m| m.id.as_str()).collect())).collect()
}

#[test]
fn a_cluster_keeps_its_name_when_an_unrelated_database_answers() {
    let mut names = Names::default();
    let before = [of("local", Some("1"), "a"), of("local", None, "b")];
    let expected = [("local", vec!["local/a", "local/b"])];
    assert_eq!(named(&clusters(None, &before, &mut names)), expected, "b is shown, and down");
    let both = [of("local", Some("1"), "a"), of("local", Some("2"), "b")];
    let expected = [("local", vec!["local/a"]), ("local/b", vec!["local/b"])];
    assert_eq!(named(&clusters(None, &both, &mut names)), expected);
    assert_eq!(named(&found(None, &both)), expected, "after a restart as well");
    let expected = [("x", vec!["local/a"]), ("x/local/b", vec!["local/b"])];
    assert_eq!(named(&found(Some("x"), &both)), expected);
    // The other way round: who was given the name has it until pgmon ends.
    let mut names = Names::default();
    let late = [of("local", None, "a"), of("local", Some("2"), "b")];
    assert_eq!(clusters(None, &late, &mut names)[0].name, "local");
    let expected = [("local/a", vec!["local/a"]), ("local", vec!["local/b"])];
    assert_eq!(named(&clusters(None, &both, &mut names)), expected);
}

#[test]
fn a_database_that_never_answered_is_a_member_that_is_down() {
    let all = found(None, &[of("shop", None, "a"), of("shop", Some("1"), "b"), of("else", None, "c")]);
    assert_eq!(named(&all), [("shop", vec!["shop/b", "shop/a"]), ("else", vec!["else/c"])]);
    let a = &all[0].members[1];
    assert_eq!((a.role, a.reachable, a.timeline), (Role::Unknown, Some(false), None));
    assert_eq!(all[0].issues.iter().map(|i| i.code).collect::<Vec<_>>(), ["member_down"]);
}

#[test]
fn the_lag_of_a_standby_without_its_source_is_what_it_has_not_replayed() {
    let behind = |down: bool, received, up| {
        let mut b = standby("b", "a");
        let row = b.standby.as_mut().unwrap();
        (row.link_down, row.received_bytes, row.lag_seconds) = (Some(down), Some(received), Some(37.5));
        (row.lag_bytes, row.receiver_status) = (Some(5), (!down).then(|| "streaming".into()));
        let a = Seen { up: Some(up), senders: None, ..primary("a") };
        found(None, &[a, b])[0].members[1].lag_seconds
    };
    assert_eq!(behind(true, 9, false), None, "nobody can tell how far the source has got");
    assert_eq!(behind(false, 9, false), None, "the link was not looked at since");
    assert_eq!(behind(true, 14, false), Some(37.5), "this it has, and has not replayed");
    assert_eq!(behind(false, 9, true), Some(37.5));
}

fn told(cluster: &Cluster) -> Vec<(&str, &str, Option<&str>)> {
    cluster.members.iter().map(|m| (m.id.as_str(), m.role.as_str(), m.upstream.as_deref())).collect()
}

#[test]
fn servers_with_the_same_data_are_one_cluster_and_their_chain_is_seen() {
    let other = Seen { system_identifier: Some("8".into()), cluster: "other".into(), ..primary("z") };
    let seen = [standby("c", "b"), primary("a"), standby("b", "a"), other];
    let all = found(None, &seen);
    assert_eq!(all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["shop", "other"]);
    let chain = [
        ("shop/a", "primary", None),
        ("shop/b", "async", Some("shop/a")),
        ("shop/c", "cascade", Some("shop/b")),
    ];
    assert_eq!(told(&all[0]), chain);
    assert_eq!((all[0].leader.as_deref(), all[0].issues.len()), (Some("shop/a"), 0));
}

#[test]
fn several_databases_of_a_server_are_one_member() {
    let second = Seen { db: "a2".into(), ..primary("a") };
    let all = found(Some("x"), &[primary("a"), second]);
    assert_eq!((all.len(), all[0].name.as_str(), all[0].members.len()), (1, "x", 1));
}

#[test]
fn two_that_take_writes_are_an_error_and_no_leader() {
    let all = found(None, &[primary("a"), primary("b")]);
    assert_eq!((all[0].leader.clone(), all[0].primaries()), (None, Some(2)));
    assert_eq!(all[0].issues[0].code, "several_primaries");
}

#[test]
fn a_standby_that_was_promoted_is_on_another_timeline() {
    let on = |timeline, seen: Seen| Seen { timeline: Some(timeline), ..seen };
    let all = found(None, &[on(1, primary("a")), standby("b", "a")]);
    assert_eq!((all[0].timeline, all[0].timelines(), all[0].issues.len()), (Some(1), Some(1), 0));
    let all = found(None, &[on(1, primary("a")), on(2, primary("b"))]);
    let codes: Vec<_> = all[0].issues.iter().map(|i| i.code).collect();
    assert_eq!((all[0].timelines(), codes), (Some(2), vec!["several_primaries", "timeline_fork"]));
    assert_eq!(all[0].issues[1].text, "the timelines differ: shop/a on 1, shop/b on 2");
}

#[test]
fn a_server_that_is_down_has_no_role_and_no_lag() {
    let down = Seen {
        up: Some(false),
        error: Some("refused".into()),
        in_recovery: None,
        standby: None,
        ..standby("b", "a")
    };
    let all = found(None, &[primary("a"), down]);
    let b = &all[0].members[1];
    assert_eq!((b.role, b.reachable, b.lag_seconds), (Role::Unknown, Some(false), None));
    assert_eq!(all[0].issues.iter().map(|i| i.code).collect::<Vec<_>>(), ["member_down"]);
}
