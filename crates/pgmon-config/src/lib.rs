//! `pgmon.yaml`: one file per section, strict, with JSON Schema, environment overrides and secrets.
//!
//! [`Config::load`] goes from a file, the environment and the command line to a [`Config`] and the
//! databases to watch, or to every [`Diagnostic`] at once.

mod byte_size;
mod checks;
mod diagnostic;
mod dsn;
mod entries;
mod env;
mod example;
mod files;
mod interpolate;
mod load;
mod normalise;
mod pgpass;
mod schema;
mod secret;
mod sections;
mod source;
mod span;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;
mod validate;
mod yaml;

pub use byte_size::{ByteSize, ByteSizeError};
pub use diagnostic::{ConfigErrors, Diagnostic};
pub use dsn::{ConnectParts, ConnectSpec, Dsn, DsnError, Host, SslMode};
pub use example::example;
pub use files::read_secret;
pub use pgpass::{Wanted, look_up as look_up_in_pass_file};
pub use load::{Entry, LoadOptions, Loaded, Overrides, Source};
pub use schema::schema;
pub use secret::{REDACTED, Secret};
pub use sections::{
    Alerts, AppRole, Bloat, Budgets, Canary, Config, Database, History, Http, Kubernetes, Limits, LogFormat, LogLevel, Logging,
    Notifiers, SampleIntervals, SamplingMode, Secrets, Security, Timeouts, Ui, Vault,
};
pub use source::{Argv, PasswordSource, VaultSecret};
pub use span::{Span, SpanError};
