//! From databases' snapshots to clusters: servers with the same data belong together.

use crate::postgres::collectors::{checkpoints, replication, standby};
use pgmon_core::cluster::{Cluster, Issue, Manager, Member, Role, Severity};
use pgmon_core::snapshot::{CollectorState, Snapshot};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one watched database shows of its server's replication.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The label `cluster`.
    pub(super) cluster: String,
    /// The label `db`.
    pub(super) db: String,
    /// Host and port, as configured.
    pub(super) place: Option<(String, i64)>,
    /// Whether it answers; `None` before the first attempt.
    pub(super) up: Option<bool>,
    /// Why it does not.
    pub(super) error: Option<String>,
    /// Identifies the running server.
    pub(super) server: Option<String>,
    /// The identity of the data.
    pub(super) system_identifier: Option<String>,
    /// Whether it is a standby.
    pub(super) in_recovery: Option<bool>,
    /// Of a primary: the timeline of its last checkpoint, which a promotion makes.
    pub(super) timeline: Option<i64>,
    /// Who replicates from it, if that is known.
    pub(super) senders: Option<Vec<replication::Row>>,
    /// How it replicates itself.
    pub(super) standby: Option<standby::Row>,
}

impl Seen {
    /// What a snapshot shows at the time `now`; what is out of date shows nothing.
    pub(super) fn of(snapshot: &Snapshot, place: Option<(String, i64)>, now: Duration) -> Self {
        use pgmon_core::snapshot::Up;
        let (up, error) = match &snapshot.up {
            Up::Pending => (None, None),
            Up::Up => (Some(true), None),
            Up::Down { reason } => (Some(false), Some(reason.clone())),
            Up::Refused { .. } => (None, Some("pgmon's role there can write".to_owned())),
        };
        let info = snapshot.server.as_ref();
        let current = |state: &&CollectorState| {
            let keeps = state.keeps(snapshot.of(state.in_loop).interval);
            state.good.as_ref().is_some_and(|good| now.saturating_sub(good.at_mono) <= keeps)
        };
        let output = |name: &str| {
            let state = snapshot.collectors.iter().find(|state| state.collector.as_str() == name);
            state.filter(current).and_then(|state| state.good.clone())
        };
        let answers = up == Some(true);
        Self {
            cluster: snapshot.cluster.to_string(),
            db: snapshot.db.to_string(),
            place,
            up,
            error,
            server: snapshot.server_key.as_ref().map(ToString::to_string),
            system_identifier: info.and_then(|info| info.system_identifier.clone()),
            in_recovery: info.filter(|_| answers).map(|info| info.in_recovery),
            timeline: output("checkpoints")
                .filter(|_| answers)
                .and_then(|good| good.rows::<Vec<checkpoints::Row>>()?.first()?.timeline),
            senders: output("replication").filter(|_| answers).and_then(|good| {
                let rows: &Vec<replication::Row> = good.rows()?;
                Some(rows.iter().filter(|row| row.gone_seconds.is_none()).cloned().collect())
            }),
            standby: output("standby")
                .filter(|_| answers)
                .and_then(|good| good.rows::<Vec<standby::Row>>().and_then(|rows| rows.first().cloned())),
        }
    }

    fn id(&self) -> String {
        format!("{}/{}", self.cluster, self.db)
    }
}

/// The clusters. With a `name` and one cluster it is called so; else after the databases' label `cluster`, with
/// the first database where that is not enough.
pub(super) fn clusters(name: Option<&str>, seen: &[Seen]) -> Vec<Cluster> {
    let mut groups = BTreeMap::<&str, Vec<&Seen>>::new();
    for one in seen {
        if let Some(identity) = &one.system_identifier {
            groups.entry(identity).or_default().push(one);
        }
    }
    let mut taken = BTreeMap::<String, usize>::new();
    let groups: Vec<Vec<&Seen>> = groups.into_values().map(servers).collect();
    for group in &groups {
        *taken.entry(label(group)).or_default() += 1;
    }
    let alone = groups.len() == 1;
    groups
        .iter()
        .map(|group| {
            let label = label(group);
            let own = match (name, taken.get(&label)) {
                (Some(name), _) if alone => name.to_owned(),
                (Some(name), _) => format!("{name}/{}", group.first().map(|s| s.id()).unwrap_or_default()),
                (None, Some(1)) => label,
                (None, _) => group.first().map(|s| s.id()).unwrap_or(label),
            };
            cluster(&own, group)
        })
        .collect()
}

fn label(group: &[&Seen]) -> String {
    group.first().map(|seen| seen.cluster.clone()).unwrap_or_default()
}

