//! How far those are behind who stream from here, and at which stage.

use crate::judge::level;
use crate::page::Level;
use crate::source::Source;
use crate::thresholds::replication::REPORTS_EVERY;
use pgmon_collect::postgres::collectors::replication::Row;

/// What a client that streams is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// It replays what it gets.
    Standby,
    /// It takes in changes by logical decoding.
    Logical,
    /// It stores WAL and replays none: pg_receivewal, or what a backup gathers beside it.
    Archive,
    /// It copies the data directory.
    Backup,
}

impl Client {
    pub(super) fn of(row: &Row) -> Self {
        match (row.logical, row.state.as_deref()) {
            (true, _) => Self::Logical,
            (_, Some("backup")) => Self::Backup,
            // A standby says what it has replayed with the first word on what it has written.
            _ if row.write_bytes.is_some() && row.replay_bytes.is_none() => Self::Archive,
            _ => Self::Standby,
        }
    }

    /// In a word.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Standby => "physical",
            Self::Logical => "logical",
            Self::Archive => "archive",
            Self::Backup => "backup",
        }
    }
}

/// How far it is behind, in bytes and seconds: in its replay, or, where that is all there is, in what it has stored.
pub(super) fn behind(row: &Row) -> (Option<i64>, Option<f64>) {
    if Client::of(row) != Client::Archive {
        return (row.lag_bytes, row.lag_seconds);
    }
    let bytes = row.position_bytes.zip(row.write_bytes).map(|(ahead, written)| (ahead - written).max(0));
    if bytes == Some(0) {
        return (bytes, Some(0.0));
    }
    // It reports once in a while; until then everything looks unwritten.
    let least = [row.write_lag_seconds, row.reply_age_seconds].into_iter().flatten().reduce(f64::max);
    (bytes, least.map(|seconds| (seconds - REPORTS_EVERY).max(0.0)))
}

/// How bad it is.
pub(super) fn look(s: &Source<'_>, row: &Row) -> Level {
    if Client::of(row) == Client::Backup {
        return Level::Ok;
    }
    let alerts = &s.rules.alerts;
    match behind(row) {
        (_, Some(lag)) => level(lag, alerts.repl_warn_s as f64, alerts.repl_crit_s as f64),
        (Some(0), None) => Level::Ok,
        (_, None) => Level::Unknown,
    }
}

/// What is not sent, written, flushed and replayed.
pub(super) fn stages(row: &Row) -> [Option<i64>; 4] {
    let between = |ahead: Option<i64>, behind: Option<i64>| {
        ahead.zip(behind).map(|(ahead, behind)| ahead.saturating_sub(behind).max(0))
    };
    [
        between(row.position_bytes, row.sent_bytes),
        between(row.sent_bytes, row.write_bytes),
        between(row.write_bytes, row.flush_bytes),
        between(row.flush_bytes, row.replay_bytes),
    ]
}

/// The stage with most of the lag.
pub(super) fn stage(row: &Row) -> Option<&'static str> {
    let names = ["sending", "writing", "flushing", "replaying"];
    let named = stages(row).into_iter().zip(names);
    let known = named.filter_map(|(bytes, name)| bytes.filter(|b| *b > 0).map(|b| (b, name)));
    known.max_by_key(|(bytes, _)| *bytes).map(|(_, name)| name)
}
