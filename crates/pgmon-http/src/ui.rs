//! The pages: what `npm run build` made of `ui/`, within the program.
//!
//! The files are part of the program's read-only data and are sent from there. So they cost no memory before
//! somebody opens a page, and then it is memory that the system can take back. Only the form is kept that browsers
//! ask for (gzip: over plain HTTP none of them takes brotli); whoever wants another has it unpacked.

pub(crate) mod prefix;

use crate::respond;
use axum::body::Bytes;
use axum::extract::{Extension, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use flate2::read::GzDecoder;
use prefix::Prefix;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::Read as _;

/// What the pages may do: load from pgmon, and nothing that is written into the page itself.
const POLICY: &str =
    "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Where the prefix goes.
const BASE: &str = "<base href=\"/\" />";

/// What is under this path has a hash of its content in its name.
const HASHED: &str = "assets/";

/// One file of the pages.
#[allow(dead_code, reason = "a clone in which the pages were not built has none")]
struct File {
    /// Its path below the prefix, without a slash in front.
    path: &'static str,
    /// Whether the bytes are gzip.
    packed: bool,
    bytes: &'static [u8],
}

/// What `build.rs` found.
mod files {
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));
}

/// Whether the pages were there when pgmon was built.
pub const BUILT: bool = files::BUILT;

/// `GET /`, and every path that is a page's.
pub(crate) async fn index(Extension(prefix): Extension<Prefix>, headers: HeaderMap) -> Response {
    let page = files::INDEX.replacen(BASE, &format!("<base href=\"{}/\" />", prefix.path()), 1);
    let etag = etag_of(page.as_bytes());
    let mut response = if knows(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Html(page).into_response()
    };
    let head = response.headers_mut();
    head.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    tag(head, &etag);
    response
}

/// `GET /assets/...`
pub(crate) async fn asset(request: Request) -> Response {
    file(&request).unwrap_or_else(not_found)
}

/// What no route has: a file of the pages, a page, or nothing.
pub(crate) async fn fallback(prefix: Extension<Prefix>, request: Request) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && let Some(found) = file(&request) {
        return found;
    }
    // Who asks for these wants what is there, not a page that says that nothing is.
    let path = request.uri().path();
    if crate::api::is_path(path) {
        return crate::api::unknown(path);
    }
    let first = path.trim_start_matches('/').split('/').next();
    let is_page = !matches!(first, Some("assets" | "-"));
    if reads && is_page && wants_html(request.headers()) {
        return index(prefix, request.headers().clone()).await;
    }
    not_found()
}

fn not_found() -> Response {
    respond::error(StatusCode::NOT_FOUND, "there is no such page", "see /status for what there is")
}

fn wants_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

fn file(request: &Request) -> Option<Response> {
    let path = request.uri().path().strip_prefix('/')?;
    let found = files::FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    Some(send(files::FILES.get(found)?, request.headers()))
}

fn send(file: &File, asked: &HeaderMap) -> Response {
    let etag = etag_of(file.bytes);
    let accepts = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let packed = file.packed && accepts.is_some_and(crate::server::accepts_gzip);
    let mut response = if knows(asked, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if packed || !file.packed {
        Bytes::from_static(file.bytes).into_response()
    } else {
        let mut plain = Vec::new();
        if GzDecoder::new(file.bytes).read_to_end(&mut plain).is_err() {
            let hint = "this is an error in pgmon";
            return respond::error(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be unpacked", hint);
        }
        plain.into_response()
    };
    let head = response.headers_mut();
    tag(head, &etag);
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(type_of(file.path)));
    if packed {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if file.packed {
        head.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if file.path.starts_with(HASHED) {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        head.insert(header::CACHE_CONTROL, forever);
    }
    response
}

fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Weak, as the compressed form and the plain one share it.
fn etag_of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn knows(asked: &HeaderMap, etag: &str) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|list| list.split(',')).any(|known| known.trim() == etag)
}

/// It is to be asked each time whether this is still so.
fn tag(head: &mut HeaderMap, etag: &str) {
    if let Ok(etag) = HeaderValue::from_str(etag) {
        head.insert(header::ETAG, etag);
    }
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

#[cfg(test)]
mod tests;