/// One of each server: of several databases of it, the one that knows most.
fn servers(group: Vec<&Seen>) -> Vec<&Seen> {
    let mut kept = Vec::<&Seen>::new();
    for seen in group {
        let same = |other: &&Seen| {
            (other.server.is_some() && other.server == seen.server)
                || (other.place.is_some() && other.place == seen.place)
        };
        match kept.iter_mut().find(|other| same(other)) {
            Some(other) => {
                if other.senders.is_none() && other.standby.is_none() {
                    *other = seen;
                }
            }
            None => kept.push(seen),
        }
    }
    kept
}

fn cluster(name: &str, group: &[&Seen]) -> Cluster {
    let mut cluster = Cluster::new(Manager::Streaming, name, "the watched databases");
    let primaries: Vec<&&Seen> = group.iter().filter(|seen| seen.in_recovery == Some(false)).collect();
    cluster.leader = match primaries.as_slice() {
        [only] => Some(only.id()),
        _ => None,
    };
    let mut members: Vec<Member> = group.iter().map(|seen| member(seen, group, &primaries)).collect();
    members.sort_by_key(|member| (!member.role.leads(), member.id.clone()));
    cluster.timeline =
        members.iter().find(|member| Some(&member.id) == cluster.leader.as_ref()).and_then(|m| m.timeline);
    cluster.members = members;
    cluster.issues = issues(&cluster, primaries.len());
    cluster
}

fn member(seen: &Seen, group: &[&Seen], primaries: &[&&Seen]) -> Member {
    let mut member = Member::new(seen.id(), Role::Unknown);
    member.address = seen.place.as_ref().map(|(host, port)| format!("{host}:{port}"));
    member.reachable = seen.up;
    member.error.clone_from(&seen.error);
    member.in_recovery = seen.in_recovery;
    member.system_identifier.clone_from(&seen.system_identifier);
    if seen.in_recovery == Some(false) {
        member.role = Role::Primary;
        member.timeline = seen.timeline;
        member.position_bytes =
            seen.senders.as_ref().and_then(|rows| rows.first()).and_then(|row| row.position_bytes);
        (member.lag_bytes, member.lag_seconds) = (Some(0), Some(0.0));
        return member;
    }
    let Some(row) = &seen.standby else { return member };
    // That of its last checkpoint may be an older one for as long as until the next.
    member.timeline = row.timeline;
    member.position_bytes = row.replayed_bytes;
    (member.lag_bytes, member.lag_seconds) = (row.lag_bytes, row.lag_seconds);
    member.replication_state = match row.receiver_status.as_deref() {
        Some(status) => Some(status.to_owned()),
        None if row.link_down == Some(true) => Some("none".to_owned()),
        None => None,
    };
    let source = source(row, group).or(match primaries {
        // Behind a proxy or another name: whoever is the only one that it can be.
        [only] if group.len() == 2 => Some(**only),
        _ => None,
    });
    let shown = source.and_then(|source| row_of(source, seen, group));
    member.sync_state = shown.as_ref().and_then(|row| row.sync_state.clone());
    if let Some(shown) = &shown {
        // The source knows best how much it has; the standby, what it has replayed.
        member.lag_bytes = shown.lag_bytes.or(member.lag_bytes);
        member.lag_seconds = member.lag_seconds.or(shown.lag_seconds);
    }
    member.upstream = source.map(Seen::id);
    member.role = match (source.and_then(|source| source.in_recovery), member.sync_state.as_deref()) {
        (Some(true), _) => Role::Cascade,
        (_, Some("sync")) => Role::Sync,
        (_, Some("quorum")) => Role::Quorum,
        _ => Role::Async,
    };
    member
}

/// The watched server that a standby names as its source.
fn source<'s>(row: &standby::Row, group: &[&'s Seen]) -> Option<&'s Seen> {
    let (host, port) = (row.sender_host.as_ref()?, i64::from(row.sender_port?));
    let own = |seen: &&&Seen| seen.place.as_ref().is_some_and(|(h, p)| h == host && *p == port);
    group.iter().find(own).copied()
}

