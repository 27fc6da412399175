//! From a configured database to a connection.

use super::session::{Guard, QueryError, Session};
use pgmon_config::{ConnectSpec, Host, SslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::time::Duration;

/// How to reach a database: the ways that its `sslmode` allows, in libpq's order.
///
/// Nothing is taken from the process's environment: the configuration has done that already.
#[derive(Clone)]
pub struct Route {
    ways: Vec<PgConnectOptions>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options hold the password, and would show it.
        f.debug_struct("Route").field("ways", &self.ways.len()).finish_non_exhaustive()
    }
}

impl Route {
    /// The route of a configured database.
    pub fn new(spec: &ConnectSpec) -> Self {
        let options = options(spec);
        let way = |mode| options.clone().ssl_mode(mode);
        let socket = matches!(spec.host, Host::Socket(_));
        let ways = match spec.effective_sslmode() {
            // There is no TLS on a Unix socket.
            _ if socket => vec![way(PgSslMode::Disable)],
            SslMode::Disable => vec![way(PgSslMode::Disable)],
            SslMode::Allow => vec![way(PgSslMode::Disable), way(PgSslMode::Require)],
            SslMode::Prefer => vec![way(PgSslMode::Prefer), way(PgSslMode::Disable)],
            // With a root certificate libpq verifies it here, too.
            SslMode::Require if spec.sslrootcert.is_some() => vec![way(PgSslMode::VerifyCa)],
            SslMode::Require => vec![way(PgSslMode::Require)],
            SslMode::VerifyCa => vec![way(PgSslMode::VerifyCa)],
            SslMode::VerifyFull => vec![way(PgSslMode::VerifyFull)],
        };
        Self { ways }
    }

    /// The route to another database of the same server.
    pub fn to_database(&self, name: &str) -> Self {
        Self { ways: self.ways.iter().map(|way| way.clone().database(name)).collect() }
    }

    /// Connects within `timeout`. The next way is tried only if the server refused the one before it
    /// by its `pg_hba.conf` (which may want TLS, or forbid it).
    pub async fn connect(&self, guard: Guard, timeout: Duration) -> Result<Session, QueryError> {
        let mut result = Err(QueryError::protocol("there is no way to connect"));
        for way in &self.ways {
            result = Session::connect(way, guard, timeout).await;
            match &result {
                Err(error) if error.sqlstate() == Some("28000") => {}
                _ => break,
            }
        }
        result
    }
}

fn options(spec: &ConnectSpec) -> PgConnectOptions {
    let mut options =
        PgConnectOptions::new_without_pgpass().port(spec.port).username(&spec.user).database(&spec.database);
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
