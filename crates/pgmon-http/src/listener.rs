//! Accepts connections, bounds their number and their patience, and hands requests to the routes.
//!
//! `axum::serve` knows no limits: a thousand clients that never finish a request would be kept for ever.

mod body;
mod connections;
mod guarded;

use crate::access::Peer;
use crate::app::App;
use crate::guard::Nuisance;
use crate::telemetry::{Closed, OTHER};
use crate::tls::Tls;
use axum::Router;
use axum::extract::Request;
use body::Watched;
use connections::{Connection, Connections};
use guarded::Guarded;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// The head of a request: line and headers together (bytes). More is answered with 431.
const LARGEST_HEAD: usize = 16 * 1024;

/// What is buffered of a connection (bytes).
const BUFFER: usize = 32 * 1024;

/// Rest after an error of accepting, such as no more file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Such errors are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Who is refused faster than anybody needs to be is told so this much later: a client that waits for its answer
/// then asks once a second, however fast it could.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// Serves until `stop` becomes true, then lets answers under way finish. All listeners share one table of
/// connections, and so its limits.
pub(crate) async fn run(listeners: Vec<(TcpListener, Router)>, app: Arc<App>, stop: watch::Receiver<bool>) {
    let connections = Arc::new(Connections::new(app.clone()));
    let mut sweeper = tokio::spawn(connections.clone().sweep());
    let mut all = JoinSet::new();
    for (listener, routes) in listeners {
        all.spawn(accept(listener, routes, app.clone(), connections.clone(), stop.clone()));
    }
    while all.join_next().await.is_some() {}
    sweeper.abort();
    // It ends by being aborted.
    let _ = (&mut sweeper).await;
}

/// Serves one listener.
async fn accept(
    listener: TcpListener,
    routes: Router,
    app: Arc<App>,
    connections: Arc<Connections>,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let mut logged: Option<Duration> = None;
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let connection = connections.open();
                let (app, routes, stop) = (app.clone(), routes.clone(), stop.clone());
                tasks.spawn(async move {
                    // Closing is dropping: the socket goes with the future.
                    tokio::select! {
                        () = connection.closed() => {}
                        () = converse(stream, address, app, routes, &connection, stop) => {}
                    }
                });
            }
            Err(error) => {
                let now = app.timer.mono();
                if logged.is_none_or(|at| now.saturating_sub(at) >= LOG_EVERY) {
                    logged = Some(now);
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                connections.make_room();
                app.timer.sleep_until(now + PAUSE).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    app: Arc<App>,
    routes: Router,
    connection: &Connection,
    stop: watch::Receiver<bool>,
) {
    // Answers go out whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let mut stopped = stop.clone();
    // Buffers are made for those who say something.
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => return,
        readable = stream.readable() => if readable.is_err() { return },
    }
    let access = app.access();
    let Some(tls) = &access.tls else {
        let peer = Peer { address, tls: false, certificate: None };
        return serve(stream, peer, &app, routes, connection, stop).await;
    };
    let hands = tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => return,
        hands = shake_hands(stream, address, tls) => hands,
    };
    match hands {
        Some((stream, peer)) => serve(stream, peer, &app, routes, connection, stop).await,
        None => app.telemetry.closed(Closed::Tls),
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    tls: &Tls,
) -> Option<(impl AsyncRead + AsyncWrite + Unpin + 'static, Peer)> {
    let stream = match TlsAcceptor::from(tls.config.clone()).accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(client = %address.ip(), %error, "the TLS handshake failed");
            return None;
        }
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    if !tls.admits(certificate) {
        tracing::debug!(client = %address.ip(), "the client's certificate has none of client_allowed_sans");
        return None;
    }
    let certificate = certificate.map(|der| Sha256::digest(der).into());
    Some((stream, Peer { address, tls: true, certificate }))
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    app: &App,
    routes: Router,
    connection: &Connection,
    mut stop: watch::Receiver<bool>,
) {
    let peer = Arc::new(peer);
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        let progress = if request.body().is_end_stream() {
            connection.serving();
            None
        } else {
            Some(connection.receiving())
        };
        request.extensions_mut().insert(peer.clone());
        let request = request.map(|body| Watched::new(body, progress));
        let routes = routes.clone();
        async move {
            let response = routes.oneshot(request).await;
            if response.as_ref().is_ok_and(|response| response.extensions().get::<Nuisance>().is_some()) {
                connection.refused();
                app.timer.sleep_until(app.timer.mono() + REFUSED_AFTER).await;
            }
            connection.writing();
            response
        }
    });
    let mut http = http1::Builder::new();
    // Times are kept by the table of connections.
    http.header_read_timeout(None).max_header_size(LARGEST_HEAD).max_buf_size(BUFFER);
    let mut exchange = pin!(http.serve_connection(TokioIo::new(Guarded::new(stream, connection)), service));
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = exchange.as_mut() => break ended,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                // Who has asked gets the answer; who has not finished asking does not.
                if !connection.is_busy() {
                    return;
                }
                stopping = true;
                exchange.as_mut().graceful_shutdown();
            }
        }
    };
    // What cannot be read as a request was answered without asking anybody.
    if let Err(error) = ended
        && error.is_parse()
    {
        let code = if error.is_parse_too_large() { 431 } else { 400 };
        app.telemetry.answered(OTHER, OTHER, code, Duration::ZERO);
    }
}
