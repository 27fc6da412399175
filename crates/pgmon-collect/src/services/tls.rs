//! TLS of probes: the certificates that a service shows are seen also where they are refused.

use crate::certificates::{Judge, Judged, Shown};
use pgmon_config::ServiceTls;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier as _};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Certificates that are looked at, of those that a service shows.
const CERTIFICATES: usize = 16;

/// What all probes share: the system's authorities, read when the first probe needs them.
#[derive(Debug, Default)]
pub(crate) struct Authorities {
    system: OnceLock<Arc<WebPkiServerVerifier>>,
}

/// What was seen of a handshake.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Seen {
    /// The earliest end of the certificates that were shown, as a Unix time in seconds.
    pub earliest_expiry: Option<i64>,
}

/// Why there is no TLS. Names files, and nothing that is in them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The configuration's files cannot be used.
    #[error("{0}")]
    Unfit(String),
    /// The handshake failed.
    #[error("{0}")]
    Handshake(String),
}

impl Authorities {
    fn system(&self) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
        if let Some(verifier) = self.system.get() {
            return Ok(verifier.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let what = "the system has no certificate authorities; set tls.ca_file";
            return Err(TlsError::Unfit(what.to_owned()));
        }
        let verifier = verifier(roots)?;
        Ok(self.system.get_or_init(|| verifier).clone())
    }

    fn of_file(path: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path, "tls.ca_file")? {
            roots.add(certificate).map_err(|error| unfit("tls.ca_file", path, &error))?;
        }
        verifier(roots)
    }

    /// Speaks TLS over `stream` with who must be `host`. `seen` learns what was shown, whatever comes of it.
    pub async fn connect<S>(
        &self,
        tls: &ServiceTls,
        host: &str,
        stream: S,
        seen: &mut Seen,
    ) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = tls.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::Unfit("the host can be no name of a certificate".to_owned()))?;
        let shown = Arc::new(Mutex::new(Seen::default()));
        let config = self.config(tls, shown.clone())?;
        let result = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let shown = *shown.lock().unwrap_or_else(PoisonError::into_inner);
        seen.earliest_expiry = match (seen.earliest_expiry, shown.earliest_expiry) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        result.map_err(|error| TlsError::Handshake(told(&error, shown)))
    }

    fn config(&self, tls: &ServiceTls, shown: Arc<Mutex<Seen>>) -> Result<ClientConfig, TlsError> {
        let inner = match (&tls.ca_file, tls.insecure) {
            (_, true) => None,
            (Some(path), false) => Some(Self::of_file(path)?),
            (None, false) => Some(self.system()?),
        };
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Unfit(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Judged::new(Looking { inner, shown }, provider)));
        let mut config = match (&tls.cert_file, &tls.key_file) {
            (Some(cert), Some(key)) => {
                let chain = certificates(cert, "tls.cert_file")?;
                let secret =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unfit("tls.key_file", key, &error))?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| unfit("tls.cert_file", cert, &error))?
            }
            _ => builder.with_no_client_auth(),
        };
        // A session that goes on shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(ring::default_provider())).clone()
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::Unfit(format!("tls.ca_file: {error}")))
}

fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unfit(key, path, &error))?;
    if read.is_empty() {
        return Err(TlsError::Unfit(format!("{key} {}: has no certificate", path.display())));
    }
    Ok(read)
}

fn unfit(key: &str, path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unfit(format!("{key} {}: {error}", path.display()))
}

/// What went wrong, in words.
fn told(error: &io::Error, seen: Seen) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => {
            let end = seen.earliest_expiry.and_then(|at| jiff::Timestamp::from_second(at).ok());
            match end {
                Some(end) => format!("TLS: the certificate ended at {end}"),
                None => "TLS: the certificate has ended".to_owned(),
            }
        }
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "TLS: the certificate is from no trusted authority (tls.ca_file)".to_owned()
        }
        Some(Error::InvalidMessage(_)) => "TLS: the service answers with something else".to_owned(),
        _ => format!("TLS: {error}"),
    }
}

/// Looks at the certificates before they are judged, or in place of it.
#[derive(Debug)]
struct Looking {
    /// Judges; `None`: nobody does.
    inner: Option<Arc<WebPkiServerVerifier>>,
    shown: Arc<Mutex<Seen>>,
}

impl Judge for Looking {
    fn judge(&self, shown: Shown<'_>) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(shown.end_entity).chain(shown.intermediates).take(CERTIFICATES);
        let earliest = all.filter_map(|certificate| expiry(certificate)).min();
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).earliest_expiry = earliest;
        match &self.inner {
            Some(inner) => inner.verify_server_cert(
                shown.end_entity,
                shown.intermediates,
                shown.server_name,
                shown.ocsp_response,
                shown.now,
            ),
            None => Ok(ServerCertVerified::assertion()),
        }
    }
}

/// Takes bytes for a certificate that a service shows.
#[cfg(any(test, fuzzing))]
pub fn read_any(bytes: &[u8]) {
    let end = expiry(&CertificateDer::from(bytes));
    // It is shown as a time where there is one: a year beyond those that have names is none.
    let _ = end.and_then(|at| jiff::Timestamp::from_second(at).ok());
}

/// The end of a certificate, as a Unix time in seconds.
fn expiry(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
