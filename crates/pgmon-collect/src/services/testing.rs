//! What tests of probes have in common.

use super::probe::examine;
use pgmon_config::{Config, LoadOptions, Secrets, ServiceSpec};
use pgmon_core::clock::{Clock, SystemClock};
use pgmon_core::metric::Value;
use pgmon_core::service::ServiceSnapshot;
use pgmon_secrets::Keyring;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What a configuration says of services.
pub fn specs(services: &str) -> Vec<ServiceSpec> {
    let options = LoadOptions { default_paths: Vec::new(), ..LoadOptions::default() };
    let text = format!("services: {services}");
    Config::load_text("pgmon.yaml".as_ref(), &text, &options).unwrap_or_else(|e| panic!("{e}")).services
}

/// Checks a service once, on the true clock.
pub async fn check(service: &str) -> ServiceSnapshot {
    let spec = specs(&format!("{{x: {service}}}")).remove(0);
    let clock = SystemClock::new();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let keyring = Keyring::new(&Secrets::default(), &BTreeMap::new(), shared);
    examine(&spec, &keyring, &clock).await
}

/// Why a service is not good.
#[track_caller]
pub fn reason(s: &ServiceSnapshot) -> &str {
    s.state.reason().unwrap_or_else(|| panic!("it is good: {s:?}"))
}

/// The value of a metric whose labels these are.
pub fn value(s: &ServiceSnapshot, name: &str, labels: &[&str]) -> Option<f64> {
    let family = s.group.families.iter().find(|family| family.desc.name() == name)?;
    let is =
        |sample: &&pgmon_core::Sample| sample.labels.iter().map(AsRef::as_ref).eq(labels.iter().copied());
    match &family.samples.iter().find(is)?.value {
        Value::Number(number) => Some(*number),
        Value::Histogram(histogram) => Some(histogram.count() as f64),
        Value::Summary(_) => None,
    }
}

/// The labels of a metric's samples.
pub fn labels(s: &ServiceSnapshot, name: &str) -> Vec<Vec<String>> {
    let family = s.group.families.iter().find(|family| family.desc.name() == name);
    let of = |sample: &pgmon_core::Sample| sample.labels.iter().map(ToString::to_string).collect();
    family.map(|family| family.samples.iter().map(of).collect()).unwrap_or_default()
}

/// Something that takes connections on loopback and treats each as `talk` does.
pub async fn serve<F, T>(talk: T) -> u16
where
    T: Fn(tokio::net::TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    port
}

/// Something that answers whatever comes with these bytes, and then closes or hangs.
pub async fn answering(bytes: impl Into<Vec<u8>>, hangs: bool) -> u16 {
    let bytes: Arc<[u8]> = bytes.into().into();
    serve(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&bytes).await;
            if hangs {
                std::future::pending::<()>().await;
            }
        }
    })
    .await
}

/// Reads until the head of a request is over.
pub async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Sends bytes until the other end has enough.
pub async fn flood(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    while stream.write_all(bytes).await.is_ok() {}
}

/// A certificate for `localhost` of an authority of its own, that ends in so many days: the acceptor, and the file
/// of the authority.
pub fn certificate(days: i64) -> (tokio_rustls::TlsAcceptor, tempfile::NamedTempFile) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let now = SystemClock::new().wall();
    let end = now + jiff::SignedDuration::from_hours(days * 24);
    let date = |at: jiff::Timestamp| {
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(
            date.year().into(),
            u8::try_from(date.month()).unwrap(),
            u8::try_from(date.day()).unwrap(),
        )
    };
    params.not_before = date(now - jiff::SignedDuration::from_hours(24 * 400));
    params.not_after = date(end);
    let leaf = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (Arc::new(config).into(), file)
}
