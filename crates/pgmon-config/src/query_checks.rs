//! Rules of `queries` that a schema does not express.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::entry_rules::Found;
use crate::load::is_faulty;
use crate::pattern::Patterns;
use crate::sections::bound_of;
use crate::tree::{Data, Node, join};
use crate::{Diagnostic, Entry, MetricType, Query, QueryScope, Spot, usable};

/// The shortest interval.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Labels that every sample gets.
const INJECTED: [&str; 2] = ["cluster", "db"];

/// Keys of a query that belong to each metric where there are several.
const OF_ONE_METRIC: [&str; 9] = [
    "type",
    "value_field",
    "bucket_field",
    "buckets",
    "cumulative",
    "quantile_field",
    "quantiles",
    "sum_field",
    "count_field",
];

/// Keys that only some types have.
const OF_TYPES: [(&str, &[MetricType]); 7] = [
    ("bucket_field", &[MetricType::Histogram]),
    ("buckets", &[MetricType::Histogram]),
    ("cumulative", &[MetricType::Histogram]),
    ("quantile_field", &[MetricType::Summary]),
    ("quantiles", &[MetricType::Summary]),
    ("sum_field", &[MetricType::Histogram, MetricType::Summary]),
    ("count_field", &[MetricType::Histogram, MetricType::Summary]),
];

/// Checks the queries, as far as their keys are right. Answers those that can be read, with where that was.
pub(crate) fn check(
    root: &Node,
    entries: &[Entry],
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<Query> {
    let Some(Data::List(items)) = root.member("queries").map(|member| &member.node.data) else {
        return Vec::new();
    };
    let (mut checked, mut found) = (Vec::new(), Vec::new());
    for (n, item) in items.iter().enumerate() {
        let pointer = join("/queries", n);
        let Some(mut query) = usable::entry::<Query>(item, &pointer, faults) else { continue };
        query.at = Spot::new(root.locate(&pointer).0, pointer.as_str());
        let here = Found::new(root, &pointer);
        let mut check = Check { item, query: &query, found: here };
        check.metrics();
        check.labels(entries);
        check.times();
        check.places(entries);
        found.append(&mut check.found.into_faults(faults, warnings));
        checked.push((pointer, item, query));
    }
    let sound = |(pointer, ..): &&(String, &Node, Query)| !is_faulty(faults, pointer);
    let alike: Vec<_> = checked.iter().filter(sound).collect();
    let mut twice = Vec::new();
    families::check(root, entries, &alike, &mut twice, warnings);
    let mut found = usable::keep_new(found, faults, &[]);
    faults.append(&mut found);
    faults.append(&mut twice);
    checked.into_iter().map(|(_, _, query)| query).collect()
}

struct Check<'c> {
    item: &'c Node,
    query: &'c Query,
    found: Found<'c>,
}

