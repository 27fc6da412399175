//! Rules of `clusters`.

use super::load;
use crate::{Loaded, ManagerSpec, ManateeSpec, PatroniSpec, Shards};
use std::time::Duration;

fn faults(clusters: &str) -> Vec<String> {
    let text = format!("dsn: postgres://u@localhost/d\nclusters:\n{clusters}");
    match load(&text) {
        Ok(loaded) => loaded.warnings.iter().map(|w| format!("warning: {w}")).collect(),
        Err(errors) => errors.diagnostics().iter().map(ToString::to_string).collect(),
    }
}

fn only(clusters: &str) -> Loaded {
    load(&format!("clusters:\n{clusters}")).unwrap()
}

fn manatee(loaded: &Loaded) -> &ManateeSpec {
    match &loaded.clusters[0].manager {
        ManagerSpec::Manatee(spec) => spec,
        other => panic!("{other:?}"),
    }
}

fn patroni(loaded: &Loaded) -> &PatroniSpec {
    match &loaded.clusters[0].manager {
        ManagerSpec::Patroni(spec) => spec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shard_is_named_or_found_without_a_database() {
    let one = only("- {type: manatee, zookeeper: 'zk1:2181,zk2', shard: 1.moray, postgres: {user: pgmon}}\n");
    let spec = manatee(&one);
    assert_eq!(spec.hosts, [("zk1".to_owned(), 2181), ("zk2".to_owned(), 2181)]);
    assert_eq!((spec.chroot.as_str(), &spec.shards), ("", &Shards::Listed(vec!["/manatee/1.moray".into()])));
    assert_eq!((spec.login.user.as_str(), spec.login.database.as_str()), ("pgmon", "postgres"));
    assert!(one.entries.is_empty() && one.clusters[0].exported);
    let all = only("- {type: manatee, zookeeper: 'zk1/prod/', postgres: {user: pgmon}}\n");
    assert_eq!(
        (manatee(&all).chroot.as_str(), &manatee(&all).shards),
        ("/prod", &Shards::Below("/manatee".into()))
    );
    let v6 =
        only("- {type: manatee, zookeeper: '[::1]:2182,[::1]', shards: [/m/1, '2'], postgres: {user: p}}\n");
    assert_eq!(manatee(&v6).hosts, [("::1".to_owned(), 2182), ("::1".to_owned(), 2181)]);
    assert_eq!(manatee(&v6).shards, Shards::Listed(vec!["/m/1".into(), "/manatee/2".into()]));
}

#[test]
fn the_documents_status_server_is_taken_where_it_has_a_meaning() {
    let off = "- {type: manatee, zookeeper: zk, postgres: {user: p}, statusServer: {port: 8080, metrics: {enabled: false, endpoint: /m}}}\n";
    let loaded = only(off);
    assert!(!loaded.clusters[0].exported);
    let warnings: Vec<_> = loaded.warnings.iter().map(|w| (w.pointer.as_str(), w.message.as_str())).collect();
    assert_eq!(
        warnings,
        [
            ("/clusters/0/statusServer/port", "has no effect: pgmon serves at http.bind"),
            ("/clusters/0/statusServer/metrics/endpoint", "has no effect: pgmon serves at /metrics"),
        ]
    );
}

#[test]
fn patroni_has_urls_and_one_kind_of_credentials() {
    let loaded = only(
        "- {type: patroni, urls: ['https://db1:8008', 'http://127.0.0.1:8009'], interval: 3s, username: u, password: p}\n",
    );
    let spec = patroni(&loaded);
    assert_eq!(spec.urls.len(), 2);
    assert!(spec.basic.is_some() && spec.bearer.is_none() && !spec.follow_members);
    assert_eq!(
        (loaded.clusters[0].interval, loaded.clusters[0].timeout),
        (Duration::from_secs(3), Duration::from_secs(3))
    );
}

#[test]
fn each_fault_has_its_place_and_what_to_do() {
    let cases: &[(&str, &str)] = &[
        ("- {type: manatee, postgres: {user: p}}\n", "needs `zookeeper`"),
        ("- {type: manatee, zookeeper: 'zk:0', postgres: {user: p}}\n", "expected servers as in"),
        ("- {type: manatee, zookeeper: ',', postgres: {user: p}}\n", "names no server"),
        ("- {type: manatee, zookeeper: zk, shard: a, root: /b, postgres: {user: p}}\n", "exclude each other"),
        ("- {type: manatee, zookeeper: zk, shard: a/../b, postgres: {user: p}}\n", "is no path of ZooKeeper"),
        (
            "- {type: manatee, zookeeper: zk, urls: ['http://x'], postgres: {user: p}}\n",
            "urls: is a key of type patroni",
        ),
        ("- {type: manatee, zookeeper: zk, postgres: {usr: p}}\n", "did you mean user?"),
        ("- {type: patroni}\n", "needs `urls`"),
        ("- {type: patroni, urls: ['db1:8008']}\n", "starts with http://"),
        ("- {type: patroni, urls: ['http://db1:8008/patroni']}\n", "has a path"),
        ("- {type: patroni, urls: ['http://db1:8008', 'http://DB1:8008']}\n", "is there twice"),
        ("- {type: patroni, urls: ['http://db1'], username: u}\n", "needs a password"),
        ("- {type: patroni, urls: ['http://db1'], password: u}\n", "needs a username"),
        ("- {type: patroni, urls: ['http://db1'], interval: 500ms}\n", "at least 1s"),
        (
            "- {type: patroni, urls: ['http://db1'], interval: 5s, timeout: 6s}\n",
            "longer than the interval (5s)",
        ),
        ("- {type: patroni, urls: ['http://db1'], username: u, password: p}\n", "warning: pgmon.yaml"),
        ("- {type: patronni, urls: ['http://db1']}\n", "did you mean patroni?"),
        ("- {urls: ['http://db1']}\n", "type is missing"),
        ("- {type: streaming, databases: [x]}\n", "no entry of `databases` is called so"),
        ("- {type: streaming, name: a}\n- {type: streaming, name: a}\n", "is called \"a\" as well"),
    ];
    for (text, expected) in cases {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let place = if *expected == "type is missing" { ":" } else { "clusters" };
        assert!(found[0].contains(expected) && found[0].contains(place), "{text}: {found:?}");
    }
}

#[test]
fn no_error_repeats_a_secret() {
    let text =
        "- {type: patroni, urls: ['http://db1'], username: u, password: hunter2, bearer_token: hunter3}\n";
    let found = faults(text).join("\n");
    assert!(found.contains("keep one of them") && !found.contains("hunter"), "{found}");
}
