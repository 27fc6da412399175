//! What Patroni's REST API answers, versions 1.6 to 4: read leniently, since members may be of several versions.

use jiff::Timestamp;
use pgmon_core::cluster::lsn_bytes;
use serde_json::{Map, Value};

/// Members that are taken.
const MOST_MEMBERS: usize = 100;
/// Lines of the history that are taken, the newest.
const MOST_HISTORY: usize = 100;
/// Longer texts are cut (characters).
const LONGEST: usize = 300;

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// It is no JSON of the expected kind.
    #[error("the answer is none of Patroni's: is this its REST API?")]
    Strange,
    /// There are too many members in it.
    #[error("the cluster has more than {MOST_MEMBERS} members")]
    TooMany,
}

/// `/cluster`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterAnswer {
    /// What it is called; from Patroni 3.1 on.
    pub scope: Option<String>,
    /// The members.
    pub members: Vec<MemberAnswer>,
    /// Whether it is paused.
    pub paused: bool,
    /// A switchover that is scheduled.
    pub switchover: Option<Switchover>,
}

/// A scheduled switchover.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Switchover {
    /// From whom.
    pub from: Option<String>,
    /// To whom.
    pub to: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// A member in `/cluster`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberAnswer {
    /// What it is called.
    pub name: String,
    /// `leader`, `standby_leader`, `sync_standby`, `quorum_standby`, `replica`.
    pub role: String,
    /// `running`, `streaming`, `stopped`, ...
    pub state: Option<String>,
    /// Where its REST API is.
    pub api_url: Option<String>,
    /// Where its PostgreSQL is.
    pub host: Option<String>,
    /// The port.
    pub port: Option<i64>,
    /// Its timeline.
    pub timeline: Option<i64>,
    /// What it has not replayed, bytes; `None` if that is unknown.
    pub lag_bytes: Option<i64>,
    /// Whether a setting waits for a restart.
    pub pending_restart: Option<bool>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// `/patroni`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// What the cluster is called.
    pub scope: Option<String>,
    /// What the member is called; from Patroni 3.1 on.
    pub name: Option<String>,
    /// Its version of Patroni.
    pub version: Option<String>,
    /// `running`, `stopped`, `start failed`, ...
    pub state: Option<String>,
    /// `primary`, before version 4 `master`; `replica`, `standby_leader`.
    pub role: Option<String>,
    /// The identity of its data.
    pub system_identifier: Option<String>,
    /// Its timeline.
    pub timeline: Option<i64>,
    /// Of a primary: what it has written, bytes.
    pub written_bytes: Option<i64>,
    /// Of a standby: what it has received, bytes.
    pub received_bytes: Option<i64>,
    /// Of a standby: what it has replayed, bytes.
    pub replayed_bytes: Option<i64>,
    /// Of a standby: when the last replayed transaction committed.
    pub replayed_at: Option<Timestamp>,
    /// Who replicates from it: name, state and synchronous state; `None` if it does not tell.
    pub replication: Option<Vec<Replica>>,
    /// Whether nobody holds the lock of the leader.
    pub unlocked: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it goes on without the store of the state.
    pub failsafe: Option<bool>,
    /// When it reached that store last.
    pub store_seen: Option<Timestamp>,
    /// Whether a setting waits for a restart.
    pub pending_restart: Option<bool>,
}

/// Who replicates from a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replica {
    /// `application_name`: Patroni has it be the member's name.
    pub name: String,
    /// `streaming`, ...
    pub state: Option<String>,
    /// `async`, `sync`, ...
    pub sync_state: Option<String>,
}

/// A line of `/history`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// The timeline that ended.
    pub timeline: Option<i64>,
    /// Where.
    pub lsn: Option<i64>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// Who led from then on.
    pub leader: Option<String>,
}

impl Status {
    /// Whether its PostgreSQL is a standby; `None` if it does not run.
    pub fn in_recovery(&self) -> Option<bool> {
        if self.state.as_deref() != Some("running") {
            return None;
        }
        match self.role.as_deref()? {
            "master" | "primary" => Some(false),
            "replica" | "standby_leader" | "sync_standby" | "quorum_standby" => Some(true),
            _ => None,
        }
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, RestError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(RestError::Strange),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    Some(cut(object.get(key)?.as_str()?)).filter(|text| !text.is_empty())
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn whole(object: &Map<String, Value>, key: &str) -> Option<i64> {
    object.get(key)?.as_i64()
}

/// A number of bytes; what is unknown is written as a word.
fn bytes(object: &Map<String, Value>, keys: &[&str]) -> Option<i64> {
    keys.iter().find_map(|key| whole(object, key)).filter(|bytes| *bytes >= 0)
}

/// A time as Python writes it: a blank in place of the `T` is no fault.
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| text.replacen(' ', "T", 1).parse().ok())
}

