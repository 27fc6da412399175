//! From a configured database to a connection.

use super::session::{Guard, QueryError, Session};
use pgmon_config::{ConnectSpec, Host, SslMode};
use pgmon_secrets::{Login, Logins};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
        // With a root certificate libpq verifies it in the modes that do not ask for that, too.
        let encrypted = if spec.sslrootcert.is_some() { PgSslMode::VerifyCa } else { PgSslMode::Require };
        let ways = match spec.effective_sslmode() {
            // There is no TLS on a Unix socket.
            _ if socket => vec![way(PgSslMode::Disable)],
            SslMode::Disable => vec![way(PgSslMode::Disable)],
            SslMode::Allow => vec![way(PgSslMode::Disable), way(encrypted)],
            // sqlx's own Prefer goes on in clear text only if the server has no TLS at all.
            SslMode::Prefer if spec.sslrootcert.is_none() => {
                vec![way(PgSslMode::Prefer), way(PgSslMode::Disable)]
            }
            SslMode::Prefer => vec![way(encrypted), way(PgSslMode::Disable)],
            SslMode::Require => vec![way(encrypted)],
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
        if !is_of_the_login(&error) {
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

    /// Connects within `timeout`, all ways together. The next way is tried where libpq would: if TLS did
    /// not come about, or the server turned us away before it
    /// asked who we are (its `pg_hba.conf` may want TLS, or forbid it). Modes from `require` on have
    /// one way only.
    async fn connect_as(
        &self,
        login: &Login,
        guard: Guard,
        timeout: Duration,
    ) -> Result<Session, QueryError> {
        tokio::time::timeout(timeout, self.try_ways(login, guard, timeout))
            .await
            .unwrap_or(Err(QueryError::NoAnswer(timeout)))
    }

    async fn try_ways(&self, login: &Login, guard: Guard, timeout: Duration) -> Result<Session, QueryError> {
        let mut before: Option<QueryError> = None;
        for way in &self.ways {
            let mut way = way.clone().username(&login.user);
            if let Some(password) = &login.password {
                way = way.password(password.expose());
            }
            match Session::connect(&way, guard, timeout).await {
                Ok(session) => {
                    if let Some(error) = before {
                        let tls = !matches!(way.get_ssl_mode(), PgSslMode::Disable);
                        tracing::debug!(tls, "connected the other way that sslmode allows, after: {error}");
                    }
                    return Ok(session);
                }
                Err(error) => {
                    let go_on = another_way_may_do(&error);
                    let error = match before {
                        Some(before) => both(error, &before),
                        None => error,
                    };
                    if !go_on {
                        return Err(error);
                    }
                    before = Some(error);
                }
            }
        }
        Err(before.unwrap_or_else(|| QueryError::protocol("there is no way to connect")))
    }
}

/// Whether with TLS instead of without it (or the other way round) it may work.
///
/// Poolers and clouds turn clear text away under codes of their own (PgBouncer: 08P01), so those are
/// named that tell that TLS was not the matter.
fn another_way_may_do(error: &QueryError) -> bool {
    match error {
        QueryError::Handshake(_) => true,
        QueryError::Server { sqlstate, .. } => !matches!(
            sqlstate.as_str(),
            // A wrong password, no such database, no right to connect; no room; starting or stopping.
            "28P01" | "3D000" | "42501" | "53300" | "57P01" | "57P02" | "57P03"
        ),
        // A server that is not there, or says nothing, is and does so the other way, too.
        QueryError::Unreachable(_)
        | QueryError::Lost(_)
        | QueryError::NoAnswer(_)
        | QueryError::Decode(_)
        | QueryError::Login(_) => false,
    }
}

/// Whether the server did not take the user or the password.
fn is_of_the_login(error: &QueryError) -> bool {
    match error {
        // 28P01 invalid_password; 28000: by `pg_hba.conf`, or an unknown role.
        QueryError::Server { sqlstate, .. } if matches!(sqlstate.as_str(), "28P01" | "28000") => true,
        // PgBouncer's word for it.
        QueryError::Server { sqlstate, message } => {
            sqlstate == "08P01" && message.contains("authentication failed")
        }
        _ => false,
    }
}

/// The error of the last way, which also tells what was wrong with the one before.
fn both(last: QueryError, before: &QueryError) -> QueryError {
    let why = before.to_string();
    if last.to_string() == why {
        return last;
    }
    match last {
        QueryError::Server { sqlstate, message } => {
            QueryError::Server { sqlstate, message: format!("{message}; before that: {why}") }
        }
        QueryError::Unreachable(text) => QueryError::Unreachable(format!("{text}; before that: {why}")),
        QueryError::Handshake(text) => QueryError::Handshake(format!("{text}; before that: {why}")),
        last => last,
    }
}

fn options(spec: &ConnectSpec) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass().port(spec.port).database(&spec.database);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::TcpListener;

    const GUARD: Guard = Guard { lock_timeout: Duration::from_millis(100), pooled: false };

    async fn attempt(port: u16, mode: PgSslMode) -> QueryError {
        let way =
            PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("u").ssl_mode(mode);
        Session::connect(&way, GUARD, Duration::from_secs(5)).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_tried_one_way_and_one_that_stumbles_over_tls_the_other_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Whoever asks for TLS is hung up on.
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 8]);
        });
        let stumbled = attempt(port, PgSslMode::Require).await;
        server.join().unwrap();
        assert!(another_way_may_do(&stumbled), "{stumbled:?}");
        // By now nobody listens there.
        let down = attempt(port, PgSslMode::Prefer).await;
        assert!(matches!(down, QueryError::Unreachable(_)) && !another_way_may_do(&down), "{down:?}");
        let nowhere = PgConnectOptions::new_without_pgpass().socket("/nonexistent").username("u");
        let absent = Session::connect(&nowhere, GUARD, Duration::from_secs(5)).await.unwrap_err();
        assert!(!another_way_may_do(&absent), "{absent:?}");
    }
}
