//! What statements cost (`pg_stat_statements`): the top ones, and the rate and latency of all.
//!
//! The server sends its entries as they are, about 100 bytes each; adding up, comparing with the round
//! before and ranking is done here. Texts are asked for once for each statement that is shown. Where
//! `pg_stat_monitor` is installed too, its histograms say where the 95th percentile lies.

mod access;
mod entry;
mod families;
mod histogram;
mod latency;
mod monitor;
mod percentile;
mod ranking;
mod texts;

pub use percentile::Method;

use crate::postgres::collector::{
    Cx, Need, Outcome, Query, Registered, Scope, Settings, Spec, Statement, Steps, ext,
};
use crate::postgres::decode::Time;
use crate::postgres::origin::Origin;
use crate::postgres::session::QueryError;
use access::{missing, own_userid, uncounted};
use entry::{Entry, Figures};
use jiff::Timestamp;
use latency::Moments;
use monitor::Monitor;
use pgmon_core::metric::Families;
use pgmon_core::snapshot::{Blind, Loop};
use ranking::{Candidate, Ranking};
use sqlx::Row as _;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use texts::Texts;

const EXTENSION: &str = "pg_stat_statements";

const INFO: &[Query] = &[
    ext(EXTENSION, (1, 4), include_str!("statements/info_ext1.4.sql")),
    ext(EXTENSION, (1, 9), include_str!("statements/info_ext1.9.sql")),
];
const TEXTS: Query = ext(EXTENSION, (1, 4), include_str!("statements/texts.sql"));

/// All entries of all databases are counted every so many rounds: it costs the server half as much as
/// the rest.
const COUNT_EVERY: u64 = 10;

/// A top statement, summed over users and nesting levels.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "StatementsRow")]
pub struct Row {
    /// Its `queryid`; a decimal string because it exceeds what JavaScript counts exactly.
    pub queryid: String,
    /// Its text, cut at 4 KiB; `null` until it was read, or if the server has lost it.
    pub text: Option<Arc<str>>,
    /// Calls a second over the last interval; this and the others of the interval are `null` in the first round.
    pub calls_per_second: Option<f64>,
    /// Rows returned or affected a second over the last interval.
    pub rows_per_second: Option<f64>,
    /// Mean execution time over the last interval, milliseconds; `null` without calls.
    pub mean_ms: Option<f64>,
    /// 95th percentile of the execution time over the last interval, milliseconds; `null` without calls.
    pub p95_ms: Option<f64>,
    /// How that was got; `null` if it is.
    pub p95_method: Option<Method>,
    /// Its share of all execution time over the last interval, 0-1.
    pub time_share: Option<f64>,
    /// Share of its block accesses over the last interval that the buffer cache served, 0-1; `null` without any.
    pub hit_ratio: Option<f64>,
    /// Calls since its entry was made; like the following.
    pub calls: f64,
    /// Execution time, seconds.
    pub time_seconds: f64,
    /// Rows returned or affected.
    pub rows: f64,
    /// Blocks found in the buffer cache.
    pub shared_blks_hit: f64,
    /// Blocks read into the buffer cache.
    pub shared_blks_read: f64,
    /// Blocks of temporary files written.
    pub temp_blks_written: f64,
    /// Bytes of WAL written (extension 1.8+).
    pub wal_bytes: Option<f64>,
    /// Planning time, seconds; `null` unless `pg_stat_statements.track_planning` is or was on (extension 1.8+).
    pub plan_seconds: Option<f64>,
    /// Time spent on reading blocks, seconds; `null` unless `track_io_timing` is or was on.
    pub blk_read_seconds: Option<f64>,
}

/// The description.
pub const SPEC: Spec = Spec {
    name: "statements",
    title: "Top statements",
    in_loop: Loop::Workload,
    scope: Scope::Entry,
    queries: &[
        ext(EXTENSION, (1, 4), include_str!("statements/ext1.4.sql")),
        ext(EXTENSION, (1, 8), include_str!("statements/ext1.8.sql")),
        ext(EXTENSION, (1, 9), include_str!("statements/ext1.9.sql")),
        ext(EXTENSION, (1, 11), include_str!("statements/ext1.11.sql")),
    ],
    follow_ups: &[
        ext(EXTENSION, (1, 4), include_str!("statements/info_ext1.4.sql")),
        ext(EXTENSION, (1, 9), include_str!("statements/info_ext1.9.sql")),
        TEXTS,
        monitor::LAYOUT,
        monitor::WINDOWS,
    ],
    families: families::ALL,
    needs: &[Need::Monitor, Need::Extension(EXTENSION), Need::Preloaded(EXTENSION)],
    blind_effect: "queries a second, query latency and the top statements",
};

/// The collector.
pub const REGISTERED: Registered = Registered {
    spec: &SPEC,
    make: |settings| Box::new(Statements::new(settings)),
    row_schema: || schemars::schema_for!(Vec<Row>),
};

