//! From databases' snapshots to clusters: servers with the same data belong together.

use crate::postgres::collectors::{checkpoints, replication, standby};
use pgmon_core::cluster::{Cluster, Issue, Manager, Member, Role, Severity};
use pgmon_core::snapshot::{CollectorState, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Of a primary: the timeline that it writes on.
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
            timeline: output("checkpoints").filter(|_| answers).and_then(|good| {
                // Not that of its last checkpoint: after a promotion the first one comes late.
                let written = good.rows::<Vec<checkpoints::Row>>()?.first()?.written_timeline.clone()?;
                i64::from_str_radix(&written, 16).ok()
            }),
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

/// The names that clusters were given, by the identity of their data: each keeps its own.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

/// The clusters, in the order of the configuration.
///
/// `name`, or without one the databases' label `cluster`, is the name of the cluster with the first database that
/// this holds for; another one has its first database behind it. A database that has never answered counts to the
/// one cluster that is known of its label.
pub(super) fn clusters(name: Option<&str>, seen: &[Seen], names: &mut Names) -> Vec<Cluster> {
    let mut groups = Vec::<(Option<&str>, Vec<&Seen>)>::new();
    for one in seen {
        let Some(identity) = one.system_identifier.as_deref() else { continue };
        match groups.iter_mut().find(|(of, _)| *of == Some(identity)) {
            Some((_, group)) => group.push(one),
            None => groups.push((Some(identity), vec![one])),
        }
    }
    for one in seen.iter().filter(|one| one.system_identifier.is_none()) {
        let same = |(of, group): &(Option<&str>, Vec<&Seen>)| {
            group.first().is_some_and(|first| first.cluster == one.cluster).then_some(of.is_some())
        };
        let known = groups.iter().filter_map(same).filter(|known| *known).count();
        let fits = |group: &&mut (Option<&str>, Vec<&Seen>)| same(group) == Some(known == 1);
        match groups.iter_mut().find(fits) {
            Some((_, group)) => group.push(one),
            None => groups.push((None, vec![one])),
        }
    }
    let mut found = Vec::new();
    let mut taken = BTreeSet::<String>::new();
    let begins = |group: &[&Seen]| {
        let Some(first) = group.first() else { return false };
        let first = seen.iter().find(|one| name.is_some() || one.cluster == first.cluster);
        group.iter().any(|one| first.is_some_and(|first| std::ptr::eq(first, *one)))
    };
    for (identity, group) in &groups {
        let Some(first) = group.first() else { continue };
        let short = name.unwrap_or(&first.cluster).to_owned();
        let long = name.map_or_else(|| first.id(), |name| format!("{name}/{}", first.id()));
        let used = names.0.values().any(|given| *given == short);
        let wanted = if begins(group) && !used && !taken.contains(&short) { short } else { long };
        let own = match identity {
            Some(identity) => names.0.entry((*identity).to_owned()).or_insert(wanted).clone(),
            None => wanted,
        };
        taken.insert(own.clone());
        found.push(cluster(&own, &servers(group.clone())));
    }
    found
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
                let knows_less = other.senders.is_none() && other.standby.is_none();
                if knows_less && seen.system_identifier.is_some() {
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
    cluster.note_contradictions();
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
    // Without its source a standby knows only of what it has received and not replayed.
    let source_answers = source.is_none_or(|source| source.up != Some(false));
    if (row.link_down == Some(false) && source_answers) || row.received_bytes > row.replayed_bytes {
        (member.lag_bytes, member.lag_seconds) = (row.lag_bytes, row.lag_seconds);
    }
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
    if primaries == 0 && all_asked {
        push("no_leader", Severity::Error, None, "none of the watched servers takes writes".to_owned());
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
mod tests;
