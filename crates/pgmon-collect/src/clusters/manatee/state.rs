//! What Manatee keeps in ZooKeeper, read leniently: what is there in another shape than expected is left out,
//! and only a state that names no primary is refused.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A state with more peers is not one: each peer is asked, and has series of its own.
pub const MOST_PEERS: usize = 64;

/// Longer texts of a state are cut (characters).
const LONGEST: usize = 300;

/// Why a state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It is no JSON object.
    #[error("the state is no JSON object: {0}")]
    NoObject(String),
    /// There is no primary in it.
    #[error("the state names no primary")]
    NoPrimary,
    /// There are too many peers in it.
    #[error("the state has more than {MOST_PEERS} peers")]
    TooManyPeers,
}

/// A peer as the state has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// `ip:pgPort:backupPort`.
    pub id: String,
    /// Its address.
    pub ip: String,
    /// `tcp://postgres@ip:5432/postgres`.
    pub pg_url: Option<String>,
    /// The zone that it runs in.
    pub zone_id: Option<String>,
    /// Where its backups are asked for.
    pub backup_url: Option<String>,
}

/// A frozen cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freeze {
    /// Why; `unknown` where nobody said.
    pub reason: String,
    /// Since when.
    pub date: Option<Timestamp>,
}

/// A promotion that somebody has asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promote {
    /// Who is to be promoted.
    pub id: Option<String>,
    /// From what.
    pub role: Option<String>,
    /// By when.
    pub expires: Option<Timestamp>,
}

/// The state of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Rises with every takeover; absent from a cluster of Manatee 1.
    pub generation: Option<i64>,
    /// Takes writes.
    pub primary: Peer,
    /// Commits wait for it. Absent in one-node-write mode, and where a state is broken.
    pub sync: Option<Peer>,
    /// The rest of the chain.
    pub asyncs: Vec<Peer>,
    /// Were primaries, and may have diverged.
    pub deposed: Vec<Peer>,
    /// Where the log stood when the generation began.
    pub init_wal: Option<String>,
    /// Whether it is frozen.
    pub freeze: Option<Freeze>,
    /// One-node-write mode.
    pub singleton: bool,
    /// A promotion that was asked for.
    pub promote: Option<Promote>,
}

impl Peer {
    /// The first characters of the zone's id, by which Manatee's own tools call it; else its id.
    pub fn label(&self) -> &str {
        match &self.zone_id {
            Some(zone) => zone.char_indices().nth(8).and_then(|(end, _)| zone.get(..end)).unwrap_or(zone),
            None => &self.id,
        }
    }

    /// Host and port of its PostgreSQL.
    pub fn postgres(&self) -> Option<(String, u16)> {
        let of_url = self.pg_url.as_deref().and_then(host_and_port);
        of_url.or_else(|| {
            let mut parts = self.id.rsplitn(3, ':');
            let (_, port, host) = (parts.next()?, parts.next()?, parts.next()?);
            Some((host.to_owned(), port.parse().ok()?))
        })
    }

    fn read(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let text = |key| text_of(object, key);
        let (pg_url, backup_url) = (text("pgUrl"), text("backupUrl"));
        let ip = text("ip").or_else(|| Some(host_and_port(pg_url.as_deref()?)?.0))?;
        let id = text("id").unwrap_or_else(|| {
            // Manatee 1 writes none: made as Manatee 2 makes it.
            let port = |url: &Option<String>, default: u16| {
                url.as_deref().and_then(host_and_port).map_or(default, |(_, port)| port)
            };
            format!("{ip}:{}:{}", port(&pg_url, 5432), port(&backup_url, 12345))
        });
        Some(Self { id, ip, pg_url, zone_id: text("zoneId"), backup_url })
    }
}

/// Host and port of `scheme://user@host:port/path`.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let default = if scheme == "http" { 80 } else { 5432 };
    let (host, port) = match place.rsplit_once(':') {
        // The last colon of an IPv6 address without a port stands in its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (place, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && port > 0).then(|| (host.to_owned(), port))
}

fn text_of(object: &Map<String, Value>, key: &str) -> Option<String> {
    Some(cut(object.get(key)?.as_str()?)).filter(|text| !text.is_empty())
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn time_of(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::String(text) => text.parse().ok(),
        // Milliseconds, as JavaScript counts.
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        _ => None,
    }
}

impl Freeze {
    /// A truth value says no more than that; an object says why and since when.
    fn read(value: Option<&Value>) -> Option<Self> {
        let unknown = || "unknown".to_owned();
        match value? {
            Value::Null | Value::Bool(false) => None,
            Value::Number(number) if number.as_f64() == Some(0.0) => None,
            Value::String(text) if text.is_empty() => None,
            Value::Object(object) => Some(Self {
                reason: text_of(object, "reason").unwrap_or_else(unknown),
                date: time_of(object.get("date")),
            }),
            _ => Some(Self { reason: unknown(), date: None }),
        }
    }
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(on)) => *on,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(_) | Value::Object(_)) => true,
    }
}

/// JSON as it comes, without recursing into what an attacker may have nested.
fn parse(text: &[u8]) -> Result<Map<String, Value>, StateError> {
    // A message of serde_json has no values but for what was expected.
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Value::deserialize(&mut reader).map_err(|e| StateError::NoObject(cut(&e.to_string())))?;
    reader.end().map_err(|e| StateError::NoObject(cut(&e.to_string())))?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(StateError::NoObject("it is something else".to_owned())),
    }
}

