//! From what Patroni's members answer to the model that all managers share.

use super::rest::{ClusterAnswer, MemberAnswer, Past, Status};
use crate::postgres::positions::Positions;
use jiff::Timestamp;
use pgmon_config::HttpUrl;
use pgmon_core::cluster::{
    Cluster, HistoryEntry, Issue, Manager, Member, Paused, Pending, Role, Severity, lsn_text,
};
use std::time::Duration;

/// What a member's own API said.
pub(super) struct Asked {
    /// Where.
    pub(super) url: HttpUrl,
    /// Whether somebody has configured it; else another member has named it.
    pub(super) configured: bool,
    /// What it is called; by an earlier answer, if there is none now. Before Patroni 3.1 it does not tell.
    pub(super) name: Option<String>,
    /// What; or why nothing.
    pub(super) status: Result<Status, String>,
    /// As it was sent.
    pub(super) body: Option<Vec<u8>>,
}

/// Where the leader stood: what a lag in seconds is measured by.
#[derive(Debug, Default)]
pub(super) struct Lags {
    leader: Option<String>,
    positions: Positions,
}

/// What is known of a cluster.
pub(super) struct View<'v> {
    pub(super) cluster: &'v ClusterAnswer,
    pub(super) asked: &'v [Asked],
    /// Oldest first.
    pub(super) history: &'v [Past],
    /// Why the state cannot be read now. Then `cluster` is what the members tell.
    pub(super) unread: Option<&'v str>,
    pub(super) now: Duration,
    pub(super) wall: Timestamp,
}

pub(super) fn role_of(member: &MemberAnswer) -> Role {
    match member.role.as_str() {
        // Before Patroni 4 a leader may be called so.
        "leader" | "master" | "primary" => Role::Primary,
        "standby_leader" => Role::StandbyLeader,
        "sync_standby" => Role::Sync,
        "quorum_standby" => Role::Quorum,
        "replica" if member.tags.iter().any(|(name, _)| name == "replicatefrom") => Role::Cascade,
        "replica" => Role::Async,
        _ => Role::Unknown,
    }
}

/// The answer of a member's own API.
pub(super) fn own<'a>(member: &MemberAnswer, asked: &'a [Asked]) -> Option<&'a Asked> {
    let by_name = |asked: &&Asked| asked.name.as_ref() == Some(&member.name);
    let api: Option<HttpUrl> = member.api_url.as_deref().and_then(|url| url.parse().ok());
    let by_url = |asked: &&Asked| api.as_ref().is_some_and(|api| api.has_origin_of(&asked.url));
    asked.iter().find(by_name).or_else(|| asked.iter().find(by_url))
}

