//! TLS of the listener: rustls on ring, as for the databases.

use pgmon_config::{
    ClientAuth, ClientAuthType, Diagnostic, Http, Places, TlsServerConfig, TlsVersion, ToolkitVersion,
    WebConfig,
};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file with certificates (bytes).
const LARGEST: u64 = 1024 * 1024;

/// What clients' certificates are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    /// None is asked for.
    None,
    /// One is another way to log in.
    Optional,
    /// No connection without one.
    Required,
}

/// A certificate and how it is used.
#[derive(Debug)]
pub(crate) struct Tls {
    pub config: Arc<ServerConfig>,
    pub clients: ClientCertificates,
    /// Names of which a client's certificate must have one; empty: any.
    names: Vec<ServerName<'static>>,
}

impl Tls {
    pub fn asks_clients(&self) -> bool {
        self.clients != ClientCertificates::None
    }

    /// Whether a verified certificate is one of those that may connect.
    pub fn admits(&self, certificate: Option<&CertificateDer<'_>>) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let parsed = certificate.and_then(|der| ParsedCertificate::try_from(der).ok());
        parsed.is_some_and(|cert| {
            self.names.iter().any(|name| rustls::client::verify_server_name(&cert, name).is_ok())
        })
    }
}

/// A certificate in a file or in the configuration.
enum Pem {
    File(PathBuf),
    Text(String),
}

impl Pem {
    fn file(path: Option<&PathBuf>) -> Option<Self> {
        path.cloned().map(Self::File)
    }

    fn of(text: &str, path: Option<&PathBuf>) -> Option<Self> {
        if text.is_empty() { Self::file(path) } else { Some(Self::Text(text.to_owned())) }
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => {
                let failed = |what: &dyn std::fmt::Display| format!("cannot read {}: {what}", path.display());
                let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
                // A pipe or device could keep the reader waiting for ever.
                if !metadata.is_file() || metadata.len() > LARGEST {
                    return Err(failed(&"it is no regular file of at most 1 MiB"));
                }
                let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
                let mut bytes = Vec::new();
                file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
                Ok(bytes)
            }
        }
    }

    fn name(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::File(path) => path.to_string_lossy(),
            Self::Text(_) => "the certificate in the web configuration".into(),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let bytes = self.read()?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(format!("{} has no certificate (PEM)", self.name())),
        }
    }
}

/// Where certificate and rules come from.
pub(crate) struct Source {
    certificate: Pem,
    key: Pem,
    authority: Option<Pem>,
    clients: ClientCertificates,
    toolkit: TlsServerConfig,
    min: ToolkitVersion,
    /// Where the toolkit's file says so; `None`: it is `http.tls`.
    web: Option<Places>,
}

/// What is wrong, by key.
struct Faults<'s> {
    source: &'s Source,
    found: Vec<Diagnostic>,
}

impl Faults<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.found.push(match &self.source.web {
            Some(places) => places.says(&format!("/tls_server_config/{key}"), message),
            None => Places::default().says(&format!("/http/tls/{key}"), message),
        });
    }

    fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.add(key, message)).ok()
    }

    /// As [`Faults::take`], for what is in a file or beside it.
    fn take_pem<T>(&mut self, key: &str, pem: &Pem, result: Result<T, String>) -> Option<T> {
        match pem {
            Pem::File(_) => self.take(&format!("{key}_file"), result),
            Pem::Text(_) => self.take(key, result),
        }
    }
}

