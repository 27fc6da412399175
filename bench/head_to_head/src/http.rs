//! An HTTP/1.1 client that does nothing but time: one connection, one request after the other.

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// Longer than any answer that is worth waiting for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A kept connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    /// Grows to the largest body and is used again, so that the client's own memory costs nothing.
    body: Vec<u8>,
    line: String,
    /// A header line for each request, with its end.
    authorization: String,
}

/// One answer; its body is in [`Client::body`].
pub struct Answer {
    /// From before the first byte is sent until the last one has been read.
    pub took: Duration,
    /// The body's bytes as sent.
    pub bytes: usize,
    /// Whether the body is compressed.
    pub gzip: bool,
    /// The status.
    pub status: u16,
    /// What tells that it is the same answer.
    pub etag: Option<String>,
}

impl Client {
    /// Connects to a port of this machine.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream: BufReader::with_capacity(1 << 18, stream),
            body: Vec::new(),
            line: String::new(),
            authorization: String::new(),
        })
    }

    /// Shows this key with each request.
    pub fn with_key(mut self, key: &str) -> Self {
        self.authorization = format!("Authorization: Bearer {key}\r\n");
        self
    }

    /// `GET /metrics`; anything but 200 is an error.
    pub fn scrape(&mut self, gzip: bool) -> Result<Answer> {
        self.get("/metrics", gzip)
    }

    /// `GET` of a path; anything but 200 is an error.
    pub fn get(&mut self, path: &str, gzip: bool) -> Result<Answer> {
        let answer = self.ask(path, gzip, None)?;
        if answer.status != 200 {
            let body = self.body.get(..answer.bytes.min(500)).unwrap_or_default();
            bail!("{path}: {}: {}", answer.status, String::from_utf8_lossy(body));
        }
        Ok(answer)
    }

    /// `GET` of a path, with the ETag of an answer that is there already.
    pub fn ask(&mut self, path: &str, gzip: bool, etag: Option<&str>) -> Result<Answer> {
        let encoding = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let known = etag.map(|etag| format!("If-None-Match: {etag}\r\n")).unwrap_or_default();
        let key = &self.authorization;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{key}{encoding}{known}\r\n");
        let start = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.context("the answer has no status")?;
        let (mut length, mut chunked, mut gzip, mut etag) = (None, false, false, None);
        loop {
            let line = self.line()?.to_owned();
            let header = line.to_ascii_lowercase();
            match header.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("etag", _)) => etag = line.split_once(':').map(|(_, value)| value.trim().to_owned()),
                Some(("content-length", value)) => length = Some(value.parse()?),
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                Some(("content-encoding", value)) => gzip = value == "gzip",
                Some(_) => {}
                None => break,
            }
        }
        let bytes = match length {
            _ if status == 304 => 0,
            Some(length) => self.read(0, length)?,
            None if chunked => self.chunks()?,
            None => bail!("the answer has no length"),
        };
        let took = start.elapsed();
        Ok(Answer { took, bytes, gzip, status, etag })
    }

    /// The body of the last answer, which had this many bytes.
    pub fn body(&self, bytes: usize) -> &str {
        self.body.get(..bytes).and_then(|body| str::from_utf8(body).ok()).unwrap_or_default()
    }

    /// The text of the last answer.
    pub fn text(&self, answer: &Answer) -> Result<Cow<'_, str>> {
        if !answer.gzip {
            return Ok(Cow::Borrowed(self.body(answer.bytes)));
        }
        let mut text = String::new();
        let body = self.body.get(..answer.bytes).unwrap_or_default();
        GzDecoder::new(body).read_to_string(&mut text).context("unreadable gzip")?;
        Ok(Cow::Owned(text))
    }

    fn line(&mut self) -> Result<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(self.line.trim_end())
    }

    fn chunks(&mut self) -> Result<usize> {
        let mut end = 0;
        loop {
            let size = usize::from_str_radix(self.line()?, 16).context("unreadable chunk size")?;
            end = self.read(end, size)?;
            if !self.line()?.is_empty() {
                bail!("a chunk is longer than it says");
            }
            if size == 0 {
                return Ok(end);
            }
        }
    }

    /// Reads `length` bytes to the body from `start` on, and returns where they end.
    fn read(&mut self, start: usize, length: usize) -> Result<usize> {
        let end = start + length;
        if self.body.len() < end {
            self.body.resize(end, 0);
        }
        self.stream.read_exact(self.body.get_mut(start..end).unwrap_or_default())?;
        Ok(end)
    }
}
