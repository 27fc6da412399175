//! HTTP: one request, the redirects that it leads to, and what must come of it.
//!
//! hyper and rustls are in the tree for the listener and Vault. A client library over them would hide how long
//! each step took, keep connections that a probe must not keep, and follow redirects without asking.

mod body;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod redirect;
#[cfg(test)]
mod tests;

use super::families::Tally;
use super::net::{self, Io, Steps};
use super::probe::{Fault, Found, Probing};
use super::redact::cut;
use body::Conditions;
use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pgmon_config::{Address, HttpCheck, HttpMethod, HttpUrl};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::service::Evidence;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What is buffered of a connection (bytes): the head of an answer must fit in.
const BUFFER: usize = 64 * 1024;

/// A body that is larger is looked at on a thread of its own (bytes).
const LARGE: usize = 64 * 1024;

/// Headers of an answer.
const HEADERS: usize = 128;

const STATUS: Desc =
    Desc::gauge("probe_http_status_code", "Status of the last answer, after redirects.", &[]);
const PHASES: Desc = Desc::gauge(
    "probe_http_duration_seconds",
    "Time of the last check by phase, in seconds: resolve, connect, tls, processing, transfer; of all redirects together.",
    &["phase"],
);
const REDIRECTS: Desc = Desc::gauge("probe_http_redirects", "Redirects that the last check followed.", &[]);
const SSL: Desc = Desc::gauge("probe_http_ssl", "Whether the last answer came over TLS: 1 or 0.", &[]);
const LENGTH: Desc = Desc::gauge(
    "probe_http_content_length",
    "Length of the last answer's body as its head has it, in bytes.",
    &[],
);
const BODY: Desc = Desc::gauge(
    "probe_http_uncompressed_body_length",
    "Bytes of the last answer's body that were read.",
    &[],
);
const REGEX: Desc = Desc::gauge(
    "probe_failed_due_to_regex",
    "Whether the last check failed because of body_match or body_not_match: 1 or 0; absent without them.",
    &[],
);
const REQUESTS: Desc =
    Desc::counter("http_requests_total", "Requests that pgmon sent to check the service.", &["endpoint"]);
const DURATION: Desc = Desc::histogram(
    "http_request_duration_seconds",
    "Time that these requests took, with redirects, in seconds.",
    &["endpoint"],
);

/// All families of HTTP.
pub(super) const FAMILIES: &[&Desc] =
    &[&STATUS, &PHASES, &REDIRECTS, &SSL, &LENGTH, &BODY, &REGEX, &REQUESTS, &DURATION];

/// Probes one URL.
pub(super) struct Http {
    check: HttpCheck,
    conditions: Arc<Conditions>,
}

/// What is known of an answer whose body has not been read.
struct Answer {
    response: Response<Incoming>,
    /// Drives the connection while the body is read; ends with it.
    driver: Driver,
}

/// A task that ends with whoever has this.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long everything took.
#[derive(Default)]
struct Times {
    steps: Steps,
    processing: Duration,
    transfer: Duration,
}

impl Http {
    /// For this URL.
    pub fn new(check: &HttpCheck) -> Self {
        Self { check: check.clone(), conditions: Arc::new(Conditions::new(check)) }
    }

    /// Adds the counters that live on.
    pub fn counters(&self, tally: &Tally, out: &mut Families) {
        let endpoint = self.check.url.path();
        out.push(&REQUESTS, &[endpoint], tally.requests as f64);
        out.push_value(&DURATION, &[endpoint], tally.histogram());
    }

    /// Checks it once.
    pub async fn check(
        &self,
        probing: &Probing<'_>,
        tally: &mut Tally,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let mut times = Times::default();
        let result = {
            // Counted also if it is given up half-way.
            let _counting = Counting { probing, tally, began: probing.timer.mono() };
            self.follow(probing, &mut times, found).await
        };
        let Times { steps, processing, transfer } = times;
        let phases = [
            ("resolve", steps.resolve),
            ("connect", steps.connect),
            ("tls", steps.tls),
            ("processing", processing),
            ("transfer", transfer),
        ];
        for (phase, took) in phases {
            found.families.push(&PHASES, &[phase], took.as_secs_f64());
        }
        result
    }

