//! What is known of one shard, and what follows from it. It asks nobody.

use super::judge::Findings;
use super::model::{Lags, Shard as View};
use super::peer::Asked;
use super::state::{Past, Registered, State, election, past};
use super::zookeeper::Node;
use jiff::Timestamp;
use pgmon_core::cluster::{ClusterSnapshot, Evidence, Health, Manager};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// So many nodes of a shard's history are kept.
pub const HISTORY_KEPT: usize = 100;

/// A shard.
pub struct Shard {
    /// The values of the labels `cluster` and `shard`.
    pub name: Arc<str>,
    /// Where it is from, for people.
    source: Arc<str>,
    state: Option<Result<State, String>>,
    election: Option<Vec<Registered>>,
    /// Who was the primary last.
    primary: Option<String>,
    /// By their names.
    history: BTreeMap<String, Past>,
    findings: Findings,
    lags: Lags,
    evidence: BTreeMap<&'static str, Evidence>,
    last: ClusterSnapshot,
}

impl Shard {
    /// A shard that was not read. A state is taken for the present one for `keeps`.
    pub fn new(path: &str, name: &str, source: &str, keeps: Duration) -> Self {
        let (name, source): (Arc<str>, Arc<str>) = (name.into(), format!("{source}{path}").into());
        Self {
            last: ClusterSnapshot::pending(Manager::Manatee, name.clone(), source.clone(), keeps),
            name,
            source,
            state: None,
            election: None,
            primary: None,
            history: BTreeMap::new(),
            findings: Findings::new(),
            lags: Lags::default(),
            evidence: BTreeMap::new(),
        }
    }

    /// Takes what is in the node `state`.
    pub fn take_state(&mut self, node: Option<&Node>, at: Timestamp) {
        let Some(node) = node else {
            self.evidence.remove("state");
            self.take_order();
            return;
        };
        self.note("state", at, &String::from_utf8_lossy(&node.data));
        self.set_state(State::read(&node.data));
    }

    fn set_state(&mut self, read: Result<State, super::state::StateError>) {
        self.state = Some(read.map_err(|error| error.to_string()));
        let Some(state) = self.known_state() else { return };
        let primary = state.primary.id.clone();
        let ids: Vec<String> = state.peers().map(|peer| peer.id.clone()).collect();
        self.findings.retain(|id, _| ids.contains(id));
        // Between two primaries there may have been none for a while.
        if self.primary.as_ref().is_some_and(|before| *before != primary) {
            self.last.failovers += 1;
            // What peers said before the takeover is no evidence against what the state says since.
            self.findings.clear();
        }
        self.primary = Some(primary);
    }

    /// Manatee 1 has no node `state`: the order of its election is one, while somebody stands in it.
    fn take_order(&mut self) {
        if self.evidence.contains_key("state") {
            return;
        }
        match self.election.as_deref().and_then(State::of_election) {
            Some(state) => self.set_state(Ok(state)),
            None => self.state = None,
        }
    }

    /// Takes the nodes of `election`, with their data.
    pub fn take_election(&mut self, nodes: &[(String, Vec<u8>)], at: Timestamp) {
        let shown: Vec<String> =
            nodes.iter().map(|(name, data)| format!("{name} {}", String::from_utf8_lossy(data))).collect();
        self.note("election", at, &shown.join("\n"));
        let found = election(nodes.iter().map(|(name, data)| (name.as_str(), data.as_slice())));
        self.election = Some(found);
        self.take_order();
    }

    /// The names of these that are worth reading, and not read yet; forgets those that are gone.
    pub fn new_in_history(&mut self, names: &[String]) -> Vec<String> {
        let mut worth: Vec<(i64, &String)> =
            names.iter().filter_map(|name| Some((super::state::sequence_of(name)?, name))).collect();
        worth.sort_unstable();
        let newest = worth.split_off(worth.len().saturating_sub(HISTORY_KEPT));
        self.history.retain(|known, _| newest.iter().any(|(_, name)| *name == known));
        newest.into_iter().map(|(_, name)| name).filter(|n| !self.history.contains_key(*n)).cloned().collect()
    }

    /// Takes a node of `history`.
    pub fn take_past(&mut self, name: &str, node: &Node) {
        let created = Timestamp::from_millisecond(node.stat.created_ms).ok();
        if let Some(past) = past(name, &node.data, created) {
            self.history.insert(name.to_owned(), past);
        }
    }

    /// Takes the node `error` of Manatee 1: for people; nothing is concluded from it.
    pub fn take_error(&mut self, node: Option<&Node>, at: Timestamp) {
        match node {
            Some(node) => self.note("error", at, &String::from_utf8_lossy(&node.data)),
            None => {
                self.evidence.remove("error");
            }
        }
    }

    fn note(&mut self, what: &'static str, at: Timestamp, text: &str) {
        self.evidence.insert(what, Evidence::new(format!("{}/{what}", self.source), at, text));
    }

    /// The state, if there is one.
    pub fn known_state(&self) -> Option<&State> {
        self.state.as_ref().and_then(|state| state.as_ref().ok())
    }

    /// What a peer said at `now`.
    pub fn take_finding(&mut self, id: &str, asked: Asked, now: Duration) {
        if self.known_state().is_some_and(|state| state.peers().any(|peer| peer.id == id)) {
            self.lags.note(id, &asked, now);
            self.findings.insert(id.to_owned(), asked);
        }
    }

    /// Something did not work; `sure` is when the state was last known to be right.
    pub fn fail(&mut self, reason: &str, now: Duration) -> Arc<ClusterSnapshot> {
        self.last.errors += 1;
        self.last.health = Health::Failed { reason: reason.to_owned() };
        self.rebuild(now);
        Arc::new(self.last.clone())
    }

    /// What is known. The state was right at `heard` (and `wall`), if there is one.
    pub fn snapshot(&mut self, now: Duration, heard: Option<(Duration, Timestamp)>) -> Arc<ClusterSnapshot> {
        if let Some((mono, wall)) = heard {
            self.last.health = match &self.state {
                Some(Ok(_)) => {
                    (self.last.at, self.last.at_mono) = (Some(wall), Some(mono));
                    Health::Ok
                }
                Some(Err(reason)) => Health::Failed { reason: reason.clone() },
                None => {
                    let nobody = self.election.as_ref().is_some_and(Vec::is_empty);
                    let also = if nobody { ", and nobody in its election" } else { "" };
                    Health::Failed { reason: format!("there is no state at {}{also}", self.source) }
                }
            };
        }
        self.rebuild(now);
        Arc::new(self.last.clone())
    }

    fn rebuild(&mut self, now: Duration) {
        self.last.evidence = self.evidence.values().cloned().collect();
        let Some(Ok(state)) = &self.state else { return };
        self.lags.keep(state);
        let history: Vec<Past> = self.history.values().cloned().collect();
        let view = View {
            name: &self.name,
            source: &self.source,
            state,
            election: self.election.as_deref(),
            findings: &self.findings,
            history: &history,
        };
        self.last.cluster = Some(Arc::new(view.cluster(&self.lags, now)));
    }
}

#[cfg(test)]
mod tests;
