//! Stands before every route: who asks, how often, and may they.

use crate::access::{Access, Identity, Peer, Wrong};
use crate::app::App;
use crate::limiter::{Rate, Verdict};
use crate::respond;
use crate::telemetry::OTHER;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use pgmon_config::Scope;
use std::net::IpAddr;
use std::sync::Arc;

/// The longest path with its query (bytes).
const LONGEST_URI: usize = 8 * 1024;

/// The largest body (bytes).
const LARGEST_BODY: u64 = 64 * 1024;

/// Refusals of one address that are told at once: more than anybody needs who has a wrong credential.
const REFUSALS: Rate = Rate { per_second: 10.0, burst: 60 };

/// Marks the answer to a client that is refused again and again: it has to wait for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nuisance;

/// What a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Health,
    Login,
    Metrics,
    Configz,
    Reload,
    /// API, UI, and what does not exist: whoever may not see the one is not told of the other.
    Ui,
}

impl Area {
    fn of(path: &str) -> Self {
        match path {
            "/health" | "/healthz" | "/livez" | "/readyz" | "/-/healthy" | "/-/ready" => Self::Health,
            "/login" | "/logout" => Self::Login,
            "/metrics" => Self::Metrics,
            "/configz" => Self::Configz,
            "/-/reload" => Self::Reload,
            _ => Self::Ui,
        }
    }
}

/// Answers, or lets the request through to its route.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = app.timer.mono();
    let access = app.access();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let area = Area::of(request.uri().path());
    let is_api = crate::api::is_path(request.uri().path());
    let peer = request.extensions().get::<Arc<Peer>>().cloned();
    let (mut response, is_refused) = answer(&app, &access, area, request, next).await;
    if is_api {
        response = respond::as_error_of_the_api(response).await;
    }
    finish(&mut response, &access);
    if is_refused
        && let Some(peer) = peer
        && !app.refusals.take(peer.client(), REFUSALS, started).allowed
    {
        response.extensions_mut().insert(Nuisance);
    }
    let took = app.timer.mono().saturating_sub(started);
    let path = route.as_ref().map_or(OTHER, MatchedPath::as_str);
    app.telemetry.answered(method.as_str(), path, response.status().as_u16(), took);
    if area == Area::Metrics {
        match response.status() {
            StatusCode::OK => app.telemetry.scraped(took),
            StatusCode::TOO_MANY_REQUESTS => app.telemetry.locked_out(),
            _ => {}
        }
    }
    response
}

/// The answer, and whether it says no to somebody who is not known.
async fn answer(
    app: &App,
    access: &Access,
    area: Area,
    mut request: Request,
    next: Next,
) -> (Response, bool) {
    if request.uri().path_and_query().is_some_and(|p| p.as_str().len() > LONGEST_URI) {
        return (respond::text(StatusCode::URI_TOO_LONG, "the path is too long"), false);
    }
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LARGEST_BODY) {
        return (respond::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"), false);
    }
    if area == Area::Health {
        return (next.run(request).await, false);
    }
    let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
        let text = "the connection has no address";
        return (respond::text(StatusCode::INTERNAL_SERVER_ERROR, text), false);
    };
    let identity = app.identify(access, &peer, request.headers()).await;
    let verdict = match access.rate.filter(|_| !peer.is_loopback()) {
        Some(rate) => {
            let client = match &identity {
                Identity::Known(principal) => crate::limiter::Client::Credential(principal.credential),
                _ => peer.client(),
            };
            Some(app.requests.take(client, rate, app.timer.mono()))
        }
        None => None,
    };
    let is_known = matches!(identity, Identity::Known(_));
    let (mut response, is_refused) = match verdict {
        Some(verdict) if !verdict.allowed => (too_many(verdict.retry_after), !is_known),
        _ => match permit(app, access, area, &peer, &identity, &request) {
            Ok(()) => {
                if let Identity::Known(principal) = identity {
                    request.extensions_mut().insert(principal);
                }
                (next.run(request).await, false)
            }
            Err(refusal) => (*refusal, !is_known),
        },
    };
    if let Some(verdict) = verdict {
        tell_rate(&mut response, verdict);
    }
    (response, is_refused)
}