impl Source {
    /// What `http.tls` or the web configuration says; `None`: no TLS.
    pub fn of(http: &Http, web: Option<&WebConfig>) -> Option<Self> {
        let tls = &http.tls;
        if let (Some(certificate), Some(key)) =
            (Pem::file(tls.cert_file.as_ref()), Pem::file(tls.key_file.as_ref()))
        {
            let authority = Pem::file(tls.client_ca_file.as_ref());
            let clients = match (&authority, tls.client_auth) {
                (None, _) => ClientCertificates::None,
                (Some(_), ClientAuth::Optional) => ClientCertificates::Optional,
                (Some(_), ClientAuth::Require) => ClientCertificates::Required,
            };
            let min = match tls.min_version {
                TlsVersion::TLS12 => ToolkitVersion::TLS12,
                TlsVersion::TLS13 => ToolkitVersion::TLS13,
            };
            return Some(Self {
                certificate,
                key,
                authority,
                clients,
                toolkit: TlsServerConfig::default(),
                min,
                web: None,
            });
        }
        let web = web?;
        let toolkit = web.tls_server_config.clone();
        let clients = match toolkit.client_auth_type {
            ClientAuthType::RequireAndVerifyClientCert => ClientCertificates::Required,
            ClientAuthType::VerifyClientCertIfGiven => ClientCertificates::Optional,
            _ => ClientCertificates::None,
        };
        Some(Self {
            certificate: Pem::of(&toolkit.cert, toolkit.cert_file.as_ref())?,
            key: Pem::of(toolkit.key.expose(), toolkit.key_file.as_ref())?,
            authority: Pem::of(&toolkit.client_ca, toolkit.client_ca_file.as_ref()),
            clients,
            min: toolkit.min_version.unwrap_or(ToolkitVersion::TLS12),
            toolkit,
            web: Some(web.places.clone()),
        })
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> Result<CertificateDer<'static>, String> {
        let first = self.certificate.certificates()?.into_iter().next();
        first.ok_or_else(|| format!("{} has no certificate (PEM)", self.certificate.name()))
    }

    /// Whether nobody connects without a certificate.
    pub fn requires_clients(&self) -> bool {
        self.clients == ClientCertificates::Required
    }

    /// The files that will be read.
    pub fn files(&self) -> Vec<PathBuf> {
        let all = [Some(&self.certificate), Some(&self.key), self.authority.as_ref()];
        let file = |pem: &Pem| match pem {
            Pem::File(path) => Some(path.clone()),
            Pem::Text(_) => None,
        };
        all.into_iter().flatten().filter_map(file).collect()
    }

    /// Reads everything and checks that it fits; says all that does not. No fault repeats what is in a file.
    pub fn load(&self) -> Result<Tls, Vec<Diagnostic>> {
        let mut faults = Faults { source: self, found: Vec::new() };
        let provider = self.provider(&mut faults);
        let names = self.names(&mut faults);
        let certificates = faults.take_pem("cert", &self.certificate, self.certificate.certificates());
        let key = self.key.read().and_then(|bytes| {
            PrivateKeyDer::from_pem_slice(&bytes)
                .map_err(|_| format!("{} has no private key (PEM)", key_name(&self.key)))
        });
        let key = faults.take_pem("key", &self.key, key);
        let authority = self.authority.as_ref().filter(|_| self.clients != ClientCertificates::None);
        let roots = authority.map(|authority| faults.take_pem("client_ca", authority, roots(authority)));
        let (Some(certificates), Some(key), Some(provider)) = (certificates, key, provider) else {
            return Err(faults.found);
        };
        if !faults.found.is_empty() {
            return Err(faults.found);
        }
        let config = self.config(certificates, key, roots.flatten(), Arc::new(provider), &mut faults);
        match config {
            Some(config) => Ok(Tls { config: Arc::new(config), clients: self.clients, names }),
            None => Err(faults.found),
        }
    }

