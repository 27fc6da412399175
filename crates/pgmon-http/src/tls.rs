//! TLS of the listener: rustls on ring, as for the databases.

use pgmon_config::{
    ClientAuth, ClientAuthType, Http, TlsServerConfig, TlsVersion, ToolkitVersion, WebConfig,
};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
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
                std::fs::read(path).map_err(|error| failed(&error))
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
            });
        }
        let toolkit = web?.tls_server_config.clone();
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

    /// Reads everything and checks that it fits. The error never repeats what is in a file.
    pub fn load(&self) -> Result<Tls, String> {
        let provider = Arc::new(self.provider()?);
        let certificates = self.certificate.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.read()?)
            .map_err(|_| format!("{} has no private key (PEM)", key_name(&self.key)))?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions())
            .map_err(|error| {
                format!("these versions of TLS and cipher suites do not fit together: {error}")
            })?;
        let builder = match &self.authority {
            Some(authority) if self.clients != ClientCertificates::None => {
                let mut roots = RootCertStore::empty();
                for certificate in authority.certificates()? {
                    roots.add(certificate).map_err(|error| {
                        format!("{}: not an authority's certificate: {error}", authority.name())
                    })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.clients {
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier = verifier.build().map_err(|error| format!("{}: {error}", authority.name()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(|error| {
            format!("{} and {} do not fit together: {error}", self.certificate.name(), key_name(&self.key))
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ignore_client_order = self.toolkit.prefer_server_cipher_suites.unwrap_or(true);
        Ok(Tls { config: Arc::new(config), clients: self.clients, names: self.names()? })
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let max = self.toolkit.max_version.unwrap_or(ToolkitVersion::TLS13);
        let all = [(ToolkitVersion::TLS13, &version::TLS13), (ToolkitVersion::TLS12, &version::TLS12)];
        all.into_iter().filter(|(v, _)| (self.min..=max).contains(v)).map(|(_, version)| version).collect()
    }

    fn provider(&self) -> Result<CryptoProvider, String> {
        let mut provider = ring::default_provider();
        if !self.toolkit.cipher_suites.is_empty() {
            // The names choose those of TLS 1.2 only, as in Go.
            provider.cipher_suites.retain(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
            for name in &self.toolkit.cipher_suites {
                let suite = cipher_suite(name).ok_or_else(|| {
                    format!("cipher_suites: {name} is not offered: use those of Go's list that begin with TLS_ECDHE and end in GCM or CHACHA20_POLY1305")
                })?;
                if let Some(suite) = suite {
                    provider.cipher_suites.push(suite);
                }
            }
        }
        if !self.toolkit.curve_preferences.is_empty() {
            provider.kx_groups.clear();
            for name in &self.toolkit.curve_preferences {
                let group = kx_group(name).ok_or_else(|| {
                    format!("curve_preferences: {name} is not offered: use X25519, CurveP256, CurveP384")
                })?;
                provider.kx_groups.push(group);
            }
        }
        Ok(provider)
    }

    fn names(&self) -> Result<Vec<ServerName<'static>>, String> {
        let names = self.toolkit.client_allowed_sans.iter();
        names
            .map(|name| {
                ServerName::try_from(name.clone()).map_err(|_| {
                    format!("client_allowed_sans: {name} is neither a DNS name nor an IP address, which are those that pgmon compares")
                })
            })
            .collect()
    }
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
