//! `clusters`: what managers and members say.

use super::cache::Inputs;
use super::near;
use super::params::Asked;
use super::refusal::Refusal;
use super::respond;
use super::select::now;
use super::shape;
use crate::app::App;
use axum::extract::{Path, State};
use axum::response::Response;
use pgmon_core::cluster::{ClusterSnapshot, Manager};
use pgmon_views::Answer;
use pgmon_views::clusters::{ClusterDetail, Clusters};
use std::sync::Arc;

/// `GET /api/v1/clusters`.
pub async fn clusters(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Refusal> {
    asked.only(&["name", "manager", "sort", "order", "limit", "q"])?;
    let (rows, now) = (asked.rows()?, now(&app));
    // Asked for before the snapshots are: what comes meanwhile makes another answer.
    let inputs = Inputs::Clusters(app.clusters.version());
    let mut snapshots = of_manager(&app, &asked)?;
    if let Some(name) = asked.get("name") {
        let named = snapshots.iter().filter(|s| *s.name == *name).cloned().collect::<Vec<_>>();
        if named.is_empty() {
            return Err(unknown(name, &snapshots));
        }
        snapshots = named;
    }
    respond::answer(&app, &asked, inputs, now.mono, || {
        let (clusters, holds_until) = Clusters::new(&snapshots, now.mono);
        let (state, reason) = clusters.standing();
        let age_seconds = clusters.clusters.iter().filter_map(|c| c.age_seconds).reduce(f64::max);
        let answer = Answer { state, reason, age_seconds, ..Answer::plain(now.wall, clusters) };
        let shape = |value: &mut _, rows: &_, csv| shape::list(value, ("clusters", "clusters"), rows, csv);
        respond::write(&answer, &asked, &rows, shape, holds_until)
    })
}

/// `GET /api/v1/clusters/{name}`.
pub async fn cluster(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    asked.only(&["manager"])?;
    let (rows, now) = (asked.rows()?, now(&app));
    let inputs = Inputs::Clusters(app.clusters.version());
    let all = of_manager(&app, &asked)?;
    let named: Vec<_> = all.iter().filter(|s| *s.name == *name).collect();
    let snapshot = match named.as_slice() {
        [one] => (*one).clone(),
        [] => return Err(unknown(&name, &all)),
        several => {
            let managers: Vec<&str> = several.iter().map(|s| s.manager.as_str()).collect();
            let hint = format!("choose one with ?manager=: {}", managers.join(", "));
            return Err(Refusal::bad("several managers have a cluster of this name", hint));
        }
    };
    respond::answer(&app, &asked, inputs, now.mono, || {
        let (detail, holds_until) = ClusterDetail::new(&snapshot, now.mono);
        let (state, reason) = (detail.view.state, detail.view.reason.clone());
        let age_seconds = detail.view.age_seconds;
        let answer = Answer { state, reason, age_seconds, ..Answer::plain(now.wall, detail) };
        respond::write(&answer, &asked, &rows, shape::none, holds_until)
    })
}

/// The clusters of the manager that is asked for, or all of them.
fn of_manager(app: &App, asked: &Asked) -> Result<Vec<Arc<ClusterSnapshot>>, Refusal> {
    let mut snapshots = app.clusters.snapshots();
    if let Some(word) = asked.get("manager") {
        let all = [Manager::Manatee, Manager::Patroni, Manager::Streaming];
        let Some(manager) = all.into_iter().find(|manager| manager.as_str() == word) else {
            return Err(Refusal::bad("there is no such manager", "manatee, patroni or streaming"));
        };
        snapshots.retain(|s| s.manager == manager);
    }
    Ok(snapshots)
}

fn unknown(name: &str, all: &[Arc<ClusterSnapshot>]) -> Refusal {
    let short: String = name.chars().take(40).collect();
    let known = || all.iter().map(|cluster| &*cluster.name);
    let some = known().take(20).collect::<Vec<_>>().join(", ");
    let all = match some.as_str() {
        "" => "none is configured: their sources are under `clusters` in the configuration".to_owned(),
        some => format!("there are: {some}"),
    };
    Refusal::not_found(format!("there is no cluster {short:?}"), near::hint(name, known(), &all))
}
