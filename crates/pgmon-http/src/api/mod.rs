//! `/api/v1`: what the UI and scripts read. Every answer is made from snapshots.

mod cache;
mod collectors;
mod csv;
mod fleet;
mod history;
#[cfg(test)]
mod openapi;
mod pages;
mod params;
mod refusal;
mod respond;
mod select;
mod shape;
mod texts;

pub(crate) use cache::Cache;
pub(crate) use fleet::Judged;

use crate::app::App;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// The OpenAPI document; a test holds it to the code.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/openapi.json", get(respond::openapi))
        .route("/api/v1/targets", get(fleet::targets))
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
        .route("/api/v1/collectors", get(pages::collectors))
        .route("/api/v1/collectors/{name}", get(collectors::collector))
        .route("/api/v1/sql/{collector}", get(texts::sql))
        .route("/api/v1/history/{metric}", get(history::history))
}
