//! The clients that are in the way. They run in processes of their own at the lowest priority: on a network they have
//! processors of their own, here they would take those of the server that they flood.

use anyhow::{Context as _, Result};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::sleep;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// One wrong key after the other, on a connection that it keeps as long as it may.
    Kept,
    /// One wrong key after the other, each on a new connection.
    New,
    /// Connects and says nothing.
    Silent,
    /// Sends a header that never ends, a byte a second.
    Head,
    /// Sends a body that never ends, a byte a second.
    Body,
    /// Asks for `/metrics` with the right key and reads the answer a byte at a time.
    Reader,
}

/// The clients of one process.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// Be the clients of this kind, until standard input ends.
    #[arg(long = "load", hide = true)]
    pub kind: Option<Kind>,
    /// Where they connect to.
    #[arg(long, hide = true, default_value = "127.0.0.1:1")]
    pub to: SocketAddr,
    /// How many they are.
    #[arg(long, hide = true, default_value_t = 1)]
    pub clients: usize,
    /// The right key.
    #[arg(long, hide = true, default_value = "")]
    pub key: String,
}

/// Processes full of clients.
pub struct Loads(Vec<(Child, ChildStdin, BufReader<ChildStdout>)>);

/// What they did.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    /// Requests that were answered with 403.
    pub refused: u64,
    /// Requests that were answered with 429.
    pub too_many: u64,
    /// Connections that pgmon closed or refused.
    pub closed: u64,
}

impl Loads {
    /// Starts `processes` with so many clients each, and waits until all of them have tried to connect.
    pub async fn start(load: &Load, processes: usize) -> Result<Self> {
        let mut all = Vec::new();
        let kind = clap::ValueEnum::to_possible_value(&load.kind.context("no kind")?).context("no name")?;
        for _ in 0..processes {
            let mut command = Command::new("nice");
            command.args(["-n", "19"]).arg(std::env::current_exe()?);
            command.args(["--load", kind.get_name(), "--to", &load.to.to_string(), "--key", &load.key]);
            command.args(["--clients", &load.clients.to_string()]);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
            let stdin = child.stdin.take().context("no stdin")?;
            let stdout = BufReader::new(child.stdout.take().context("no stdout")?);
            all.push((child, stdin, stdout));
        }
        for (_, _, stdout) in &mut all {
            stdout.read_line(&mut String::new()).await?;
        }
        Ok(Self(all))
    }

    /// Ends them.
    pub async fn stop(self) -> Result<Done> {
        let mut done = Done::default();
        for (mut child, stdin, mut stdout) in self.0 {
            drop(stdin);
            let mut line = String::new();
            stdout.read_line(&mut line).await?;
            let mut counts = line.split_whitespace().map(|n| n.parse().unwrap_or(0));
            for sum in [&mut done.refused, &mut done.too_many, &mut done.closed] {
                *sum += counts.next().context("a process of clients did not say what it did")?;
            }
            child.wait().await?;
        }
        Ok(done)
    }
}

#[derive(Debug, Default)]
struct Counts {
    stop: AtomicBool,
    connected: AtomicU64,
    refused: AtomicU64,
    too_many: AtomicU64,
    closed: AtomicU64,
}

/// Is the clients.
pub async fn run(load: Load) -> Result<()> {
    let kind = load.kind.context("no kind")?;
    let counts = Arc::new(Counts::default());
    let mut threads = Vec::new();
    for _ in 0..load.clients {
        let (counts, load) = (counts.clone(), load.clone());
        match kind {
            Kind::Kept | Kind::New => {
                threads.push(std::thread::spawn(move || flood(&load, kind == Kind::Kept, &counts)));
            }
            _ => drop(tokio::spawn(async move {
                loop {
                    // Those that are closed come back, though not at once, and not all together.
                    let _ = dawdle(&load, kind, &counts).await;
                    counts.closed.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(fastrand::u64(500..1500))).await;
                }
            })),
        }
    }
    while counts.connected.load(Ordering::Relaxed) < load.clients as u64 {
        sleep(Duration::from_millis(5)).await;
    }
    println!("ready");
    let mut rest = Vec::new();
    tokio::task::block_in_place(|| std::io::stdin().read_to_end(&mut rest))?;
    counts.stop.store(true, Ordering::Relaxed);
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!("{} {} {}", of(&counts.refused), of(&counts.too_many), of(&counts.closed));
    // Those who wait for an answer are not waited for.
    std::process::exit(0)
}

/// One wrong key after the other, as fast as they are answered.
fn flood(load: &Load, keeps: bool, counts: &Counts) {
    let request =
        b"GET /metrics HTTP/1.1\r\nHost: pgmon\r\nAuthorization: Bearer wrong-key-of-the-flood\r\n\r\n";
    let mut answer = [0; 4096];
    let mut first = true;
    while !counts.stop.load(Ordering::Relaxed) {
        let stream = TcpStream::connect(load.to);
        if std::mem::take(&mut first) {
            counts.connected.fetch_add(1, Ordering::Relaxed);
        }
        let Ok(mut stream) = stream else {
            counts.closed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        loop {
            // An answer is so short that it comes in one piece.
            let count = stream.write_all(request).and_then(|()| stream.read(&mut answer)).unwrap_or(0);
            let head = answer.get(..count).unwrap_or_default();
            let which = match head.get(9..12) {
                Some(b"403") => &counts.refused,
                Some(b"429") => &counts.too_many,
                _ => &counts.closed,
            };
            which.fetch_add(1, Ordering::Relaxed);
            if count == 0 || !keeps || counts.stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

/// One slow client, until it is closed.
async fn dawdle(load: &Load, kind: Kind, counts: &Counts) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    if kind == Kind::Reader {
        // Otherwise the system takes the whole answer for it.
        socket.set_recv_buffer_size(1024)?;
    }
    let stream = socket.connect(load.to).await;
    counts.connected.fetch_add(1, Ordering::Relaxed);
    let mut stream = stream?;
    let begin = match kind {
        Kind::Head => "GET /metrics HTTP/1.1\r\nHost: pgmon\r\nX-Slow: ".to_owned(),
        Kind::Body => {
            "POST /login HTTP/1.1\r\nHost: pgmon\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                       Content-Length: 1000\r\n\r\nkey="
                .to_owned()
        }
        Kind::Reader => {
            format!("GET /metrics HTTP/1.1\r\nHost: pgmon\r\nAuthorization: Bearer {}\r\n\r\n", load.key)
        }
        Kind::Silent | Kind::Kept | Kind::New => String::new(),
    };
    stream.write_all(begin.as_bytes()).await?;
    loop {
        sleep(Duration::from_millis(fastrand::u64(500..1500))).await;
        match kind {
            Kind::Head | Kind::Body => stream.write_all(b"x").await?,
            // Who says nothing is sent nothing, and notices that it is closed.
            _ => drop(stream.read_exact(&mut [0; 1]).await?),
        }
    }
}
