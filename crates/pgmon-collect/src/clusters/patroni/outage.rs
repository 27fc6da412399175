//! What is left to say of a cluster while the store of its state is out of reach: its members, as the store named
//! them last, and how they say themselves that they are.

use super::model::Asked;
use super::rest::{ClusterAnswer, MemberAnswer, Status};

/// The members now. What only the store knows (lags by its own positions, what is scheduled) is left out.
pub(super) fn told(last: &ClusterAnswer, asked: &[Asked]) -> ClusterAnswer {
    let answers = |asked: &Asked| asked.status.as_ref().ok().cloned();
    let leads =
        |status: &Status| matches!(status.role.as_deref(), Some("master" | "primary" | "standby_leader"));
    let somebody_leads = asked.iter().filter_map(answers).any(|status| leads(&status));
    let mut members: Vec<MemberAnswer> = last.members.clone();
    for member in &mut members {
        let status = super::model::own(member, asked).and_then(answers);
        let led = super::model::role_of(member).leads();
        (member.state, member.timeline, member.lag_bytes) = (None, None, None);
        match status {
            Some(status) => {
                member.role = role(&member.role, led, &status);
                member.state.clone_from(&status.state);
            }
            // Whether it still leads cannot be known once another one does.
            None if led && somebody_leads => member.role = String::new(),
            None => {}
        }
    }
    // Nobody has read the state before, or it did not have them.
    for one in asked {
        let listed =
            members.iter().any(|member| super::model::own(member, std::slice::from_ref(one)).is_some());
        if let (false, Some(status)) = (listed, answers(one)) {
            members.push(MemberAnswer {
                name: status.name.clone().unwrap_or_else(|| one.url.authority().to_owned()),
                role: role("", false, &status),
                state: status.state.clone(),
                api_url: Some(super::at(&one.url, "")),
                ..MemberAnswer::default()
            });
        }
    }
    ClusterAnswer { scope: last.scope.clone(), members, paused: false, switchover: None }
}

/// What a member does by its own account; the store's word for it where both can be right.
fn role(before: &str, led: bool, status: &Status) -> String {
    match status.role.as_deref() {
        Some("master" | "primary") => "leader".to_owned(),
        Some("standby_leader") => "standby_leader".to_owned(),
        Some(_) if led || before.is_empty() => "replica".to_owned(),
        _ => before.to_owned(),
    }
}

#[cfg(test)]
mod tests;
