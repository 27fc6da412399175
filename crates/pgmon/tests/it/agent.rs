//! A running `pgmon`, and what it answers.

use crate::page::Page;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The hot path's interval in these tests.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// A `pgmon` process; it ends with this value.
pub struct Agent {
    child: Child,
    address: SocketAddr,
    log: tempfile::TempPath,
}

/// An HTTP answer.
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    /// `name=value` of the cookie that is set.
    pub cookie: Option<String>,
    pub body: Vec<u8>,
}

fn cookie(head: &str) -> Option<String> {
    let value = head.lines().find_map(|line| line.strip_prefix("set-cookie: "))?;
    value.split(';').next().map(str::to_owned)
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a complete head");
        let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
        let status = head[9..12].parse().unwrap();
        Self { status, head: head.to_lowercase(), cookie: cookie(&head), body: bytes[split + 4..].to_vec() }
    }

    /// The value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A command with nothing of this process's environment that pgmon would read.
pub fn pgmon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgmon"));
    for (name, _) in std::env::vars() {
        if name.starts_with("PGMON_") || name.starts_with("PG") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    // No pgpass file and no configuration of whoever runs the tests.
    command.env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

impl Agent {
    /// Watches one database with fast loops.
    pub fn watch(dsn: &str) -> Self {
        Self::start(&[("PGMON_DSN", dsn)])
    }

    /// Starts with these variables over the tests' fast loops, and waits until it listens.
    pub fn start(env: &[(&str, &str)]) -> Self {
        let mut command = pgmon();
        command
            .env("PGMON_SAMPLE_INTERVALS_HOT_PATH", "1s")
            .env("PGMON_SAMPLE_INTERVALS_WORKLOAD", "2s")
            .env("PGMON_SAMPLE_INTERVALS_STORAGE", "3s")
            .env("PGMON_SAMPLE_INTERVALS_HOURLY", "4s")
            .env("PGMON_TIMEOUTS_CONNECT_MS", "2000")
            .env("PGMON_HTTP_BIND", "127.0.0.1:0");
        for (name, value) in env {
            command.env(name, value);
        }
        Self::spawn(command)
    }

    /// Starts a prepared command and waits until it listens.
    pub fn spawn(mut command: Command) -> Self {
        let (file, log) = tempfile::NamedTempFile::new().unwrap().into_parts();
        let mut child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            let listen = text.lines().find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                line.get("listen")?.as_str()?.parse().ok()
            });
            if let Some(address) = listen {
                return Self { child, address, log };
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("pgmon ended with {status}:\n{text}");
            }
            assert!(Instant::now() < deadline, "pgmon does not listen:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends these bytes and reads what comes until the connection is closed.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // The answer to a request that is refused early may come before all of it is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        assert!(read.is_ok() || !answer.is_empty(), "{read:?}");
        Answer::parse(&answer)
    }

    /// Asks for a path, with further head lines.
    pub fn get_with(&self, path: &str, head: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n").as_bytes())
    }

    /// Sends a form, with further head lines.
    pub fn post(&self, path: &str, head: &str, form: &str) -> Answer {
        let length = form.len();
        self.send(
            format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
            )
            .as_bytes(),
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// The present page; every page must be well-formed.
    pub fn page(&self) -> Page {
        Page::parse(&self.get("/metrics").text())
    }

    /// Waits until the page is as wanted.
    pub fn wait(&self, what: &str, within: Duration, wanted: impl Fn(&Page) -> bool) -> Page {
        let deadline = Instant::now() + within;
        loop {
            let page = self.page();
            if wanted(&page) {
                return page;
            }
            if Instant::now() > deadline {
                panic!("not within {within:?}: {what}\n{}\nlog:\n{}", page.text, self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the database is up and every loop has run well.
    pub fn wait_for_all_loops(&self) -> Page {
        self.wait("all loops have run well", Duration::from_secs(20), |page| {
            ["hot_path", "workload", "storage", "hourly"].iter().all(|l| {
                page.all("pgmon_last_scrape_success").any(|s| s.label("loop") == Some(l) && s.value == 1.0)
            })
        })
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for the end of the process.
    pub fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {within:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
