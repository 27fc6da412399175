//! One request to Vault at a time: a connection of its own, closed after the answer.
//!
//! Vault is asked once a minute at most, so that keeping connections would cost memory for nothing. Redirects
//! are not followed: the token would go to whoever they name.

use super::VaultError;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use pgmon_config::{REDACTED, Secret};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest answer (bytes).
const LARGEST: usize = 1024 * 1024;

/// What Vault says of an error is shown up to here (characters).
const SAID: usize = 200;

pub(crate) struct Client {
    address: String,
    namespace: String,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    /// The system's authorities, read once; a file of our own is read each time, as it may be renewed.
    system: OnceLock<Arc<ClientConfig>>,
}

/// A request.
pub(crate) struct Ask<'a> {
    pub method: Method,
    /// Below `/v1/`.
    pub path: &'a str,
    pub token: Option<&'a Secret>,
    pub body: Option<Value>,
}

impl Client {
    pub(crate) fn new(config: &pgmon_config::Vault) -> Self {
        Self {
            address: config.address.trim_end_matches('/').to_owned(),
            namespace: config.namespace.trim_matches('/').to_owned(),
            ca_file: config.ca_file.clone(),
            timeout: config.timeout(),
            system: OnceLock::new(),
        }
    }

    /// Asks, and returns the answer's JSON; null if it has no body.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Value, VaultError> {
        let secrets: Vec<String> = secrets_of(&ask);
        let work = self.exchange(ask);
        let (status, mut body) = match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result?,
            Err(_) => return Err(VaultError::Unreachable(format!("not within {:?}", self.timeout))),
        };
        match status {
            200..300 => Ok(body.take()),
            300..400 => Err(VaultError::Refused {
                status,
                said: ": a redirect, which is not followed; give the address of the active node or of a load balancer"
                    .to_owned(),
            }),
            _ => Err(VaultError::Refused { status, said: said(&body, &secrets) }),
        }
    }

    async fn exchange(&self, ask: Ask<'_>) -> Result<(u16, Value), VaultError> {
        let unfit = |what: &str| VaultError::Unfit(what.to_owned());
        let lost = |what: String| VaultError::Unreachable(what);
        let uri: Uri = format!("{}/v1/{}", self.address, ask.path)
            .parse()
            .map_err(|_| unfit("secrets.vault.address is no URL"))?;
        let host = uri.host().ok_or_else(|| unfit("secrets.vault.address has no host"))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream =
            TcpStream::connect((bare, port)).await.map_err(|e| lost(format!("{host}:{port}: {e}")))?;
        let request = self.request(&uri, ask)?;
        if !tls {
            return converse(stream, request).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| unfit("Vault's host is no name"))?;
        let connector = TlsConnector::from(self.tls()?);
        let stream =
            connector.connect(name, stream).await.map_err(|e| lost(format!("{host}:{port}: {e}")))?;
        converse(stream, request).await
    }

    fn request(&self, uri: &Uri, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, VaultError> {
        let unfit = |what: &str| VaultError::Unfit(what.to_owned());
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let authority = uri.authority().map_or("", |a| a.as_str());
        let mut request = Request::builder()
            .method(ask.method)
            .uri(path)
            .header("host", authority)
            .header("connection", "close")
            .header("accept", "application/json")
            // Vault and its agent want it, so that a request cannot be forged through a browser.
            .header("x-vault-request", "true");
        if !self.namespace.is_empty() {
            request = request.header("x-vault-namespace", &self.namespace);
        }
        if let Some(token) = ask.token {
            let value =
                sensitive(token).map_err(|_| unfit("the Vault token has characters that no token has"))?;
            request = request.header("x-vault-token", value);
        }
        let body = match ask.body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                body.to_string()
            }
            None => String::new(),
        };
        request.body(Full::from(body)).map_err(|_| unfit("secrets.vault.namespace cannot be sent"))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, VaultError> {
        if let Some(path) = &self.ca_file {
            let failed =
                |e: String| VaultError::Unfit(format!("secrets.vault.ca_file {}: {e}", path.display()));
            let mut roots = RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| failed(e.to_string()))?;
                roots.add(certificate).map_err(|e| failed(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed("has no certificate".to_owned()));
            }
            return client_config(roots);
        }
        if let Some(config) = self.system.get() {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let what = "the system has no certificate authorities; set secrets.vault.ca_file";
            return Err(VaultError::Unfit(what.to_owned()));
        }
        let config = client_config(roots)?;
        Ok(self.system.get_or_init(|| config).clone())
    }
}

fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, VaultError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| VaultError::Unfit(e.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

async fn converse<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(u16, Value), VaultError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |e: &dyn std::fmt::Display| VaultError::Unreachable(e.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| lost(&e))?;
    // Ends with the sender; what goes wrong is told there as well.
    tokio::spawn(async move { connection.await.ok() });
    let response = sender.send_request(request).await.map_err(|e| lost(&e))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|e| lost(&e))?.to_bytes();
    if body.is_empty() {
        return Ok((status, Value::Null));
    }
    match serde_json::from_slice(&body) {
        Ok(body) => Ok((status, body)),
        // A proxy's page, say.
        Err(_) if status >= 300 => Ok((status, Value::Null)),
        Err(_) => Err(VaultError::Unfit("the answer is no JSON: is this a Vault?".to_owned())),
    }
}

fn sensitive(secret: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(secret.expose())?;
    // Not shown when headers are.
    value.set_sensitive(true);
    Ok(value)
}

/// What of a request must not come back in an error.
fn secrets_of(ask: &Ask<'_>) -> Vec<String> {
    let of_body = ask.body.as_ref().and_then(Value::as_object);
    let of_body = of_body.into_iter().flat_map(|o| o.values()).filter_map(Value::as_str);
    let all = of_body.chain(ask.token.map(Secret::expose));
    all.filter(|text| text.len() >= 4).map(str::to_owned).collect()
}

/// Vault's own words: `{"errors": ["permission denied"]}`.
fn said(body: &Value, secrets: &[String]) -> String {
    let errors = body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut text = errors.collect::<Vec<_>>().join("; ");
    for secret in secrets {
        text = text.replace(secret.as_str(), REDACTED);
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}