    fn config(
        &self,
        certificates: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        roots: Option<RootCertStore>,
        provider: Arc<CryptoProvider>,
        faults: &mut Faults<'_>,
    ) -> Option<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions())
            .map_err(|error| format!("these versions of TLS and cipher suites do not fit together: {error}"));
        let builder = faults.take("min_version", builder)?;
        let builder = match (roots, &self.authority) {
            (Some(roots), Some(authority)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.clients {
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier = verifier.build().map_err(|error| format!("{}: {error}", authority.name()));
                builder.with_client_cert_verifier(faults.take_pem("client_ca", authority, verifier)?)
            }
            _ => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(certificates, key).map_err(|error| {
            format!("{} and {} do not fit together: {error}", self.certificate.name(), key_name(&self.key))
        });
        let mut config = faults.take_pem("cert", &self.certificate, config)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ignore_client_order = self.toolkit.prefer_server_cipher_suites.unwrap_or(true);
        Some(config)
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let max = self.toolkit.max_version.unwrap_or(ToolkitVersion::TLS13);
        let all = [(ToolkitVersion::TLS13, &version::TLS13), (ToolkitVersion::TLS12, &version::TLS12)];
        all.into_iter().filter(|(v, _)| (self.min..=max).contains(v)).map(|(_, version)| version).collect()
    }

    fn provider(&self, faults: &mut Faults<'_>) -> Option<CryptoProvider> {
        let known = faults.found.len();
        let mut provider = ring::default_provider();
        if !self.toolkit.cipher_suites.is_empty() {
            // The names choose those of TLS 1.2 only, as in Go.
            provider.cipher_suites.retain(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
            for (n, name) in self.toolkit.cipher_suites.iter().enumerate() {
                match cipher_suite(name) {
                    Some(suite) => provider.cipher_suites.extend(suite),
                    None => faults.add(
                        &format!("cipher_suites/{n}"),
                        format!("{name} is not offered; use those of Go's list that begin with TLS_ECDHE and end in GCM or CHACHA20_POLY1305"),
                    ),
                }
            }
        }
        if !self.toolkit.curve_preferences.is_empty() {
            provider.kx_groups.clear();
            for (n, name) in self.toolkit.curve_preferences.iter().enumerate() {
                match kx_group(name) {
                    Some(group) => provider.kx_groups.push(group),
                    None => faults.add(
                        &format!("curve_preferences/{n}"),
                        format!("{name} is not offered; use X25519, CurveP256, CurveP384"),
                    ),
                }
            }
        }
        (faults.found.len() == known).then_some(provider)
    }

    fn names(&self, faults: &mut Faults<'_>) -> Vec<ServerName<'static>> {
        let names = self.toolkit.client_allowed_sans.iter().enumerate();
        names
            .filter_map(|(n, name)| {
                let name = ServerName::try_from(name.clone()).map_err(|_| {
                    format!(
                        "{name} is neither a DNS name nor an IP address, which are those that pgmon compares"
                    )
                });
                faults.take(&format!("client_allowed_sans/{n}"), name)
            })
            .collect()
    }
}

/// The authorities of clients' certificates.
fn roots(authority: &Pem) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in authority.certificates()? {
        roots
            .add(certificate)
            .map_err(|error| format!("{}: not an authority's certificate: {error}", authority.name()))?;
    }
    Ok(roots)
}

fn key_name(key: &Pem) -> std::borrow::Cow<'_, str> {
    match key {
        Pem::File(path) => Path::to_string_lossy(path),
        Pem::Text(_) => "the key in the web configuration".into(),
    }
}

/// A cipher suite by its name in Go; those of TLS 1.3 are always there.
fn cipher_suite(name: &str) -> Option<Option<SupportedCipherSuite>> {
    use ring::cipher_suite as suites;
    Some(Some(match name {
        "TLS_AES_128_GCM_SHA256" | "TLS_AES_256_GCM_SHA384" | "TLS_CHACHA20_POLY1305_SHA256" => {
            return Some(None);
        }
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        _ => return None,
    }))
}

fn kx_group(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    match name {
        "X25519" => Some(ring::kx_group::X25519),
        "CurveP256" => Some(ring::kx_group::SECP256R1),
        "CurveP384" => Some(ring::kx_group::SECP384R1),
        _ => None,
    }
}
