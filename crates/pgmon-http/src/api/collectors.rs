//! `collectors/{name}`: a collector's rows for those that do not know it.

use super::near;
use super::pages::inputs;
use super::params::Asked;
use super::refusal::Refusal;
use super::respond;
use super::select::pick;
use super::shape;
use crate::app::App;
use axum::extract::{Path, State};
use axum::response::Response;
use pgmon_collect::postgres::collectors::ALL;
use pgmon_views::generic;
use std::sync::Arc;

const PARAMS: &[&str] = &["cluster", "db", "datname", "panel", "sort", "order", "limit", "q"];

/// `GET /api/v1/collectors/{name}`.
pub async fn collector(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    asked.only(PARAMS)?;
    let rows = asked.rows()?;
    let picked = pick(&app, &asked)?;
    respond::answer(&app, &asked, inputs(&picked), picked.now.mono, || {
        let source = picked.source();
        let Some(answer) = generic::answer(&source, &name) else {
            let known: Vec<&str> = ALL.iter().map(|r| r.spec.name).collect();
            let all = format!("there are: {} (a custom query's name begins with query:)", known.join(", "));
            let hint = near::hint(&name, known, &all);
            return Err(Refusal::not_found("there is no such collector", hint));
        };
        respond::write(&answer, &asked, &rows, shape::tables, source.holds_until())
    })
}
