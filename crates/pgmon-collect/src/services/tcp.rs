//! TCP: a connection, maybe TLS, and what is said over it.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
#[cfg(test)]
mod tests;

use super::net::{self, Steps, Stream};
use super::probe::{Fault, Found, Probing};
use super::redact::Redactor;
use pgmon_config::{Address, Secret, TcpCheck};
use pgmon_core::service::Evidence;
use regex_lite::{Regex, RegexBuilder};
use tokio::io::AsyncWriteExt as _;

/// What may be heard between two steps (bytes).
const HEARD: usize = 16 * 1024;

/// How often there is something new to be heard of one step: each time, all that was heard is searched.
const PIECES: usize = 1_000;

/// Memory of a compiled expression (bytes); the configuration was checked with the same.
const REGEX_LIMIT: usize = 256 * 1024;

/// Probes one port.
pub(super) struct Tcp {
    check: TcpCheck,
    steps: Vec<Step>,
}

/// A step of the conversation.
struct Step {
    expect: Option<Regex>,
    send: Option<Secret>,
    starttls: bool,
}

impl Tcp {
    /// For this port.
    pub fn new(check: &TcpCheck) -> Self {
        let steps = check.conversation.iter().map(|step| Step {
            expect: step.expect.as_deref().and_then(lines),
            send: step.send.clone(),
            starttls: step.starttls,
        });
        Self { steps: steps.collect(), check: check.clone() }
    }

    /// Checks it once.
    pub async fn check(&self, probing: &Probing<'_>, found: &mut Found) -> Result<(), Fault> {
        found.doing = "while connecting";
        let (began, mut times) = (probing.timer.mono(), Steps::default());
        let address = Address::Tcp(self.check.host.clone(), self.check.port);
        let connected = net::connect(&address, probing, &mut times, |_| Ok(())).await?;
        let mut stream = connected.stream;
        let peer = connected.peer.map(|ip| ("address".to_owned(), ip.to_string()));
        found.keep(Evidence::fields("connect", probing.since(began), peer.into_iter().collect()));
        if self.check.tls_at_once {
            stream = self.secure(stream, probing, &mut times, found).await?;
        }
        let mut heard = Vec::new();
        for (n, step) in self.steps.iter().enumerate() {
            let place = n + 1;
            if let Some(expect) = &step.expect {
                found.doing = "while it was waited for what query_response expects";
                let began = probing.timer.mono();
                let line = hear(&mut stream, &mut heard, expect, probing.redactor).await.map_err(
                    |fault| match fault {
                        Fault::Bad(why) => Fault::down(format!("step {place} of query_response: {why}")),
                        login @ Fault::Login(_) => login,
                    },
                )?;
                let fields = vec![("heard".to_owned(), line)];
                found.keep(Evidence::fields(format!("step {place}"), probing.since(began), fields));
            }
            if let Some(text) = &step.send {
                found.doing = "while query_response was sent";
                let sent = async {
                    stream.write_all(text.expose().as_bytes()).await?;
                    stream.flush().await
                };
                sent.await.map_err(|error| {
                    Fault::down(format!("step {place} of query_response: the connection broke: {error}"))
                })?;
            }
            if step.starttls {
                if !heard.is_empty() {
                    // Who speaks before TLS what belongs behind it is taken for it by none.
                    return Err(Fault::down("it sent more than was asked for before TLS began"));
                }
                stream = self.secure(stream, probing, &mut times, found).await?;
            }
        }
        Ok(())
    }

    async fn secure(
        &self,
        stream: Stream,
        probing: &Probing<'_>,
        times: &mut Steps,
        found: &mut Found,
    ) -> Result<Stream, Fault> {
        found.doing = "in the TLS handshake";
        let Some(tls) = &self.check.tls else { return Ok(stream) };
        net::secure(stream, tls, &self.check.host, probing, times, &mut found.tls).await
    }
}

/// An expression in which `^` and `$` are the ends of a line.
fn lines(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).multi_line(true).crlf(true).size_limit(REGEX_LIMIT).build().ok()
}

/// Reads until what was heard matches, and takes that much of it, to the end of its line. Answers the match, as it
/// may be shown.
async fn hear(
    stream: &mut Stream,
    heard: &mut Vec<u8>,
    expect: &Regex,
    redactor: &Redactor,
) -> Result<String, Fault> {
    for _ in 0..PIECES {
        let utf8 = std::str::from_utf8(heard).ok();
        // Bytes that are no text count as a character each, so that places stay what they are.
        let single =
            if utf8.is_none() { heard.iter().map(|byte| char::from(*byte)).collect() } else { String::new() };
        let text = utf8.unwrap_or(&single);
        if let Some(found) = expect.find(text) {
            let said = redactor.part(text, found.range());
            let rest = text.get(found.end()..).unwrap_or_default();
            let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            let keep = if utf8.is_some() { rest.len() } else { rest.chars().count() };
            heard.drain(..heard.len().saturating_sub(keep));
            return Ok(said);
        }
        net::read_some(stream, heard, HEARD).await?;
    }
    Err(Fault::down("it speaks in small pieces, and says nothing that is expected"))
}
