//! `sql/{collector}`: what pgmon would send.

use super::near;
use super::params::{Asked, Rows};
use super::refusal::Refusal;
use super::respond;
use super::select::now;
use super::shape;
use crate::app::App;
use axum::extract::{Path, State};
use axum::response::Response;
use pgmon_collect::postgres::collectors::ALL;
use pgmon_views::{Answer, texts};
use std::sync::Arc;

/// `GET /api/v1/sql/{collector}`.
pub async fn sql(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    asked.only(&[])?;
    let Some(texts) = texts::of(&name) else {
        let known: Vec<&str> = ALL.iter().map(|r| r.spec.name).collect();
        let hint = near::hint(&name, known.iter().copied(), &format!("there are: {}", known.join(", ")));
        return Err(Refusal::not_found("there is no such collector", hint));
    };
    respond::fresh(&asked, &Answer::plain(now(&app).wall, texts), &Rows::default(), shape::none)
}
