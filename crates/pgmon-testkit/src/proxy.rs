//! A TCP proxy that can misbehave, to put in front of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::access::dsn;

/// What a [`Proxy`] does to connections, new and open ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: all bytes pass.
    Pass,
    /// Closes the open connections; the port refuses new ones.
    Refuse,
    /// Keeps connections open, accepts new ones, and lets no byte through.
    Blackhole,
    /// Holds up every piece of data for this long, in each direction.
    Delay(Duration),
}

type Command = (Fault, oneshot::Sender<()>);

/// A TCP proxy on loopback. It has a thread of its own: a test that blocks does not block it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1; it passes everything until told otherwise.
    pub fn start(target: u16) -> Result<Self> {
        let port = crate::server::free_port()?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Bound here, so that a client may come at once; served by the other thread.
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the proxy cannot listen")?;
        listener.set_nonblocking(true)?;
        let thread = std::thread::Builder::new()
            .name("fault-proxy".into())
            .spawn(move || runtime.block_on(serve(listener, port, target, receiver)))?;
        Ok(Self { port, commands: Some(commands), thread: Some(thread) })
    }

    /// The port to connect to, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The DSN of a role through the proxy.
    pub fn dsn_as(&self, user: &str, password: &str, database: &str) -> String {
        dsn(self.port, user, password, database)
    }

    /// Changes what the proxy does; it is in force when this returns.
    pub async fn set(&self, fault: Fault) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        let commands = self.commands.as_ref().context("the proxy has ended")?;
        commands.send((fault, done)).context("the proxy has ended")?;
        is_done.await.context("the proxy has ended")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

async fn serve(
    listener: std::net::TcpListener,
    port: u16,
    target: u16,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut listener = TcpListener::from_std(listener).ok();
    let (fault, _) = watch::channel(Fault::Pass);
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => {
                // The sender is gone: the runtime drops all connections with us.
                let Some((wanted, done)) = command else { return };
                fault.send_replace(wanted);
                if wanted == Fault::Refuse {
                    listener = None;
                } else if listener.is_none() {
                    listener = listen(port).await.ok();
                }
                let _ = done.send(());
            }
            Ok((client, _)) = accepted => {
                tokio::spawn(relay(client, target, fault.subscribe()));
            }
        }
    }
}

async fn relay(mut client: TcpStream, target: u16, mut fault: watch::Receiver<Fault>) {
    if passing(&mut fault).await.is_none() {
        return;
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((client_read, client_write), (server_read, server_write)) = (client.split(), server.split());
    let mut refused = fault.clone();
    tokio::select! {
        () = pump(client_read, server_write, fault.clone()) => {}
        () = pump(server_read, client_write, fault) => {}
        _ = refused.wait_for(|fault| *fault == Fault::Refuse) => {}
    }
}

async fn pump(
    mut from: tokio::net::tcp::ReadHalf<'_>,
    mut to: tokio::net::tcp::WriteHalf<'_>,
    mut fault: watch::Receiver<Fault>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Some(now) = passing(&mut fault).await else { return };
        if let Fault::Delay(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    // A close is data too: it does not get through a black hole either.
    passing(&mut fault).await;
}

/// Waits as long as nothing gets through; `None` if connections are to be closed.
async fn passing(fault: &mut watch::Receiver<Fault>) -> Option<Fault> {
    let now = *fault.wait_for(|fault| *fault != Fault::Blackhole).await.ok()?;
    (now != Fault::Refuse).then_some(now)
}
