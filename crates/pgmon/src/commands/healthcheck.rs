//! `pgmon --healthcheck`: asks a running pgmon for `/healthz`.

use crate::cli::SourceArgs;
use crate::exit::Code;
use pgmon_config::{Config, Http};
use pgmon_http::probe;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Exits 0 if the agent at the configured address says that it is well.
///
/// A configuration that cannot be loaded here (no DSN in this environment, say) does not matter: then
/// the address is `--bind`, `PGMON_HTTP_BIND` or the default one.
pub fn run(source: &SourceArgs) -> Code {
    let mut http =
        Config::load(&super::options(source)).map(|loaded| loaded.config.http).unwrap_or_else(|_| {
            let mut http = Http::default();
            if let Ok(bind) = std::env::var("PGMON_HTTP_BIND") {
                http.bind = bind;
            }
            http
        });
    if let Some(bind) = &source.bind {
        http.bind.clone_from(bind);
    }
    let bind = &http.bind;
    match ask(&http) {
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

fn ask(http: &Http) -> std::io::Result<u16> {
    let mut address: SocketAddr = http
        .bind
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
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    probe::healthz(http, stream)
}
