//! A reader of ZooKeeper: it connects, reads nodes, is told when they change, and can do nothing else.
//!
//! Requests go one after the other over one connection. Whatever the server sends is bounded and checked before
//! it is believed. See docs/adr/0009-own-zookeeper-reader.md.

mod wire;

pub use wire::{Event, EventKind, Stat};

use crate::poller::timer::Timer;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::{Header, Op, Reader};

/// Bytes that are read at a time.
const PIECE: usize = 8 << 10;

/// So many changes are noted before they are fetched; with more, everything is read anew.
const MOST_EVENTS: usize = 4096;

/// Why ZooKeeper cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZkError {
    /// No server of the ensemble could be reached.
    #[error("no ZooKeeper server can be reached: {0}")]
    Unreachable(String),
    /// The connection broke.
    #[error("the connection to ZooKeeper at {host} was lost: {why}")]
    Lost {
        /// Which server.
        host: String,
        /// How.
        why: String,
    },
    /// Nothing was heard in time.
    #[error("ZooKeeper at {0} does not answer")]
    Silent(String),
    /// What came is not ZooKeeper's protocol.
    #[error("{0} does not speak as ZooKeeper does: {1}")]
    Protocol(String, &'static str),
    /// The server refused a request.
    #[error("ZooKeeper refused to read {path}: {what}")]
    Refused {
        /// The node.
        path: String,
        /// Why.
        what: String,
    },
    /// The session is over.
    #[error("the ZooKeeper session expired")]
    Expired,
}

/// A node that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What is in it.
    pub data: Vec<u8>,
    /// What is known of it.
    pub stat: Stat,
}

/// Where an ensemble is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensemble {
    /// Its servers.
    pub hosts: Vec<(String, u16)>,
    /// What stands before every path; empty or `/x`.
    pub chroot: String,
    /// For how long the server keeps a session that it does not hear of.
    pub session_timeout: Duration,
    /// How long connecting, and one answer, may take.
    pub timeout: Duration,
}

/// A connection with its session.
pub struct Client {
    stream: TcpStream,
    host: String,
    chroot: String,
    timer: Arc<dyn Timer>,
    /// What has come and was not looked at.
    inbox: Vec<u8>,
    /// What has not been sent.
    outbox: VecDeque<u8>,
    xid: i32,
    /// As the server has it.
    session_timeout: Duration,
    timeout: Duration,
    heard: Duration,
    sent: Duration,
    events: VecDeque<Event>,
}

impl Client {
    /// Connects to one of the servers and begins a session.
    pub async fn connect(ensemble: &Ensemble, timer: Arc<dyn Timer>) -> Result<Self, ZkError> {
        let count = ensemble.hosts.len();
        // Not all clients to the same server.
        let first = fastrand::usize(..count.max(1));
        let mut why = Vec::new();
        for n in 0..count {
            let Some((name, port)) = ensemble.hosts.get((first + n) % count) else { continue };
            let host = format!("{name}:{port}");
            let attempt = Self::connect_to(ensemble, (name, *port), &host, timer.clone());
            let until = timer.mono() + ensemble.timeout;
            let result = tokio::select! {
                result = attempt => result,
                () = timer.sleep_until(until) => Err(ZkError::Silent(host)),
            };
            match result {
                Ok(client) => return Ok(client),
                Err(error) => why.push(error.to_string()),
            }
        }
        Err(ZkError::Unreachable(why.join("; ")))
    }

    async fn connect_to(
        ensemble: &Ensemble,
        place: (&String, u16),
        host: &str,
        timer: Arc<dyn Timer>,
    ) -> Result<Self, ZkError> {
        let lost = |e: std::io::Error| ZkError::Lost { host: host.to_owned(), why: e.to_string() };
        let stream = TcpStream::connect((place.0.as_str(), place.1)).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let now = timer.mono();
        let mut client = Self {
            stream,
            host: host.to_owned(),
            chroot: ensemble.chroot.clone(),
            timer,
            inbox: Vec::new(),
            outbox: wire::connect(ensemble.session_timeout).into(),
            xid: 0,
            session_timeout: ensemble.session_timeout,
            timeout: ensemble.timeout,
            heard: now,
            sent: now,
            events: VecDeque::new(),
        };
        let frame = client.frame().await?;
        let answer = wire::connected(&frame).map_err(|e| client.protocol(e))?;
        // It answers so if it does not know the session, or takes none.
        client.session_timeout = answer.ok_or(ZkError::Expired)?;
        Ok(client)
    }

    /// The server.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// When something was last heard of the server, by the monotonic clock.
    pub fn heard(&self) -> Duration {
        self.heard
    }

