//! What every answer of the API has in common.

use crate::source::{Source, Standing};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An answer of the API.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "{T}Answer")]
pub struct Answer<T> {
    /// How far it can be relied on as a whole: `stale` if any part of it is; `error`, `pending` or
    /// `unsupported` if all of it is; `degraded` if some of it is missing.
    pub state: State,
    /// Why the state is not `ok`, in words.
    pub reason: Option<String>,
    /// The time of this answer by pgmon's clock. Ages are as of now.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub as_of: Timestamp,
    /// Age of the oldest figures in it, seconds; absent if there are none.
    pub age_seconds: Option<f64>,
    /// What cannot be seen, and what would make it visible.
    pub needs: Vec<Need>,
    /// What was asked for.
    pub data: T,
    /// The statements that gave the figures, as they were sent.
    pub executed: Vec<Executed>,
}

/// An error of the API.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ApiError {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub hint: String,
    /// The databases to choose from with `?cluster=&db=`, if that is what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<DatabaseRef>,
}

/// A watched database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DatabaseRef {
    /// For `?cluster=`.
    pub cluster: Arc<str>,
    /// For `?db=`.
    pub db: Arc<str>,
}

/// How far what is shown can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Complete and current.
    Ok,
    /// Some of it is missing: a grant, an extension, or time.
    Degraded,
    /// The last figures are older than they should be: the database does not answer, or a collector fails.
    Stale,
    /// Nothing was collected yet.
    Pending,
    /// The server's version has no such figures.
    Unsupported,
    /// There are no figures, because the database is down or a collector fails.
    Error,
}

/// Something that cannot be seen, and what would make it visible.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Need {
    /// What is missing: `pg_monitor`, `extension pg_stat_statements`, ...
    pub needs: String,
    /// What is not seen without it.
    pub effect: String,
    /// SQL that a DBA can run to mend it, if SQL can.
    pub remedy: Option<String>,
    /// The collector that misses it.
    pub collector: String,
}

/// A statement that ran, exactly as it was sent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Executed {
    /// The collector that sent it.
    pub collector: String,
    /// The database that it looked at, where that is another one than the entry's.
    pub datname: Option<Arc<str>>,
    /// Its text.
    pub sql: Cow<'static, str>,
    /// The server's major version.
    pub pg_major: u16,
    /// When it was sent.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// Milliseconds until the last row was here.
    pub duration_ms: f64,
    /// Rows received.
    pub rows: u64,
}

impl<T> Answer<T> {
    /// An answer that rests on these collectors.
    pub fn of(s: &Source<'_>, on: &[&'static str], data: T) -> Self {
        let standings: Vec<(&str, Standing)> = on.iter().map(|c| (*c, s.standing(c))).collect();
        let (state, reason) = together(&standings);
        let needs: BTreeSet<Need> = on.iter().flat_map(|c| s.needs(c)).collect();
        Self {
            state,
            reason,
            as_of: s.now.wall,
            age_seconds: standings.iter().filter_map(|(_, s)| s.age_seconds).reduce(f64::max),
            needs: needs.into_iter().collect(),
            data,
            executed: s.executed(&on.iter().copied().collect()),
        }
    }

    /// An answer that rests on no figures of a database.
    pub fn plain(as_of: Timestamp, data: T) -> Self {
        Self {
            state: State::Ok,
            reason: None,
            as_of,
            age_seconds: None,
            needs: Vec::new(),
            data,
            executed: Vec::new(),
        }
    }
}

/// The state of several things. What the version does not have is left out, if there is anything else.
fn together(standings: &[(&str, Standing)]) -> (State, Option<String>) {
    let with = |state: State| standings.iter().find(|(_, s)| s.state == state);
    let all_are = |state: State| !standings.is_empty() && standings.iter().all(|(_, s)| s.state == state);
    for state in [State::Error, State::Pending, State::Unsupported] {
        if all_are(state) {
            return (state, with(state).and_then(|(_, s)| s.reason.clone()));
        }
    }
    if let Some((_, stale)) = with(State::Stale) {
        return (State::Stale, stale.reason.clone());
    }
    let partly = [State::Error, State::Degraded, State::Pending].into_iter().find_map(with);
    match partly {
        Some((collector, s)) => {
            let reason = s.reason.as_deref().unwrap_or("not known");
            (State::Degraded, Some(format!("{collector}: {reason}")))
        }
        None => (State::Ok, None),
    }
}