impl View<'_> {
    fn own(&self, member: &MemberAnswer) -> Option<&Asked> {
        own(member, self.asked)
    }

    fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.asked.iter().filter_map(|asked| asked.status.as_ref().ok())
    }

    /// The model.
    pub(super) fn cluster(&self, name: &str, source: &str, lags: &mut Lags) -> Cluster {
        let mut cluster = Cluster::new(Manager::Patroni, name, source);
        let answer = self.cluster;
        cluster.paused = (answer.paused || self.statuses().any(|s| s.paused)).then(Paused::default);
        cluster.pending =
            answer.switchover.as_ref().map(|s| Pending { from: s.from.clone(), to: s.to.clone(), at: s.at });
        let leader = answer.members.iter().find(|member| role_of(member).leads());
        cluster.leader = leader.map(|leader| leader.name.clone());
        // Without the store a member does not know who holds the lock.
        if self.unread.is_none() && self.statuses().next().is_some() {
            cluster.locked = Some(!self.statuses().any(|status| status.unlocked));
        }
        let failsafe: Vec<bool> = self.statuses().filter_map(|status| status.failsafe).collect();
        cluster.failsafe = (!failsafe.is_empty()).then(|| failsafe.contains(&true));
        let of_leader = leader.and_then(|leader| self.own(leader)).and_then(|a| a.status.as_ref().ok());
        cluster.timeline = leader
            .and_then(|leader| leader.timeline)
            .or_else(|| of_leader.and_then(|status| status.timeline));
        let written = of_leader.and_then(|status| status.written_bytes.or(status.replayed_bytes));
        if lags.leader != cluster.leader {
            *lags = Lags { leader: cluster.leader.clone(), positions: Positions::default() };
        }
        if let Some(written) = written {
            lags.positions.push(self.now, written);
        }
        let mut members: Vec<&MemberAnswer> = answer.members.iter().collect();
        members.sort_by_key(|member| (!role_of(member).leads(), member.name.clone()));
        cluster.members = members
            .into_iter()
            .map(|member| self.member(member, cluster.leader.as_deref(), of_leader, written, lags))
            .collect();
        let silent = self.asked.iter().filter(|asked| asked.configured).filter_map(|asked| self.lost(asked));
        cluster.members.extend(silent);
        cluster.history = self.history(cluster.timeline);
        cluster.issues = issues(&cluster, self.unread);
        cluster.note_contradictions();
        cluster
    }

    /// Who is configured, does not answer, and is no member by the cluster's account: once its key in the store is
    /// too old, Patroni does not know of it any more.
    fn lost(&self, asked: &Asked) -> Option<Member> {
        let error = asked.status.as_ref().err()?;
        let is_own =
            |member: &&MemberAnswer| self.own(member).is_some_and(|own| own.url.has_origin_of(&asked.url));
        if self.cluster.members.iter().any(|member| is_own(&member)) {
            return None;
        }
        let url = super::at(&asked.url, "");
        let taken = |name: &&String| self.cluster.members.iter().any(|member| member.name == **name);
        let name = asked.name.as_ref().filter(|name| !taken(name));
        let mut member = Member::new(name.unwrap_or(&url), Role::Unknown);
        member.name = name.map(|_| url);
        member.reachable = Some(false);
        member.error = Some(error.clone());
        member.registered = self.unread.is_none().then_some(false);
        Some(member)
    }

    fn member(
        &self,
        answer: &MemberAnswer,
        leader: Option<&str>,
        of_leader: Option<&Status>,
        written: Option<i64>,
        lags: &Lags,
    ) -> Member {
        let mut member = Member::new(&answer.name, role_of(answer));
        let own = self.own(answer);
        let status = own.and_then(|asked| asked.status.as_ref().ok());
        member.address = match (&answer.host, answer.port) {
            (Some(host), Some(port)) => Some(format!("{host}:{port}")),
            (host, _) => host.clone(),
        };
        member.state = answer.state.clone();
        // Patroni writes its members' states itself: one that is there is heard of.
        member.registered = self.unread.is_none().then_some(true);
        member.reachable = own.map(|asked| asked.status.is_ok());
        member.error = own.and_then(|asked| asked.status.as_ref().err().cloned());
        member.in_recovery = status.and_then(Status::in_recovery);
        member.system_identifier = status.and_then(|status| status.system_identifier.clone());
        member.timeline = status.and_then(|status| status.timeline).or(answer.timeline);
        member.pending_restart = status.and_then(|s| s.pending_restart).or(answer.pending_restart);
        if status.is_some() {
            member.pending_restart.get_or_insert(false);
        }
        member.store_seen = status.and_then(|status| status.store_seen);
        member.tags.clone_from(&answer.tags);
        let replayed = status.and_then(|status| status.replayed_bytes);
        member.position_bytes = match member.in_recovery {
            Some(false) => status.and_then(|status| status.written_bytes),
            _ => replayed,
        };
        if member.role.leads() {
            if member.in_recovery == Some(false) {
                (member.lag_bytes, member.lag_seconds) = (Some(0), Some(0.0));
            }
            return member;
        }
        let from = answer.tags.iter().find(|(name, _)| name == "replicatefrom").map(|(_, from)| from.clone());
        member.upstream = from.clone().or_else(|| leader.map(str::to_owned));
        let sender = match &from {
            Some(from) => self.cluster.members.iter().find(|m| m.name == *from),
            None => None,
        };
        let sender = match sender {
            Some(sender) => self.own(sender).and_then(|asked| asked.status.as_ref().ok()),
            None => of_leader,
        };
        // A cascade may have fallen back to the leader: whoever shows it, shows it.
        let listed = |status: &Status| {
            let replicas = status.replication.as_deref().unwrap_or_default();
            replicas.iter().find(|replica| replica.name == answer.name).cloned()
        };
        match sender.and_then(listed).or_else(|| of_leader.and_then(listed)) {
            Some(replica) => {
                (member.replication_state, member.sync_state) = (replica.state, replica.sync_state);
            }
            None if sender.is_some_and(|sender| sender.replication.is_some()) => {
                member.replication_state = Some("none".to_owned());
            }
            // From 3.1 on the cluster's own list says so.
            None if answer.state.as_deref() == Some("streaming") => {
                member.replication_state = Some("streaming".to_owned());
            }
            None => {}
        }
        match (written, replayed) {
            (Some(written), Some(replayed)) => {
                member.lag_bytes = Some((written - replayed).max(0));
                member.lag_seconds = if replayed >= written {
                    Some(0.0)
                } else {
                    let at = status.and_then(|status| status.replayed_at);
                    let age = at.map(|at| self.wall.duration_since(at).as_secs_f64().max(0.0));
                    let since = lags.positions.since(self.now, replayed).map(|d| d.as_secs_f64());
                    match (age, since) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        // Behind before we first looked: sure is what we have seen.
                        (a, b) => a.or(b).or_else(|| {
                            let least = lags.positions.at_least(self.now, replayed).as_secs_f64();
                            (least > 0.0).then_some(least)
                        }),
                    }
                };
            }
            // By the leader's position in the store: up to a loop's time old.
            _ => member.lag_bytes = answer.lag_bytes,
        }
        member
    }

    fn history(&self, timeline: Option<i64>) -> Vec<HistoryEntry> {
        let mut before: Option<&String> = None;
        let mut entries = Vec::new();
        for past in self.history {
            let failover = past.leader.is_some() && before.is_some() && before != past.leader.as_ref();
            before = past.leader.as_ref().or(before);
            let began = past.timeline.and_then(|ended| ended.checked_add(1));
            let what = match (&past.leader, &past.reason) {
                (Some(leader), _) => format!("{leader} led from then on"),
                (None, Some(reason)) => reason.clone(),
                (None, None) => "a timeline ended".to_owned(),
            };
            entries.push(HistoryEntry {
                generation: None,
                timeline: began.or(timeline),
                at: past.at,
                primary: past.leader.clone(),
                sync: None,
                lsn: past.lsn.filter(|lsn| *lsn >= 0).map(lsn_text),
                failover,
                what,
            });
        }
        entries.reverse();
        entries
    }
}

