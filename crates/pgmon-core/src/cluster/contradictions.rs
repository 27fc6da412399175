//! What is wrong with any cluster, whoever manages it: its members' PostgreSQL contradict each other, or the manager.

use super::{Cluster, Issue, Manager, Member, Role, Severity};

/// More than one member takes writes.
pub const SEVERAL_PRIMARIES: &str = "several_primaries";
/// A member's PostgreSQL is not what the manager takes it for.
pub const ROLE_MISMATCH: &str = "role_mismatch";
/// A member is left behind on an older timeline.
pub const TIMELINE_FORK: &str = "timeline_fork";
/// A member's PostgreSQL answers, and pgmon's role there is refused: nothing more is known of it.
pub const ROLE_REFUSED: &str = "role_refused";
/// Another source has a cluster of the same name.
pub const NAME_TAKEN: &str = "name_taken";

/// Issues that pgmon finds itself: no manager counts them.
const OWN: [&str; 5] = [SEVERAL_PRIMARIES, ROLE_MISMATCH, TIMELINE_FORK, ROLE_REFUSED, NAME_TAKEN];

impl Issue {
    /// Whether pgmon has found it itself, by what no manager looks at.
    pub fn is_own(&self) -> bool {
        OWN.contains(&self.code)
    }
}

impl Cluster {
    /// Puts what members contradict each other in, or the manager, before the issues that are there: nothing else
    /// that may be wrong is worse. To be called once, when all members are known.
    pub fn note_contradictions(&mut self) {
        let mut issues = contradictions(self);
        issues.append(&mut self.issues);
        self.issues = issues;
    }
}

/// What the members contradict each other in, or the manager.
fn contradictions(cluster: &Cluster) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut push = |code, peer: Option<&Member>, text: String| {
        let peer = peer.map(|member| member.id.clone());
        issues.push(Issue { code, severity: Severity::Error, peer, text });
    };
    let writers: Vec<&str> =
        cluster.members.iter().filter(|m| m.in_recovery == Some(false)).map(|m| m.id.as_str()).collect();
    if writers.len() > 1 {
        let text = format!("{} members take writes: {}", writers.len(), writers.join(", "));
        push(SEVERAL_PRIMARIES, None, text);
    }
    for member in cluster.members.iter().filter(|member| member.role_mismatch() == Some(true)) {
        let is = if member.in_recovery == Some(true) { "a standby" } else { "no standby" };
        let says = match cluster.manager {
            Manager::Streaming => "replication shows",
            Manager::Manatee | Manager::Patroni => "the manager says",
        };
        let text = format!("{} is {} as {says}, and its PostgreSQL is {is}", member.id, member.role);
        push(ROLE_MISMATCH, Some(member), text);
    }
    if is_forked(cluster) {
        let on = |member: &Member| Some(format!("{} on {}", member.id, member.timeline?));
        let on: Vec<String> = parts(cluster).filter_map(on).collect();
        push(TIMELINE_FORK, None, format!("the timelines differ: {}", on.join(", ")));
    }
    issues
}

/// The members that take part: a deposed one may be on another timeline for as long as it likes.
fn parts(cluster: &Cluster) -> impl Iterator<Item = &Member> {
    cluster.members.iter().filter(|m| !matches!(m.role, Role::Deposed | Role::Fenced))
}

/// Whether somebody is on an older timeline than another and does not come after. Who streams does: it is sent
/// what is left of the old one first. Who cannot be told to stream or not, is not accused.
fn is_forked(cluster: &Cluster) -> bool {
    let Some(newest) = parts(cluster).filter_map(|member| member.timeline).max() else { return false };
    parts(cluster).any(|member| {
        let stays = member.in_recovery == Some(false) || member.is_streaming() == Some(false);
        stays && member.timeline.is_some_and(|own| own < newest)
    })
}

#[cfg(test)]
mod tests;
