//! What a connection string sets, before defaults.

use std::fmt;
use std::path::PathBuf;

use super::{DsnError, Host, SslMode};
use crate::Secret;
use crate::suggest;

/// What a DSN, or the keys of an entry, set. What is `None` gets its default later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectParts {
    /// Where the server listens.
    pub host: Option<Host>,
    /// Its port (1-65535).
    pub port: Option<u16>,
    /// The role to connect as.
    pub user: Option<String>,
    /// The role's password.
    pub password: Option<Secret>,
    /// The database to connect to.
    pub database: Option<String>,
    /// The TLS mode.
    pub sslmode: Option<SslMode>,
    /// File with the certificate authorities to trust (PEM).
    pub sslrootcert: Option<PathBuf>,
    /// File with the client certificate (PEM).
    pub sslcert: Option<PathBuf>,
    /// File with the client certificate's key (PEM).
    pub sslkey: Option<PathBuf>,
    /// Parameters that were understood and have no effect.
    pub ignored: Vec<&'static str>,
}

/// Parameters that are set.
const KNOWN: [&str; 9] =
    ["host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// Parameters that other programs need and that change nothing for a monitor.
const IGNORED: [&str; 18] = [
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "connect_timeout",
    "gssencmode",
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
    "load_balance_hosts",
    "sslcompression",
    "sslsni",
    "statement-cache-capacity",
];

/// Parameters that would be unsafe or wrong to ignore, with the reason.
const REFUSED: [(&str, &str); 23] = [
    ("options", "PgBouncer refuses startup options, and pgmon sets what it needs in each transaction"),
    ("service", "write the connection's parts here"),
    ("servicefile", "write the connection's parts here"),
    ("hostaddr", "give the address as host"),
    ("passfile", "set PGPASSFILE, or use password_file"),
    ("channel_binding", "use sslmode=verify-full"),
    ("sslcrl", "use short-lived certificates"),
    ("sslcrldir", "use short-lived certificates"),
    ("sslcertmode", "give sslcert and sslkey, or leave both out"),
    ("sslnegotiation", "leave it out: TLS is asked for as every server understands it"),
    ("ssl_min_protocol_version", "TLS 1.2 and 1.3 are used; the server may narrow that"),
    ("ssl_max_protocol_version", "TLS 1.2 and 1.3 are used; the server may narrow that"),
    ("sslkeylogfile", "pgmon writes no keys"),
    ("requirepeer", "use a socket directory in which only the server's user may write"),
    ("scram_client_key", "give the password"),
    ("scram_server_key", "give the password"),
    ("min_protocol_version", "leave it out: version 3.0 of the protocol is all that is needed"),
    ("max_protocol_version", "leave it out: version 3.0 of the protocol is all that is needed"),
    ("oauth_issuer", "use password_command for a token, or a certificate"),
    ("sslpassword", "store the key without a passphrase, readable by pgmon alone"),
    ("require_auth", "the server's pg_hba.conf decides the method"),
    ("requiressl", "use sslmode=require"),
    ("replication", "pgmon opens no replication connection"),
];

impl ConnectParts {
    /// Sets a parameter by its libpq name.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), DsnError> {
        match key {
            // libpq takes an empty host for a missing one: `?host=`.
            "host" if value.is_empty() => Ok(()),
            "host" => put(&mut self.host, "host", value.parse()?),
            "port" if value.is_empty() => Ok(()),
            "port" => put(&mut self.port, "port", parse_port(value)?),
            "user" => put(&mut self.user, "user", text("user", value)?),
            "password" if value.is_empty() => Ok(()),
            "password" => put(&mut self.password, "password", Secret::new(text("password", value)?)),
            "dbname" => put(&mut self.database, "dbname", text("dbname", value)?),
            "sslmode" => put(&mut self.sslmode, "sslmode", value.parse()?),
            // libpq's word for the system's authorities, which are the default here.
            "sslrootcert" if value == "system" => Ok(()),
            "sslrootcert" => put(&mut self.sslrootcert, "sslrootcert", text("sslrootcert", value)?.into()),
            "sslcert" => put(&mut self.sslcert, "sslcert", text("sslcert", value)?.into()),
            "sslkey" => put(&mut self.sslkey, "sslkey", text("sslkey", value)?.into()),
            _ => self.set_other(key),
        }
    }

    fn set_other(&mut self, key: &str) -> Result<(), DsnError> {
        if let Some(name) = IGNORED.into_iter().find(|name| *name == key) {
            self.ignored.push(name);
            return Ok(());
        }
        if let Some((name, reason)) = REFUSED.into_iter().find(|(name, _)| *name == key) {
            return Err(DsnError::Unsupported { name, reason });
        }
        Err(DsnError::Unknown { place: 1, nearest: suggest::nearest(key, KNOWN) })
    }
}

fn put<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), DsnError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DsnError::Twice(name)),
    }
}

fn text(name: &'static str, value: &str) -> Result<String, DsnError> {
    if value.is_empty() || value.contains('\0') {
        return Err(DsnError::BadValue(name));
    }
    Ok(value.to_owned())
}

/// Reads a port, 1-65535.
pub(crate) fn parse_port(text: &str) -> Result<u16, DsnError> {
    match text.parse() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(DsnError::Port),
    }
}

impl fmt::Display for ConnectParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(database) = &self.database {
            write!(f, "/{database}")?;
        }
        Ok(())
    }
}
