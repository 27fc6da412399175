//! One GET at a time, each on a connection of its own, bounded in time and size. Redirects are not followed:
//! credentials would go to whoever they name.

use crate::poller::timer::Timer;
use crate::services::tls::{Authorities, Seen};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper_util::rt::TokioIo;
use pgmon_config::{HttpUrl, PatroniSpec, ServiceTls};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The largest answer (bytes).
const LARGEST: usize = 1 << 20;

/// What to log in with; never shown.
pub(super) struct Credentials(Option<HeaderValue>);

impl Credentials {
    /// Those of the configuration.
    pub(super) fn new(patroni: &PatroniSpec) -> Self {
        let text = match (&patroni.basic, &patroni.bearer) {
            (Some((user, password)), _) => {
                let pair = format!("{user}:{}", password.expose());
                Some(format!("Basic {}", STANDARD.encode(pair)))
            }
            (None, Some(token)) => Some(format!("Bearer {}", token.expose())),
            (None, None) => None,
        };
        let mut value = text.and_then(|text| HeaderValue::from_str(&text).ok());
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Self(value)
    }
}

/// What gets.
pub(super) struct Getter<'g> {
    pub(super) timer: &'g dyn Timer,
    pub(super) authorities: &'g Authorities,
    pub(super) tls: &'g ServiceTls,
    pub(super) timeout: Duration,
    /// Nobody is waited for any longer than that.
    pub(super) until: Duration,
}

impl Getter<'_> {
    /// The body of what is at `path`, whatever its status: Patroni says with it how a member is. The error has no
    /// credentials.
    pub(super) async fn get(
        &self,
        url: &HttpUrl,
        path: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<u8>, String> {
        tokio::select! {
            result = self.exchange(url, path, credentials) => result,
            () = self.timer.sleep_until(self.until) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    async fn exchange(
        &self,
        url: &HttpUrl,
        path: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<u8>, String> {
        let stream = TcpStream::connect((url.host(), url.port()))
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        let mut request = Request::get(path)
            .header("host", url.authority())
            .header("connection", "close")
            .header("accept", "application/json");
        if let Some(value) = credentials.and_then(|credentials| credentials.0.as_ref()) {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        if url.is_https() {
            let mut seen = Seen::default();
            let stream = self.authorities.connect(self.tls, url.host(), stream, &mut seen).await;
            converse(stream.map_err(|error| error.to_string())?, request).await
        } else {
            converse(stream, request).await
        }
    }
}

async fn converse<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Vec<u8>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |error: &dyn std::fmt::Display| format!("the answer broke off: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| lost(&error))?;
    let driver = tokio::spawn(async move { connection.await.ok() });
    let result = async {
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let status = response.status();
        if matches!(status.as_u16(), 300..=399 | 401 | 403 | 404) {
            return Err(format!("answers {status}"));
        }
        let body =
            Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| lost(&error))?;
        Ok(body.to_bytes().to_vec())
    }
    .await;
    driver.abort();
    result
}

/// The body of an answer that consists of these bytes.
#[cfg(any(test, fuzzing))]
pub(super) async fn take(bytes: &[u8]) -> Option<Result<Vec<u8>, String>> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let bytes = bytes.to_vec();
    tokio::spawn(async move {
        // What comes before the request is no answer to it.
        let _ = theirs.read(&mut [0; 4096]).await;
        let _ = theirs.write_all(&bytes).await;
        let _ = theirs.shutdown().await;
        let _ = theirs.read(&mut [0; 4096]).await;
    });
    let request = Request::get("/").header("host", "localhost").body(Empty::new()).ok()?;
    Some(converse(ours, request).await)
}
