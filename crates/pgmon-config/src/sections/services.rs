//! `services`: what is checked besides databases.

mod status;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ByteSize, Dsn, HttpUrl, Secret, Span, SslMode};

pub use status::StatusRange;
pub(crate) use status::{STATUS_FORMAT, status_fault};
pub use tls::ServiceTls;

/// What a service is, and so how it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceType {
    /// A PostgreSQL server: pgmon logs in and runs a statement.
    Postgres,
    /// Redis or Valkey, alone, in a cluster, or a sentinel: `PING` and `INFO`.
    Redis,
    /// Whatever answers HTTP.
    Http,
    /// Whatever takes TCP connections.
    Tcp,
    /// PgBouncer, through its console.
    PgBouncer,
}

impl ServiceType {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::PgBouncer => "pgbouncer",
        }
    }
}

/// A service that is checked: see docs/services.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "service")]
pub struct Service {
    /// What it is: `postgres`, `redis` (also Valkey), `http`, `tcp` or `pgbouncer`.
    #[serde(rename = "type")]
    #[schemars(extend("examples" = ["redis"]))]
    pub kind: ServiceType,
    /// How often it is checked (duration, at least 1s).
    #[serde(default = "interval")]
    pub interval: Span,
    /// How long a check may take (duration). Not set: 5s, or the interval if that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["5s"]))]
    pub timeout: Option<Span>,
    /// Whether `/health` answers 503 while the check fails.
    #[serde(default)]
    pub critical: bool,
    /// The label `version` of `service_info`. Not set: what the service says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), extend("examples" = ["1.0.0"]))]
    pub version: Option<String>,
    /// Labels that all metrics of the service get.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{ "team": "shop" }]))]
    pub labels: BTreeMap<String, String>,

    /// Host name or IP address; of postgres and pgbouncer also the directory of a Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("examples" = ["127.0.0.1"]))]
    pub host: Option<String>,
    /// Port. Not set: that of the type (redis 6379, postgres 5432, pgbouncer 6432); tcp needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("examples" = [6379]))]
    pub port: Option<u16>,
    /// Of redis, in the place of a host: path of the Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 107), extend("examples" = ["/run/redis/redis.sock"]))]
    pub socket: Option<PathBuf>,
    /// User to log in as: redis (ACL; not set: `default`), postgres, pgbouncer, http (basic).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), extend("examples" = ["pgmon"], "x-aliases" = ["user"]))]
    pub username: Option<String>,
    /// Password. Rather use password_file or `${VAR}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${REDIS_PASSWORD}"]))]
    pub password: Option<Secret>,
    /// File with the password. It is read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/redis_password"]))]
    pub password_file: Option<PathBuf>,
    /// TLS of redis, tcp and http (an `https` URL has it anyway).
    #[serde(default, skip_serializing_if = "ServiceTls::is_default")]
    pub tls: ServiceTls,
    /// Of redis: the database that is selected. A cluster has just 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65_535), extend("examples" = [0]))]
    pub db: Option<u32>,

    /// Of postgres and pgbouncer: where and how to connect, as `databases` have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["postgres://pgmon@db1:5432/shop"]))]
    pub dsn: Option<Dsn>,
    /// Of postgres and pgbouncer: file with the DSN; a password in it is read again at each check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/shop_dsn"]))]
    pub dsn_file: Option<PathBuf>,
    /// Of postgres: database to connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), extend("examples" = ["shop"]))]
    pub database: Option<String>,
    /// Of postgres and pgbouncer: TLS, as `databases` have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["verify-full"]))]
    pub sslmode: Option<SslMode>,
    /// Of postgres and pgbouncer: file with the certificate authorities to trust (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/ca.pem"]))]
    pub sslrootcert: Option<PathBuf>,

    /// Of http: what is asked for. A URL without a path gets `health_path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["http://127.0.0.1:3000/health"]))]
    pub url: Option<HttpUrl>,
    /// Of http: path that is asked for if `url` has none. Not set: `/health`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), extend("examples" = ["/health"]))]
    pub health_path: Option<String>,
    /// Of http: the method. Not set: GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["GET"]))]
    pub method: Option<HttpMethod>,
    /// Of http: headers to send. Their values are taken for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{ "X-Api-Key": "${API_KEY}" }]))]
    pub headers: BTreeMap<String, Secret>,
    /// Of http: a body to send (not with GET and HEAD). It is taken for a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536), extend("examples" = ["{}"]))]
    pub body: Option<Secret>,
    /// Of http: a token that is sent as `Authorization: Bearer TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${API_TOKEN}"]))]
    pub bearer_token: Option<Secret>,
    /// Of http: file with that token. It is read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/api_token"]))]
    pub bearer_token_file: Option<PathBuf>,
    /// Of http: statuses that are good: `200`, `200-299`, `2xx`. Empty: 2xx.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("examples" = [["2xx", 304]]))]
    pub expected_status: Vec<StatusRange>,
    /// Of http: regular expression that the body must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_000), extend("examples" = ["\"status\": *\"ok\""], "x-verbatim" = true))]
    pub body_match: Option<String>,
    /// Of http: regular expression that the body must not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_000), extend("examples" = ["(?i)error"], "x-verbatim" = true))]
    pub body_not_match: Option<String>,
    /// Of http: fields that the body, as JSON, must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("examples" = [[{ "pointer": "/status", "value": "ok" }]]))]
    pub json: Vec<JsonMatch>,
    /// Of http: whether redirects are followed. Not set: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub follow_redirects: Option<bool>,
    /// Of http: redirects at most. Not set: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20), extend("examples" = [5]))]
    pub max_redirects: Option<u8>,
    /// Of http: so much of the body is read (size, at most 64MiB). Not set: 1MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1MiB"]))]
    pub max_body: Option<ByteSize>,

    /// Of tcp: what is said and heard after connecting, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("examples" = [[{ "expect": "^220 " }, { "send": "QUIT\r\n" }]]))]
    pub query_response: Vec<Exchange>,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// The body counts.
    #[default]
    Get,
    /// There is no body.
    Head,
    /// Sends `body`.
    Post,
    /// Sends `body`.
    Put,
    /// Asks what may be asked.
    Options,
}

impl HttpMethod {
    /// As it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Options => "OPTIONS",
        }
    }
}

/// A field that JSON must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonMatch {
    /// JSON Pointer of the field (RFC 6901): `/checks/0/status`.
    #[schemars(length(max = 1_000), extend("examples" = ["/status"]))]
    pub pointer: String,
    /// What it must be. Not set: it must be there and not be null or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AnyValue", extend("examples" = ["ok"]))]
    pub value: Option<Value>,
}

/// Any scalar, for the schema.
#[derive(JsonSchema)]
#[schemars(extend("type" = ["string", "number", "boolean"]))]
#[allow(dead_code, reason = "it is there for its schema")]
struct AnyValue(String);

/// One step of a conversation: what is there of it happens in the order `expect`, `send`, `starttls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// Regular expression; what was received since the last step must match it. `^` and `$` are
    /// the ends of a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_000), extend("examples" = ["^220 "], "x-verbatim" = true))]
    pub expect: Option<String>,
    /// Text to send, as it is: a line ends in `\r\n` within double quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536), extend("examples" = ["STARTTLS\r\n"]))]
    pub send: Option<Secret>,
    /// Whether TLS begins after this step.
    pub starttls: bool,
}

fn interval() -> Span {
    Span::from_secs(15)
}