/// The row of a source that shows this standby: by its slot, or as the only one there.
fn row_of(source: &Seen, standby: &Seen, group: &[&Seen]) -> Option<replication::Row> {
    let rows: Vec<&replication::Row> = source.senders.as_ref()?.iter().filter(|row| !row.logical).collect();
    let slot = standby.standby.as_ref().and_then(|row| row.slot_name.as_ref());
    let by_slot = slot.and_then(|slot| rows.iter().find(|row| row.slot_name.as_ref() == Some(slot)));
    let host = standby.place.as_ref().map(|(host, _)| host);
    let mut there = rows.iter().filter(|row| row.client_addr.as_ref() == host && host.is_some());
    let by_address = match (there.next(), there.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    let only = match rows.as_slice() {
        [only] if group.len() == 2 => Some(only),
        _ => None,
    };
    by_slot.or(by_address).or(only).map(|row| (*row).clone())
}

fn issues(cluster: &Cluster, primaries: usize) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut push = |code, severity, peer: Option<&Member>, text: String| {
        issues.push(Issue { code, severity, peer: peer.map(|member| member.id.clone()), text });
    };
    let all_asked = cluster.members.iter().all(|member| member.in_recovery.is_some());
    if primaries > 1 {
        push("several_primaries", Severity::Error, None, format!("{primaries} servers take writes"));
    } else if primaries == 0 && all_asked {
        push("no_leader", Severity::Error, None, "none of the watched servers takes writes".to_owned());
    }
    if cluster.timelines() > Some(1) {
        let on = |member: &Member| Some(format!("{} on {}", member.id, member.timeline?));
        let on: Vec<String> = cluster.members.iter().filter_map(on).collect();
        push("timeline_fork", Severity::Error, None, format!("the timelines differ: {}", on.join(", ")));
    }
    for member in &cluster.members {
        if member.reachable == Some(false) {
            let why = member.error.as_deref().unwrap_or("no answer");
            push(
                "member_down",
                Severity::Error,
                Some(member),
                format!("{} does not answer: {why}", member.id),
            );
        }
        if member.is_streaming() == Some(false) {
            push("not_streaming", Severity::Warning, Some(member), format!("{} does not stream", member.id));
        }
    }
    issues
}

#[cfg(test)]
mod tests {
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

    fn told(cluster: &Cluster) -> Vec<(&str, &str, Option<&str>)> {
        cluster.members.iter().map(|m| (m.id.as_str(), m.role.as_str(), m.upstream.as_deref())).collect()
    }

    #[test]
    fn servers_with_the_same_data_are_one_cluster_and_their_chain_is_seen() {
        let other = Seen { system_identifier: Some("8".into()), cluster: "other".into(), ..primary("z") };
        let seen = [standby("c", "b"), primary("a"), standby("b", "a"), other];
        let found = clusters(None, &seen);
        assert_eq!(found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["shop", "other"]);
        let chain = [
            ("shop/a", "primary", None),
            ("shop/b", "async", Some("shop/a")),
            ("shop/c", "cascade", Some("shop/b")),
        ];
        assert_eq!(told(&found[0]), chain);
        assert_eq!((found[0].leader.as_deref(), found[0].issues.len()), (Some("shop/a"), 0));
    }

    #[test]
    fn several_databases_of_a_server_are_one_member() {
        let second = Seen { db: "a2".into(), ..primary("a") };
        let found = clusters(Some("x"), &[primary("a"), second]);
        assert_eq!((found.len(), found[0].name.as_str(), found[0].members.len()), (1, "x", 1));
    }

    #[test]
    fn two_that_take_writes_are_an_error_and_no_leader() {
        let found = clusters(None, &[primary("a"), primary("b")]);
        assert_eq!((found[0].leader.clone(), found[0].primaries()), (None, Some(2)));
        assert_eq!(found[0].issues[0].code, "several_primaries");
    }

    #[test]
    fn a_standby_that_was_promoted_is_on_another_timeline() {
        let on = |timeline, seen: Seen| Seen { timeline: Some(timeline), ..seen };
        let found = clusters(None, &[on(1, primary("a")), standby("b", "a")]);
        assert_eq!((found[0].timeline, found[0].timelines(), found[0].issues.len()), (Some(1), Some(1), 0));
        let found = clusters(None, &[on(1, primary("a")), on(2, primary("b"))]);
        let codes: Vec<_> = found[0].issues.iter().map(|i| i.code).collect();
        assert_eq!((found[0].timelines(), codes), (Some(2), vec!["several_primaries", "timeline_fork"]));
        assert_eq!(found[0].issues[1].text, "the timelines differ: shop/a on 1, shop/b on 2");
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
        let found = clusters(None, &[primary("a"), down]);
        let b = &found[0].members[1];
        assert_eq!((b.role, b.reachable, b.lag_seconds), (Role::Unknown, Some(false), None));
        assert_eq!(found[0].issues.iter().map(|i| i.code).collect::<Vec<_>>(), ["member_down"]);
    }
}
