//! ZooKeeper's protocol, as much of it as a reader needs. Pure; nothing that comes is believed.

use std::time::Duration;

/// ZooKeeper's own limit is 1 MiB unless it is raised; no answer may be larger than this.
const LARGEST: usize = 4 << 20;

/// So many children of one node are taken.
const MOST_STRINGS: usize = 100_000;

pub(super) const EVENT_XID: i32 = -1;
pub(super) const PING_XID: i32 = -2;
pub(super) const NO_NODE: i32 = -101;
pub(super) const SESSION_EXPIRED: i32 = -112;

/// What can be asked for: all of them read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Exists,
    GetData,
    GetChildren,
}

impl Op {
    const fn code(self) -> i32 {
        match self {
            Self::Exists => 3,
            Self::GetData => 4,
            Self::GetChildren => 8,
        }
    }
}

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It is there now.
    Created,
    /// It is gone.
    Deleted,
    /// Something else is in it.
    Changed,
    /// It has other children.
    Children,
    /// Of the session, not of a node.
    Session,
}

/// A change of a node that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Which node.
    pub path: String,
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    /// When it was created, Unix time in milliseconds.
    pub created_ms: i64,
    /// When it was last written, Unix time in milliseconds.
    pub modified_ms: i64,
    /// How often it was written.
    pub version: i32,
}

/// The head of an answer, and the rest of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'b> {
    pub(super) xid: i32,
    pub(super) error: i32,
    pub(super) body: &'b [u8],
}

/// Puts a length before a body.
fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}

/// Asks for a session.
pub(super) fn connect(session_timeout: Duration) -> Vec<u8> {
    let millis = i32::try_from(session_timeout.as_millis()).unwrap_or(i32::MAX);
    let mut body = Vec::with_capacity(45);
    body.extend(0_i32.to_be_bytes()); // version of the protocol
    body.extend(0_i64.to_be_bytes()); // the last change seen
    body.extend(millis.to_be_bytes());
    body.extend(0_i64.to_be_bytes()); // a new session
    body.extend(16_i32.to_be_bytes());
    body.extend([0; 16]); // its password
    body.push(0); // not from a server that is cut off from the others: its state may be old
    framed(&body)
}

/// Reads the answer: for how long the server keeps the session; `None` if it gives none.
pub(super) fn connected(frame: &[u8]) -> Result<Option<Duration>, &'static str> {
    let mut reader = Reader::new(frame);
    let (_version, millis, session) = (reader.int()?, reader.int()?, reader.long()?);
    reader.buffer()?;
    match u64::try_from(millis) {
        Ok(millis) if millis > 0 && session != 0 => Ok(Some(Duration::from_millis(millis))),
        _ => Ok(None),
    }
}

pub(super) fn request(xid: i32, op: Op, path: &str) -> Vec<u8> {
    let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(path.len() + 13);
    body.extend(xid.to_be_bytes());
    body.extend(op.code().to_be_bytes());
    body.extend(length.to_be_bytes());
    body.extend(path.as_bytes());
    body.push(1); // tell of a change
    framed(&body)
}

pub(super) fn ping() -> Vec<u8> {
    framed(&[PING_XID.to_be_bytes(), 11_i32.to_be_bytes()].concat())
}

pub(super) fn close() -> Vec<u8> {
    framed(&[i32::MAX.to_be_bytes(), (-11_i32).to_be_bytes()].concat())
}

/// The length of the frame that stands first in `inbox`; `None` if it is not there as a whole.
pub(super) fn frame(inbox: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(head) = inbox.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err("an answer of more than 4 MiB");
    }
    Ok((inbox.len() >= length + 4).then_some(length))
}

pub(super) fn header(frame: &[u8]) -> Result<Header<'_>, &'static str> {
    let mut reader = Reader::new(frame);
    let xid = reader.int()?;
    reader.long()?;
    let error = reader.int()?;
    Ok(Header { xid, error, body: reader.0 })
}

