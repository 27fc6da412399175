//! Certificates of servers that are judged by more than their authority: the half of a verifier that is always the
//! same.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::fmt::Debug;
use std::sync::Arc;

/// What a server shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'s> {
    /// Its own certificate.
    pub end_entity: &'s CertificateDer<'s>,
    /// Those between it and an authority.
    pub intermediates: &'s [CertificateDer<'s>],
    /// Who it is to be.
    pub server_name: &'s ServerName<'s>,
    /// What its authority says of its certificate.
    pub ocsp_response: &'s [u8],
    /// The time.
    pub now: UnixTime,
}

/// Judges whether a certificate will do.
pub trait Judge: Debug + Send + Sync {
    /// Whether this one does.
    fn judge(&self, shown: Shown<'_>) -> Result<ServerCertVerified, Error>;
}

/// Verifies that a server holds the key of its certificate, and leaves the certificate to a judge.
#[derive(Debug)]
pub struct Judged<J> {
    judge: J,
    provider: Arc<CryptoProvider>,
}

impl<J> Judged<J> {
    /// Left to this judge.
    pub fn new(judge: J, provider: Arc<CryptoProvider>) -> Self {
        Self { judge, provider }
    }
}

impl<J: Judge> ServerCertVerifier for Judged<J> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge.judge(Shown { end_entity, intermediates, server_name, ocsp_response, now })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
