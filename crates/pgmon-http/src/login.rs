//! The login form of browsers.

use crate::access::{Access, Identity, Peer};
use crate::app::App;
use crate::guard::same_origin;
use crate::landing::escape;
use crate::{respond, sessions};
use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;
use std::sync::Arc;

/// What the form sends. Has no `Debug`: there are secrets in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sent {
    user: String,
    password: String,
    key: String,
    next: String,
}

/// Where to go afterwards.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    next: String,
}

/// The address of the form, for whoever wanted another page.
pub(crate) fn location(wanted: &str) -> String {
    let next: String = wanted
        .bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.') => {
                char::from(b).to_string()
            }
            b => format!("%{b:02X}"),
        })
        .collect();
    format!("/login?next={next}")
}

/// `GET /login`
pub(crate) async fn form(State(app): State<Arc<App>>, Query(wanted): Query<Wanted>) -> Response {
    let access = app.access();
    if !access.has_forms() {
        return redirect("/", None);
    }
    page(&access, StatusCode::OK, &wanted.next, "")
}

/// `POST /login`
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
    Form(sent): Form<Sent>,
) -> Response {
    // A page of another site could log its reader in as somebody else.
    if !same_origin(&headers) {
        return respond::text(StatusCode::FORBIDDEN, "this comes from another site");
    }
    let access = app.access();
    if !access.has_forms() {
        return redirect("/", None);
    }
    let identity = if sent.key.is_empty() {
        app.by_password(&access, &peer, &sent.user, &sent.password).await
    } else {
        app.by_key(&access, &peer, sent.key.trim())
    };
    let refused = |code, words: &str| page(&access, code, &sent.next, words);
    match identity {
        Identity::Known(principal) => match app.sessions.begin(principal.credential, app.timer.mono()) {
            Ok(token) => {
                tracing::info!(name = %principal.name, client = %peer.address.ip(), "logged in");
                redirect(within(&sent.next), Some(&sessions::cookie(Some(&token), peer.tls)))
            }
            Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
        Identity::Locked(seconds) => {
            let words = format!("Too many attempts. Try again in {} s.", seconds.max(1));
            let mut response = refused(StatusCode::TOO_MANY_REQUESTS, &words);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            response
        }
        Identity::Busy => refused(StatusCode::SERVICE_UNAVAILABLE, "Too many attempts at once. Try again."),
        Identity::Nobody | Identity::Wrong(_) => {
            refused(StatusCode::FORBIDDEN, "That is not right. Try again.")
        }
    }
}

/// `POST /logout`
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
) -> Response {
    if !same_origin(&headers) {
        return respond::text(StatusCode::FORBIDDEN, "this comes from another site");
    }
    if let Some(token) = sessions::token(&headers, peer.tls) {
        app.sessions.end(token);
    }
    redirect("/login", Some(&sessions::cookie(None, peer.tls)))
}

/// A path of this host: never one that a browser takes for another host's.
fn within(next: &str) -> &str {
    let mut chars = next.chars();
    let own = chars.next() == Some('/')
        && !matches!(chars.next(), Some('/' | '\\'))
        && next.bytes().all(|b| b.is_ascii_graphic());
    if own { next } else { "/" }
}

fn redirect(place: &str, cookie: Option<&str>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let values = [(header::LOCATION, Some(place)), (header::SET_COOKIE, cookie)];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    respond::no_store(&mut response);
    response
}

fn page(access: &Access, code: StatusCode, next: &str, words: &str) -> Response {
    let mut fields = String::new();
    if access.has_users() {
        fields.push_str(
            "<p><label>Name <input name=\"user\" autocomplete=\"username\" autofocus></label></p>\n\
             <p><label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\"></label></p>\n",
        );
    }
    if access.has_keys() {
        let label = if access.has_users() { "or API key" } else { "API key" };
        fields.push_str(&format!(
            "<p><label>{label} <input name=\"key\" type=\"password\" autocomplete=\"off\"></label></p>\n"
        ));
    }
    let words =
        if words.is_empty() { String::new() } else { format!("<p role=\"alert\">{}</p>\n", escape(words)) };
    let mut response = (
        code,
        Html(format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>pgmon: log in</title></head>\n<body>\n<h1>pgmon</h1>\n{words}<form method=\"post\" action=\"login\">\n\
             <input type=\"hidden\" name=\"next\" value=\"{}\">\n{fields}<p><button>Log in</button></p>\n</form>\n</body></html>\n",
            escape(within(next))
        )),
    )
        .into_response();
    respond::no_store(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for own in ["/", "/databases?db=a", "/a//b"] {
            assert_eq!(within(own), own);
        }
        for other in ["", "//evil", "/\\evil", "https://evil", "evil", "/\r\nSet-Cookie: a=b", "/ x"] {
            assert_eq!(within(other), "/", "{other:?}");
        }
        assert_eq!(location("/a?b=c&d"), "/login?next=/a%3Fb%3Dc%26d");
    }
}
