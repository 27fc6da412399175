use super::*;
use crate::metric::Family;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const KEEPS: Duration = Duration::from_secs(30);

fn snapshot(cluster: Cluster) -> Arc<ClusterSnapshot> {
    let pending = ClusterSnapshot::pending(cluster.manager, cluster.name.as_str(), "test", KEEPS);
    Arc::new(ClusterSnapshot {
        health: Health::Ok,
        at: Some(Timestamp::UNIX_EPOCH),
        at_mono: Some(Duration::ZERO),
        cluster: Some(Arc::new(cluster)),
        ..pending
    })
}

fn value(families: &[Family], name: &str, labels: &[&str]) -> Option<f64> {
    let family = families.iter().find(|f| f.desc.name() == name)?;
    let sample = family.samples.iter().find(|s| s.labels.iter().map(|l| &**l).eq(labels.iter().copied()))?;
    match sample.value {
        crate::Value::Number(n) => Some(n),
        _ => None,
    }
}

fn names_of(families: &[Family]) -> Vec<&str> {
    families.iter().map(|f| f.desc.name()).collect()
}

fn pair() -> Cluster {
    let mut cluster = Cluster::new(Manager::Manatee, "1.moray", "zk");
    let mut primary = Member::new("a", Role::Primary);
    (primary.in_recovery, primary.reachable, primary.timeline) = (Some(false), Some(true), Some(3));
    let mut sync = Member::new("b", Role::Sync);
    (sync.upstream, sync.replication_state) = (Some("a".into()), Some("catchup".into()));
    cluster.members = vec![primary, sync];
    cluster
}

#[test]
fn what_is_not_known_has_no_sample() {
    let found = families(&[snapshot(pair())], Duration::ZERO);
    assert_eq!(value(&found, "manatee_peer_postgres_up", &["1.moray", "a", "primary"]), Some(1.0));
    assert_eq!(value(&found, "manatee_peer_postgres_up", &["1.moray", "b", "sync"]), None);
    assert_eq!(value(&found, "manatee_peer_replication_state", &["1.moray", "b", "sync"]), Some(0.0));
    assert_eq!(value(&found, "manatee_peer_replication_state", &["1.moray", "a", "primary"]), None);
    assert_eq!(value(&found, "manatee_cluster_peers_total", &["1.moray"]), Some(2.0));
    assert_eq!(value(&found, "manatee_cluster_frozen", &["1.moray"]), Some(0.0));
    assert!(!names_of(&found).contains(&"manatee_cluster_generation"));
    assert!(!names_of(&found).contains(&"manatee_peer_replication_lag_seconds"));
    assert_eq!(value(&found, "pg_cluster_leaders", &["manatee", "1.moray"]), Some(1.0));
    assert_eq!(value(&found, "pg_cluster_timelines", &["manatee", "1.moray"]), Some(1.0));
}

#[test]
fn what_is_out_of_date_is_not_shown_as_the_present_state() {
    let before = snapshot(pair());
    let failed = ClusterSnapshot { health: Health::Failed { reason: "no".into() }, ..(*before).clone() };
    let found = families(&[Arc::new(failed)], KEEPS + Duration::from_millis(1));
    let left = [
        "pg_cluster_up",
        "pg_cluster_state_timestamp_seconds",
        "pg_cluster_read_errors_total",
        "pg_cluster_failovers_total",
    ];
    assert_eq!(names_of(&found), left);
    assert_eq!(value(&found, "pg_cluster_up", &["manatee", "1.moray"]), Some(0.0));
    let hangs = families(&[before], KEEPS + Duration::from_millis(1));
    assert_eq!(
        value(&hangs, "pg_cluster_up", &["manatee", "1.moray"]),
        Some(0.0),
        "nobody said that it failed"
    );
    let pending = ClusterSnapshot::pending(Manager::Patroni, "p", "u", KEEPS);
    assert_eq!(names_of(&families(&[Arc::new(pending)], KEEPS)), ["pg_cluster_read_errors_total"]);
}

