//! From the fleet's snapshots to a page of `/metrics`.

use crate::{config_state, process};
use pgmon_collect::history::UP;
use pgmon_collect::poller::cardinality::LeftOut;
use pgmon_collect::poller::fleet::{Cell, Fleet};
use pgmon_collect::postgres::collector::Collector as _;
use pgmon_collect::postgres::collectors::wraparound::Wraparound;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families, Family, FamilyDesc, Sample, Value};
use pgmon_core::snapshot::{CollectorState, Outcome, Snapshot, Up, query_name};
use pgmon_core::text::Writer;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

mod queries;

const INFO: Desc = Desc::gauge("pg_info", "Always 1; the labels describe the server.", &["version", "major"]);
const STARTED: Desc =
    Desc::gauge("pg_postmaster_start_time_seconds", "Start of the server as a Unix time in seconds.", &[]);
const IN_RECOVERY: Desc = Desc::gauge("pg_in_recovery", "Whether the server is a standby: 1 or 0.", &[]);
const TLS: Desc =
    Desc::gauge("pgmon_connection_tls", "Whether pgmon's connection is encrypted: 1 or 0.", &[]);
const REFUSED: Desc = Desc::gauge(
    "pgmon_refused",
    "Whether the database is left alone because pgmon's role could write: 1 or 0.",
    &[],
);
const QUARANTINED: Desc = Desc::gauge(
    "pgmon_quarantined",
    "Whether the database failed so often that it is probed at growing intervals: 1 or 0.",
    &[],
);
const CONNECTS: Desc =
    Desc::counter("pgmon_connects_total", "Connections that pgmon opened to the database.", &[]);
const CONNECT_ERRORS: Desc =
    Desc::counter("pgmon_connect_errors_total", "Attempts to connect to the database that failed.", &[]);
const DROPPED: Desc = Desc::counter(
    "pgmon_series_dropped_total",
    "Series left out of rounds because of limits.series_per_family or limits.series_per_database.",
    &[],
);
const DURATION: Desc = Desc::histogram(
    "pgmon_scrape_duration_seconds",
    "Time that a round of the loop spent in statements, in seconds.",
    &["loop"],
);
const SUCCESS: Desc = Desc::gauge(
    "pgmon_last_scrape_success",
    "Whether every statement of the loop's last round ran: 1 or 0.",
    &["loop"],
);
const ERRORS: Desc =
    Desc::counter("pgmon_errors_total", "Collector runs of the loop that failed.", &["loop"]);
const MISSED: Desc = Desc::counter(
    "pgmon_missed_ticks_total",
    "Rounds of the loop that were left out because it was late.",
    &["loop"],
);
const DEGRADED: Desc =
    Desc::gauge("pgmon_loop_degraded", "Whether the loop does not fit its time budget: 1 or 0.", &["loop"]);
const LAST: Desc = Desc::gauge(
    "pgmon_last_scrape_timestamp_seconds",
    "Start of the loop's last round as a Unix time in seconds.",
    &["loop"],
);
const INTERVAL: Desc =
    Desc::gauge("pgmon_loop_interval_seconds", "Interval of the loop in seconds.", &["loop"]);
const COLLECTOR_DURATION: Desc = Desc::gauge(
    "pgmon_collector_duration_seconds",
    "Time that the collector's last run spent in statements, in seconds.",
    &["collector"],
);
const COLLECTOR_SUCCESS: Desc = Desc::gauge(
    "pgmon_collector_success",
    "Whether the collector's last run succeeded: 1 or 0.",
    &["collector"],
);
const COLLECTOR_ERRORS: Desc =
    Desc::counter("pgmon_collector_errors_total", "Runs of the collector that failed.", &["collector"]);
const BLIND: Desc = Desc::gauge(
    "pgmon_blind",
    "Always 1: the collector misses figures, and the label says what it needs.",
    &["collector", "needs"],
);
const AGE: Desc = Desc::gauge(
    "pgmon_snapshot_age_seconds",
    "Age in seconds of the newest figures of the loop, when the page was rendered.",
    &["loop"],
);
const SCRAPE_SUCCESS: Desc = Desc::gauge(
    "pg_scrape_success",
    "Whether the database answers and every statement of the last round of each loop ran: 1 or 0.",
    &[],
);
const SCRAPE_DURATION: Desc = Desc::gauge(
    "pg_scrape_duration_seconds",
    "Time that the last rounds of all loops spent in statements, in seconds.",
    &[],
);
const HISTORY_BYTES: Desc =
    Desc::gauge("pgmon_history_bytes", "Memory that the history of all databases takes, in bytes.", &[]);