impl Check<'_> {
    fn metrics(&mut self) {
        let query = self.query;
        if query.metrics.is_empty() {
            if query.help.trim().is_empty() {
                self.found.missing("help", "help is missing", Some("say in a sentence what the metric is"));
            }
            self.name("name", &query.name);
            self.keys_of_type(self.item, "", query.kind);
            self.bounds("", query.kind, &query.buckets, &query.quantiles);
            let pairs = [
                ("bucket_field", "buckets", !query.buckets.is_empty()),
                ("quantile_field", "quantiles", !query.quantiles.is_empty()),
                ("value_field", "buckets", !query.buckets.is_empty()),
                ("value_field", "quantiles", !query.quantiles.is_empty()),
            ];
            for (key, other, is_set) in pairs {
                if is_set && self.item.member(key).is_some() {
                    let message = format!("has no meaning with {other}, which names the columns");
                    self.found.hinted(key, message, Some("keep one of them"));
                }
            }
            return;
        }
        for key in OF_ONE_METRIC.into_iter().filter(|key| self.item.member(key).is_some()) {
            self.found.hinted(
                key,
                "belongs to each metric where there are several",
                Some("move it into `metrics`"),
            );
        }
        for (n, metric) in query.metrics.iter().enumerate() {
            let here = format!("metrics/{n}");
            let under = |key: &str| format!("{here}/{key}");
            if query.help.trim().is_empty() && metric.help.is_none() {
                self.found.missing(&here, "help is missing, here and in the query", None);
            }
            let name_key = if metric.name.is_some() { under("name") } else { here.clone() };
            self.name(&name_key, &metric.full_name(query));
            let numbers = matches!(metric.kind, MetricType::Gauge | MetricType::Counter);
            if numbers && metric.column.is_none() {
                self.found.missing(&here, "column is missing", Some("name the column with the value"));
            }
            if !numbers && metric.name.is_none() {
                self.found.missing(&here, "name is missing", None);
            }
            if metric.kind == MetricType::Histogram && metric.buckets.is_empty() {
                self.found.missing(&here, "buckets is missing", Some("name the column of each bound"));
            }
            if metric.kind == MetricType::Summary && metric.quantiles.is_empty() {
                self.found.missing(&here, "quantiles is missing", Some("name the column of each quantile"));
            }
            let node = self.found.node(&here);
            self.keys_of_type(node, &here, metric.kind);
            self.bounds(&here, metric.kind, &metric.buckets, &metric.quantiles);
        }
    }

    fn name(&mut self, key: &str, name: &str) {
        if !is_metric_name(name) {
            let hint = "letters, digits, _ and :, and no digit first";
            self.found.hinted(key, format!("{name:?} cannot be the name of a metric"), Some(hint));
        }
    }

    fn keys_of_type(&mut self, node: &Node, below: &str, kind: MetricType) {
        for (key, kinds) in OF_TYPES {
            if !kinds.contains(&kind) && node.member(key).is_some() {
                let words: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
                let key = if below.is_empty() { key.to_owned() } else { format!("{below}/{key}") };
                let message = format!("has no meaning for a {}", kind.as_str());
                let hint = format!("set `type: {}`, or leave it out", words.join("` or `type: "));
                self.found.hinted(&key, message, Some(&hint));
            }
        }
    }

    fn bounds(
        &mut self,
        below: &str,
        kind: MetricType,
        buckets: &BTreeMap<String, String>,
        quantiles: &BTreeMap<String, String>,
    ) {
        let (key, map) = match kind {
            MetricType::Histogram => ("buckets", buckets),
            MetricType::Summary => ("quantiles", quantiles),
            _ => return,
        };
        let key = if below.is_empty() { key.to_owned() } else { format!("{below}/{key}") };
        let mut seen: Vec<f64> = Vec::new();
        for text in map.keys() {
            let place = join(&key, text);
            match bound_of(text) {
                None => self.found.hinted(&place, "expected a number, or +Inf for a bucket", None),
                Some(n) if kind == MetricType::Summary && !(0.0..=1.0).contains(&n) => {
                    self.found.hinted(&place, "a quantile is from 0 to 1", None);
                }
                Some(n) if seen.contains(&n) => self.found.hinted(&place, "is there twice", None),
                Some(n) => seen.push(n),
            }
        }
    }

    fn labels(&mut self, entries: &[Entry]) {
        let query = self.query;
        let specs = query.specs();
        let visited = query.scope == QueryScope::Database && entries.iter().any(|entry| entry.discover);
        let mut seen = BTreeSet::new();
        for (n, label) in query.labels.iter().enumerate() {
            let key = format!("labels/{n}");
            let has = |kind| specs.iter().any(|spec| spec.kind == kind);
            let renamed = Some("give the column another name: `AS other_name`");
            if !is_label_name(label) {
                let message = "a label's name has letters, digits and _, no digit first, and not __";
                self.found.hinted(&key, message, renamed);
            } else if INJECTED.contains(&label.as_str()) {
                self.found.hinted(&key, "pgmon adds this label to every sample", renamed);
            } else if label == "datname" && visited {
                let message = "pgmon adds this label where a database has `discover: true`";
                self.found.hinted(&key, message, renamed);
            } else if (label == "le" && has(MetricType::Histogram))
                || (label == "quantile" && has(MetricType::Summary))
            {
                self.found.hinted(
                    &key,
                    "the text format adds this label itself",
                    Some("leave it out of `labels`"),
                );
            } else if !seen.insert(label) {
                self.found.hinted(&key, "is there twice", None);
            }
            for (field, column) in [("value_field", &query.value_field), ("sum_field", &query.sum_field)] {
                if column.as_ref() == Some(label) {
                    self.found.hinted(field, "is one of the labels as well", None);
                }
            }
        }
    }

    fn times(&mut self) {
        let query = self.query;
        if query.interval.is_some_and(|interval| interval.duration() < SHORTEST_INTERVAL) {
            self.found.hinted("interval", "must be at least 1s", None);
        }
        if let (Some(interval), Some(timeout)) = (query.interval, query.timeout)
            && timeout > interval
        {
            self.found.warn(
                "timeout",
                format!("is longer than the interval ({interval}), so runs may be left out"),
            );
        }
        if let (Some(interval), Some(cache)) = (query.interval, query.cache)
            && cache < interval
        {
            self.found
                .warn("cache", format!("is shorter than the interval ({interval}), so figures come and go"));
        }
        if let (Some(min), Some(max)) = (query.min_version, query.max_version)
            && min > max
        {
            self.found.hinted("min_version", format!("is above max_version ({max}), so it never runs"), None);
        }
    }

    fn places(&mut self, entries: &[Entry]) {
        let patterns = Patterns::new(&self.query.databases);
        let meets = |entry: &Entry| {
            let full = format!("{}/{}", entry.cluster, entry.db);
            patterns.meet(&[entry.db.as_str(), &full])
        };
        if !entries.is_empty() && !entries.iter().any(|entry| entry.discover || meets(entry)) {
            let names: Vec<_> = entries.iter().take(5).map(|entry| entry.db.as_str()).collect();
            let dots = if entries.len() > names.len() { ", ..." } else { "" };
            self.found.warn(
                "databases",
                format!("fits no database ({}{dots}), so it never runs", names.join(", ")),
            );
        }
        if let Some(path) = &self.query.search_path
            && path.is_empty()
        {
            self.found.hinted("search_path", "must have at least 1 entries", None);
        }
    }
}

fn is_metric_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'))
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && !name.starts_with("__")
}
