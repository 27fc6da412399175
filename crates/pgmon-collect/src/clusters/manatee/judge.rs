//! What is wrong with a shard: the conditions of `manatee-adm pg-status`, in its order and its words.

use super::peer::{Asked, Sender};
use super::state::{Peer, State};
use pgmon_core::cluster::{Issue, Severity};
use std::collections::BTreeMap;

/// What is known of each peer's PostgreSQL, by the peer's id. A peer that was not asked yet is not there, and
/// nothing is said of it.
pub type Findings = BTreeMap<String, Asked>;

/// The conditions that hold.
///
/// Two are judged otherwise than by the original, which looks at the first row of `pg_stat_replication`,
/// whatever it is: here it is the row of the expected peer, and the walsender of a base backup is none. And a
/// state without a sync that is not in one-node-write mode, which ends the original, is an error.
pub fn judge(state: &State, findings: &Findings) -> Vec<Issue> {
    let mut judge = Judge { state, findings, issues: Vec::new() };
    judge.all();
    judge.issues
}

/// The row of `pg_stat_replication` that shows this peer, or the one that stands in its place.
pub fn row_of<'s>(senders: &'s [Sender], peer: &Peer) -> Option<&'s Sender> {
    let replicas = senders.iter().filter(|sender| !sender.is_backup());
    replicas.max_by_key(|sender| {
        let at_its_address = sender.client_addr.as_deref() == Some(peer.ip.as_str());
        // Several peers may share an address; Manatee names its connections after the peer.
        let app = sender.application_name.as_deref();
        let by_its_name = app.is_some()
            && [Some(&peer.id), peer.pg_url.as_ref(), peer.zone_id.as_ref()]
                .into_iter()
                .flatten()
                .any(|name| Some(name.as_str()) == app);
        (at_its_address, by_its_name, sender.state.as_deref() == Some("streaming"))
    })
}

struct Judge<'a> {
    state: &'a State,
    findings: &'a Findings,
    issues: Vec<Issue>,
}

impl Judge<'_> {
    fn push(&mut self, code: &'static str, severity: Severity, peer: Option<&Peer>, text: impl Into<String>) {
        let peer = peer.map(|peer| peer.id.clone());
        self.issues.push(Issue { code, severity, peer, text: text.into() });
    }

    fn error_of(&self, peer: &Peer) -> Option<String> {
        match self.findings.get(&peer.id)? {
            Asked::Failed(reason) => Some(format!("peer \"{}\": {reason}", peer.label())),
            // Who refuses a role runs.
            Asked::Answered(_) | Asked::Refused(_) => None,
        }
    }

    fn all(&mut self) {
        let state = self.state;
        let primary = &state.primary;
        if let Some(why) = self.error_of(primary) {
            let text = format!("cannot query postgres on primary: {why}");
            self.push("primary_down", Severity::Error, Some(primary), text);
        }
        if state.singleton {
            let peers = state.peers().count();
            if peers > 1 {
                let text = format!("found {peers} peers in singleton mode");
                self.push("singleton_peers", Severity::Warning, None, text);
            }
            return;
        }
        let sync_error = state.sync.as_ref().and_then(|sync| self.error_of(sync));
        match (&state.sync, &sync_error) {
            (Some(sync), Some(why)) => {
                let text = format!("cannot query postgres on sync: {why}");
                self.push("sync_down", Severity::Error, Some(sync), text);
            }
            (None, _) => {
                let text = "cluster has no sync peer and is not in singleton mode";
                self.push("no_sync", Severity::Error, None, text);
            }
            (Some(_), None) => {}
        }
        if !state.deposed.is_empty() {
            self.push("deposed", Severity::Warning, None, "cluster has a deposed peer");
        }
        if state.asyncs.is_empty() {
            self.push("no_async", Severity::Warning, None, "cluster has no async peers");
        }
        let Some(sync) = state.sync.as_ref().filter(|_| sync_error.is_none()) else { return };
        self.hop(primary, sync, "sync", Severity::Error);
        let chain: Vec<&Peer> = std::iter::once(sync).chain(&state.asyncs).collect();
        for pair in chain.windows(2) {
            if let [from, to] = pair {
                self.hop(from, to, "async", Severity::Warning);
            }
        }
    }

    /// Whether a peer's downstream is connected, the right one, streaming, and waited for as it should be.
    fn hop(&mut self, from: &Peer, to: &Peer, kind: &str, severity: Severity) {
        let row = match self.findings.get(&from.id) {
            None | Some(Asked::Refused(_)) => return,
            // As the original has it: who cannot be asked has no downstream.
            Some(Asked::Failed(_)) => None,
            Some(Asked::Answered(finding)) => row_of(&finding.senders, to),
        };
        let label = from.label();
        let Some(row) = row else {
            let text = format!("peer \"{label}\": downstream replication peer not connected");
            self.push("downstream_missing", severity, Some(from), text);
            return;
        };
        let unknown = || "unknown".to_owned();
        let known = self.issues.len();
        if row.client_addr.as_deref() != Some(to.ip.as_str()) {
            let found = row.client_addr.clone().unwrap_or_else(unknown);
            let text = format!(
                "peer \"{label}\": expected downstream peer to be \"{}\", but found \"{found}\"",
                to.ip
            );
            self.push("downstream_wrong", severity, Some(from), text);
        }
        if row.state.as_deref() != Some("streaming") {
            let found = row.state.clone().unwrap_or_else(unknown);
            let text = format!(
                "peer \"{label}\": downstream replication not yet established (expected state \"streaming\", found \"{found}\")"
            );
            self.push("downstream_not_streaming", severity, Some(from), text);
        }
        if self.issues.len() == known && row.sync_state.as_deref() != Some(kind) {
            let found = row.sync_state.clone().unwrap_or_else(unknown);
            let text = format!(
                "peer \"{label}\": expected downstream replication to be \"{kind}\", but found \"{found}\""
            );
            self.push("downstream_sync_state", severity, Some(from), text);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
