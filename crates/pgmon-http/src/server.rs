//! Routes and the listener.

use crate::access::{self, Peer};
use crate::app::App;
use crate::health::{self, Status};
use crate::pages::Variant;
use crate::{configz, guard, landing, listener, login, reload, service_health, sessions, ui};
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use pgmon_core::snapshot::{Loop, Up};
use pgmon_core::text::Format;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The largest form (bytes).
const LARGEST_FORM: usize = 16 * 1024;

/// All routes, behind the guard, and before both the path that a proxy serves them under.
pub fn router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(ui::index))
        .route("/assets/{*path}", get(ui::asset))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/configz", get(configz::configz))
        .merge(health_routes())
        .route("/-/reload", post(reload::reload).put(reload::reload))
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .merge(crate::api::routes())
        .fallback(ui::fallback)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app.clone());
    Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(app, ui::prefix::strip))
}

/// What touches no figures of a single database.
fn health_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/health", get(service_health::health))
        .route("/healthz", get(healthz))
        .route("/livez", get(livez))
        .route("/-/healthy", get(livez))
        .route("/readyz", get(readyz))
        .route("/-/ready", get(readyz))
}

/// Metrics and health alone, behind the same guard.
pub fn metrics_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .merge(health_routes())
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// Serves until `stop` becomes true, then lets answers under way finish. `metrics` is a second listener, for
/// metrics alone.
pub async fn serve(
    listener: TcpListener,
    metrics: Option<TcpListener>,
    app: Arc<App>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let (fresh, pages) = (stop.clone(), app.clone());
    tokio::spawn(async move { pages.pages.keep_fresh(fresh).await });
    tokio::spawn(access::watch(app.clone(), stop.clone()));
    let mut listeners = vec![(listener, router(app.clone()))];
    listeners.extend(metrics.map(|listener| (listener, metrics_router(app.clone()))));
    listener::run(listeners, app, stop).await;
    Ok(())
}

async fn status(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
) -> Html<String> {
    let logged_in = sessions::token(&headers, peer.tls).is_some();
    Html(landing::page(&app.fleet, app.version, logged_in))
}

async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let variant = Variant {
        format: Format::from_accept(text(header::ACCEPT)),
        gzip: accepts_gzip(text(header::ACCEPT_ENCODING)),
    };
    let page = app.pages.get(variant).await;
    let mut response = (
        [(header::CONTENT_TYPE, variant.format.content_type()), (header::VARY, "Accept, Accept-Encoding")],
        page.body.clone(),
    )
        .into_response();
    if variant.gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    response
}

async fn healthz(State(app): State<Arc<App>>) -> Response {
    let health = health::judge(&app.fleet, app.timer.mono(), app.version).with(app.concerns());
    let code =
        if health.status == Status::Failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

/// Touches nothing: the process answers, so it lives.
async fn livez() -> &'static str {
    "OK\n"
}

/// Ready once every database has been tried, and the first hot_path round of those that answer is done.
async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let untried: Vec<String> = app
        .fleet
        .cells()
        .iter()
        .map(|c| c.snapshot())
        .filter(|s| match s.up {
            Up::Pending => true,
            Up::Up => s.of(Loop::HotPath).ended_mono.is_none(),
            Up::Down { .. } | Up::Refused { .. } => false,
        })
        .map(|s| format!("{}/{}", s.cluster, s.db))
        .collect();
    if untried.is_empty() {
        (StatusCode::OK, "OK\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not tried yet: {}\n", untried.join(", ")))
    }
}

/// Whether `Accept-Encoding` allows gzip: named (or `*`) with a quality above 0.
pub(crate) fn accepts_gzip(accept: &str) -> bool {
    let mut any = false;
    for part in accept.split(',') {
        let mut fields = part.split(';').map(str::trim);
        let coding = fields.next().unwrap_or_default();
        let refused =
            fields.any(|f| f.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().unwrap_or(0.0) <= 0.0));
        match coding {
            "gzip" | "x-gzip" => return !refused,
            "*" => any = !refused,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::accepts_gzip;

    #[test]
    fn gzip_only_for_those_who_take_it() {
        assert!(accepts_gzip("gzip") && accepts_gzip("deflate, gzip;q=0.5, *;q=0") && accepts_gzip("*"));
        assert!(
            !accepts_gzip("")
                && !accepts_gzip("br")
                && !accepts_gzip("gzip;q=0, *")
                && !accepts_gzip("identity")
        );
    }
}