const HISTORY_SERIES: Desc =
    Desc::gauge("pgmon_history_series", "Series in the history of all databases.", &[]);
const HISTORY_DROPPED: Desc = Desc::counter(
    "pgmon_history_samples_dropped_total",
    "Values that left the history before their hour was over, or were not taken, because it was full.",
    &[],
);
const BUILD: Desc = Desc::gauge("pgmon_build_info", "Always 1; the label is pgmon's version.", &["version"]);

const EXPORTER_ERRORS: Desc = Desc::counter(
    "exporter_errors_total",
    "Collector runs and attempts to connect that failed, of all databases.",
    &[],
);

/// Families of each watched database that no collector fills, in the order in which the documentation
/// lists them.
pub const OF_A_DATABASE: &[&Desc] = &[
    &UP,
    &INFO,
    &STARTED,
    &IN_RECOVERY,
    &TLS,
    &REFUSED,
    &QUARANTINED,
    &CONNECTS,
    &CONNECT_ERRORS,
    &DROPPED,
    &SCRAPE_SUCCESS,
    &SCRAPE_DURATION,
    &AGE,
    &SUCCESS,
    &DURATION,
    &ERRORS,
    &MISSED,
    &DEGRADED,
    &LAST,
    &INTERVAL,
    &COLLECTOR_SUCCESS,
    &COLLECTOR_DURATION,
    &COLLECTOR_ERRORS,
    &BLIND,
    &queries::SUCCESS,
    &queries::DURATION,
    &queries::ERRORS,
    &queries::SERIES,
    &queries::RESULTS_DROPPED,
    &queries::OVER_LIMIT,
];

/// Families of the process.
pub const OF_THE_PROCESS: &[&Desc] = &[
    &BUILD,
    &EXPORTER_ERRORS,
    config_state::ALL[0],
    config_state::ALL[1],
    &HISTORY_BYTES,
    &HISTORY_SERIES,
    &HISTORY_DROPPED,
];

/// Whether a family of this name is one that pgmon fills itself: no query of the configuration may.
pub fn is_ours(name: &str) -> bool {
    let mut ours = OF_A_DATABASE.iter().chain(OF_THE_PROCESS).chain(process::FAMILIES);
    name.starts_with("pgmon_") || ours.any(|desc| desc.name == name)
}

/// Labels that come before a sample's own.
#[derive(Clone, Copy)]
struct Before<'a> {
    labels: [(&'a str, &'a str); 3],
    len: usize,
}

impl<'a> AsRef<[(&'a str, &'a str)]> for Before<'a> {
    fn as_ref(&self) -> &[(&'a str, &'a str)] {
        self.labels.get(..self.len).unwrap_or_default()
    }
}

/// One database as the page shows it.
struct View {
    snapshot: Arc<Snapshot>,
    /// The entry that collects what belongs to this entry's server, if that is another one, and what is
    /// left out of it.
    leader: Option<(Arc<Snapshot>, Arc<Vec<LeftOut>>)>,
    left_out: Arc<Vec<LeftOut>>,
    roamed: Arc<Vec<CollectorState>>,
    /// Names of databases as label values.
    datnames: HashMap<Arc<str>, String>,
    own: Vec<Family>,
}

/// A collector's state in a view.
struct Shown<'v> {
    state: &'v CollectorState,
    /// Says whether it is current.
    snapshot: &'v Snapshot,
    left_out: &'v [LeftOut],
    /// The database, if it is not the entry's own.
    visited: Option<&'v Arc<str>>,
}

/// A rendered page with its numbers of families and samples.
pub struct Page {
    /// The text, unless the writer gave it away.
    pub text: String,
    /// Families in it.
    pub families: usize,
    /// Samples in it (a histogram counts once).
    pub samples: usize,
}

/// A family's samples of one source, with the labels that come before.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// The place of its view: parts of different views share no series.
    view: usize,
    before: Before<'a>,
    samples: &'a [Sample],
    /// Of which of the samples' labels PostgreSQL's own databases are left out.
    datname: Option<usize>,
}

