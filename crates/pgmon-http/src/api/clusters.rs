//! `clusters`: what managers and members say.

use super::cache::Inputs;
use super::params::{Asked, Rows};
use super::refusal::Refusal;
use super::respond;
use super::select::now;
use super::shape;
use crate::app::App;
use axum::extract::State;
use axum::response::Response;
use pgmon_core::cluster::Manager;
use pgmon_views::Answer;
use pgmon_views::clusters::Clusters;
use std::sync::Arc;

/// `GET /api/v1/clusters`.
pub async fn clusters(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Refusal> {
    asked.only(&["name", "manager"])?;
    let manager = match asked.get("manager") {
        None => None,
        Some("manatee") => Some(Manager::Manatee),
        Some("patroni") => Some(Manager::Patroni),
        Some("streaming") => Some(Manager::Streaming),
        Some(_) => return Err(Refusal::bad("there is no such manager", "manatee, patroni or streaming")),
    };
    let (name, now) = (asked.get("name"), now(&app));
    // Asked for before the snapshots are: what comes meanwhile makes another answer.
    let inputs = Inputs::Clusters(app.clusters.version());
    let mut snapshots = app.clusters.snapshots();
    snapshots.retain(|s| manager.is_none_or(|m| m == s.manager) && name.is_none_or(|n| *n == *s.name));
    if let Some(name) = name.filter(|_| snapshots.is_empty()) {
        let short: String = name.chars().take(40).collect();
        return Err(Refusal::not_found(
            format!("there is no cluster {short:?}"),
            "GET /api/v1/clusters lists them; their sources are under `clusters` in the configuration",
        ));
    }
    respond::answer(&app, &asked, inputs, now.mono, || {
        let (clusters, holds_until) = Clusters::new(&snapshots, now.mono);
        let (state, reason) = clusters.standing();
        let age_seconds = clusters.clusters.iter().filter_map(|c| c.age_seconds).reduce(f64::max);
        let answer = Answer { state, reason, age_seconds, ..Answer::plain(now.wall, clusters) };
        respond::write(&answer, &asked, &Rows::default(), shape::none, holds_until)
    })
}
