//! Reads the histograms of `pg_stat_monitor`, where that is installed.
//!
//! Its entries count from the beginning of a time window (a minute, as a rule), and go when the ring of
//! windows has come round. What happened in an interval is what the windows hold that had not ended when it
//! began, without what they held then. All times are the server's.

use super::access::own_userid;
use super::histogram::{Histogram, Layout, counts};
use crate::postgres::collector::{Cx, Need, Query, Statement, ext};
use crate::postgres::decode::Time;
use crate::postgres::facts::Facts;
use crate::postgres::origin::Origin;
use crate::postgres::quote_ident;
use crate::postgres::session::QueryError;
use pgmon_core::version::ExtVersion;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use std::collections::BTreeMap;
use std::time::Duration;

const EXTENSION: &str = "pg_stat_monitor";

/// Before this one the view is refused to all but superusers, and names statements otherwise.
const OLDEST: (u16, u16) = (2, 1);

/// The view lacks `toplevel` before.
const OLDEST_SERVER: u16 = 13;

/// What asks for the bounds.
pub const LAYOUT: Query = ext(EXTENSION, OLDEST, include_str!("pgsm2.1_layout.sql"));

/// What asks for the counts.
pub const WINDOWS: Query = ext(EXTENSION, OLDEST, include_str!("pgsm2.1.sql"));

/// After a failure it is left alone for so many rounds.
const AGAIN_AFTER: u64 = 10;

/// The server writes out all entries of all windows with their texts, whatever is asked for: 1,000 took 8 ms,
/// 10,000 took 140 ms and a temporary file of 13 MB. Who needs longer than this is asked less often.
const SLOW: Duration = Duration::from_millis(100);

/// So many times in a row: once may be chance.
const SLOW_IN_A_ROW: u8 = 3;

/// Why the histograms are not used although the extension is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The extension is older than what we know to read.
    TooOld,
    /// Our role may not read it.
    Denied,
    /// The library was not loaded at the server's start.
    NotLoaded,
    /// Bounds or counts are not as we know them.
    Unknown,
    /// It holds so much that reading it in every round costs too much.
    Slow,
    /// The statement failed otherwise.
    Failed,
}

impl Trouble {
    fn of(error: &QueryError) -> Self {
        match error.sqlstate() {
            // Without USAGE on its schema the view does not seem to exist.
            Some("42501" | "42P01" | "42883") => Self::Denied,
            Some("55000") => Self::NotLoaded,
            Some("42703") => Self::Unknown,
            _ => Self::Failed,
        }
    }

    /// A bounded name of what is missing.
    pub fn needs(self) -> String {
        match self {
            Self::TooOld => format!("extension {EXTENSION} {}.{}", OLDEST.0, OLDEST.1),
            Self::Denied => format!("SELECT on {EXTENSION}"),
            Self::NotLoaded => Need::Preloaded(EXTENSION).label(),
            Self::Unknown => format!("a known histogram in {EXTENSION}"),
            Self::Slow => format!("{EXTENSION} within {} ms", SLOW.as_millis()),
            Self::Failed => format!("an answer of {EXTENSION}"),
        }
    }

    /// SQL that mends it, if SQL can.
    pub fn remedy(self, facts: &Facts) -> Option<String> {
        let schema = facts.extensions.get(EXTENSION).map_or("public", |e| &e.schema);
        let (schema, role) = (quote_ident(schema), quote_ident(&facts.role));
        match self {
            Self::TooOld => Some(format!("ALTER EXTENSION {EXTENSION} UPDATE;")),
            Self::Denied => Some(format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role};\nGRANT SELECT ON {schema}.{EXTENSION} TO {role};\nGRANT EXECUTE ON FUNCTION {schema}.pg_stat_monitor_internal(boolean), {schema}.get_histogram_timings() TO {role};"
            )),
            Self::NotLoaded => Some(Need::Preloaded(EXTENSION).remedy(facts)),
            Self::Unknown | Self::Slow | Self::Failed => None,
        }
    }
}