impl<'a> Part<'a> {
    fn shown(&self) -> impl Iterator<Item = &'a Sample> + use<'a> {
        let datname = self.datname;
        let hidden = move |s: &&Sample| {
            datname.and_then(|place| s.labels.get(place)).is_some_and(|name| label::is_postgres_default(name))
        };
        self.samples.iter().filter(move |s| !hidden(s))
    }
}

/// A family with its parts, and when the newest of these was read (monotonic time).
struct Whole<'a> {
    desc: &'a FamilyDesc,
    parts: Vec<Part<'a>>,
    at: Duration,
}

/// Families by name.
#[derive(Default)]
struct Parts<'a>(BTreeMap<&'a str, Whole<'a>>);

impl<'a> Parts<'a> {
    fn add(
        &mut self,
        view: usize,
        before: Before<'a>,
        families: impl IntoIterator<Item = &'a Family>,
        hide: bool,
        at: Duration,
    ) {
        for family in families {
            // What the configuration's own queries return is as it was asked for.
            let hides = hide && matches!(family.desc, FamilyDesc::Fixed(_));
            let datname = if hides { family.desc.labels().position(|l| l == "datname") } else { None };
            let desc = &family.desc;
            let whole = self.0.entry(desc.name()).or_insert_with(|| Whole { desc, parts: Vec::new(), at });
            // A query was given another type or other labels, and not all databases have run it since.
            if !alike(whole.desc, desc) {
                if at <= whole.at {
                    continue;
                }
                *whole = Whole { desc, parts: Vec::new(), at };
            }
            whole.at = whole.at.max(at);
            whole.parts.push(Part { view, before, samples: &family.samples, datname });
        }
    }
}

/// Whether the samples of two families of one name can stand together.
fn alike(a: &FamilyDesc, b: &FamilyDesc) -> bool {
    match (a, b) {
        (FamilyDesc::Fixed(a), FamilyDesc::Fixed(b)) if std::ptr::eq(*a, *b) => true,
        _ => a.kind() == b.kind() && a.labels().eq(b.labels()),
    }
}

/// A family's samples, each series once: Prometheus refuses the whole page for one that is there twice.
/// The parts of a view follow each other.
fn once<'a, 'p>(parts: &'p [Part<'a>]) -> impl Iterator<Item = (Before<'a>, &'a Sample)> + 'p {
    parts.chunk_by(|a, b| a.view == b.view).flat_map(|of_view| {
        // Samples in the order of their labels need no set; most are.
        let sorted = |p: &Part| p.samples.is_sorted_by(|a, b| a.labels < b.labels);
        let certain = matches!(of_view, [only] if sorted(only));
        let mut seen = HashSet::new();
        let samples = of_view.iter().flat_map(|p| p.shown().map(move |s| (p.before, s)));
        samples.filter(move |(before, s)| certain || seen.insert((before.labels, &s.labels)))
    })
}

/// What is the same for all pages, until the configuration is read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Whether `postgres`, `template0` and `template1` are left out of the figures of single databases
    /// (label `datname`). How near each is to wraparound stays: any of them can stop the whole server.
    pub hide_postgres_defaults: bool,
    /// Labels that every sample gets (`default_labels`).
    pub labels: Vec<(String, String)>,
}

