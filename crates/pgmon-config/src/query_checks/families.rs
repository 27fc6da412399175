//! What several queries may not do to each other: one name is one thing.

use std::collections::BTreeMap;

use crate::pattern::Patterns;
use crate::tree::{Node, join};
use crate::{Diagnostic, Entry, MetricSpec, MetricType, Query};

/// Checks that what has one name is one thing.
pub(super) fn check(
    root: &Node,
    entries: &[Entry],
    checked: &[&(String, &Node, Query)],
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    let mut known: BTreeMap<String, Vec<(usize, MetricSpec)>> = BTreeMap::new();
    let line = |n: usize| match checked.get(n) {
        Some((pointer, ..)) => root.locate(pointer).0.to_string(),
        None => String::new(),
    };
    for (n, (pointer, _, query)) in checked.iter().copied().enumerate() {
        for (m, spec) in query.specs().into_iter().enumerate() {
            let pointer = if query.metrics.is_empty() {
                join(pointer, "name")
            } else {
                format!("{pointer}/metrics/{m}")
            };
            let mut fault = |message: String, hint: &str| {
                let mut fault = root.locate(&pointer).0.says(&pointer, message);
                fault.hint = Some(hint.to_owned());
                faults.push(fault);
            };
            let others = known.entry(spec.name.clone()).or_default();
            let mut sound = true;
            for (first, other) in others.iter() {
                let Some((_, _, before)) = checked.get(*first) else { continue };
                if *first == n {
                    fault(format!("{} is there twice in this query", spec.name), "give one another name");
                } else if other.kind != spec.kind || before.labels != query.labels {
                    fault(
                        format!(
                            "{} is a metric of {} as well, with another type or other labels",
                            spec.name,
                            line(*first)
                        ),
                        "give one another name, or make them alike",
                    );
                } else if versions_meet(before, query) && databases_meet(before, query, entries) {
                    fault(
                        format!(
                            "{} is a metric of {} as well, for the same databases and versions",
                            spec.name,
                            line(*first)
                        ),
                        "give one another name, or `databases` or versions that tell them apart",
                    );
                } else {
                    continue;
                }
                // Once is enough, and nothing is to be measured by what is wrong itself.
                sound = false;
                break;
            }
            if sound {
                others.push((n, spec));
            }
        }
    }
    let firsts = known.iter().filter_map(|(name, specs)| Some((name, specs.first()?)));
    let known: BTreeMap<&String, &(usize, MetricSpec)> = firsts.collect();
    for (name, (n, spec)) in &known {
        for part in parts(spec) {
            if let Some((other, _)) = known.get(&&part)
                && let Some((pointer, ..)) = checked.get(*other)
            {
                let pointer = join(pointer, "name");
                let message = match spec.kind {
                    MetricType::Counter => {
                        format!("OpenMetrics has one name for {part} and {name} ({})", line(*n))
                    }
                    kind => format!("{part} is a part of the {} {name} ({})", kind.as_str(), line(*n)),
                };
                let mut fault = root.locate(&pointer).0.says(&pointer, message);
                fault.hint = Some("give one another name".to_owned());
                // The classic format has no trouble with it, and SitRep accepted it.
                let harmless = spec.kind == MetricType::Counter;
                if harmless { &mut *warnings } else { &mut *faults }.push(fault);
            }
        }
    }
}

/// Other names that a family takes up on a page.
fn parts(spec: &MetricSpec) -> Vec<String> {
    let of = |suffixes: &[&str]| suffixes.iter().map(|s| format!("{}{s}", spec.name)).collect();
    match spec.kind {
        MetricType::Gauge => Vec::new(),
        MetricType::Counter => spec.name.strip_suffix("_total").map(str::to_owned).into_iter().collect(),
        MetricType::Histogram => of(&["_bucket", "_sum", "_count"]),
        MetricType::Summary => of(&["_sum", "_count"]),
    }
}

/// Whether both run in a database: their patterns are the same, or there is an entry that both meet.
fn databases_meet(a: &Query, b: &Query, entries: &[Entry]) -> bool {
    let (of_a, of_b) = (Patterns::new(&a.databases), Patterns::new(&b.databases));
    let both = |entry: &Entry| {
        let full = format!("{}/{}", entry.cluster, entry.db);
        let names = [entry.db.as_str(), &full];
        of_a.meet(&names) && of_b.meet(&names)
    };
    a.databases == b.databases || entries.iter().any(both)
}

fn versions_meet(a: &Query, b: &Query) -> bool {
    let range = |q: &Query| (q.min_version.unwrap_or(0), q.max_version.unwrap_or(u16::MAX));
    let ((a_min, a_max), (b_min, b_max)) = (range(a), range(b));
    a_min <= b_max && b_min <= a_max
}
