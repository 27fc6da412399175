//! A double of HashiCorp Vault's HTTP API: no package registry brings the real one.
//!
//! It keeps to what Vault's API documentation says of the paths that pgmon uses: tokens with a time to live
//! and their renewal, AppRole and Kubernetes logins, KV version 2 with versions and deletion, and leased
//! database logins, which it makes on a real server and drops when the lease ends, and all leases of a token
//! with the token. Everything else answers 404, a request without a valid token 403.

mod state;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto, pki_types};

use crate::access::execute;
use crate::{Server, quote_ident, quote_literal};
pub use state::Terms;
use state::{Asked, State};

/// A double of Vault, on loopback, with a thread of its own.
#[derive(Debug)]
pub struct VaultDouble {
    port: u16,
    ca: Option<String>,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl VaultDouble {
    /// Answers http.
    pub fn start() -> Result<Self> {
        Self::with(None)
    }

    /// Answers https with a certificate of its own.
    pub fn start_tls() -> Result<Self> {
        Self::with(Some(rcgen::generate_simple_self_signed(["localhost".to_owned()])?))
    }

    fn with(certificate: Option<rcgen::CertifiedKey<rcgen::KeyPair>>) -> Result<Self> {
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("Vault cannot listen")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let tls = certificate.as_ref().map(acceptor).transpose()?;
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = state.clone();
        let thread = std::thread::Builder::new().name("vault-double".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = serve(listener, tls, served.clone()) => {}
                    () = end_leases(served) => {}
                }
            });
        })?;
        let ca = certificate.map(|certificate| certificate.cert.pem());
        Ok(Self { port, ca, state, stop: Some(stop), thread: Some(thread) })
    }

    /// Its address for `secrets.vault.address`.
    pub fn address(&self) -> String {
        match self.ca {
            Some(_) => format!("https://localhost:{}", self.port),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// The certificate to trust (PEM), if it answers https.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// A token that may read everything.
    pub fn token(&self, terms: Terms) -> String {
        self.state().new_token(terms)
    }

    /// Ends a token, and with it all that was leased with it.
    pub fn revoke_token(&self, token: &str) {
        self.state().revoke_token(token);
    }

    /// Writes the next version of a KV secret; `path` is `MOUNT/data/NAME`.
    pub fn put(&self, path: &str, fields: Value) {
        self.state().kv.entry(path.to_owned()).or_default().push(Some(fields));
    }

    /// Deletes the latest version of a KV secret.
    pub fn delete(&self, path: &str) {
        if let Some(latest) = self.state().kv.get_mut(path).and_then(|versions| versions.last_mut()) {
            *latest = None;
        }
    }

    /// Allows a login at `auth/approle`.
    pub fn app_role(&self, role_id: &str, secret_id: &str, terms: Terms) {
        let body = json!({ "role_id": role_id, "secret_id": secret_id });
        self.state().logins.push(("auth/approle/login".to_owned(), body, terms));
    }

    /// Allows a login at `auth/kubernetes`.
    pub fn kubernetes(&self, role: &str, jwt: &str, terms: Terms) {
        let body = json!({ "role": role, "jwt": jwt });
        self.state().logins.push(("auth/kubernetes/login".to_owned(), body, terms));
    }

    /// Gives out logins of `server` at `database/creds/NAME`, as members of `group`.
    pub fn database_role(&self, name: &str, server: &Server, group: &str, terms: Terms) {
        let options = server.connect_options("postgres");
        self.state().roles.insert(name.to_owned(), (options, group.to_owned(), terms));
    }

    /// The namespace that every request must name.
    pub fn set_namespace(&self, namespace: &str) {
        self.state().namespace = namespace.to_owned();
    }

    /// Sealed, it answers 503 to everything.
    pub fn seal(&self, sealed: bool) {
        self.state().sealed = sealed;
    }

    /// Answers every request with a redirect to this address.
    pub fn redirect(&self, to: Option<String>) {
        self.state().redirect = to;
    }

    /// What was asked so far: method and path.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The users of the leases that have not ended.
    pub fn leased(&self) -> Vec<String> {
        self.state().leases.values().map(|lease| lease.user.clone()).collect()
    }

    /// Moves its time forward, for a test whose clock is moved as well.
    pub fn advance(&self, by: Duration) {
        self.state().ahead += by;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for VaultDouble {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Result<TlsAcceptor> {
    let key = pki_types::PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Drops the users of leases that have ended, as Vault does.
async fn end_leases(state: Arc<Mutex<State>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let ended = state.lock().unwrap_or_else(PoisonError::into_inner).take_ended();
        for lease in ended {
            if let Some(options) = lease.server {
                let sql = format!("DROP ROLE IF EXISTS {}", quote_ident(&lease.user));
                if let Err(error) = on_server(&options, &sql).await {
                    eprintln!("vault double: {} was not dropped: {error:#}", lease.user);
                }
            }
        }
    }
}

async fn on_server(options: &sqlx::postgres::PgConnectOptions, sql: &str) -> Result<()> {
    use sqlx::{ConnectOptions as _, Connection as _};
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    execute(&mut connection, sql).await?;
    connection.close().await.ok();
    Ok(())
}

async fn serve(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<Mutex<State>>,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            // A client that goes away is its own affair.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => answer(stream, state).await,
                    Err(error) => Err(error.into()),
                },
                None => answer(stream, state).await,
            };
        });
    }
}

/// Reads one request and answers it.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: Arc<Mutex<State>>) -> Result<()> {
    let asked = read(&mut stream).await?;
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let redirect = lock().redirect.clone();
    let (status, body) = match redirect {
        Some(_) => (307, json!({})),
        None => {
            let new = lock().new_login(&asked);
            match new {
                // Made on the server before it is given out.
                Some(Ok((options, group, user, password))) => {
                    let sql = format!(
                        "CREATE ROLE {0} LOGIN PASSWORD {1} IN ROLE {2}",
                        quote_ident(&user),
                        quote_literal(&password),
                        quote_ident(&group)
                    );
                    match on_server(&options, &sql).await {
                        Ok(()) => lock().lease(&asked, options, user, password),
                        Err(error) => (500, json!({ "errors": [format!("{error:#}")] })),
                    }
                }
                Some(Err(refusal)) => refusal,
                None => lock().answer(&asked),
            }
        }
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let location = lock().redirect.clone().map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("no request");
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec())?;
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").map_or(Ok(0), |n| n.parse())?;
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            bail!("half a request");
        }
    }
    Ok(Asked {
        method: method.to_owned(),
        path: path.strip_prefix("/v1/").unwrap_or_default().to_owned(),
        token: header("x-vault-token").unwrap_or_default(),
        namespace: header("x-vault-namespace").unwrap_or_default(),
        is_vault_request: header("x-vault-request").is_some(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}