/// Renders all databases at the monotonic time `now` with `writer`. `more` adds families of the process.
pub fn render(
    fleet: &Fleet,
    now: Duration,
    version: &str,
    look: &Look,
    writer: Writer<'_>,
    more: &dyn Fn(&mut Families),
) -> Page {
    let views = views(fleet, now);
    let mut globals = Families::new();
    globals.push(&BUILD, &[version], 1.0);
    config_state::families(fleet, &mut globals);
    let history = fleet.history().stats();
    globals.push(&HISTORY_BYTES, &[], history.bytes as f64);
    globals.push(&HISTORY_SERIES, &[], history.series as f64);
    globals.push(&HISTORY_DROPPED, &[], history.dropped as f64);
    process::families(&mut globals);
    more(&mut globals);
    globals.push(&EXPORTER_ERRORS, &[], errors(&views));
    let globals = globals.into_vec();

    let mut parts = Parts::default();
    parts.add(views.len(), Before { labels: [("", ""); 3], len: 0 }, &globals, false, now);
    for (place, view) in views.iter().enumerate() {
        let pair = [("cluster", &*view.snapshot.cluster), ("db", &*view.snapshot.db), ("", "")];
        let before = Before { labels: pair, len: 2 };
        parts.add(place, before, &view.own, false, now);
        for Shown { state, snapshot, left_out, visited } in view.sources() {
            let Some(good) = &state.good else { continue };
            let oldest = state.keeps(snapshot.of(state.in_loop).interval);
            if !snapshot.values_are_current(now) || now.saturating_sub(good.at_mono) > oldest {
                continue;
            }
            let hide = look.hide_postgres_defaults && state.collector.as_str() != Wraparound::SPEC.name;
            if hide && state.datname.as_deref().is_some_and(label::is_postgres_default) {
                continue;
            }
            let before = match state.datname.as_ref().and_then(|name| view.datnames.get(name)) {
                Some(datname) => Before { labels: [pair[0], pair[1], ("datname", datname)], len: 3 },
                None => before,
            };
            // A family that must go may still be in a result from before.
            let is_out = |f: &&Family| {
                left_out.iter().any(|o| *o.family == *f.desc.name() && o.datname.as_ref() == visited)
            };
            parts.add(place, before, good.families.iter().filter(|f| !is_out(f)), hide, good.at_mono);
        }
    }
    let mut writer = writer.with_labels(&look.labels);
    for whole in parts.0.values() {
        writer.family(whole.desc, once(&whole.parts));
    }
    let (families, samples) = writer.counts();
    Page { text: writer.finish(), families, samples }
}

/// What failed so far, of all databases.
fn errors(views: &[View]) -> f64 {
    let of = |view: &View| {
        let loops: u64 = view.snapshot.loops.iter().map(|l| l.errors).sum();
        let roamed: u64 = view.roamed.iter().map(|c| c.errors).sum();
        loops + roamed + view.snapshot.connect_errors
    };
    views.iter().map(of).sum::<u64>() as f64
}

impl View {
    /// The collectors' states to show.
    fn sources(&self) -> Vec<Shown<'_>> {
        if matches!(self.snapshot.up, Up::Refused { .. }) {
            return Vec::new();
        }
        let own =
            (self.snapshot.collectors.iter()).map(|state| (state, &*self.snapshot, &self.left_out, None));
        let roamed = self.roamed.iter();
        let roamed = roamed.map(|state| (state, &*self.snapshot, &self.left_out, state.datname.as_ref()));
        let shared = self.leader.iter().flat_map(|(leader, left_out)| {
            let of_server = leader.collectors.iter().filter(|c| c.server_wide);
            of_server.map(move |state| (state, &**leader, left_out, None))
        });
        let all = own.chain(roamed).chain(shared);
        all.map(|(state, snapshot, left_out, visited)| Shown { state, snapshot, left_out, visited }).collect()
    }
}

fn views(fleet: &Fleet, now: Duration) -> Vec<View> {
    let cells = fleet.cells();
    let snapshots: Vec<_> = cells.iter().map(|c| (c.snapshot(), c.roamed(), c)).collect();
    let leaders: HashMap<&str, (&Arc<Snapshot>, &Arc<Cell>)> = snapshots
        .iter()
        .filter(|(s, ..)| s.leads && s.up.is_up())
        .filter_map(|(s, _, cell)| s.server_key.as_deref().map(|key| (key, (s, *cell))))
        .collect();
    snapshots
        .iter()
        .map(|(snapshot, roamed, cell)| View {
            own: own_families(snapshot, roamed, cell, now),
            datnames: (snapshot.collectors.iter().chain(roamed.iter()))
                .filter_map(|c| c.datname.clone())
                .map(|name| (name.clone(), label::name(&name)))
                .collect(),
            leader: (!snapshot.leads && snapshot.up.is_up())
                .then(|| snapshot.server_key.as_deref().and_then(|key| leaders.get(key)))
                .flatten()
                .map(|(s, leader)| (Arc::clone(s), leader.cardinality().left_out())),
            left_out: cell.cardinality().left_out(),
            snapshot: snapshot.clone(),
            roamed: roamed.clone(),
        })
        .collect()
}

