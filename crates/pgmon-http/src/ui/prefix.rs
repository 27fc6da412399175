//! The path that pgmon is under, for whoever has a reverse proxy before it.

use crate::app::App;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use pgmon_config::{Http, path_prefix_fault};
use std::sync::Arc;

/// The header in which proxies say which path they took away.
const FORWARDED: &str = "x-forwarded-prefix";

/// The path that a request's client sees before pgmon's own: empty, or `/pgmon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix(Arc<str>);

impl Prefix {
    /// Without a slash at its end.
    pub fn path(&self) -> &str {
        &self.0
    }
}

/// How to find the prefix of a request.
#[derive(Debug)]
pub(crate) struct Prefixes {
    configured: Prefix,
    /// Whether what the proxy says goes first.
    trusts_proxy: bool,
}

impl Prefixes {
    pub fn of(http: &Http) -> Self {
        Self {
            configured: Prefix(http.path_prefix.as_str().into()),
            trusts_proxy: http.trust_forwarded_prefix,
        }
    }

    fn find(&self, headers: &HeaderMap) -> Prefix {
        let said = headers.get(FORWARDED).filter(|_| self.trusts_proxy).and_then(|value| value.to_str().ok());
        let said = said.map(|text| text.trim_end_matches('/'));
        match said.filter(|text| path_prefix_fault(text).is_none()) {
            Some(text) => Prefix(text.into()),
            None => self.configured.clone(),
        }
    }
}

/// Takes the prefix from a request, if the proxy has not, and puts it before the place that an answer sends to.
pub(crate) async fn strip(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let prefix = app.prefixes().find(request.headers());
    if let Some(uri) = without(request.uri(), prefix.path()) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(prefix.clone());
    let mut response = next.run(request).await;
    let place = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some(place) = place.and_then(|place| with(place, prefix.path()))
        && let Ok(place) = HeaderValue::from_str(&place)
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The address without the prefix; nothing if it has none.
fn without(uri: &Uri, prefix: &str) -> Option<Uri> {
    if prefix.is_empty() {
        return None;
    }
    let rest = uri.path().strip_prefix(prefix)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    format!("/{}{query}", rest.trim_start_matches('/')).parse().ok()
}

/// The place with the prefix; nothing if it is right as it is.
fn with(place: &str, prefix: &str) -> Option<String> {
    let has_it =
        place.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    (place.starts_with('/') && !prefix.is_empty() && !has_it).then(|| format!("{prefix}{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_taken_away_once_and_put_back() {
        let rest = |text: &str| without(&text.parse().unwrap(), "/a/pgmon").map(|uri| uri.to_string());
        assert_eq!(rest("/a/pgmon").as_deref(), Some("/"));
        assert_eq!(rest("/a/pgmon/?x=%2F").as_deref(), Some("/?x=%2F"));
        assert_eq!(rest("/a/pgmon/queries/-1?db=b").as_deref(), Some("/queries/-1?db=b"));
        assert_eq!(rest("/a/pgmon//evil").as_deref(), Some("/evil"));
        assert_eq!((rest("/a/pgmonster"), rest("/queries")), (None, None));
        assert_eq!(without(&"/queries".parse().unwrap(), ""), None);
        assert_eq!(with("/login?next=/", "/a").as_deref(), Some("/a/login?next=/"));
        assert_eq!((with("/a/queries", "/a"), with("/a", "/a"), with("/login", "")), (None, None, None));
        assert_eq!(with("/ab", "/a").as_deref(), Some("/a/ab"));
    }

    #[test]
    fn a_header_counts_only_where_it_is_trusted_and_makes_sense() {
        let find = |trusted: bool, said: &'static str| {
            let http =
                Http { path_prefix: "/own".to_owned(), trust_forwarded_prefix: trusted, ..Http::default() };
            let headers =
                [(FORWARDED.parse().unwrap(), HeaderValue::from_static(said))].into_iter().collect();
            Prefixes::of(&http).find(&headers).path().to_owned()
        };
        assert_eq!((find(true, "/said/"), find(false, "/said")), ("/said".to_owned(), "/own".to_owned()));
        for bad in ["//evil", "\"><script>", "said", "/a/../b", "/a b", "https://evil"] {
            assert_eq!(find(true, bad), "/own", "{bad}");
        }
        assert_eq!(find(true, "/"), "", "a proxy that took nothing away");
    }
}
