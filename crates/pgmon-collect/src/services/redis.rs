//! Redis and Valkey: `PING` and `INFO`, and `CLUSTER INFO` where it is part of a cluster.
//!
//! The protocol is read by our own code: a probe sends a handful of commands and reads four kinds of replies; a
//! client library brings pools, routing and scripts, and a parser that allocates what a reply announces.

mod families;
mod figures;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod info;
mod resp;
#[cfg(test)]
mod tests;

use super::families::Tally;
use super::net::{self, Steps, Stream};
use super::probe::{Fault, Found, Probing};
use super::redact::cut;
use info::Info;
use pgmon_config::{Address, RedisCheck, Secret};
use pgmon_core::metric::Families;
use pgmon_core::service::Evidence;
use resp::{Reply, command};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

pub(super) use families::FAMILIES;
pub(super) use figures::Refused;

/// The largest reply that is taken (bytes). `INFO` of a large cluster's node has some tens of thousands.
const LARGEST: usize = 1024 * 1024;

/// Probes one server.
pub(super) struct Redis(RedisCheck);

/// What is shown of a server that is not good, unless it is known to answer.
pub(super) fn down(out: &mut Families) {
    if !out.has(families::UP.name) {
        out.push(&families::UP, &[], 0.0);
    }
}

impl Redis {
    /// For this server.
    pub fn new(check: &RedisCheck) -> Self {
        Self(check.clone())
    }

    /// Checks it once.
    pub async fn check(
        &self,
        probing: &Probing<'_>,
        tally: &mut Tally,
        found: &mut Found,
    ) -> Result<(), Fault> {
        let mut session = self.connect(probing, found).await?;
        found.doing = "while it was asked with PING";
        let began = probing.timer.mono();
        let pong = session.ask(&["PING"]).await?;
        let took = probing.since(began);
        found.keep(Evidence::fields("PING", took, vec![("reply".into(), pong.shown())]));
        let refusal = match &pong {
            Said::Text(text) if text.eq_ignore_ascii_case("PONG") => None,
            // A server that loads its data answers PING with an error, and INFO as usual.
            Said::Error(error) if error.starts_with("LOADING") => Some("it is loading its data".to_owned()),
            Said::Error(error) if error.starts_with("NOAUTH") => {
                return Err(Fault::Login("it wants a password, and none is configured".to_owned()));
            }
            Said::Error(error) if error.starts_with("NOPERM") => {
                return Err(Fault::Login(format!("its user may not run PING: {error}")));
            }
            other => Some(format!("it answers PING with {}", other.shown())),
        };
        found.families.push(&families::UP, &[], if refusal.is_none() { 1.0 } else { 0.0 });
        found.families.push(&families::PING, &[], took.as_secs_f64());
        found.doing = "while it was asked with INFO";
        let began = probing.timer.mono();
        let told = session.ask(&["INFO"]).await;
        let told = match (told, &refusal) {
            (Err(_), Some(why)) => return Err(Fault::down(why.clone())),
            (told, _) => told?,
        };
        let took = probing.since(began);
        let verdict = match &told {
            Said::Text(text) => {
                let info = Info::parse(text);
                let asked = self.cluster(&mut session, &info, probing, found).await?;
                figures::take(&info, asked.as_deref(), took, &mut tally.refused, found)
            }
            Said::Error(error) if error.starts_with("NOPERM") => {
                found
                    .warnings
                    .push("its user may not run INFO: nothing but PING is seen (ACL: +info)".to_owned());
                Ok(())
            }
            other => Err(Fault::down(format!("it answers INFO with {}", other.shown()))),
        };
        // It closes the connection as well when we do; a farewell is another round trip.
        match refusal {
            Some(why) => Err(Fault::down(match found_loading(&told) {
                Some(progress) => format!("{why} ({progress})"),
                None => why,
            })),
            None => verdict,
        }
    }

