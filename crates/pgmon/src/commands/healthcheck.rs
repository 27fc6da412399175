//! `pgmon --healthcheck`: asks a running pgmon for `/healthz`.

use crate::cli::SourceArgs;
use crate::exit::Code;
use pgmon_config::Config;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Exits 0 if the agent at the configured address says that it is well.
///
/// A configuration that cannot be loaded here (no DSN in this environment, say) does not matter: then
/// the address is `--bind`, `PGMON_HTTP_BIND` or the default one.
pub fn run(source: &SourceArgs) -> Code {
    let bind = source
        .bind
        .clone()
        .or_else(|| Config::load(&super::options(source)).ok().map(|l| l.config.http.bind))
        .or_else(|| std::env::var("PGMON_HTTP_BIND").ok())
        .unwrap_or_else(|| Config::default().http.bind);
    match ask(&bind) {
        Ok(status) if (200..300).contains(&status) => {
            println!("{bind}: healthy");
            Code::Ok
        }
        Ok(status) => {
            eprintln!("pgmon: {bind}/healthz answered {status}");
            Code::Failed
        }
        Err(error) => {
            eprintln!("pgmon: {bind}/healthz: {error}");
            Code::Failed
        }
    }
}

fn ask(bind: &str) -> std::io::Result<u16> {
    let mut address: SocketAddr = bind
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "no address"))?;
    // "All addresses" can be listened on, not connected to.
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head)
        .ok()
        .and_then(|h| h.strip_prefix("HTTP/1.1 "))
        .and_then(|s| s.parse().ok());
    status.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer"))
}
