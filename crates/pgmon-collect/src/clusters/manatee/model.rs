//! From a shard's state and what its peers say to the model that all managers share.

use super::judge::{Findings, judge, row_of};
use super::peer::{Asked, Finding};
use super::state::{Past, PastState, Peer, Registered, State};
use crate::postgres::positions::Positions;
use pgmon_core::cluster::{
    Cluster, HistoryEntry, Issue, Manager, Member, Paused, Pending, ROLE_REFUSED, Role, Severity,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the sources of replication stood, by the peer's id: what a lag in seconds is measured by.
#[derive(Debug, Default)]
pub struct Lags(BTreeMap<String, Positions>);

impl Lags {
    /// Notes where a peer stands at `now`.
    pub fn note(&mut self, id: &str, asked: &Asked, now: Duration) {
        if let Asked::Answered(finding) = asked
            && let Some(position) = finding.source_bytes()
        {
            self.0.entry(id.to_owned()).or_default().push(now, position);
        }
    }

    /// Forgets those who are no more.
    pub fn keep(&mut self, state: &State) {
        self.0.retain(|id, _| state.peers().any(|peer| peer.id == *id));
    }

    /// For how long the source has been past `replayed` for certain.
    fn at_least(&self, source: &str, now: Duration, replayed: i64) -> Option<f64> {
        let least = self.0.get(source)?.at_least(now, replayed).as_secs_f64();
        (least > 0.0).then_some(least)
    }

    /// How long ago the source went past `replayed`; `None` if it was never seen there.
    fn since(&self, source: &str, now: Duration, replayed: i64) -> Option<f64> {
        self.0.get(source)?.since(now, replayed).map(|d| d.as_secs_f64())
    }
}

/// What is known of a shard.
#[derive(Debug)]
pub struct Shard<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is from.
    pub source: &'a str,
    /// Its state.
    pub state: &'a State,
    /// Who is alive; `None` if that could not be read.
    pub election: Option<&'a [Registered]>,
    /// What its peers said.
    pub findings: &'a Findings,
    /// What was before, in any order.
    pub history: &'a [Past],
}

impl Shard<'_> {
    /// The model at the time `now`.
    pub fn cluster(&self, lags: &Lags, now: Duration) -> Cluster {
        let state = self.state;
        let mut cluster = Cluster::new(Manager::Manatee, self.name, self.source);
        cluster.generation = state.generation;
        cluster.init_wal.clone_from(&state.init_wal);
        cluster.paused = state
            .freeze
            .as_ref()
            .map(|freeze| Paused { reason: Some(freeze.reason.clone()), since: freeze.date });
        cluster.singleton = state.singleton;
        cluster.leader = Some(state.primary.id.clone());
        cluster.pending = state.promote.as_ref().map(|promote| Pending {
            from: None,
            to: promote.id.clone(),
            at: promote.expires,
        });
        cluster.members = state.peers().map(|peer| self.member(peer, lags, now)).collect();
        cluster.locked = cluster.member(&state.primary.id).and_then(|primary| primary.registered);
        cluster.timeline = cluster.member(&state.primary.id).and_then(|primary| primary.timeline);
        cluster.issues = judge(state, self.findings);
        cluster.issues.extend(self.refusals());
        cluster.note_contradictions();
        cluster.history = history(self.history);
        cluster
    }

    /// Peers of which nothing is known because pgmon's role there is refused: they are not down.
    fn refusals(&self) -> impl Iterator<Item = Issue> {
        self.state.peers().filter_map(|peer| {
            let Some(Asked::Refused(reason)) = self.findings.get(&peer.id) else { return None };
            let text = format!("peer \"{}\": {reason}", peer.label());
            Some(Issue { code: ROLE_REFUSED, severity: Severity::Warning, peer: Some(peer.id.clone()), text })
        })
    }

    fn member(&self, peer: &Peer, lags: &Lags, now: Duration) -> Member {
        let mut member = Member::new(&peer.id, role_of(self.state, &peer.id));
        member.name = (peer.label() != peer.id).then(|| peer.label().to_owned());
        member.address = peer.postgres().map(|(host, port)| format!("{host}:{port}"));
        let promoted = self.state.promote.as_ref().filter(|promote| promote.id.as_ref() == Some(&peer.id));
        member.desired_role = promoted.map(|_| match member.role {
            Role::Async if self.state.sync.as_ref().is_some() => Role::Sync,
            _ => Role::Primary,
        });
        member.registered =
            self.election.map(|election| election.iter().any(|registered| registered.peer.id == peer.id));
        let own = match self.findings.get(&peer.id) {
            Some(Asked::Answered(finding)) => {
                member.reachable = Some(true);
                member.in_recovery = Some(finding.in_recovery);
                member.system_identifier.clone_from(&finding.system_identifier);
                member.timeline = finding.timeline;
                member.position_bytes = finding.position_bytes();
                Some(&**finding)
            }
            Some(Asked::Failed(reason)) => {
                member.reachable = Some(false);
                member.error = Some(reason.clone());
                None
            }
            // It answers, and is asked no more than what its role may do.
            Some(Asked::Refused(reason)) => {
                member.reachable = Some(true);
                member.error = Some(reason.clone());
                None
            }
            None => None,
        };
        match self.state.upstream(&peer.id) {
            Some(upstream) => self.replication(&mut member, peer, own, upstream, lags, now),
            // Nothing is ahead of who writes.
            None if own.is_some_and(|finding| !finding.in_recovery) && member.role == Role::Primary => {
                (member.lag_bytes, member.lag_seconds) = (Some(0), Some(0.0));
            }
            None => {}
        }
        member
    }

    fn replication(
        &self,
        member: &mut Member,
        peer: &Peer,
        own: Option<&Finding>,
        upstream: &Peer,
        lags: &Lags,
        now: Duration,
    ) {
        member.upstream = Some(upstream.id.clone());
        let source = match self.findings.get(&upstream.id) {
            Some(Asked::Answered(finding)) => Some(&**finding),
            _ => None,
        };
        let row = source.map(|source| {
            row_of(&source.senders, peer).filter(|row| row.client_addr.as_deref() == Some(peer.ip.as_str()))
        });
        match row {
            Some(Some(row)) => {
                member.replication_state = row.state.clone();
                member.sync_state = row.sync_state.clone();
            }
            Some(None) => member.replication_state = Some("none".to_owned()),
            None => {}
        }
        let of_row = row.flatten().and_then(|row| row.replay_bytes);
        let Some(replayed) = own.and_then(|own| own.replayed_bytes).or(of_row) else { return };
        let age = own.and_then(|own| own.replay_age_seconds);
        let age = age.filter(|age| age.is_finite()).map(|age| age.max(0.0));
        let Some(ahead) = source.and_then(Finding::source_bytes) else {
            // Its source cannot be asked: sure is only that it is behind what it has received.
            if own.and_then(|own| own.received_bytes).is_some_and(|received| received > replayed) {
                member.lag_seconds = age;
            }
            return;
        };
        member.lag_bytes = Some(ahead.saturating_sub(replayed).max(0));
        member.lag_seconds = if replayed >= ahead {
            Some(0.0)
        } else {
            // The age of the last commit grows while the primary is idle, and the time since the source was
            // there is only known from when we first looked: both are upper bounds.
            match (age, lags.since(&upstream.id, now, replayed)) {
                (Some(a), Some(b)) => Some(a.min(b)),
                // Behind before we first looked, and nothing was committed there yet: sure is what we have seen.
                (a, b) => a.or(b).or_else(|| lags.at_least(&upstream.id, now, replayed)),
            }
        };
    }
}

