//! One file per section of `pgmon.yaml`.

mod alerts;
mod bloat;
mod budgets;
mod canary;
mod clusters;
mod config;
mod database;
mod history;
pub(crate) mod http;
mod limits;
mod logging;
mod notifiers;
mod queries;
mod sample_intervals;
mod secrets;
mod security;
pub(crate) mod services;
mod timeouts;
mod ui;

pub use alerts::Alerts;
pub use bloat::{Bloat, SamplingMode};
pub use budgets::Budgets;
pub use canary::Canary;
pub use clusters::{ClusterSource, ClusterType, PeerLogin, StatusMetrics, StatusServer};
pub use config::Config;
pub use database::Database;
pub use history::History;
pub use http::{
    ApiKey, Auth, BasicUser, ClientAuth, Http, RateLimit, Scope, Tls, TlsVersion, key_digest,
    password_hash_fault, path_prefix_fault,
};
pub use limits::Limits;
pub use logging::{LogFormat, LogLevel, Logging};
pub use notifiers::Notifiers;
pub use queries::{Metric, MetricShape, MetricSpec, MetricType, Query, QueryScope, bound_of};
pub use sample_intervals::SampleIntervals;
pub use secrets::{AppRole, Kubernetes, Secrets, Vault};
pub use security::Security;
pub use services::{Exchange, HttpMethod, JsonMatch, Service, ServiceTls, ServiceType, StatusRange};
pub use timeouts::Timeouts;
pub use ui::Ui;