/// What is wrong.
fn issues(cluster: &Cluster, unread: Option<&str>) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut push = |code, severity, peer: Option<&Member>, text: String| {
        issues.push(Issue { code, severity, peer: peer.map(|member| member.id.clone()), text });
    };
    match cluster.leaders() {
        0 => push("no_leader", Severity::Error, None, "the cluster has no leader".to_owned()),
        1 => {}
        n => push("several_leaders", Severity::Error, None, format!("the cluster has {n} leaders")),
    }
    if cluster.locked == Some(false) {
        push("unlocked", Severity::Error, None, "nobody holds the lock of the leader".to_owned());
    }
    if cluster.failsafe == Some(true) {
        let text = "the store of the cluster's state cannot be reached; its members agree to go on";
        push("failsafe", Severity::Warning, None, text.to_owned());
    }
    if let Some(reason) = unread {
        let text = format!("the cluster's state cannot be read: {reason}");
        push("state_unreadable", Severity::Warning, None, text);
    }
    for member in &cluster.members {
        if member.registered == Some(false) {
            let (id, why) = (&member.id, member.error.as_deref().unwrap_or("no answer"));
            let text =
                format!("{id} is configured, does not answer ({why}), and is no member of the cluster");
            push("url_unreachable", Severity::Warning, Some(member), text);
            continue;
        }
        let severity = if member.role.leads() { Severity::Error } else { Severity::Warning };
        let name = &member.id;
        let state = member.state.as_deref().unwrap_or("unknown");
        if member.reachable == Some(false) {
            let why = member.error.as_deref().unwrap_or("no answer");
            push("member_unreachable", severity, Some(member), format!("{name} does not answer: {why}"));
        } else if !matches!(state, "running" | "streaming" | "in archive recovery" | "unknown") {
            push("member_state", severity, Some(member), format!("{name} is {state}"));
        }
        if !member.role.leads() && member.is_streaming() == Some(false) && state != "in archive recovery" {
            push("not_streaming", Severity::Warning, Some(member), format!("{name} does not stream"));
        }
        if let (Some(own), Some(leads)) = (member.timeline, cluster.timeline)
            && own != leads
            && !member.role.leads()
        {
            let text = format!("{name} is on timeline {own}, the leader on {leads}");
            push("timeline", Severity::Warning, Some(member), text);
        }
    }
    issues
}

#[cfg(test)]
pub(in crate::clusters::patroni) mod tests;
