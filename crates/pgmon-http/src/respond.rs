//! Answers of a few words.

use axum::Json;
use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// The longest text of an error (bytes).
const LONGEST_WORDS: usize = 4096;

/// A line of text.
pub fn text(code: StatusCode, words: &str) -> Response {
    let mut response = (code, format!("{}\n", words.trim_end())).into_response();
    no_store(&mut response);
    response
}

/// An error of the API: what is wrong, and what to do.
pub fn error(code: StatusCode, error: &str, hint: &str) -> Response {
    let mut response = (code, Json(serde_json::json!({ "error": error, "hint": hint }))).into_response();
    no_store(&mut response);
    response
}

/// An error as the API tells it, whoever made it: those who ask the API read JSON.
pub async fn as_error_of_the_api(response: Response) -> Response {
    let code = response.status();
    let json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    let is_error = code.is_client_error() || code.is_server_error();
    if !is_error || response.headers().get(header::CONTENT_TYPE).is_some_and(json) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let words = to_bytes(body, LONGEST_WORDS).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let what = match words.trim() {
        "" => code.canonical_reason().unwrap_or("it cannot be answered").to_lowercase(),
        words => words.to_owned(),
    };
    let hint = match code {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "try again later (Retry-After)",
        StatusCode::UNAUTHORIZED => "send Authorization: Bearer KEY, or log in at /login",
        StatusCode::FORBIDDEN => "see http.auth in docs/http.md",
        StatusCode::URI_TOO_LONG | StatusCode::PAYLOAD_TOO_LARGE => "ask for less at once",
        code if code.is_server_error() => "this is an error in pgmon",
        _ => "/api/v1/openapi.json describes what can be asked",
    };
    let told = error(code, &what, hint);
    for name in [header::CONTENT_TYPE, header::CACHE_CONTROL] {
        if let Some(value) = told.headers().get(&name) {
            parts.headers.insert(name, value.clone());
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, told.into_body())
}

/// Keeps an answer out of caches.
pub fn no_store(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
