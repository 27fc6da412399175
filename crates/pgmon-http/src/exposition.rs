//! From the fleet's snapshots to a page of `/metrics`.

mod database;
mod parts;
mod queries;
mod views;

pub use database::OF_A_DATABASE;

use crate::{config_state, process};
use parts::{Before, Parts, once};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::postgres::collector::Collector as _;
use pgmon_collect::postgres::collectors::wraparound::Wraparound;
use pgmon_collect::services::families as of_services;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families, Family, Group};
use pgmon_core::text::Writer;
use std::sync::Arc;
use std::time::Duration;
use views::{Shown, View, views};

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
    name.starts_with("pgmon_")
        || of_services::has(name)
        || of_clusters(name)
        || ours.any(|desc| desc.name == name)
}

/// Whether a family of this name is made of clusters.
fn of_clusters(name: &str) -> bool {
    pgmon_core::cluster::FAMILIES.iter().any(|desc| desc.name == name)
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

/// What is the same for all pages, until the configuration is read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Whether `postgres`, `template0` and `template1` are left out of the figures of single databases
    /// (label `datname`). How near each is to wraparound stays: any of them can stop the whole server.
    pub hide_postgres_defaults: bool,
    /// Labels that every sample gets (`default_labels`).
    pub labels: Vec<(String, String)>,
}

/// Renders all databases, and `others` that are none, at the monotonic time `now` with `writer`. `more` adds
/// families of the process.
pub fn render(
    fleet: &Fleet,
    others: &[Arc<Group>],
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
    parts.add(views.len(), Before::Nothing, &globals, false, now);
    let labels: Vec<Vec<(&str, &str)>> = (others.iter())
        .map(|group| group.labels.iter().map(|(name, value)| (&**name, &**value)).collect())
        .collect();
    for (n, (group, labels)) in others.iter().zip(&labels).enumerate() {
        parts.add(views.len() + 1 + n, Before::Group(labels), &group.families, false, now);
    }
    for (place, view) in views.iter().enumerate() {
        let pair = [("cluster", &*view.snapshot.cluster), ("db", &*view.snapshot.db)];
        let before = Before::Entry(pair);
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
                Some(datname) => Before::Visited([pair[0], pair[1], ("datname", datname)]),
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

#[cfg(test)]
pub(crate) mod tests;