    /// Asks, and follows where the answers lead.
    async fn follow(&self, probing: &Probing<'_>, times: &mut Times, found: &mut Found) -> Result<(), Fault> {
        let mut url = self.check.url.clone();
        let mut method = self.check.method;
        let mut origin = redirect::Origin::new(&self.check.url);
        let mut redirects: u8 = 0;
        loop {
            let answer = self.exchange(&url, method, &mut origin, probing, times, found).await?;
            let status = answer.response.status();
            let Some(most) = self.check.redirects.filter(|_| redirect::is_one(status)) else {
                found.families.push(&REDIRECTS, &[], f64::from(redirects));
                return self.judge(&url, method, answer, probing, times, found).await;
            };
            let location = answer.response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(location) = location else {
                // A 304, say, or a redirect to nowhere: judged by its status.
                found.families.push(&REDIRECTS, &[], f64::from(redirects));
                return self.judge(&url, method, answer, probing, times, found).await;
            };
            if redirects >= most {
                found.families.push(&STATUS, &[], f64::from(status.as_u16()));
                return Err(Fault::down(format!("it redirects more than {most} times (max_redirects)")));
            }
            redirects += 1;
            let next = url.join(location);
            let next =
                next.map_err(|error| Fault::down(format!("it redirects to what cannot be asked: {error}")))?;
            origin.leaves_for(&next)?;
            method = redirect::method(method, status);
            url = next;
        }
    }

    /// Sends one request and waits for the head of its answer.
    async fn exchange(
        &self,
        url: &HttpUrl,
        method: HttpMethod,
        origin: &mut redirect::Origin,
        probing: &Probing<'_>,
        times: &mut Times,
        found: &mut Found,
    ) -> Result<Answer, Fault> {
        found.doing = "while connecting";
        let address = Address::Tcp(url.host().to_owned(), url.port());
        let connected = net::connect(&address, probing, &mut times.steps, |ip| origin.admits(ip)).await?;
        origin.reached(connected.peer);
        let mut stream = connected.stream;
        if url.is_https() {
            found.doing = "in the TLS handshake";
            let tls = &self.check.tls;
            stream = net::secure(stream, tls, url.host(), probing, &mut times.steps, &mut found.tls).await?;
        }
        let request = self.request(url, method, origin)?;
        found.doing = "while it was waited for an answer";
        let began = probing.timer.mono();
        let answer = send(stream, request).await;
        let took = probing.since(began);
        times.processing += took;
        let answer = answer?;
        found.keep(evidence(url, method, &answer.response, took));
        Ok(answer)
    }

    fn request(
        &self,
        url: &HttpUrl,
        method: HttpMethod,
        origin: &redirect::Origin,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::builder().method(method.as_str()).uri(url.path_and_query());
        let own = |name: &str| self.check.headers.iter().any(|(other, _)| other == name);
        // What the configuration says goes to nobody else: neither credentials nor a name.
        let with_headers = origin.is_home(url);
        if !(with_headers && own("host")) {
            request = request.header("host", url.authority());
        }
        if !(with_headers && own("user-agent")) {
            request = request.header("user-agent", concat!("pgmon/", env!("CARGO_PKG_VERSION")));
        }
        if !(with_headers && own("accept")) {
            request = request.header("accept", "*/*");
        }
        request = request.header("connection", "close");
        if with_headers {
            for (name, value) in &self.check.headers {
                let unfit = |_| Fault::down(format!("the header {name} has a value that cannot be sent"));
                let mut value = HeaderValue::from_str(value.expose()).map_err(unfit)?;
                // Not shown when headers are.
                value.set_sensitive(true);
                request = request.header(name.as_str(), value);
            }
        }
        let sends = !matches!(method, HttpMethod::Get | HttpMethod::Head);
        let body = self.check.body.as_ref().filter(|_| sends && with_headers);
        let body = body.map_or_else(String::new, |body| body.expose().to_owned());
        request
            .body(Full::from(body))
            .map_err(|_| Fault::down("the request cannot be sent: is a header wrong?"))
    }