/// An entry, summed over users, clients and applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    queryid: i64,
    toplevel: bool,
    /// When its window began, microseconds of Unix time.
    window: i64,
}

/// What a round read.
#[derive(Debug, Clone, Default, PartialEq)]
struct Reading {
    /// Unix time, seconds.
    at: f64,
    entries: BTreeMap<Key, Box<[u32]>>,
}

impl Reading {
    fn add(&mut self, key: Key, counts: &[u32]) {
        let sum = self.entries.entry(key).or_insert_with(|| vec![0; counts.len()].into());
        for (sum, n) in sum.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*n);
        }
    }
}

/// What is fixed at the server's start.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    origin: Origin,
    /// The bounds as they are written.
    bounds: String,
    min_ms: f64,
    max_ms: f64,
    window_seconds: f64,
    /// The upper bounds, once the number of buckets is known.
    uppers: Vec<f64>,
}

/// The statement that is running.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Layout(Box<Known>),
    Windows,
}

/// The reader.
#[derive(Default)]
pub struct Monitor {
    known: Option<Known>,
    before: Option<Reading>,
    trouble: Option<Trouble>,
    /// The round from which on it may be asked again.
    again: u64,
    /// Slow answers in a row.
    slow: u8,

    // Of the round that is running.
    asked: Option<Asked>,
    now: Option<Reading>,
    /// Whether something came that we cannot read.
    strange: bool,
}

impl Monitor {
    /// The first statement of a round, if there is something to ask.
    pub fn begin(&mut self, round: u64, cx: &Cx) -> Option<Statement> {
        self.abort();
        let extension = cx.facts.extensions.get(EXTENSION)?;
        if cx.facts.version.major() < OLDEST_SERVER {
            return None;
        }
        if extension.version < ExtVersion(OLDEST.0, OLDEST.1) {
            self.trouble = Some(Trouble::TooOld);
            return None;
        }
        if cx.facts.preloaded(EXTENSION) == Some(false) {
            self.trouble = Some(Trouble::NotLoaded);
            return None;
        }
        if self.trouble.is_some() && round < self.again {
            return None;
        }
        if self.known.as_ref().is_none_or(|k| k.origin != Origin::of(&cx.facts)) {
            (self.known, self.before) = (None, None);
            let Some(known) = Known::of(&cx.facts) else {
                self.trouble = Some(Trouble::NotLoaded);
                return None;
            };
            self.asked = Some(Asked::Layout(Box::new(known)));
            return Some(Statement::plain(LAYOUT.sql));
        }
        self.ask(cx)
    }

    fn ask(&mut self, cx: &Cx) -> Option<Statement> {
        let known = self.known.as_ref()?;
        let mut args = PgArguments::default();
        sqlx::Arguments::add(&mut args, own_userid(&cx.facts)).ok()?;
        sqlx::Arguments::add(&mut args, self.before.as_ref().map(|b| b.at)).ok()?;
        sqlx::Arguments::add(&mut args, known.window_seconds).ok()?;
        self.asked = Some(Asked::Windows);
        self.now = Some(Reading::default());
        Some(Statement::with(WINDOWS.sql, args))
    }