fn role_of(state: &State, id: &str) -> Role {
    if state.primary.id == id {
        Role::Primary
    } else if state.sync.as_ref().is_some_and(|sync| sync.id == id) {
        Role::Sync
    } else if state.asyncs.iter().any(|peer| peer.id == id) {
        Role::Async
    } else {
        Role::Deposed
    }
}

/// What happened, the newest first.
fn history(past: &[Past]) -> Vec<HistoryEntry> {
    let mut past: Vec<&Past> = past.iter().collect();
    past.sort_by_key(|one| one.sequence);
    let mut before: Option<&State> = None;
    let mut entries = Vec::with_capacity(past.len());
    for one in past {
        let mut entry = HistoryEntry {
            generation: None,
            timeline: None,
            at: one.at,
            primary: None,
            sync: None,
            lsn: None,
            failover: false,
            what: String::new(),
        };
        match &one.what {
            PastState::Whole(state) => {
                entry.generation = state.generation;
                entry.primary = Some(state.primary.id.clone());
                entry.sync = state.sync.as_ref().map(|sync| sync.id.clone());
                entry.lsn.clone_from(&state.init_wal);
                entry.failover = before.is_some_and(|before| before.primary.id != state.primary.id);
                entry.what = difference(before, state);
                before = Some(state);
            }
            PastState::Took { ip, role, leader } => {
                if matches!(role.as_str(), "primary" | "leader" | "master") {
                    entry.primary = Some(ip.clone());
                }
                entry.what = match leader {
                    Some(leader) => format!("{ip} became {role}, behind {leader}"),
                    None => format!("{ip} became {role}"),
                };
            }
            PastState::Unreadable(why) => entry.what = format!("unreadable: {why}"),
        }
        entries.push(entry);
    }
    entries.reverse();
    entries
}

/// What changed between two states, in words.
fn difference(before: Option<&State>, now: &State) -> String {
    let Some(before) = before else { return "the state was first written".to_owned() };
    let mut said = Vec::new();
    let id = |peer: &Option<Peer>| peer.as_ref().map(|peer| peer.id.clone());
    if before.primary.id != now.primary.id {
        said.push(format!("{} took over from {}", now.primary.id, before.primary.id));
    }
    if id(&before.sync) != id(&now.sync) {
        said.push(match &now.sync {
            Some(sync) => format!("{} became the sync", sync.id),
            None => "there is no sync any more".to_owned(),
        });
    }
    let ids = |peers: &[Peer]| peers.iter().map(|peer| peer.id.clone()).collect::<Vec<_>>();
    if ids(&before.asyncs) != ids(&now.asyncs) {
        said.push(match now.asyncs.len() {
            0 => "there are no asyncs any more".to_owned(),
            _ => format!("asyncs: {}", ids(&now.asyncs).join(", ")),
        });
    }
    for peer in now.deposed.iter().filter(|peer| !before.deposed.iter().any(|b| b.id == peer.id)) {
        said.push(format!("{} was deposed", peer.id));
    }
    for peer in before.deposed.iter().filter(|peer| !now.deposed.iter().any(|b| b.id == peer.id)) {
        said.push(format!("{} is deposed no more", peer.id));
    }
    match (&before.freeze, &now.freeze) {
        (None, Some(freeze)) => said.push(format!("frozen: {}", freeze.reason)),
        (Some(_), None) => said.push("unfrozen".to_owned()),
        _ => {}
    }
    if before.singleton != now.singleton {
        said.push(if now.singleton { "one-node-write mode" } else { "one-node-write mode ended" }.to_owned());
    }
    if said.is_empty() { "no change of roles".to_owned() } else { said.join("; ") }
}

#[cfg(test)]
mod tests;
