//! `pgmon.yaml`: one file per section, strict, with JSON Schema, environment overrides and secrets.
//!
//! [`Config::load`] goes from a file, the environment and the command line to a [`Config`] and the
//! databases to watch, or to every [`Diagnostic`] at once.

mod alfred;
mod byte_size;
mod checks;
mod cluster_checks;
mod cluster_spec;
mod diagnostic;
mod dsn;
mod entries;
mod entry_rules;
mod env;
mod example;
mod files;
mod http_url;
mod interpolate;
mod lists;
mod load;
mod normalise;
mod pattern;
mod pem_files;
mod pgpass;
mod places;
mod query_checks;
mod schema;
mod secret;
mod sections;
mod service_checks;
mod service_spec;
mod sitrep;
mod source;
mod span;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;
mod usable;
mod validate;
mod web_config;
mod yaml;

pub use byte_size::{ByteSize, ByteSizeError};
pub use cluster_spec::{ClusterSpec, ManagerSpec, ManateeSpec, PatroniSpec, Shards, StreamingSpec};
pub use diagnostic::{ConfigErrors, Diagnostic};
pub use dsn::{ConnectParts, ConnectSpec, Dsn, DsnError, Host, SslMode};
pub use example::example;
pub use files::read_secret;
pub use http_url::{HttpUrl, HttpUrlError};
pub use load::{Entry, Examined, LoadOptions, Loaded, Overrides, Source};
pub use pattern::Patterns;
pub use pgpass::{Wanted, look_up as look_up_in_pass_file};
pub use places::{Places, Spot};
pub use schema::{File, schema, schema_of};
pub use secret::{REDACTED, Secret};
pub use sections::{
    Alerts, ApiKey, AppRole, Auth, BasicUser, Bloat, Budgets, Canary, ClientAuth, ClusterSource, ClusterType,
    Config, Database, Exchange, History, Http, HttpMethod, JsonMatch, Kubernetes, Limits, LogFormat,
    LogLevel, Logging, Metric, MetricShape, MetricSpec, MetricType, Notifiers, PeerLogin, Query, QueryScope,
    RateLimit, SampleIntervals, SamplingMode, Scope, Secrets, Security, Service, ServiceTls, ServiceType,
    StatusMetrics, StatusRange, StatusServer, Timeouts, Tls, TlsVersion, Ui, Vault, bound_of, key_digest,
    password_hash_fault, path_prefix_fault,
};
pub use service_checks::SERVICE_LABELS;
pub use service_spec::{Address, HttpCheck, RedisCheck, ServiceCheck, ServiceSpec, TcpCheck};
pub use source::{Argv, PasswordSource, VaultSecret};
pub use span::{Span, SpanError};
pub use web_config::{
    ClientAuthType, HttpServerConfig, TlsServerConfig, ToolkitVersion, WebConfig, WebHeaders, WebRateLimit,
};
