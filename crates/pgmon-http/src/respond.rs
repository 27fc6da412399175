//! Answers of a few words.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

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

/// Keeps an answer out of caches.
pub fn no_store(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
