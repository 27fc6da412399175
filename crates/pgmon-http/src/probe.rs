//! Asks a running pgmon on this machine for its health, for `pgmon --healthcheck`.

use crate::tls::Source;
use pgmon_collect::certificates::{Judge, Judged, Shown};
use pgmon_config::{Http, WebConfig};
use rustls::client::danger::ServerCertVerified;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Error, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The status of `/healthz` of the pgmon at the other end, which has this configuration.
pub fn healthz(http: &Http, stream: TcpStream) -> io::Result<u16> {
    let web = match &http.web_config_file {
        Some(path) => Some(WebConfig::load(path).map_err(io::Error::other)?),
        None => None,
    };
    let Some(source) = Source::of(http, web.as_ref()) else { return ask(stream) };
    let certificate = source.leaf().map_err(io::Error::other)?;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Judged::new(Only(certificate), provider)))
        .with_no_client_auth();
    let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    ask(StreamOwned::new(connection, stream)).map_err(|error| {
        if source.requires_clients() {
            io::Error::other(
                "clients need a certificate: http.tls.client_auth: optional lets health checks in",
            )
        } else {
            error
        }
    })
}

fn ask(mut stream: impl Read + Write) -> io::Result<u16> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head).ok().and_then(|head| head.strip_prefix("HTTP/1.1 "));
    status
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

/// Trusts the configured certificate and no other, whatever names it has: the probe asks by address.
#[derive(Debug)]
struct Only(CertificateDer<'static>);

impl Judge for Only {
    fn judge(&self, shown: Shown<'_>) -> Result<ServerCertVerified, Error> {
        if *shown.end_entity == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("another certificate than the configured one".to_owned()))
        }
    }
}
