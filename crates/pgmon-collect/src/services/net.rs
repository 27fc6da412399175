//! From an address to a stream of bytes, within a time.

use pgmon_config::{Address, ServiceTls};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::probe::{Fault, Probing};
use super::tls::Seen;

/// Addresses of a name that are tried.
const ADDRESSES: usize = 8;

/// A connection, whatever it goes over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A stream of bytes.
pub(crate) type Stream = Box<dyn Io>;

/// Looks a service's name up, one time at a time: a resolver that hangs keeps a thread for each question, so
/// none is asked again before it has answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    busy: Arc<AtomicBool>,
}

/// Clears the mark when the resolver has answered, or its task was dropped.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Names {
    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(Fault::down(format!(
                "the name {host} is still being looked up: does the resolver hang?"
            )));
        }
        let (asking, name) = (Asking(self.busy.clone()), host.to_owned());
        let work = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name, port)).await;
            drop(asking);
            found.map(|all| all.take(ADDRESSES).collect::<Vec<_>>())
        });
        let found = work.await.map_err(|_| Fault::down("the lookup of the name was cut off"))?;
        let found =
            found.map_err(|error| Fault::down(format!("the name {host} cannot be looked up: {error}")))?;
        if found.is_empty() {
            return Err(Fault::down(format!("the name {host} has no address")));
        }
        Ok(found)
    }
}

/// How long the steps to a connection took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steps {
    /// Looking the name up.
    pub resolve: Duration,
    /// Connecting.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
}

/// A connection, with what is known of it.
pub(crate) struct Connected {
    /// The stream.
    pub stream: Stream,
    /// The other end's address.
    pub peer: Option<IpAddr>,
}

/// Connects; `admits` may refuse an address before anything is sent there.
pub(crate) async fn connect(
    address: &Address,
    probing: &Probing<'_>,
    steps: &mut Steps,
    admits: impl Fn(IpAddr) -> Result<(), Fault>,
) -> Result<Connected, Fault> {
    let began = probing.timer.mono();
    let (host, port) = match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            steps.connect += probing.since(began);
            let stream = stream.map_err(|error| Fault::down(format!("cannot connect: {error}")))?;
            return Ok(Connected { stream: Box::new(stream), peer: None });
        }
        Address::Tcp(host, port) => (host, *port),
    };
    let found = probing.names.look_up(host, port).await;
    steps.resolve += probing.since(began);
    let found = found?;
    let began = probing.timer.mono();
    let mut last = Fault::down("there is no address to connect to");
    for (n, address) in found.iter().enumerate() {
        admits(address.ip())?;
        // Who does not answer leaves time for the others.
        let left = probing.deadline.saturating_sub(probing.timer.mono());
        let others = u32::try_from(found.len() - n).unwrap_or(1);
        let until = probing.timer.mono() + left / others;
        let tried = tokio::select! {
            tried = TcpStream::connect(address) => tried,
            () = probing.timer.sleep_until(until), if others > 1 => Err(io::ErrorKind::TimedOut.into()),
        };
        match tried {
            Ok(stream) => {
                steps.connect += probing.since(began);
                // A probe is one small question: waiting for more to send would only delay it.
                let _ = stream.set_nodelay(true);
                return Ok(Connected { stream: Box::new(stream), peer: Some(address.ip()) });
            }
            Err(error) => last = Fault::down(format!("cannot connect to {address}: {error}")),
        }
    }
    steps.connect += probing.since(began);
    Err(last)
}

/// Speaks TLS over a connection.
pub(crate) async fn secure(
    stream: Stream,
    tls: &ServiceTls,
    host: &str,
    probing: &Probing<'_>,
    steps: &mut Steps,
    seen: &mut Seen,
) -> Result<Stream, Fault> {
    let began = probing.timer.mono();
    let secured = probing.authorities.connect(tls, host, stream, seen).await;
    steps.tls += probing.since(began);
    match secured {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(Fault::down(error.to_string())),
    }
}

/// Reads some more bytes to the end of `buffer`, which never grows beyond `most`.
pub(crate) async fn read_some(stream: &mut Stream, buffer: &mut Vec<u8>, most: usize) -> Result<(), Fault> {
    let mut piece = [0; 4096];
    let room = most.saturating_sub(buffer.len()).min(piece.len());
    let Some(piece) = piece.get_mut(..room).filter(|piece| !piece.is_empty()) else {
        return Err(Fault::down(format!("it sent more than {most} bytes where fewer were expected")));
    };
    match stream.read(piece).await {
        Ok(0) => Err(Fault::down("it closed the connection")),
        Ok(n) => {
            buffer.extend_from_slice(piece.get(..n).unwrap_or_default());
            Ok(())
        }
        Err(error) => Err(Fault::down(format!("the connection broke: {error}"))),
    }
}