fn flag(object: &Map<String, Value>, key: &str) -> Option<bool> {
    match object.get(key)? {
        Value::Bool(on) => Some(*on),
        _ => None,
    }
}

/// Reads `/cluster`.
pub fn cluster(body: &[u8]) -> Result<ClusterAnswer, RestError> {
    let object = object(body)?;
    let list = object.get("members").and_then(Value::as_array).ok_or(RestError::Strange)?;
    if list.len() > MOST_MEMBERS {
        return Err(RestError::TooMany);
    }
    let switchover = object.get("scheduled_switchover").and_then(Value::as_object).map(|s| Switchover {
        from: text(s, "from"),
        to: text(s, "to"),
        at: text(s, "at").and_then(|at| time(&at)),
    });
    Ok(ClusterAnswer {
        scope: text(&object, "scope"),
        members: list.iter().filter_map(Value::as_object).filter_map(member).collect(),
        paused: flag(&object, "pause").unwrap_or(false),
        switchover,
    })
}

fn member(object: &Map<String, Value>) -> Option<MemberAnswer> {
    let tags = object.get("tags").and_then(Value::as_object);
    let tag = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (cut(name), cut(&value))
    };
    Some(MemberAnswer {
        name: text(object, "name")?,
        role: text(object, "role").unwrap_or_default(),
        state: text(object, "state"),
        api_url: text(object, "api_url"),
        host: text(object, "host"),
        port: whole(object, "port"),
        timeline: whole(object, "timeline"),
        lag_bytes: bytes(object, &["replay_lag", "lag"]),
        pending_restart: flag(object, "pending_restart"),
        tags: tags.into_iter().flatten().take(20).map(tag).collect(),
    })
}

/// Reads `/patroni`.
pub fn status(body: &[u8]) -> Result<Status, RestError> {
    let object = object(body)?;
    let patroni = object.get("patroni").and_then(Value::as_object).ok_or(RestError::Strange)?;
    let empty = Map::new();
    let xlog = object.get("xlog").and_then(Value::as_object).unwrap_or(&empty);
    let replicas = object.get("replication").and_then(Value::as_array).map(|list| {
        let replicas = list.iter().filter_map(Value::as_object).take(MOST_MEMBERS);
        replicas
            .filter_map(|replica| {
                Some(Replica {
                    name: text(replica, "application_name")?,
                    state: text(replica, "state"),
                    sync_state: text(replica, "sync_state"),
                })
            })
            .collect()
    });
    let runs = text(&object, "state").as_deref() == Some("running");
    let store_seen = whole(&object, "dcs_last_seen").filter(|at| *at > 0);
    Ok(Status {
        scope: text(patroni, "scope"),
        name: text(patroni, "name"),
        version: text(patroni, "version"),
        state: text(&object, "state"),
        role: text(&object, "role"),
        system_identifier: text(&object, "database_system_identifier"),
        timeline: whole(&object, "timeline").filter(|timeline| *timeline > 0),
        written_bytes: bytes(xlog, &["location"]),
        received_bytes: bytes(xlog, &["received_location"]),
        replayed_bytes: bytes(xlog, &["replayed_location"]),
        replayed_at: text(xlog, "replayed_timestamp").and_then(|at| time(&at)),
        // One without replicas leaves the list out.
        replication: replicas.or_else(|| runs.then(Vec::new)),
        unlocked: flag(&object, "cluster_unlocked").unwrap_or(false),
        paused: flag(&object, "pause").unwrap_or(false),
        failsafe: flag(&object, "failsafe_mode_is_active"),
        store_seen: store_seen.and_then(|at| Timestamp::from_second(at).ok()),
        pending_restart: flag(&object, "pending_restart"),
    })
}

/// Reads `/history`, oldest first. What is no line of it is left out.
pub fn history(body: &[u8]) -> Vec<Past> {
    let Ok(Value::Array(lines)) = serde_json::from_slice(body) else { return Vec::new() };
    let newest = lines.len().saturating_sub(MOST_HISTORY);
    let lines = lines.iter().skip(newest).filter_map(Value::as_array);
    lines
        .map(|line| {
            let word = |n: usize| line.get(n).and_then(Value::as_str).map(cut);
            Past {
                timeline: line.first().and_then(Value::as_i64),
                lsn: line.get(1).and_then(|lsn| lsn.as_i64().or_else(|| lsn_bytes(lsn.as_str()?))),
                reason: word(2).filter(|reason| !reason.is_empty()),
                at: word(3).and_then(|at| time(&at)),
                leader: word(4),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