#[test]
fn what_members_tell_is_shown_while_the_state_cannot_be_read() {
    let told_mono = Some(KEEPS * 10);
    let health = Health::Failed { reason: "no".into() };
    let told = ClusterSnapshot { health, told_mono, ..(*snapshot(pair())).clone() };
    let found = families(&[Arc::new(told.clone())], KEEPS * 11);
    assert_eq!(value(&found, "pg_cluster_up", &["manatee", "1.moray"]), Some(0.0));
    assert_eq!(value(&found, "pg_cluster_member_up", &["manatee", "1.moray", "a", "primary"]), Some(1.0));
    let read = value(&found, "pg_cluster_state_timestamp_seconds", &["manatee", "1.moray"]);
    assert_eq!(read, Some(0.0), "the state was not read since");
    assert!(!told.is_current(KEEPS * 11 + Duration::from_millis(1)));
}

#[test]
fn a_member_that_contradicts_its_manager_is_seen() {
    let mut member = Member::new("a", Role::Primary);
    assert_eq!(member.role_mismatch(), None);
    member.in_recovery = Some(true);
    assert_eq!(member.role_mismatch(), Some(true));
    member.role = Role::Deposed;
    assert_eq!(member.role_mismatch(), None, "a deposed one may be either");
    member.role = Role::StandbyLeader;
    assert_eq!(member.role_mismatch(), Some(false));
}

#[test]
fn members_of_several_clusters_stand_in_one_family_each() {
    let mut other = pair();
    other.name = "2.moray".into();
    let found = families(&[snapshot(pair()), snapshot(other)], Duration::ZERO);
    let mut names = names_of(&found);
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    let documented = |f: &Family| FAMILIES.iter().any(|d| d.name == f.desc.name());
    assert!(found.iter().all(documented));
}

#[test]
fn positions_are_read_as_postgres_writes_them() {
    assert_eq!(lsn_bytes("0/0"), Some(0));
    assert_eq!(lsn_bytes("16/B374D848"), Some((0x16 << 32) + 0xB374_D848));
    for text in ["", "/", "1/", "/1", "1/g", "123456789/0", "1/123456789", "+1/0", "1/2/3", "-1/0"] {
        assert_eq!(lsn_bytes(text), None, "{text}");
    }
}

#[test]
fn evidence_is_bounded_and_plain_text() {
    let long = "ä".repeat(Evidence::LONGEST);
    let evidence = Evidence::new("s", Timestamp::UNIX_EPOCH, &long);
    assert!(evidence.cut && evidence.text.len() <= Evidence::LONGEST && evidence.text.starts_with('ä'));
    let short = Evidence::new("s", Timestamp::UNIX_EPOCH, "a\u{1b}[31mb\n");
    assert_eq!((short.text.as_str(), short.cut), ("a [31mb\n", false));
}

proptest! {
    #[test]
    fn positions_survive_the_way_to_text_and_back(bytes in 0..i64::MAX) {
        prop_assert_eq!(lsn_bytes(&lsn_text(bytes)), Some(bytes));
    }

    #[test]
    fn hostile_ids_give_distinct_series(ids in proptest::collection::vec(".*", 1..6)) {
        let mut cluster = Cluster::new(Manager::Manatee, "s", "zk");
        cluster.members = ids.iter().map(|id| Member { reachable: Some(true), ..Member::new(id.as_str(), Role::Async) }).collect();
        let found = families(&[snapshot(cluster)], Duration::ZERO);
        let up = found.iter().find(|f| f.desc.name() == "manatee_peer_postgres_up").unwrap();
        let mut labels: Vec<_> = up.samples.iter().map(|s| s.labels.clone()).collect();
        labels.sort();
        labels.dedup();
        prop_assert_eq!(labels.len(), ids.len());
    }
}

#[test]
fn what_pgmon_finds_beyond_the_manager_is_no_error_of_manatee() {
    let mut cluster = pair();
    let issue = Issue { code: "primary_down", severity: Severity::Error, peer: None, text: "x".into() };
    cluster.issues = vec![issue];
    cluster.members[1].in_recovery = Some(false);
    cluster.note_contradictions();
    let found = families(&[snapshot(cluster)], Duration::ZERO);
    assert_eq!(value(&found, "manatee_cluster_errors_total", &["1.moray"]), Some(1.0));
    // The two that take writes, and the sync that does.
    assert_eq!(value(&found, "pg_cluster_issues", &["manatee", "1.moray", "error"]), Some(3.0));
}
