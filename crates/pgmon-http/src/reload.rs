//! `POST /-/reload`: asks whoever owns the configuration to read it again.

use crate::access::{Peer, Principal};
use crate::app::App;
use crate::respond;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

/// How long a client waits for the outcome. The reload itself goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// A wish to read the configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Who asked: by which key or as which user, and from where.
    pub by: String,
    /// What came of it: what changed, or why nothing did.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// Asks for a reload and waits for the outcome.
pub(crate) async fn reload(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Arc<Peer>>,
    principal: Option<Extension<Principal>>,
) -> Response {
    let Some(requests) = &app.reload else {
        return respond::text(StatusCode::NOT_IMPLEMENTED, "this pgmon cannot reload: restart it");
    };
    let who = principal.map_or_else(|| "nobody known".to_owned(), |principal| principal.name.to_string());
    let by = format!("{who} from {}", peer.address.ip().to_canonical());
    let (answer, outcome) = oneshot::channel();
    match requests.try_send(ReloadRequest { by, answer }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return respond::text(StatusCode::SERVICE_UNAVAILABLE, "a reload is under way; try again");
        }
        Err(TrySendError::Closed(_)) => {
            return respond::text(StatusCode::SERVICE_UNAVAILABLE, "pgmon stops");
        }
    }
    let deadline = app.timer.mono() + PATIENCE;
    tokio::select! {
        outcome = outcome => match outcome {
            Ok(Ok(changed)) => respond::text(StatusCode::OK, &changed),
            Ok(Err(reason)) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, &reason),
            Err(_) => respond::text(StatusCode::SERVICE_UNAVAILABLE, "pgmon stops"),
        },
        () = app.timer.sleep_until(deadline) => {
            respond::text(StatusCode::GATEWAY_TIMEOUT, "the reload takes long; the log says what comes of it")
        }
    }
}
