//! From a configured database to a connection.

use super::session::{Guard, QueryError, Session};
use pgmon_config::{ConnectSpec, Host, SslMode};
use pgmon_secrets::{Login, Logins};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// `invalid_password`
const WRONG_PASSWORD: &str = "28P01";

/// `invalid_authorization_specification`: by `pg_hba.conf`, or an unknown role.
const NOT_AUTHORISED: &str = "28000";

/// How to reach a database: the ways that its `sslmode` allows, in libpq's order.
///
/// Nothing is taken from the process's environment: the configuration has done that already.
///
/// User and password are asked for at each connection, so that a rotated password costs nothing.
#[derive(Clone)]
pub struct Route {
    ways: Vec<PgConnectOptions>,
    logins: Arc<dyn Logins>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options hold passwords, and would show them.
        f.debug_struct("Route").field("ways", &self.ways.len()).finish_non_exhaustive()
    }
}

impl Route {
    /// The route of a configured database.
    pub fn new(spec: &ConnectSpec, logins: Arc<dyn Logins>) -> Self {
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
        Self { ways, logins }
    }

    /// The route to another database of the same server.
    pub fn to_database(&self, name: &str) -> Self {
        Self {
            ways: self.ways.iter().map(|way| way.clone().database(name)).collect(),
            logins: self.logins.clone(),
        }
    }

    /// Whether a connection that was made with `login` should be replaced; see [`Logins::is_outdated`].
    pub fn is_outdated(&self, login: &Login) -> bool {
        self.logins.is_outdated(login)
    }

    /// Waits until [`Route::is_outdated`]; without a login, for ever.
    pub async fn outdated(&self, login: Option<&Login>) {
        match login {
            Some(login) => self.logins.outdated(login).await,
            None => std::future::pending().await,
        }
    }

    /// As [`Route::log_in`], where nobody wants to know the login.
    pub async fn connect(&self, guard: Guard, timeout: Duration) -> Result<Session, QueryError> {
        Ok(self.log_in(guard, timeout).await?.0)
    }

    /// Asks for a login and connects. If the server does not take it, it is tried once more with another
    /// one, if there is one by now: so a password that was rotated costs no round.
    pub async fn log_in(&self, guard: Guard, timeout: Duration) -> Result<(Session, Login), QueryError> {
        let login = self.logins.login().await?;
        let error = match self.connect_as(&login, guard, timeout).await {
            Ok(session) => return Ok((session, login)),
            Err(error) => error,
        };
        if !matches!(error.sqlstate(), Some(WRONG_PASSWORD | NOT_AUTHORISED)) {
            return Err(error);
        }
        match self.logins.refused(&login).await {
            Ok(Some(other)) => {
                tracing::debug!("the login was refused, trying the next one: {error}");
                let session = self.connect_as(&other, guard, timeout).await?;
                Ok((session, other))
            }
            Ok(None) => Err(error),
            Err(why) => {
                tracing::warn!("the login was refused, and there is no other: {why}");
                Err(error)
            }
        }
    }

    /// Connects within `timeout`. The next way is tried only if the server refused the one before it
    /// by its `pg_hba.conf` (which may want TLS, or forbid it).
    async fn connect_as(
        &self,
        login: &Login,
        guard: Guard,
        timeout: Duration,
    ) -> Result<Session, QueryError> {
        let mut result = Err(QueryError::protocol("there is no way to connect"));
        for way in &self.ways {
            let mut way = way.clone().username(&login.user);
            if let Some(password) = &login.password {
                way = way.password(password.expose());
            }
            result = Session::connect(&way, guard, timeout).await;
            match &result {
                Err(error) if error.sqlstate() == Some(NOT_AUTHORISED) => {}
                _ => break,
            }
        }
        result
    }
}

fn options(spec: &ConnectSpec) -> PgConnectOptions {
    let mut options =
        PgConnectOptions::new_without_pgpass().port(spec.port).database(&spec.database);
    options = match &spec.host {
        Host::Name(name) => options.host(name),
        Host::Ip(ip) => options.host(&ip.to_string()),
        Host::Socket(directory) => options.socket(directory),
    };
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