pub(super) fn event(body: &[u8]) -> Result<Event, &'static str> {
    let mut reader = Reader::new(body);
    let (kind, _state, path) = (reader.int()?, reader.int()?, reader.string()?);
    let kind = match kind {
        -1 => EventKind::Session,
        1 => EventKind::Created,
        2 => EventKind::Deleted,
        3 => EventKind::Changed,
        4 => EventKind::Children,
        _ => return Err("an unknown kind of change"),
    };
    Ok(Event { kind, path })
}

/// What a code says.
pub(super) fn error_text(code: i32) -> String {
    match code {
        -102 => "no right to (an access list is set)".to_owned(),
        -115 => "the login failed".to_owned(),
        -4 => "the server lost its connection to the others".to_owned(),
        code => format!("error {code}"),
    }
}

/// Takes parts off the front.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self(body)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("an answer that is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or("an answer that is cut off")?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn int(&mut self) -> Result<i32, &'static str> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, &'static str> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// Bytes with their length before them; -1 stands for none.
    pub(super) fn buffer(&mut self) -> Result<&'b [u8], &'static str> {
        match self.int()? {
            -1 => Ok(&[]),
            length => self.take(usize::try_from(length).map_err(|_| "a negative length")?),
        }
    }

    pub(super) fn string(&mut self) -> Result<String, &'static str> {
        let bytes = self.buffer()?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "a name that is not UTF-8")
    }

    pub(super) fn strings(&mut self) -> Result<Vec<String>, &'static str> {
        let count = match self.int()? {
            -1 => 0,
            count => usize::try_from(count).map_err(|_| "a negative length")?,
        };
        // Each takes four bytes at least: nothing is reserved for what is not there.
        if count > MOST_STRINGS || count > self.0.len() / 4 {
            return Err("more children than an answer can hold");
        }
        (0..count).map(|_| self.string()).collect()
    }

    pub(super) fn stat(&mut self) -> Result<Stat, &'static str> {
        let _created_by = self.long()?;
        let _modified_by = self.long()?;
        let (created_ms, modified_ms) = (self.long()?, self.long()?);
        let version = self.int()?;
        self.take(32)?;
        Ok(Stat { created_ms, modified_ms, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_not_believed() {
        assert_eq!(frame(&[0, 0, 0]), Ok(None));
        assert_eq!(frame(&[0, 0, 0, 2, 1]), Ok(None));
        assert_eq!(frame(&[0, 0, 0, 1, 1, 9]), Ok(Some(1)));
        assert!(frame(&[0x7F, 0xFF, 0xFF, 0xFF]).is_err() && frame(&[0xFF; 4]).is_err());
        let children = |count: i32| Reader::new(&[&count.to_be_bytes()[..], &[0; 8]].concat()).strings();
        assert_eq!(children(2), Ok(vec![String::new(), String::new()]));
        assert!(children(3).is_err() && children(i32::MAX).is_err() && children(-7).is_err());
        let buffer = |length: i32| Reader::new(&length.to_be_bytes()).buffer().map(<[u8]>::len);
        assert_eq!(buffer(-1), Ok(0));
        assert!(buffer(1).is_err() && buffer(i32::MIN).is_err());
    }

    #[test]
    fn a_session_without_time_is_none() {
        let answer = |millis: i32, session: i64| {
            let parts = [&0_i32.to_be_bytes()[..], &millis.to_be_bytes(), &session.to_be_bytes()];
            connected(&[parts.concat(), (-1_i32).to_be_bytes().to_vec()].concat())
        };
        assert_eq!(answer(4000, 7), Ok(Some(Duration::from_secs(4))));
        for (millis, session) in [(0, 0), (-1, 7), (i32::MIN, 7), (4000, 0)] {
            assert_eq!(answer(millis, session), Ok(None), "{millis} {session}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = frame(&bytes);
            let _ = connected(&bytes);
            let _ = event(&bytes);
            let _ = Reader::new(&bytes).strings();
            let mut reader = Reader::new(&bytes);
            let _ = (reader.buffer().map(<[u8]>::len), reader.stat());
            if let Ok(header) = header(&bytes) {
                let _ = event(header.body);
                let _ = error_text(header.error);
            }
        }
    }
}
