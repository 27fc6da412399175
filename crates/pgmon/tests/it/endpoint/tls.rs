//! HTTPS, client certificates, rotation, and the toolkit's web configuration.

use super::{DSN, basic, bearer, eventually, output};
use crate::agent::{Agent, Answer, pgmon};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const KEY: &str = "tls-key-canary-12345";

/// An authority, and a directory for what it signs.
struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Self { authority, dir: tempfile::tempdir().unwrap() };
        std::fs::write(pki.path("ca.pem"), pki.authority.pem()).unwrap();
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a new certificate and its key: `NAME.pem`, `NAME.key`.
    fn sign(&self, name: &str, san: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![san.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Asks an agent, with a client's certificate if there is one; returns the server's certificate as well.
    fn get(
        &self,
        agent: &Agent,
        client: Option<(&Pki, &str)>,
        path: &str,
        head: &str,
    ) -> Result<(Answer, Vec<u8>), String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            Some((pki, name)) => {
                let certificate = CertificateDer::from_pem_file(pki.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(pki.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(agent.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n");
        stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            // The answer's length is known: an end without a farewell cuts nothing off.
            Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof || bytes.is_empty() => {
                return Err(e.to_string());
            }
            _ => {}
        }
        let certificate = stream.conn.peer_certificates().unwrap()[0].to_vec();
        Ok((Answer::parse(&bytes), certificate))
    }
}

fn agent(pki: &Pki, env: &[(&str, &str)]) -> Agent {
    let (certificate, key) = (pki.path("server.pem"), pki.path("server.key"));
    let tls = [
        ("PGMON_DSN", DSN),
        ("PGMON_HTTP_TLS_CERT_FILE", certificate.to_str().unwrap()),
        ("PGMON_HTTP_TLS_KEY_FILE", key.to_str().unwrap()),
    ];
    Agent::start(&[&tls, env].concat())
}

/// What `pgmon --healthcheck` says of an agent with this certificate. The database is not there, so that
/// "failing" is a right answer, too.
fn healthcheck(pki: &Pki, agent: &Agent, name: &str) -> bool {
    let out = pgmon()
        .arg("--healthcheck")
        .env("PGMON_DSN", DSN)
        .env("PGMON_HTTP_BIND", agent.address().to_string())
        .env("PGMON_HTTP_TLS_CERT_FILE", pki.path(&format!("{name}.pem")))
        .env("PGMON_HTTP_TLS_KEY_FILE", pki.path("server.key"))
        .output()
        .unwrap();
    out.status.success() || String::from_utf8_lossy(&out.stderr).contains("/healthz answered 503")
}

#[test]
fn a_certificate_is_replaced_while_pgmon_runs_and_a_broken_one_is_not() {
    let pki = Pki::new();
    pki.sign("server", "localhost");
    let agent = agent(&pki, &[("PGMON_HTTP_AUTH_API_KEYS", KEY)]);
    let get = || pki.get(&agent, None, "/metrics", &bearer(KEY)).unwrap();
    let (answer, first) = get();
    assert_eq!(answer.status, 200);
    assert_eq!(pki.get(&agent, None, "/metrics", "").unwrap().0.status, 403);
    // Clear text is not answered.
    let mut plain = TcpStream::connect(agent.address()).unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1"), "{bytes:?}");

    assert!(healthcheck(&pki, &agent, "server"));
    pki.sign("other", "localhost");
    assert!(!healthcheck(&pki, &agent, "other"), "another certificate than the one that it should have");

    pki.sign("server", "localhost");
    eventually("the new certificate is served", Duration::from_secs(10), || get().1 != first);
    let (_, second) = get();
    // A certificate whose key has not come yet, then rubbish.
    let key = std::fs::read(pki.path("server.key")).unwrap();
    pki.sign("server", "localhost");
    std::fs::write(pki.path("server.key"), key).unwrap();
    let failed = || agent.log().matches("are not usable").count();
    eventually("that they do not fit is told", Duration::from_secs(10), || failed() >= 1);
    std::fs::write(pki.path("server.pem"), "rubbish").unwrap();
    eventually("that it is none is told", Duration::from_secs(10), || failed() >= 2);
    let (answer, now) = get();
    assert_eq!((answer.status, now), (200, second.clone()));
    assert!(answer.text().contains("pgmon_http_files_last_reload_successful 0"));
    pki.sign("server", "localhost");
    eventually("a good one is served", Duration::from_secs(10), || get().1 != second);
    assert!(!agent.log().contains("PRIVATE KEY"));
}

#[test]
fn a_client_certificate_opens_and_a_strangers_does_not() {
    let (pki, stranger) = (Pki::new(), Pki::new());
    for pki in [&pki, &stranger] {
        pki.sign("server", "localhost");
        pki.sign("client", "prometheus.example.com");
    }
    let authority = pki.path("ca.pem");
    let authority = ("PGMON_HTTP_TLS_CLIENT_CA_FILE", authority.to_str().unwrap());
    let required = agent(&pki, &[authority]);
    assert_eq!(pki.get(&required, Some((&pki, "client")), "/metrics", "").unwrap().0.status, 200);
    assert_eq!(pki.get(&required, Some((&pki, "client")), "/", "").unwrap().0.status, 200);
    assert!(pki.get(&required, None, "/metrics", "").is_err());
    assert!(pki.get(&required, Some((&stranger, "client")), "/metrics", "").is_err());
    assert!(pki.get(&required, None, "/livez", "").is_err(), "health checks need one as well");

    // With keys, both are needed.
    let both = agent(&pki, &[authority, ("PGMON_HTTP_AUTH_API_KEYS", KEY)]);
    assert_eq!(pki.get(&both, Some((&pki, "client")), "/metrics", "").unwrap().0.status, 403);
    assert_eq!(pki.get(&both, Some((&pki, "client")), "/metrics", &bearer(KEY)).unwrap().0.status, 200);
    assert!(pki.get(&both, None, "/metrics", &bearer(KEY)).is_err());

    let optional = agent(
        &pki,
        &[
            authority,
            ("PGMON_HTTP_TLS_CLIENT_AUTH", "optional"),
            ("PGMON_HTTP_AUTH_API_KEYS", KEY),
            ("PGMON_HTTP_TLS_MIN_VERSION", "TLS13"),
        ],
    );
    assert_eq!(pki.get(&optional, Some((&pki, "client")), "/metrics", "").unwrap().0.status, 200);
    assert_eq!(pki.get(&optional, None, "/metrics", &bearer(KEY)).unwrap().0.status, 200);
    assert_eq!(pki.get(&optional, None, "/metrics", "").unwrap().0.status, 403);
    assert_eq!(pki.get(&optional, None, "/livez", "").unwrap().0.status, 200);
    assert!(pki.get(&optional, Some((&stranger, "client")), "/metrics", "").is_err());
}

fn with_web_config(file: &Path) -> Agent {
    let mut command = pgmon();
    command.args(["--dsn", DSN, "--bind", "127.0.0.1:0", "--web.config.file", file.to_str().unwrap()]);
    Agent::spawn(command)
}

#[test]
fn the_toolkits_web_configuration_is_taken_and_read_again() {
    let pki = Pki::new();
    pki.sign("server", "localhost");
    pki.sign("client", "prometheus.example.com");
    pki.sign("other", "other.example.com");
    let hash = output(&["hash-password"], "correct");
    let file = pki.path("web.yml");
    let text = |user: &str| {
        format!(
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
             client_ca_file: ca.pem\n  client_allowed_sans: [prometheus.example.com]\n  min_version: TLS12\n  \
             cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  curve_preferences: [CurveP256, X25519]\n\
             http_server_config:\n  http2: false\n  headers:\n    Strict-Transport-Security: max-age=600\n    X-Frame-Options: sameorigin\n\
             basic_auth_users:\n  {user}: {hash}\n"
        )
    };
    std::fs::write(&file, text("alice")).unwrap();
    let agent = with_web_config(&file);
    let get =
        |name: &str, head: &str| pki.get(&agent, Some((&pki, name)), "/", head).map(|(answer, _)| answer);
    let answer = get("client", &basic("alice", "correct")).unwrap();
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, Some("max-age=600")));
    assert_eq!(answer.header("x-frame-options"), Some("sameorigin"));
    assert_eq!(get("client", &basic("alice", "wrong")).unwrap().status, 401);
    assert!(get("other", &basic("alice", "correct")).is_err(), "not one of client_allowed_sans");

    std::fs::write(&file, text("bob")).unwrap();
    eventually("the new user is known", Duration::from_secs(10), || {
        get("client", &basic("bob", "correct")).unwrap().status == 200
    });
    assert_eq!(get("client", &basic("alice", "correct")).unwrap().status, 401);
    std::fs::write(&file, "basic_auth_usrs: {}\n").unwrap();
    eventually("the mistake is told", Duration::from_secs(10), || {
        agent.log().contains("did you mean basic_auth_users?")
    });
    assert_eq!(get("client", &basic("bob", "correct")).unwrap().status, 200);
}

#[test]
fn what_cannot_be_served_stops_the_start_and_is_named() {
    let pki = Pki::new();
    pki.sign("server", "localhost");
    pki.sign("other", "localhost");
    let path = |name: &str| pki.path(name).display().to_string();
    std::fs::write(pki.path("web.yml"), "tls_server_config: {cert_file: server.pem, key_file: server.key, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}\n").unwrap();
    for (env, wanted) in [
        (
            [
                ("PGMON_HTTP_TLS_CERT_FILE", path("server.pem")),
                ("PGMON_HTTP_TLS_KEY_FILE", path("other.key")),
            ],
            "do not fit together",
        ),
        (
            [("PGMON_HTTP_TLS_CERT_FILE", path("none.pem")), ("PGMON_HTTP_TLS_KEY_FILE", path("server.key"))],
            "none.pem",
        ),
        (
            [
                ("PGMON_HTTP_TLS_CERT_FILE", path("server.key")),
                ("PGMON_HTTP_TLS_KEY_FILE", path("server.key")),
            ],
            "has no certificate",
        ),
        (
            [("PGMON_HTTP_WEB_CONFIG_FILE", path("web.yml")), ("PGMON_CLUSTER", "x".to_owned())],
            "TLS_RSA_WITH_RC4_128_SHA",
        ),
    ] {
        let out =
            pgmon().env("PGMON_DSN", DSN).env("PGMON_HTTP_BIND", "127.0.0.1:0").envs(env).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{error}");
        assert!(error.contains(wanted) && !error.contains("PRIVATE KEY"), "{wanted}: {error}");
    }
}
