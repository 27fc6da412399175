//! `/api/v1`: what the UI and scripts read. Every answer is made from snapshots.

mod cache;
mod clusters;
mod collectors;
mod columns;
mod csv;
mod fleet;
mod history;
mod near;
#[cfg(test)]
mod openapi;
mod pages;
mod params;
mod refusal;
mod respond;
mod select;
mod services;
mod shape;
mod texts;

pub(crate) use cache::Cache;
pub(crate) use fleet::Judged;

use crate::app::App;
use crate::respond::error;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;

/// The OpenAPI document; a test holds it to the code.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

/// What is below `/api/v1/`; a test holds it to the description.
const PATHS: &[&str] = &[
    "openapi.json",
    "targets",
    "services",
    "services/{name}",
    "overview",
    "activity",
    "locks",
    "autovacuum",
    "top-queries",
    "statements/{queryid}",
    "storage",
    "indexes",
    "bloat",
    "partitions",
    "replication",
    "wraparound",
    "wal",
    "io",
    "settings",
    "clusters",
    "clusters/{name}",
    "collectors",
    "collectors/{name}",
    "sql/{collector}",
    "history",
    "history/{metric}",
];

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/openapi.json", get(respond::openapi))
        .route("/api/v1/targets", get(fleet::targets))
        .route("/api/v1/services", get(services::services))
        .route("/api/v1/services/{name}", get(services::service))
        .route("/api/v1/overview", get(pages::overview))
        .route("/api/v1/activity", get(pages::activity))
        .route("/api/v1/locks", get(pages::locks))
        .route("/api/v1/autovacuum", get(pages::autovacuum))
        .route("/api/v1/top-queries", get(pages::top_queries))
        .route("/api/v1/statements/{queryid}", get(pages::statement))
        .route("/api/v1/storage", get(pages::storage))
        .route("/api/v1/indexes", get(pages::indexes))
        .route("/api/v1/bloat", get(pages::bloat))
        .route("/api/v1/partitions", get(pages::partitions))
        .route("/api/v1/replication", get(pages::replication))
        .route("/api/v1/wraparound", get(pages::wraparound))
        .route("/api/v1/wal", get(pages::wal))
        .route("/api/v1/io", get(pages::io))
        .route("/api/v1/settings", get(pages::settings))
        .route("/api/v1/clusters", get(clusters::clusters))
        .route("/api/v1/clusters/{name}", get(clusters::cluster))
        .route("/api/v1/collectors", get(pages::collectors))
        .route("/api/v1/collectors/{name}", get(collectors::collector))
        .route("/api/v1/sql/{collector}", get(texts::sql))
        .route("/api/v1/history", get(history::metrics))
        .route("/api/v1/history/{metric}", get(history::history))
        .method_not_allowed_fallback(method_not_allowed)
}

/// Whether this is a path of the API, there or not.
pub(crate) fn is_path(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// What is answered to a path below `/api` that there is not.
pub(crate) fn unknown(path: &str) -> Response {
    // Of a longer path the first part tells what it was to be.
    let wanted = path.trim_start_matches("/api").trim_start_matches("/v1").trim_matches('/');
    let first = wanted.split('/').next().unwrap_or_default();
    let names = || PATHS.iter().copied();
    let near: Vec<String> = near::near(first, names().filter_map(|name| name.split('/').next()))
        .into_iter()
        .flat_map(|near| names().filter(move |name| name.split('/').next() == Some(near)))
        .map(|name| format!("/api/v1/{name}"))
        .collect();
    let all = "/api/v1/openapi.json describes all paths";
    let hint = if near.is_empty() { all.to_owned() } else { format!("is it {}? {all}", near.join(" or ")) };
    error(StatusCode::NOT_FOUND, "the API has no such path", &hint)
}

/// What is answered to another method than a path takes. axum adds what it takes.
async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "the API is only read", "ask with GET")
}

#[cfg(test)]
mod tests;