    /// Whether an answer is as it should be.
    async fn judge(
        &self,
        url: &HttpUrl,
        method: HttpMethod,
        answer: Answer,
        probing: &Probing<'_>,
        times: &mut Times,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let status = answer.response.status().as_u16();
        found.families.push(&STATUS, &[], f64::from(status));
        found.families.push(&SSL, &[], if url.is_https() { 1.0 } else { 0.0 });
        let length =
            answer.response.headers().get("content-length").and_then(|v| v.to_str().ok()?.parse().ok());
        found.families.push_opt(&LENGTH, &[], length);
        let good = self.check.expected_status.iter().any(|range| range.contains(status));
        found.doing = "while its body was read";
        let began = probing.timer.mono();
        let most = usize::try_from(self.check.max_body).unwrap_or(usize::MAX);
        let keep = self.check.needs_body();
        let read = if method == HttpMethod::Head {
            Ok(body::Read::default())
        } else {
            read(answer, most, keep).await
        };
        times.transfer += probing.since(began);
        if !good {
            let expected: Vec<String> = self.check.expected_status.iter().map(ToString::to_string).collect();
            return Err(Fault::down(format!("it answers with status {status}, not {}", expected.join(", "))));
        }
        let read = read?;
        found.families.push(&BODY, &[], read.length as f64);
        let result = if read.bytes.len() > LARGE {
            let conditions = self.conditions.clone();
            // A worker that is busy with an expression answers nobody else meanwhile.
            let judging = tokio::task::spawn_blocking(move || conditions.judge(&read, most));
            judging.await.map_err(|_| Fault::down("its body could not be looked at"))?
        } else {
            self.conditions.judge(&read, most)
        };
        if self.conditions.has_regex() {
            let by_regex = matches!(result, Err(body::Unmet { by_regex: true, .. }));
            found.families.push(&REGEX, &[], if by_regex { 1.0 } else { 0.0 });
        }
        result.map_err(|unmet| Fault::down(unmet.why))
    }
}

/// Counts a request also if it is given up.
struct Counting<'c, 'p> {
    probing: &'c Probing<'p>,
    tally: &'c mut Tally,
    began: Duration,
}

impl Drop for Counting<'_, '_> {
    fn drop(&mut self) {
        self.tally.observe(self.probing.since(self.began).as_secs_f64());
    }
}

/// Sends a request; its answer's body is to be read.
async fn send(stream: Box<dyn Io>, request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(BUFFER).max_headers(HEADERS);
    let shaken = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| Fault::down(told(&error)))?;
    // What goes wrong is told to the sender as well.
    let driver = Driver(tokio::spawn(async move { connection.await.unwrap_or_default() }));
    let response = sender.send_request(request).await.map_err(|error| Fault::down(told(&error)))?;
    Ok(Answer { response, driver })
}

/// Reads a body up to a length, and keeps it if anybody wants to look at it.
async fn read(answer: Answer, most: usize, keep: bool) -> Result<body::Read, Fault> {
    let Answer { response, driver } = answer;
    let mut incoming = response.into_body();
    let mut read = body::Read::default();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
        let frame = frame.map_err(|error| Fault::down(format!("its body broke off: {}", told(&error))))?;
        let Some(data) = frame.data_ref() else { continue };
        let room = most.saturating_sub(read.length);
        let taken = data.get(..room).unwrap_or(data);
        read.length += taken.len();
        if keep {
            read.bytes.extend_from_slice(taken);
        }
        if taken.len() < data.len() {
            read.cut = true;
            break;
        }
    }
    drop(driver);
    Ok(read)
}

/// What went wrong, with its cause: hyper's own words name none.
fn told(error: &hyper::Error) -> String {
    let mut text = if error.is_parse_too_large() {
        "the head of its answer is too large".to_owned()
    } else if error.is_parse() {
        "its answer is no HTTP".to_owned()
    } else if error.is_incomplete_message() {
        "it closed the connection before its answer was complete".to_owned()
    } else {
        error.to_string()
    };
    if let Some(cause) = std::error::Error::source(error) {
        text = format!("{text}: {cause}");
    }
    text
}

/// The head of an answer: its status, and headers that tell of the program and of what it sent.
fn evidence(url: &HttpUrl, method: HttpMethod, response: &Response<Incoming>, took: Duration) -> Evidence {
    let mut fields = vec![("status".to_owned(), response.status().as_u16().to_string())];
    for name in ["content-type", "content-length", "server", "location"] {
        if let Some(value) = response.headers().get(name).and_then(|value| value.to_str().ok()) {
            // The query of a place may hold a token.
            let value = if name == "location" { value.split('?').next().unwrap_or_default() } else { value };
            fields.push((name.to_owned(), cut(value, 200)));
        }
    }
    Evidence::fields(format!("{} {url}", method.as_str()), took, fields)
}