/// What `pg_stat_statements` says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Info {
    entries: Option<f64>,
    dealloc: Option<f64>,
    stats_reset: Option<Timestamp>,
}

/// What the last round left to compare with.
struct Before {
    origin: Origin,
    stats_reset: Option<Timestamp>,
    at: Duration,
    /// Sorted by key.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Figures,
    Monitor,
    Info,
    Texts,
}

struct Statements {
    before: Option<Before>,
    /// The counters that the last round showed, by query id. A statement's entries are dropped one by one,
    /// and their sum goes down then: the counters must not.
    exported: BTreeMap<i64, Figures>,
    ranking: Ranking,
    texts: Texts,
    monitor: Monitor,
    info: Info,
    rounds: u64,

    // Of the round that is running.
    phase: Phase,
    now: Vec<Entry>,
    hidden: u64,
    missing: Option<Need>,
    shown: BTreeSet<i64>,
}

impl Statements {
    fn new(settings: &Settings) -> Self {
        Self {
            before: None,
            exported: BTreeMap::new(),
            ranking: Ranking::new(settings.top_queries),
            texts: Texts::default(),
            monitor: Monitor::default(),
            info: Info::default(),
            rounds: 0,
            phase: Phase::Figures,
            now: Vec::new(),
            hidden: 0,
            missing: None,
            shown: BTreeSet::new(),
        }
    }

    fn rank(&mut self, cx: &Cx) {
        let before = comparable(self.before.as_ref(), &self.info, cx);
        let since_last = before.map_or(Duration::ZERO, |b| cx.mono.saturating_sub(b.at));
        let age = self.info.stats_reset.and_then(|t| Duration::try_from(cx.at.duration_since(t)).ok());
        let candidates = by_statement(&self.now).map(|(queryid, entries)| {
            let (total, interval, _) = sum(entries, before);
            Candidate { queryid, total, interval }
        });
        self.shown = self.ranking.update(candidates, since_last, age);
    }

    fn ask_info(&mut self, cx: &Cx) -> Option<Statement> {
        let sql = cx.facts.pick(INFO)?;
        let mut args = PgArguments::default();
        sqlx::Arguments::add(&mut args, self.rounds.is_multiple_of(COUNT_EVERY)).ok()?;
        Some(Statement::with(sql, args))
    }

    fn after_monitor(&mut self, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        self.phase = Phase::Info;
        match self.ask_info(cx) {
            Some(statement) => Ok(Some(statement)),
            None => self.end(None, cx),
        }
    }

    fn blind(&self, need: &str, effect: &str, remedy: Option<String>) -> Blind {
        Blind { collector: SPEC.name.into(), needs: need.to_owned(), effect: effect.to_owned(), remedy }
    }
}

/// The round before, if its figures may be compared with this one's.
fn comparable<'a>(before: Option<&'a Before>, info: &Info, cx: &Cx) -> Option<&'a Before> {
    before
        .filter(|b| b.origin == Origin::of(&cx.facts) && b.stats_reset == info.stats_reset && cx.mono > b.at)
}

/// The entries of each statement, which are sorted by it.
fn by_statement(entries: &[Entry]) -> impl Iterator<Item = (i64, &[Entry])> {
    let of = |e: &Entry| e.key.queryid;
    entries
        .chunk_by(move |a, b| of(a) == of(b))
        .filter_map(move |entries| Some((of(entries.first()?), entries)))
}

/// The sum of a statement's entries, of what happened to them, and of their times.
fn sum(entries: &[Entry], before: Option<&Before>) -> (Figures, Option<Figures>, Vec<Moments>) {
    let mut total = Figures::default();
    let mut interval = before.map(|_| Figures::default());
    let mut times = Vec::new();
    for entry in entries {
        total += entry.figures;
        if let (Some(before), Some(interval)) = (before, interval.as_mut()) {
            let (figures, moments) = entry.since(&before.entries);
            *interval += figures;
            if moments.n > 0.0 {
                times.push(moments);
            }
        }
    }
    (total, interval, times)
}

impl Steps for Statements {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, BoxDynError> {
        self.abort();
        self.now.reserve(self.before.as_ref().map_or(0, |b| b.entries.len()));
        Ok(Statement::plain(sql))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        match self.phase {
            Phase::Figures => match Entry::read(row)? {
                Some(entry) => self.now.push(entry),
                None => self.hidden += 1,
            },
            Phase::Monitor => self.monitor.row(row)?,
            Phase::Info => {
                let entries = row.try_get::<Option<i64>, _>("entries")?.map(|n| n as f64);
                self.info = Info {
                    entries: entries.or(self.info.entries),
                    dealloc: row.try_get::<Option<i64>, _>("dealloc")?.map(|n| n as f64),
                    stats_reset: row.try_get::<Option<Time>, _>("stats_reset")?.map(|t| t.0),
                };
            }
            Phase::Texts => self.texts.take(row.try_get("queryid")?, row.try_get("text")?),
        }
        Ok(())
    }

