//! From an answer to bytes: cached, tagged, compressed.

use super::cache::{Body, Hit, Inputs};
use super::params::{Asked, Rows};
use super::refusal::Refusal;
use super::shape::Shaped;
use crate::app::App;
use crate::gzip::gzip as gzip_text;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pgmon_views::Answer;
use serde::Serialize;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Duration;

/// Smaller answers are not compressed.
const WORTH_IT: usize = 1400;

const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";

/// A built answer, and until when it holds.
pub struct Built {
    /// Its text.
    pub text: String,
    /// Its type.
    pub content_type: &'static str,
    /// For `Content-Disposition`.
    pub file_name: Option<String>,
    /// Until when nothing but ages changes without a new snapshot.
    pub holds_until: Duration,
}

/// Writes an answer as it was asked for.
pub fn write<T: Serialize>(
    answer: &Answer<T>,
    asked: &Asked,
    rows: &Rows,
    shape: impl FnOnce(&mut Value, &Rows, bool) -> Shaped,
    holds_until: Duration,
) -> Result<Built, Refusal> {
    let broken = |_| Refusal::unavailable("the answer could not be written", "this is an error in pgmon");
    if rows.is_plain() && !asked.csv {
        let text = serde_json::to_string(answer).map_err(broken)?;
        return Ok(Built { text, content_type: JSON, file_name: None, holds_until });
    }
    let mut value = serde_json::to_value(answer).map_err(broken)?;
    Ok(match shape(&mut value, rows, asked.csv)? {
        Some((name, csv)) => {
            Built { text: csv, content_type: CSV, file_name: Some(format!("pgmon-{name}.csv")), holds_until }
        }
        None => {
            let text = serde_json::to_string(&value).map_err(broken)?;
            Built { text, content_type: JSON, file_name: None, holds_until }
        }
    })
}

/// Answers from the cache, or with what `build` makes.
pub fn answer(
    app: &App,
    asked: &Asked,
    inputs: Inputs,
    now: Duration,
    build: impl FnOnce() -> Result<Built, Refusal>,
) -> Result<Response, Refusal> {
    let key = format!("{}?{}#{}", asked.path, asked.raw, u8::from(asked.csv));
    let has = |tag| matches_tag(&asked.headers, &etag(app, tag));
    let (tag, body) = match app.answers.look(&key, &inputs, has, now) {
        Hit::Unchanged(tag) => return Ok(not_modified(&etag(app, tag))),
        Hit::Body(tag, mut body) => {
            // Whoever asked first took no gzip, and this one does.
            let lacks = body.gzip.is_none() && takes_gzip(&asked.headers) && body.bytes.len() >= WORTH_IT;
            if lacks && let Ok(text) = std::str::from_utf8(&body.bytes) {
                body.gzip = Some(gzip_text(text));
                app.answers.keep_packed(&key, tag, &body);
            }
            (tag, body)
        }
        Hit::Build(tag) => {
            let built = build()?;
            let wanted = takes_gzip(&asked.headers) && built.text.len() >= WORTH_IT;
            let gzip = wanted.then(|| gzip_text(&built.text));
            let body = Body {
                bytes: built.text.into(),
                gzip,
                content_type: built.content_type,
                file_name: built.file_name,
            };
            let tag = app.answers.keep(key, inputs, built.holds_until, now, tag, &body);
            (tag, body)
        }
    };
    Ok(send(&asked.headers, &etag(app, tag), body))
}

/// An answer that is made anew each time.
pub fn fresh<T: Serialize>(
    asked: &Asked,
    answer: &Answer<T>,
    rows: &Rows,
    shape: impl FnOnce(&mut Value, &Rows, bool) -> Shaped,
) -> Result<Response, Refusal> {
    let built = write(answer, asked, rows, shape, Duration::ZERO)?;
    let gzip = takes_gzip(&asked.headers) && built.text.len() >= WORTH_IT;
    let body = if gzip { gzip_text(&built.text) } else { Bytes::from(built.text) };
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(built.content_type));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    dispose(headers, built.file_name.as_deref());
    Ok(response)
}

/// `GET /api/v1/openapi.json`.
pub async fn openapi(headers: HeaderMap) -> Response {
    let gzip = takes_gzip(&headers);
    // Compressing it takes longer than all other answers do, and it never changes.
    static PACKED: OnceLock<Bytes> = OnceLock::new();
    let body = match gzip {
        true => PACKED.get_or_init(|| gzip_text(super::OPENAPI)).clone(),
        false => Bytes::from_static(super::OPENAPI.as_bytes()),
    };
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Weak: ages differ. It begins anew with the program.
fn etag(app: &App, tag: u64) -> String {
    format!("W/\"{:x}-{tag}\"", app.started.as_microsecond())
}

fn matches_tag(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.flat_map(|list| list.split(',')).any(|tag| weak(tag) == weak(etag))
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok());
    accepts.is_some_and(crate::server::accepts_gzip)
}

fn not_modified(etag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    tagged(response.headers_mut(), etag);
    response
}

fn tagged(headers: &mut HeaderMap, etag: &str) {
    if let Ok(value) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
}

fn send(asked: &HeaderMap, etag: &str, body: Body) -> Response {
    let gzip = body.gzip.filter(|_| takes_gzip(asked));
    let is_gzip = gzip.is_some();
    let mut response = (StatusCode::OK, gzip.unwrap_or(body.bytes)).into_response();
    let headers = response.headers_mut();
    tagged(headers, etag);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.content_type));
    if is_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    dispose(headers, body.file_name.as_deref());
    response
}

/// Says under what name a browser may keep it.
fn dispose(headers: &mut HeaderMap, file_name: Option<&str>) {
    let value = file_name.map(|name| HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")));
    if let Some(Ok(value)) = value {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
}