impl State {
    /// Reads the node `state`, or one of `history`.
    pub fn read(text: &[u8]) -> Result<Self, StateError> {
        let object = parse(text)?;
        let peers = |key: &str| -> Vec<Peer> {
            let list = object.get(key).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Peer::read).collect()
        };
        let state = Self {
            generation: object.get("generation").and_then(Value::as_i64),
            primary: object.get("primary").and_then(Peer::read).ok_or(StateError::NoPrimary)?,
            sync: object.get("sync").and_then(Peer::read),
            asyncs: peers("async"),
            deposed: peers("deposed"),
            init_wal: text_of(&object, "initWal"),
            freeze: Freeze::read(object.get("freeze")),
            singleton: is_true(object.get("oneNodeWriteMode")),
            promote: object.get("promote").and_then(Value::as_object).map(|promote| Promote {
                id: text_of(promote, "id"),
                role: text_of(promote, "role"),
                expires: time_of(promote.get("expireTime")),
            }),
        };
        if state.peers().count() > MOST_PEERS {
            return Err(StateError::TooManyPeers);
        }
        Ok(state)
    }

    /// What Manatee 1 has no node for: the order in which peers joined decides. `None` if there is nobody.
    pub fn of_election(election: &[Registered]) -> Option<Self> {
        let mut peers = election.iter().take(MOST_PEERS).map(|r| r.peer.clone());
        let primary = peers.next()?;
        Some(Self { primary, sync: peers.next(), asyncs: peers.collect(), ..Self::default() })
    }

    /// All peers, the chain first and each once.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        let all =
            || std::iter::once(&self.primary).chain(&self.sync).chain(&self.asyncs).chain(&self.deposed);
        all().enumerate().filter(move |(n, peer)| !all().take(*n).any(|p| p.id == peer.id)).map(|(_, p)| p)
    }

    /// The peer that replicates from this one.
    pub fn downstream(&self, id: &str) -> Option<&Peer> {
        let mut chain = std::iter::once(&self.primary).chain(&self.sync).chain(&self.asyncs);
        chain.find(|peer| peer.id == id)?;
        chain.next()
    }

    /// The peer that this one replicates from.
    pub fn upstream(&self, id: &str) -> Option<&Peer> {
        let chain = || std::iter::once(&self.primary).chain(&self.sync).chain(&self.asyncs);
        chain().zip(chain().skip(1)).find(|(_, peer)| peer.id == id).map(|(before, _)| before)
    }
}

/// A peer that is alive: it holds a node of `election`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Who.
    pub peer: Peer,
    /// In which order it joined.
    pub sequence: i64,
}

/// Reads the nodes of `election` (name and data), in the order in which they joined. A peer that has several
/// counts by its newest.
pub fn election<'n>(nodes: impl IntoIterator<Item = (&'n str, &'n [u8])>) -> Vec<Registered> {
    let mut found = Vec::<Registered>::new();
    for (name, data) in nodes {
        let Some((id, sequence)) = name.rsplit_once('-') else { continue };
        let Ok(sequence) = sequence.parse() else { continue };
        let (id, whole) = (cut(id), id);
        if id.is_empty() {
            continue;
        }
        let of_data = parse(data).ok().and_then(|object| Peer::read(&Value::Object(object)));
        let ip = whole.rsplitn(3, ':').nth(2).unwrap_or(whole);
        let mut peer = of_data.unwrap_or_else(|| Peer { ip: cut(ip), ..Peer::default() });
        peer.id = id;
        match found.iter_mut().find(|other| other.peer.id == peer.id) {
            Some(other) if other.sequence >= sequence => {}
            Some(other) => *other = Registered { peer, sequence },
            None => found.push(Registered { peer, sequence }),
        }
    }
    found.sort_by_key(|registered| registered.sequence);
    found
}

/// A node of `history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// In which order it was written.
    pub sequence: i64,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// What it says.
    pub what: PastState,
}

/// What a node of `history` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastState {
    /// Manatee 2: the whole state.
    Whole(Box<State>),
    /// Manatee 1: a peer took a role.
    Took {
        /// Who.
        ip: String,
        /// Which.
        role: String,
        /// From whom it replicates then.
        leader: Option<String>,
    },
    /// It cannot be read.
    Unreadable(String),
}

/// The place of a node of `history` among the others; `None` if its name is no such name.
pub fn sequence_of(name: &str) -> Option<i64> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// Reads a node of `history`. The generation is that of the body: administrators' edits are all written as 0.
pub fn past(name: &str, data: &[u8], created: Option<Timestamp>) -> Option<Past> {
    let sequence = sequence_of(name)?;
    let fields: Vec<&str> = name.split('-').collect();
    // Manatee 1: milliseconds, who, which role, from whom, number.
    if let [millis, ip, role, leader, _] = fields.as_slice() {
        let at = millis.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).or(created);
        let leader = (!matches!(*leader, "" | "undefined" | "null")).then(|| cut(leader));
        let what = PastState::Took { ip: cut(ip), role: cut(role), leader };
        return Some(Past { sequence, at, what });
    }
    let what = match State::read(data) {
        Ok(state) => PastState::Whole(Box::new(state)),
        Err(error) => PastState::Unreadable(error.to_string()),
    };
    Some(Past { sequence, at: created, what })
}

#[cfg(test)]
pub(crate) mod tests;
