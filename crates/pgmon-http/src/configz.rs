//! `GET /configz`: what is watched, in SitRep's shape and without secrets.

use crate::app::App;
use crate::respond;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::sync::Arc;

/// The body of `/configz`.
#[derive(Debug, Serialize)]
pub struct Configz {
    /// The label `db` of each database.
    databases: Vec<Arc<str>>,
    /// The definition of each custom query, as [`App::set_queries`] got them.
    #[serde(rename = "customMetrics")]
    custom_metrics: Arc<Vec<serde_json::Value>>,
}

/// Lists databases and custom queries.
pub async fn configz(State(app): State<Arc<App>>) -> Response {
    let databases = app.fleet.cells().iter().map(|cell| cell.snapshot().db.clone()).collect();
    let mut response = Json(Configz { databases, custom_metrics: app.queries() }).into_response();
    respond::no_store(&mut response);
    response
}
