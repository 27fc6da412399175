//! What pgmon itself knows of the queries of the configuration.

use pgmon_collect::poller::fleet::Totals;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{CollectorState, Outcome, Snapshot, query_name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) const SUCCESS: Desc = Desc::gauge(
    "pgmon_query_success",
    "Whether the last run of the configured query gave a result, in each database that it runs in: 1 or 0.",
    &["query"],
);
pub(super) const DURATION: Desc = Desc::gauge(
    "pgmon_query_duration_seconds",
    "Time that the last run of the configured query took, the longest of the entry's databases, in seconds.",
    &["query"],
);
pub(super) const ERRORS: Desc =
    Desc::counter("pgmon_query_errors_total", "Runs of the configured query that failed.", &["query"]);
pub(super) const SERIES: Desc =
    Desc::gauge("pgmon_query_series", "Series of the configured query's last good result.", &["query"]);
pub(super) const RESULTS_DROPPED: Desc = Desc::counter(
    "pgmon_query_results_dropped_total",
    "Results of the configured query that were left out because they had more series than they may.",
    &["query"],
);
pub(super) const OVER_LIMIT: Desc = Desc::gauge(
    "pgmon_query_over_limit",
    "Always 1: the configured query's last result was left out as too large; label is the one with the most values.",
    &["query", "label"],
);

/// A query in all databases of an entry.
#[derive(Default)]
struct Sum<'s> {
    ran: bool,
    failed: bool,
    longest: Duration,
    series: usize,
    dropped: BTreeSet<&'s str>,
}

/// Adds these families of an entry.
pub(super) fn families(s: &Snapshot, roamed: &[CollectorState], totals: &Totals, out: &mut Families) {
    let mut sums: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
    for state in s.collectors.iter().chain(roamed) {
        let (Some(name), Some(custom)) = (query_name(&state.collector), &state.custom) else { continue };
        let sum = sums.entry(name).or_default();
        sum.ran |= !matches!(state.outcome, Outcome::Skipped { .. });
        sum.failed |= matches!(state.outcome, Outcome::Failed { .. });
        sum.longest = sum.longest.max(state.duration);
        let samples = state.good.iter().flat_map(|good| &good.families).flat_map(|f| &f.samples);
        sum.series += samples.map(|sample| sample.value.series()).sum::<usize>();
        if let Some(dropped) = &custom.dropped {
            sum.dropped.insert(dropped.label.as_deref().unwrap_or_default());
        }
    }
    for (name, sum) in &sums {
        if sum.ran {
            out.push(&SUCCESS, &[name], if sum.failed || !s.up.is_up() { 0.0 } else { 1.0 });
            out.push(&DURATION, &[name], sum.longest.as_secs_f64());
            out.push(&SERIES, &[name], sum.series as f64);
        }
        for label in &sum.dropped {
            out.push(&OVER_LIMIT, &[name, label], 1.0);
        }
    }
    for (desc, counts) in [(&ERRORS, &totals.errors), (&RESULTS_DROPPED, &totals.results_dropped)] {
        let known = counts.iter().filter_map(|(name, n)| Some((query_name(name)?, *n)));
        let mut all: BTreeMap<&str, u64> = sums.keys().map(|name| (*name, 0)).collect();
        all.extend(known);
        for (name, n) in all {
            out.push(desc, &[name], n as f64);
        }
    }
}