    /// For how long the server keeps the session without hearing of it.
    pub fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    /// Reads a node and asks to be told when it changes, also if it is not there.
    pub async fn get(&mut self, path: &str) -> Result<Option<Node>, ZkError> {
        let full = self.full(path);
        for _ in 0..2 {
            if let Some(body) = self.call(Op::GetData, &full).await? {
                return self
                    .read(&body, |r| Ok(Node { data: r.buffer()?.to_vec(), stat: r.stat()? }))
                    .map(Some);
            }
            // A read of a node that is not there leaves no watch; this does.
            if self.call(Op::Exists, &full).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The children of a node, sorted; and asks to be told when they change, also if the node is not there.
    pub async fn children(&mut self, path: &str) -> Result<Option<Vec<String>>, ZkError> {
        let full = self.full(path);
        for _ in 0..2 {
            if let Some(body) = self.call(Op::GetChildren, &full).await? {
                let mut names = self.read(&body, |r| r.strings())?;
                names.sort_unstable();
                return Ok(Some(names));
            }
            if self.call(Op::Exists, &full).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Waits for a change, until the time `until`; keeps the session alive meanwhile. Nothing is lost if it is
    /// dropped before it ends.
    pub async fn wait(&mut self, until: Duration) -> Result<Option<Event>, ZkError> {
        let timer = self.timer.clone();
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let now = timer.mono();
            if now.saturating_sub(self.heard) > self.session_timeout * 2 / 3 {
                return Err(ZkError::Silent(self.host.clone()));
            }
            let ping_at = self.sent.max(self.heard) + self.session_timeout / 3;
            if now >= ping_at {
                self.outbox.extend(wire::ping());
                self.sent = now;
                continue;
            }
            if now >= until {
                return Ok(None);
            }
            let frame = tokio::select! {
                frame = self.frame() => frame?,
                () = timer.sleep_until(ping_at.min(until)) => continue,
            };
            let header = wire::header(&frame).map_err(|e| self.protocol(e))?;
            if !self.aside(&header)? {
                return Err(self.protocol("an answer that nobody asked for"));
            }
        }
    }

    /// Ends the session, so that the server need not keep it.
    pub async fn close(mut self) {
        self.outbox.extend(wire::close());
        let until = self.timer.mono() + Duration::from_millis(500);
        let timer = self.timer.clone();
        tokio::select! {
            // The server closes; until then it may still say something.
            () = async { while self.frame().await.is_ok() {} } => {}
            () = timer.sleep_until(until) => {}
        }
    }

    fn full(&self, path: &str) -> String {
        if path == "/" && !self.chroot.is_empty() {
            return self.chroot.clone();
        }
        format!("{}{path}", self.chroot)
    }

    fn protocol(&self, what: &'static str) -> ZkError {
        ZkError::Protocol(self.host.clone(), what)
    }

    fn read<T>(
        &self,
        body: &[u8],
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, &'static str>,
    ) -> Result<T, ZkError> {
        read(&mut Reader::new(body)).map_err(|e| self.protocol(e))
    }

    /// Asks with a watch; `None` if there is no such node.
    async fn call(&mut self, op: Op, path: &str) -> Result<Option<Vec<u8>>, ZkError> {
        self.xid = self.xid.checked_add(1).unwrap_or(1);
        let xid = self.xid;
        self.outbox.extend(wire::request(xid, op, path));
        let timer = self.timer.clone();
        self.sent = timer.mono();
        let until = self.sent + self.timeout;
        loop {
            let frame = tokio::select! {
                frame = self.frame() => frame?,
                () = timer.sleep_until(until) => return Err(ZkError::Silent(self.host.clone())),
            };
            let header = wire::header(&frame).map_err(|e| self.protocol(e))?;
            if self.aside(&header)? {
                continue;
            }
            if header.xid != xid {
                return Err(self.protocol("the answer to another request"));
            }
            return match header.error {
                0 => Ok(Some(header.body.to_vec())),
                wire::NO_NODE => Ok(None),
                wire::SESSION_EXPIRED => Err(ZkError::Expired),
                code => Err(ZkError::Refused { path: path.to_owned(), what: wire::error_text(code) }),
            };
        }
    }

    /// Takes what is no answer: a change, or the echo of a ping. Whether it was one.
    fn aside(&mut self, header: &Header<'_>) -> Result<bool, ZkError> {
        match header.xid {
            wire::PING_XID => Ok(true),
            wire::EVENT_XID => {
                let mut event = wire::event(header.body).map_err(|e| self.protocol(e))?;
                if let Some(path) = event.path.strip_prefix(&self.chroot) {
                    event.path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
                }
                if event.kind == EventKind::Session {
                    return Err(ZkError::Lost {
                        host: self.host.clone(),
                        why: "the server ended it".to_owned(),
                    });
                }
                if self.events.len() >= MOST_EVENTS {
                    return Err(self.protocol("more changes than there can be watches"));
                }
                self.events.push_back(event);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The next frame, while what is to be sent is sent. What has come stays if this is dropped.
    async fn frame(&mut self) -> Result<Vec<u8>, ZkError> {
        loop {
            match wire::frame(&self.inbox) {
                Err(what) => return Err(ZkError::Protocol(self.host.clone(), what)),
                Ok(Some(length)) => {
                    let frame = self.inbox.get(4..4 + length).unwrap_or_default().to_vec();
                    self.inbox.drain(..4 + length);
                    return Ok(frame);
                }
                Ok(None) => {}
            }
            let (mut reader, mut writer) = self.stream.split();
            let inbox = &mut self.inbox;
            inbox.reserve(PIECE);
            let result = tokio::select! {
                read = reader.read_buf(inbox) => match read {
                    Ok(0) => Err("the server closed it".to_owned()),
                    Ok(_) => { self.heard = self.timer.mono(); Ok(()) }
                    Err(e) => Err(e.to_string()),
                },
                wrote = writer.write_buf(&mut self.outbox), if !self.outbox.is_empty() => {
                    wrote.map(|_| ()).map_err(|e| e.to_string())
                }
            };
            result.map_err(|why| ZkError::Lost { host: self.host.clone(), why })?;
        }
    }
}

#[cfg(test)]
mod tests;