    /// Takes a row of the statement that is running.
    pub fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        if let Some(Asked::Layout(known)) = &mut self.asked {
            known.bounds = row.try_get::<Option<String>, _>("bounds")?.unwrap_or_default();
            return Ok(());
        }
        let Some(now) = &mut self.now else { return Ok(()) };
        now.at = row.try_get("read_at")?;
        let Some(window) = row.try_get::<Option<Time>, _>("window_start")? else { return Ok(()) };
        let key = Key {
            queryid: row.try_get::<Option<i64>, _>("queryid")?.unwrap_or(0),
            toplevel: row.try_get::<Option<bool>, _>("toplevel")?.unwrap_or(true),
            window: window.0.as_microsecond(),
        };
        match row.try_get::<Option<&str>, _>("counts")?.and_then(counts) {
            Some(counts) if self.known.as_mut().is_some_and(|k| k.fits(counts.len())) => {
                now.add(key, &counts)
            }
            _ => self.strange = true,
        }
        Ok(())
    }

    /// How long the statement that is running took.
    pub fn answered(&mut self, within: Duration) {
        if self.asked == Some(Asked::Windows) {
            self.slow = if within > SLOW { self.slow.saturating_add(1) } else { 0 };
        }
    }

    /// Ends the statement that is running; the next one, if there is one.
    pub fn end(&mut self, error: Option<QueryError>, round: u64, cx: &Cx) -> Option<Statement> {
        let trouble = match (&error, self.asked.take()) {
            (Some(error), _) => Some(Trouble::of(error)),
            (None, Some(Asked::Layout(known))) => {
                self.known = Some(*known);
                return self.ask(cx);
            }
            (None, _) if self.strange => Some(Trouble::Unknown),
            (None, _) => (self.slow >= SLOW_IN_A_ROW).then_some(Trouble::Slow),
        };
        if let Some(trouble) = trouble {
            let error = error.map(|e| e.to_string()).unwrap_or_default();
            tracing::warn!(collector = super::SPEC.name, ?trouble, error, "cannot read {EXTENSION}");
            (self.known, self.before, self.now) = (None, None, None);
            self.again = round + AGAIN_AFTER;
        }
        self.trouble = trouble;
        None
    }

    /// Forgets what an unfinished round took in.
    pub fn abort(&mut self) {
        (self.asked, self.now, self.strange) = (None, None, false);
    }

    /// Why the histograms are not used although the extension is there.
    pub fn trouble(&self, facts: &Facts) -> Option<Trouble> {
        self.trouble.filter(|_| facts.extensions.contains_key(EXTENSION))
    }

    /// What clients ran since the round before, if it was read then and now.
    pub fn overall(&self) -> Option<Histogram<'_>> {
        self.sum(self.now.as_ref()?.entries.iter().filter(|(key, _)| key.toplevel))
    }

    /// The same of one statement, on all levels.
    pub fn of(&self, queryid: i64) -> Option<Histogram<'_>> {
        let from = Key { queryid, toplevel: false, window: i64::MIN };
        let to = Key { queryid, toplevel: true, window: i64::MAX };
        self.sum(self.now.as_ref()?.entries.range(from..=to))
    }

    fn sum<'a>(&self, entries: impl Iterator<Item = (&'a Key, &'a Box<[u32]>)>) -> Option<Histogram<'_>> {
        let before = self.before.as_ref()?;
        let mut sum = Histogram::new(&self.known.as_ref()?.uppers);
        for (key, counts) in entries {
            sum.add(counts, before.entries.get(key).map(|b| &**b));
        }
        Some(sum)
    }

    /// Ends the round: keeps what the next one is compared with.
    pub fn settle(&mut self) {
        self.before = self.now.take();
        if let (Some(before), Some(known)) = (&mut self.before, &self.known) {
            let ended = |window: i64| window as f64 / 1e6 + known.window_seconds <= before.at;
            before.entries.retain(|key, _| !ended(key.window));
        }
    }
}

impl Known {
    /// `None` without the library: then its settings do not exist.
    fn of(facts: &Facts) -> Option<Self> {
        Some(Self {
            origin: Origin::of(facts),
            bounds: String::new(),
            min_ms: facts.setting("pg_stat_monitor.pgsm_histogram_min")?,
            max_ms: facts.setting("pg_stat_monitor.pgsm_histogram_max")?,
            window_seconds: facts.setting("pg_stat_monitor.pgsm_bucket_time")?,
            uppers: Vec::new(),
        })
    }

    /// Whether a histogram with so many buckets is one of those we know.
    fn fits(&mut self, buckets: usize) -> bool {
        if self.uppers.is_empty() {
            let layout = Layout::read(&self.bounds, self.min_ms, self.max_ms);
            self.uppers = layout.uppers(buckets).unwrap_or_default();
        }
        buckets > 0 && self.uppers.len() == buckets
    }
}

#[cfg(test)]
mod tests;