/// Whether the request may go on to its route, or what it is told instead.
fn permit(
    app: &App,
    access: &Access,
    area: Area,
    peer: &Peer,
    identity: &Identity,
    request: &Request,
) -> Result<(), Box<Response>> {
    let headers = request.headers();
    let refuse = |response: Response| Err(Box::new(response));
    match identity {
        _ if area == Area::Login => Ok(()),
        Identity::Known(principal) => {
            if area == Area::Reload && principal.scope < Scope::Admin {
                return refuse(respond::text(
                    StatusCode::FORBIDDEN,
                    "this needs a key or user with scope: admin",
                ));
            }
            // A browser sends its cookie for any page that asks it to.
            if !headers.contains_key(header::AUTHORIZATION)
                && !request.method().is_safe()
                && !same_origin(headers)
            {
                return refuse(respond::text(StatusCode::FORBIDDEN, "this comes from another site"));
            }
            Ok(())
        }
        Identity::Busy => {
            let response =
                respond::text(StatusCode::SERVICE_UNAVAILABLE, "too many passwords at once; try again");
            refuse(with(response, header::RETRY_AFTER, "1"))
        }
        Identity::Locked(seconds) => refuse(too_many(*seconds)),
        Identity::Nobody if area == Area::Reload && is_local(peer, headers) => Ok(()),
        Identity::Nobody | Identity::Wrong(_) if access.is_configured() => {
            refuse(challenge(access, area, identity, request))
        }
        Identity::Nobody | Identity::Wrong(_) => match area {
            Area::Metrics => Ok(()),
            Area::Configz | Area::Ui if access.allow_anonymous => Ok(()),
            Area::Configz | Area::Ui if app.loopback && is_local_name(headers) => Ok(()),
            Area::Configz | Area::Ui if app.loopback => refuse(respond::error(
                StatusCode::FORBIDDEN,
                "pgmon has no authentication and was asked by a name that is not this machine's own",
                "ask 127.0.0.1 or localhost, or set http.auth (or http.allow_anonymous: true)",
            )),
            Area::Reload => refuse(respond::text(
                StatusCode::FORBIDDEN,
                "only from this machine, or with a key: set http.auth.api_keys with scope: admin",
            )),
            _ => refuse(respond::error(
                StatusCode::FORBIDDEN,
                "pgmon listens beyond this machine without authentication: only /metrics and health are served",
                "set http.auth.api_keys or http.auth.basic (or http.allow_anonymous: true, or bind to 127.0.0.1)",
            )),
        },
    }
}

/// What somebody is told who should have shown a credential.
fn challenge(access: &Access, area: Area, identity: &Identity, request: &Request) -> Response {
    let basic = match identity {
        Identity::Wrong(wrong) => *wrong == Wrong::Password,
        _ => access.has_users() && !access.has_keys(),
    };
    const BASIC: &str = "Basic realm=\"pgmon\", charset=\"UTF-8\"";
    if area != Area::Ui {
        if basic {
            return with(
                respond::text(StatusCode::UNAUTHORIZED, "Unauthorized"),
                header::WWW_AUTHENTICATE,
                BASIC,
            );
        }
        // SitRep's answer, the same for a wrong key and for none.
        return respond::text(StatusCode::FORBIDDEN, "Forbidden");
    }
    let wants_html = |value: &HeaderValue| value.to_str().is_ok_and(|v| v.contains("text/html"));
    let browser = request.headers().get(header::ACCEPT).is_some_and(wants_html);
    if browser && access.has_forms() && matches!(*request.method(), Method::GET | Method::HEAD) {
        let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(place) = HeaderValue::from_str(&crate::login::location(wanted)) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        respond::no_store(&mut response);
        return response;
    }
    let response = respond::error(
        StatusCode::UNAUTHORIZED,
        "not logged in",
        "send Authorization: Bearer KEY, or log in at /login",
    );
    // A browser's own dialog would come in the way of the login form.
    let scheme =
        if matches!(identity, Identity::Wrong(Wrong::Password)) { BASIC } else { "Bearer realm=\"pgmon\"" };
    with(response, header::WWW_AUTHENTICATE, scheme)
}

/// Whether a request was made on this machine: not passed on by a proxy, nor made by another site's page.
fn is_local(peer: &Peer, headers: &HeaderMap) -> bool {
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer.is_loopback()
        && !passed_on.iter().any(|name| headers.contains_key(*name))
        && same_origin(headers)
        && is_local_name(headers)
}

/// Whether a request was made by an address, `localhost` or a bare name. A page of another site can make a
/// browser take this machine for that site's, by an entry in the DNS; it then asks by that site's name.
fn is_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".localhost")
}

/// Whether a browser says that a page of pgmon's own asks, or no browser is at work.
pub(crate) fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text("origin") {
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
    }
}

fn too_many(seconds: u64) -> Response {
    let response = respond::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests, try again later");
    with(response, header::RETRY_AFTER, &seconds.max(1).to_string())
}

fn tell_rate(response: &mut Response, verdict: Verdict) {
    let policy = format!("{};w={}", verdict.limit, verdict.window);
    for (name, value) in [
        ("ratelimit-policy", policy),
        ("ratelimit-limit", verdict.limit.to_string()),
        ("ratelimit-remaining", verdict.remaining.to_string()),
        ("ratelimit-reset", verdict.reset.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Headers that keep a browser from doing more with an answer than show it.
fn finish(response: &mut Response, access: &Access) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let html = headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"text/html"));
    if html {
        let policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    }
    for (name, value) in &access.headers {
        headers.insert(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests;
