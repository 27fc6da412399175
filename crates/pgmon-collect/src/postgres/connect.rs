//! From a configured database to the options of a connection.

use pgmon_config::{ConnectSpec, Host, SslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The options to connect with. Nothing is taken from the process's environment: the configuration
/// has done that already.
pub fn options(spec: &ConnectSpec) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(spec.port)
        .username(&spec.user)
        .database(&spec.database)
        .ssl_mode(match spec.effective_sslmode() {
            SslMode::Disable => PgSslMode::Disable,
            SslMode::Allow => PgSslMode::Allow,
            SslMode::Prefer => PgSslMode::Prefer,
            SslMode::Require => PgSslMode::Require,
            SslMode::VerifyCa => PgSslMode::VerifyCa,
            SslMode::VerifyFull => PgSslMode::VerifyFull,
        });
    options = match &spec.host {
        Host::Name(name) => options.host(name),
        Host::Ip(ip) => options.host(&ip.to_string()),
        Host::Socket(directory) => options.socket(directory),
    };
    if let Some(password) = &spec.password {
        options = options.password(password.expose());
    }
    if let Some(file) = &spec.sslrootcert {
        options = options.ssl_root_cert(file);
    }
    if let Some(file) = &spec.sslcert {
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &spec.sslkey {
        options = options.ssl_client_key(file);
    }
    options
}

/// The address that connections are counted by.
pub fn address(spec: &ConnectSpec) -> String {
    format!("{}:{}", spec.host, spec.port)
}