    fn answered(&mut self, within: Duration) {
        self.monitor.answered(within);
    }

    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError> {
        match self.phase {
            Phase::Figures => {
                if let Some(error) = error {
                    self.missing = missing(&error);
                    return if self.missing.is_some() { Ok(None) } else { Err(error) };
                }
                if let Some(own) = own_userid(&cx.facts) {
                    self.now.retain(|e| i64::from(e.key.userid) != own);
                }
                self.now.sort_unstable_by_key(|e| e.key);
                self.phase = Phase::Monitor;
                match self.monitor.begin(self.rounds, cx) {
                    Some(statement) => Ok(Some(statement)),
                    None => self.after_monitor(cx),
                }
            }
            Phase::Monitor => match self.monitor.end(error, self.rounds, cx) {
                Some(statement) => Ok(Some(statement)),
                None => self.after_monitor(cx),
            },
            Phase::Info => {
                // Without this the figures are still good.
                if let Some(error) = error {
                    tracing::warn!(collector = SPEC.name, %error, "cannot read the state of pg_stat_statements");
                }
                self.rank(cx);
                self.phase = Phase::Texts;
                Ok(self.texts.ask(&self.shown, self.rounds, cx.settings.redact_sql_text, TEXTS.sql))
            }
            Phase::Texts => {
                if let Some(error) = error {
                    tracing::warn!(collector = SPEC.name, %error, "cannot read the texts of statements");
                }
                Ok(None)
            }
        }
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        if let Some(need) = self.missing {
            self.before = None;
            self.monitor = Monitor::default();
            let remedy = need.remedy(&cx.facts);
            let blind = self.blind(&need.label(), SPEC.blind_effect, Some(remedy));
            return Outcome { blind: vec![blind], ..Outcome::default() };
        }
        let mut out = Families::new();
        let mut blind = Vec::new();
        let before = comparable(self.before.as_ref(), &self.info, cx);
        let seconds = before.map(|b| cx.mono.saturating_sub(b.at).as_secs_f64());
        let overall = families::Overall::of(&self.now, before);
        let idle = overall.as_ref().is_none_or(|o| o.calls == 0.0);
        if let Some((setting, remedy)) = uncounted(&cx.facts).filter(|_| idle) {
            // That nothing was counted does not mean that nothing ran.
            blind.push(self.blind(setting, SPEC.blind_effect, Some(remedy.into())));
        } else if let (Some(overall), Some(seconds)) = (&overall, seconds) {
            overall.push(seconds, self.monitor.overall().as_ref(), &mut out);
        }
        if self.hidden > 0 {
            let remedy = Need::Monitor.remedy(&cx.facts);
            blind.push(self.blind(&Need::Monitor.label(), "statements of other roles", Some(remedy)));
        }
        if let Some(trouble) = self.monitor.trouble(&cx.facts) {
            let effect = "the 95th percentile from histograms: it is estimated";
            blind.push(self.blind(&trouble.needs(), effect, trouble.remedy(&cx.facts)));
        }
        let detail = families::Detail::of(&self.now, &cx.facts);
        let mut rows = Vec::with_capacity(self.shown.len());
        let mut exported = BTreeMap::new();
        for (queryid, entries) in by_statement(&self.now).filter(|(id, _)| self.shown.contains(id)) {
            let (total, interval, times) = sum(entries, before);
            let counters = match (interval, self.exported.get(&queryid)) {
                (Some(interval), Some(last)) => last.grown(interval, total),
                _ => total,
            };
            exported.insert(queryid, counters);
            let mut label = itoa::Buffer::new();
            families::push(label.format(queryid), &counters, &detail, &mut out);
            let interval = interval.zip(seconds).zip(overall.as_ref());
            let interval = interval.map(|((figures, seconds), overall)| families::Interval {
                figures,
                seconds,
                p95: percentile::p95(&times, self.monitor.of(queryid).as_ref()),
                all_ms: overall.exec_ms,
            });
            rows.push(families::row(queryid, self.texts.of(queryid), &total, interval.as_ref(), &detail));
        }
        let load = |r: &Row| (r.time_share.unwrap_or(0.0), r.time_seconds);
        rows.sort_by(|a, b| load(b).partial_cmp(&load(a)).unwrap_or(std::cmp::Ordering::Equal));
        families::push_info(&self.info, &cx.facts, &mut out);
        self.exported = exported;
        self.monitor.settle();
        self.before = Some(Before {
            origin: Origin::of(&cx.facts),
            stats_reset: self.info.stats_reset,
            at: cx.mono,
            entries: std::mem::take(&mut self.now),
        });
        self.rounds += 1;
        Outcome { families: out.into_vec(), data: Some(Arc::new(rows)), blind }
    }

    fn abort(&mut self) {
        self.phase = Phase::Figures;
        self.monitor.abort();
        self.now = Vec::new();
        self.hidden = 0;
        self.missing = None;
        self.shown.clear();
    }
}

#[cfg(test)]
mod double_tests;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
