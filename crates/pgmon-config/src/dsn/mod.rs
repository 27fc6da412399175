//! Connection strings: URLs and libpq's keywords.

mod keywords;
mod parts;
mod spec;
mod url;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use parts::ConnectParts;
pub(crate) use parts::parse_port;
pub(crate) use spec::is_loopback_host;
pub use spec::{ConnectSpec, Host, SslMode};

/// The name of this type's `format` in the JSON Schema.
pub(crate) const FORMAT: &str = "dsn";

/// A connection string that was understood: `postgres://pgmon@db1:5432/shop?sslmode=verify-full`, or
/// `host=db1 dbname=shop user=pgmon`.
///
/// It is kept taken apart, never as text. `Debug`, `Display` and `Serialize` give user, host, port and
/// database, as far as they are set, and nothing else: a list of what is shown, since lists of what is
/// hidden have leaked in every tool that tried.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn(ConnectParts);

impl Dsn {
    /// What the string sets.
    pub fn parts(&self) -> &ConnectParts {
        &self.0
    }
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        let text = text.trim();
        let scheme = ["postgres://", "postgresql://"].into_iter().find_map(|s| text.strip_prefix(s));
        match scheme {
            Some(rest) => url::parse(rest),
            None if text.is_empty() => Err(DsnError::Empty),
            None if text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['=', ' '])) => {
                Err(DsnError::Scheme)
            }
            None => keywords::parse(text),
        }
        .map(Self)
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({})", self.0)
    }
}

impl Serialize for Dsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Dsn {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Dsn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FORMAT, "writeOnly": true, "x-secret": true })
    }
}

/// Why a text is no [`Dsn`]. No message repeats any of the text: a character that was not encoded
/// moves a part of the password to any place of the string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// No text.
    #[error("expected a URL (postgres://user@host:5432/database) or keywords (host=db1 dbname=shop)")]
    Empty,
    /// A URL of something else.
    #[error("expected a URL that starts with postgres:// or postgresql://")]
    Scheme,
    /// A character of the user or password stands as it is.
    #[error(
        "the URL cannot be taken apart: in user and password write @ as %40, / as %2F, ? as %3F, : as %3A"
    )]
    Encoding,
    /// A percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the URL has a bad percent-encoding: a percent sign itself is %25")]
    Percent,
    /// A host that can be none.
    #[error("the host must be a name, an IP address or the directory of a Unix socket")]
    Host,
    /// More than one host.
    #[error("several hosts in one DSN: give every server an entry of its own in `databases`")]
    SeveralHosts,
    /// A port that can be none.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// An unknown `sslmode`.
    #[error("sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full")]
    SslMode,
    /// The same thing in two places.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// A value that is empty, or has a NUL in it.
    #[error("{0} is empty or has a NUL character")]
    BadValue(&'static str),
    /// A parameter that pgmon does not know.
    #[error("parameter {place} is unknown{}", .nearest.map(|known| format!("; did you mean {known}?")).unwrap_or_default())]
    Unknown {
        /// Where it stands among the parameters (in a URL: those after the `?`), from 1.
        place: usize,
        /// The known one that it looks like.
        nearest: Option<&'static str>,
    },
    /// A parameter of libpq that pgmon refuses.
    #[error("{name} is not supported: {reason}")]
    Unsupported {
        /// Its name.
        name: &'static str,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// Not `key=value key='value'`.
    #[error("expected keywords such as host=db1 dbname=shop, with '...' around a value that has spaces")]
    Keywords,
}

impl DsnError {
    /// The same of the parameter at this place.
    fn at(self, place: usize) -> Self {
        match self {
            Self::Unknown { nearest, .. } => Self::Unknown { place, nearest },
            other => other,
        }
    }
}