/// What pgmon itself knows of a database, and of those that are visited from it.
fn own_families(s: &Snapshot, roamed: &[CollectorState], cell: &Cell, now: Duration) -> Vec<Family> {
    let totals = cell.totals();
    let mut out = Families::new();
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    // Before the first attempt nobody knows.
    if s.up != Up::Pending {
        out.push(&UP, &[], flag(s.up.is_up()));
    }
    if let (Some(server), true) = (&s.server, s.up.is_up()) {
        out.push(&INFO, &[&server.version_text, &server.version.major().to_string()], 1.0);
        out.push(&STARTED, &[], server.started_at.as_microsecond() as f64 / 1e6);
        out.push(&IN_RECOVERY, &[], flag(server.in_recovery));
        out.push(&TLS, &[], flag(server.tls));
    }
    out.push(&REFUSED, &[], flag(matches!(s.up, Up::Refused { .. })));
    out.push(&QUARANTINED, &[], flag(s.quarantined_until.is_some()));
    out.push(&CONNECTS, &[], s.connects as f64);
    out.push(&CONNECT_ERRORS, &[], s.connect_errors as f64);
    out.push(&DROPPED, &[], (totals.dropped + cell.cardinality().dropped_of_queries()) as f64);
    out.push_opt(&SCRAPE_SUCCESS, &[], scraped(s).map(flag));
    out.push_opt(
        &SCRAPE_DURATION,
        &[],
        s.loops.iter().filter_map(|l| l.last).map(|(_, d)| d.as_secs_f64()).reduce(|a, b| a + b),
    );
    for l in &s.loops {
        let name = &[l.name.name()];
        out.push(&INTERVAL, name, l.interval.as_secs_f64());
        out.push(&ERRORS, name, l.errors as f64);
        out.push(&MISSED, name, l.missed as f64);
        out.push(&DEGRADED, name, flag(l.degraded.is_some()));
        out.push_value(&DURATION, name, Value::Histogram(l.durations.clone()));
        // A loop that cannot run because the database is down has not succeeded.
        if l.last.is_some() || !matches!(s.up, Up::Up | Up::Pending) {
            out.push(&SUCCESS, name, flag(l.success && s.up.is_up()));
        }
        let newest = s.collectors.iter().filter(|c| c.in_loop == l.name).filter_map(|c| c.good.as_ref());
        let newest = newest.map(|good| good.at_mono).max();
        out.push_opt(&AGE, name, newest.map(|at| now.saturating_sub(at).as_secs_f64()));
        if let Some((at, _)) = l.last {
            out.push(&LAST, name, at.as_microsecond() as f64 / 1e6);
        }
    }
    for c in s.collectors.iter().filter(|c| c.custom.is_none()) {
        let name = &[c.collector.as_str()];
        match &c.outcome {
            Outcome::Ok | Outcome::Failed { .. } => {
                out.push(&COLLECTOR_DURATION, name, c.duration.as_secs_f64());
                out.push(&COLLECTOR_SUCCESS, name, flag(c.outcome == Outcome::Ok && s.up.is_up()));
            }
            Outcome::Skipped { .. } if c.stride > 1 || c.errors > 0 => {
                out.push(&COLLECTOR_SUCCESS, name, 0.0)
            }
            Outcome::Blind | Outcome::Unsupported | Outcome::Skipped { .. } => {}
        }
    }
    // Summed up: a collector runs in each of the databases, and may lack the same several times.
    let errors = totals.errors.iter().filter(|(name, _)| query_name(name).is_none());
    let mut errors: BTreeMap<&str, u64> = errors.map(|(name, n)| (name.as_str(), *n)).collect();
    let mut blind = BTreeSet::<(&str, &str)>::new();
    for c in s.collectors.iter().chain(roamed).filter(|c| c.custom.is_none()) {
        errors.entry(&c.collector).or_default();
        blind.extend(c.blind.iter().map(|b| (c.collector.as_str(), b.needs.as_str())));
    }
    for (collector, errors) in errors {
        out.push(&COLLECTOR_ERRORS, &[collector], errors as f64);
    }
    for (collector, needs) in blind {
        out.push(&BLIND, &[collector, needs], 1.0);
    }
    queries::families(s, roamed, &totals, &mut out);
    out.into_vec()
}

/// Whether all that was to be read of a database was; `None` if nothing has been tried yet.
fn scraped(s: &Snapshot) -> Option<bool> {
    match s.up {
        Up::Pending => None,
        Up::Up => s.loops.iter().filter(|l| l.ended_mono.is_some()).map(|l| l.success).reduce(|a, b| a && b),
        Up::Down { .. } | Up::Refused { .. } => Some(false),
    }
}

#[cfg(test)]
pub(crate) mod tests;
