//! URLs of HTTP: of the configuration, and of redirects.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest URL (bytes).
const LONGEST: usize = 8 * 1024;

/// A URL of `http` or `https`, without a user and without a fragment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    https: bool,
    host: String,
    port: u16,
    /// Path and query; empty if the URL has none.
    path: String,
}

/// Why a text is no [`HttpUrl`]. Its message never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// Neither scheme.
    #[error("expected a URL that starts with http:// or https://")]
    Scheme,
    /// `user:password@host`
    #[error("a URL has no user in it: set username and password beside it")]
    User,
    /// No host, or a port that can be none.
    #[error("expected a host, and maybe a port, after the scheme: http://127.0.0.1:3000/health")]
    Authority,
    /// A character that must be encoded, or too many of them.
    #[error("the URL has a character that must be encoded (a space is %20), or is longer than 8 KiB")]
    Characters,
}

impl HttpUrl {
    /// Whether TLS is spoken.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// Host name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query: `/` at least.
    pub fn path_and_query(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        let path = self.path_and_query();
        path.split('?').next().unwrap_or(path)
    }

    /// The value of the header `Host`.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port(self.https) { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether it has a path or a query of its own.
    pub(crate) fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// The same with this path, if it has none of its own.
    #[must_use]
    pub(crate) fn or_path(mut self, path: &str) -> Self {
        if self.path.is_empty() {
            self.path = path.to_owned();
        }
        self
    }

    /// Whether both lead to the same program: scheme, host and port.
    pub fn has_origin_of(&self, other: &Self) -> bool {
        self.https == other.https && self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Where a `Location` leads to from here.
    pub fn join(&self, location: &str) -> Result<Self, HttpUrlError> {
        let location = location.trim().split('#').next().unwrap_or_default();
        if has_scheme(location) {
            return location.parse();
        }
        let scheme = if self.https { "https" } else { "http" };
        if location.starts_with("//") {
            return format!("{scheme}:{location}").parse();
        }
        let path = if location.starts_with('/') {
            normalised(location)
        } else if location.is_empty() {
            self.path_and_query().to_owned()
        } else if location.starts_with('?') {
            format!("{}{location}", self.path())
        } else {
            let directory = self.path().rsplit_once('/').map_or("", |(before, _)| before);
            normalised(&format!("{directory}/{location}"))
        };
        if !sendable(&path) {
            return Err(HttpUrlError::Characters);
        }
        Ok(Self { path, ..self.clone() })
    }
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split(':').next().filter(|scheme| scheme.len() < text.len()).unwrap_or_default();
    !scheme.is_empty()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// A path without `.` and `..`.
fn normalised(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut steps: Vec<&str> = Vec::new();
    let last_is_directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for step in path.split('/').filter(|step| !step.is_empty()) {
        match step {
            "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let mut joined = format!("/{}", steps.join("/"));
    if last_is_directory && !steps.is_empty() {
        joined.push('/');
    }
    if let Some(query) = query {
        joined.push('?');
        joined.push_str(query);
    }
    joined
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

fn sendable(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>'))
}

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, HttpUrlError> {
        let text = text.trim();
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        let (https, rest) = if lower.starts_with("https://") {
            (true, text.get(8..))
        } else if lower.starts_with("http://") {
            (false, text.get(7..))
        } else {
            return Err(HttpUrlError::Scheme);
        };
        let rest = rest.unwrap_or_default().split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(HttpUrlError::User);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let (host, after) = inside.split_once(']').ok_or(HttpUrlError::Authority)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| HttpUrlError::Authority)?;
                (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("")),
            },
        };
        let port = match port.ok_or(HttpUrlError::Authority)? {
            "" => default_port(https),
            port => port.parse().ok().filter(|port| *port > 0).ok_or(HttpUrlError::Authority)?,
        };
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
        if host.is_empty() || host.len() > 255 || !host.bytes().all(named) {
            return Err(HttpUrlError::Authority);
        }
        if !sendable(path) {
            return Err(HttpUrlError::Characters);
        }
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        Ok(Self { https, host: host.to_owned(), port, path })
    }
}

/// The name of this type's `format` in the JSON Schema.
pub(crate) const HTTP_URL_FORMAT: &str = "http-url";

/// Shown as it is displayed: without its query.
impl Serialize for HttpUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HttpUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HttpUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": HTTP_URL_FORMAT, "pattern": "^[hH][tT][tT][pP][sS]?://" })
    }
}

/// Without the query, which may hold a token.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority(), self.path())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> HttpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn urls_are_taken_apart_and_shown_without_their_query() {
        let u = url("HTTPS://[::1]:8443/a/b?token=x#f");
        assert_eq!((u.is_https(), u.host(), u.port()), (true, "::1", 8443));
        assert_eq!((u.path_and_query(), u.path()), ("/a/b?token=x", "/a/b"));
        assert_eq!(u.to_string(), "https://[::1]:8443/a/b");
        assert_eq!(url("http://db-api:3000").or_path("/health").to_string(), "http://db-api:3000/health");
        assert_eq!(url("http://db-api/").or_path("/health").to_string(), "http://db-api/");
        assert_eq!(url("http://db-api?x=1").path_and_query(), "/?x=1");
        for bad in [
            "",
            "ftp://h",
            "http://",
            "http://:80",
            "http://h:0",
            "http://h:x",
            "http://[x]/",
            "http://[::1]80",
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
        assert_eq!("http://u:p@h/".parse::<HttpUrl>(), Err(HttpUrlError::User));
        assert_eq!("http://h/a b".parse::<HttpUrl>(), Err(HttpUrlError::Characters));
    }

    #[test]
    fn a_location_is_joined_as_browsers_do() {
        let from = url("http://h:81/a/b?q=1");
        let to = |location: &str| {
            let to = from.join(location).unwrap();
            format!("{}|{}", to, to.path_and_query())
        };
        assert_eq!(to("/c?d"), "http://h:81/c|/c?d");
        assert_eq!(to("c"), "http://h:81/a/c|/a/c");
        assert_eq!(to("../c/./d/"), "http://h:81/c/d/|/c/d/");
        assert_eq!(to("?x"), "http://h:81/a/b|/a/b?x");
        assert_eq!(to("//other/x"), "http://other/x|/x");
        assert_eq!(to("https://h:81/#f"), "https://h:81/|/");
        assert!(!from.has_origin_of(&from.join("https://h:81/").unwrap()));
        assert!(from.join("gopher://h/").is_err() && from.join("javascript:x").is_err());
        assert!(from.join("/a\r\nb: c").is_err());
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_gives_a_url_that_can_be_sent_or_an_error(location in ".{0,60}") {
            if let Ok(to) = url("http://h/a/b").join(&location) {
                prop_assert!(to.path_and_query().starts_with('/'), "{location:?}");
                prop_assert!(to.path_and_query().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(!to.host().is_empty());
            }
        }
    }
}
