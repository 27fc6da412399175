//! Where and how to connect, taken apart.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DsnError;
use crate::PasswordSource;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name to look up.
    Name(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// The directory of a Unix socket.
    Socket(PathBuf),
}

impl Host {
    /// Whether the server is on another machine: everything but loopback addresses, `localhost` and
    /// Unix sockets.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Name(name) => !is_loopback_host(name),
            Self::Ip(ip) => !is_loopback_ip(*ip),
            Self::Socket(_) => false,
        }
    }
}

fn is_loopback_ip(ip: IpAddr) -> bool {
    // An IPv4 address in IPv6 clothes (::ffff:127.0.0.1) is loopback if the IPv4 one is.
    ip.to_canonical().is_loopback()
}

/// Whether a name or address is this machine's own. A name is not looked up.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => is_loopback_ip(ip),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

impl FromStr for Host {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        if text.contains(',') {
            return Err(DsnError::SeveralHosts);
        }
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(Self::Socket(text.into()));
        }
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        let named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || !text.chars().all(named) {
            return Err(DsnError::Host);
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Socket(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// How a connection is protected, as libpq's `sslmode` has it.
///
/// A weaker mode is less than a stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS, and the certificate is from a trusted authority.
    VerifyCa,
    /// TLS, the certificate is from a trusted authority and names the host.
    VerifyFull,
}

impl SslMode {
    /// All modes, the weakest first.
    pub const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// The mode as libpq writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SslMode {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(DsnError::SslMode)
    }
}

/// Where and how to connect, with every default filled in.
///
/// `Debug` shows no password; `Display` gives `user@host:port/database` and nothing else. Two are equal
/// if they lead to the same place by the same means, whatever a file with the password holds by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectSpec {
    /// Where the server listens.
    pub host: Host,
    /// Its port (1-65535).
    pub port: u16,
    /// The role to connect as; empty if it comes with the password ([`PasswordSource::VaultLogin`]).
    pub user: String,
    /// Where the role's password comes from.
    pub password: PasswordSource,
    /// The database to connect to.
    pub database: String,
    /// The TLS mode that was asked for; see [`ConnectSpec::effective_sslmode`].
    pub sslmode: Option<SslMode>,
    /// File with the certificate authorities to trust (PEM); `None`: the system's.
    pub sslrootcert: Option<PathBuf>,
    /// File with the client certificate (PEM).
    pub sslcert: Option<PathBuf>,
    /// File with the client certificate's key (PEM).
    pub sslkey: Option<PathBuf>,
}

impl ConnectSpec {
    /// Whether the server is on another machine; see [`Host::is_remote`].
    pub fn is_remote(&self) -> bool {
        self.host.is_remote()
    }

    /// The TLS mode to use: the one that was asked for, else `require` for another machine and
    /// `prefer` for this one.
    pub fn effective_sslmode(&self) -> SslMode {
        self.sslmode.unwrap_or(if self.is_remote() { SslMode::Require } else { SslMode::Prefer })
    }
}

impl fmt::Display for ConnectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database, .. } = self;
        if !user.is_empty() {
            write!(f, "{user}@")?;
        }
        write!(f, "{host}:{port}/{database}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(host: &str) -> bool {
        host.parse::<Host>().unwrap().is_remote()
    }

    #[test]
    fn tells_this_machine_from_others() {
        for host in ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.8.8", "::1"] {
            assert!(!remote(host), "{host}");
        }
        assert!(!remote("::ffff:127.0.0.1"));
        assert!(!remote("/run/postgresql"));
        for host in ["db1", "localhost.example.org", "10.0.0.1", "0.0.0.0", "::", "fe80::1"] {
            assert!(remote(host), "{host}");
        }
    }

    #[test]
    fn refuses_what_is_no_host() {
        assert_eq!("db1,db2".parse::<Host>(), Err(DsnError::SeveralHosts));
        for host in ["", "a b", "a@b", "[::1]", "a/b", "a\0"] {
            assert_eq!(host.parse::<Host>(), Err(DsnError::Host), "{host:?}");
        }
    }
}