    async fn connect(&self, probing: &Probing<'_>, found: &mut Found) -> Result<Session, Fault> {
        found.doing = "while connecting";
        let mut steps = Steps::default();
        let mut stream = net::connect(&self.0.address, probing, &mut steps, |_| Ok(())).await?.stream;
        if let (Some(tls), Address::Tcp(host, _)) = (&self.0.tls, &self.0.address) {
            found.doing = "in the TLS handshake";
            stream = net::secure(stream, tls, host, probing, &mut steps, &mut found.tls).await?;
        }
        let mut session = Session { stream, received: Vec::new() };
        found.doing = "while logging in";
        if let Some(password) = &self.0.password {
            let words = match &self.0.username {
                Some(user) => vec!["AUTH", user, Secret::expose(password)],
                None => vec!["AUTH", Secret::expose(password)],
            };
            if let Said::Error(error) = session.ask(&words).await? {
                let loading = error.starts_with("LOADING") || error.starts_with("ERR max number of clients");
                let why = format!("it refuses the login: {error}");
                return Err(if loading { Fault::down(why) } else { Fault::Login(why) });
            }
        }
        if let Some(db) = self.0.db
            && let Said::Error(error) = session.ask(&["SELECT", &db.to_string()]).await?
            && !error.starts_with("LOADING")
        {
            if !error.starts_with("NOPERM") {
                return Err(Fault::down(format!("database {db} cannot be selected: {error}")));
            }
            // What INFO says is of all databases.
            let warning =
                format!("its user may not select database {db}, which is left unchecked (ACL: +select)");
            found.warnings.push(warning);
        }
        Ok(session)
    }

    /// `CLUSTER INFO`, where there is a cluster.
    async fn cluster(
        &self,
        session: &mut Session,
        info: &Info<'_>,
        probing: &Probing<'_>,
        found: &mut Found,
    ) -> Result<Option<String>, Fault> {
        if info.text("cluster_enabled") != Some("1") {
            return Ok(None);
        }
        found.doing = "while it was asked with CLUSTER INFO";
        let began = probing.timer.mono();
        match session.ask(&["CLUSTER", "INFO"]).await? {
            Said::Text(text) => {
                let lines = text.lines().filter_map(|line| line.split_once(':'));
                let fields = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
                found.keep(Evidence::fields("CLUSTER INFO", probing.since(began), fields.collect()));
                Ok(Some(text))
            }
            Said::Error(error) => {
                found.warnings.push(format!("the state of its cluster is not seen: {error}"));
                Ok(None)
            }
        }
    }
}

/// How far a server has loaded its data.
fn found_loading(told: &Said) -> Option<String> {
    let Said::Text(text) = told else { return None };
    let info = Info::parse(text);
    let (percent, left) = (info.number("loading_loaded_perc")?, info.number("loading_eta_seconds"));
    Some(match left {
        Some(left) if left > 0.0 => {
            format!("{percent:.0} % done, about {:?} left", Duration::from_secs_f64(left.min(1e9)))
        }
        _ => format!("{percent:.0} % done"),
    })
}

/// A reply that is over.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Error(String),
}

impl Said {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("{:?}", cut(text, 100)),
            Self::Error(text) => text.clone(),
        }
    }
}

struct Session {
    stream: Stream,
    received: Vec<u8>,
}

impl Session {
    /// Sends a command and waits for its reply.
    async fn ask(&mut self, words: &[&str]) -> Result<Said, Fault> {
        let sent = self.stream.write_all(&command(words)).await;
        sent.map_err(|error| Fault::down(format!("the connection broke: {error}")))?;
        loop {
            let parsed =
                resp::parse(&self.received, LARGEST).map_err(|error| Fault::down(error.to_string()))?;
            if let Some((reply, length)) = parsed {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let said = match reply {
                    Reply::Status(line) => Said::Text(text(line)),
                    Reply::Error(line) => Said::Error(text(line)),
                    Reply::Number(number) => Said::Text(number.to_string()),
                    Reply::Text(bytes) => Said::Text(bytes.map(text).unwrap_or_default()),
                };
                self.received.drain(..length);
                return Ok(said);
            }
            net::read_some(&mut self.stream, &mut self.received, LARGEST + 64).await?;
        }
    }
}
