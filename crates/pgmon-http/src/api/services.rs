//! `services`: what is checked besides databases.

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
use pgmon_core::metric::Groups as _;
use pgmon_views::Answer;
use pgmon_views::services::{Services, detail};
use std::sync::Arc;
use std::time::Duration;

/// `GET /api/v1/services`.
pub async fn services(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Refusal> {
    asked.only(&["sort", "order", "limit", "q"])?;
    let (rows, now) = (asked.rows()?, now(&app));
    respond::answer(&app, &asked, inputs(&app), now.mono, || {
        let services = Services::new(&app.services.snapshots(), now);
        let answer = Answer { age_seconds: services.age_seconds(), ..Answer::plain(now.wall, services) };
        let shape = |value: &mut _, rows: &_, csv| shape::list(value, ("services", "services"), rows, csv);
        respond::write(&answer, &asked, &rows, shape, Duration::MAX)
    })
}

/// `GET /api/v1/services/{name}`.
pub async fn service(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    asked.only(&[])?;
    let (rows, now) = (asked.rows()?, now(&app));
    respond::answer(&app, &asked, inputs(&app), now.mono, || {
        let all = app.services.snapshots();
        let Some(service) = all.iter().find(|service| *service.name == *name) else {
            let known = || all.iter().map(|service| &*service.name);
            let some = known().take(20).collect::<Vec<_>>().join(", ");
            let hint = near::hint(&name, known(), &format!("there are: {some}"));
            return Err(Refusal::not_found("there is no such service", hint));
        };
        let detail = detail(service, now);
        let answer = Answer { age_seconds: detail.service.age_seconds, ..Answer::plain(now.wall, detail) };
        respond::write(&answer, &asked, &rows, shape::none, Duration::MAX)
    })
}

fn inputs(app: &App) -> Inputs {
    Inputs::Fleet(app.services.version(), app.rules())
}
