//! Tables, ratios and the verdict.

use crate::measure::Measured;
use crate::scenario::Scenario;
use serde::Serialize;
use std::fmt::Write as _;

/// All exporters on one server.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// `a`, `b` or `c`.
    pub scenario: &'static str,
    /// What that is.
    pub title: &'static str,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// The figures that pgmon has to reach.
    pub checks: Vec<Check>,
}

/// A figure that pgmon has to reach.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Who and what.
    pub what: String,
    /// The figure measured.
    pub value: f64,
    /// At most this, or at least if `at_least` is set.
    pub limit: f64,
    /// Whether `limit` is a lower one.
    pub at_least: bool,
    /// Whether it is reached.
    pub pass: bool,
}

fn at_most(what: String, value: f64, limit: f64) -> Check {
    Check { what, value, limit, at_least: false, pass: value <= limit }
}

/// Judges a scenario by the figures of the project.
pub fn check(scenario: Scenario, measured: &[Measured]) -> Vec<Check> {
    let peer = measured.iter().find(|m| m.target == "postgres_exporter");
    let mut checks = Vec::new();
    for m in measured {
        let Some(loops) = &m.loops else { continue };
        let name = &m.target;
        checks.push(at_most(
            format!("{name}: statements on 1,000 scrapes"),
            loops.statements_on_1000_scrapes as f64,
            0.0,
        ));
        if scenario == Scenario::B
            && let Some(peer) = peer
        {
            let ratio = peer.plain.p99 / m.plain.p99;
            let what = format!("{name}: scrape p99, times lower than postgres_exporter's");
            checks.push(Check { what, value: ratio, limit: 100.0, at_least: true, pass: ratio >= 100.0 });
        }
        // The rest is promised for the defaults.
        if name != "pgmon" || scenario == Scenario::C {
            continue;
        }
        let (p99, cpu, rss) = match scenario {
            Scenario::B => (1.0, 150.0, 25.0),
            Scenario::A | Scenario::C => (1.0, 15.0, 15.0),
        };
        checks.push(at_most(format!("{name}: scrape p99, ms"), m.plain.p99, p99));
        checks.push(at_most(format!("{name}: scrape p99 with gzip, ms"), m.compressed.p99, p99));
        checks.push(at_most(format!("{name}: backend CPU, ms a minute"), m.backend_ms_per_min, cpu));
        checks.push(at_most(format!("{name}: resident memory, MB"), mb(m.memory.rss), rss));
        checks.push(at_most(format!("{name}: connections"), m.connections as f64, 1.0));
        checks.push(at_most(format!("{name}: own CPU, % of a core"), m.cpu_ms_per_min / 600.0, 1.0));
    }
    checks
}

/// A scenario as Markdown.
pub fn markdown(outcome: &Outcome) -> String {
    let mut out = format!("\n### {}: {}\n\n", outcome.scenario, outcome.title);
    out.push_str(
        "| | series | p50 / p99 / max ms | gzip p50 / p99 ms | KB plain / gzip | RSS / peak MB | own CPU ms/scrape | own CPU ms/min | backend ms/scrape | backend ms/min | statements/scrape | statements/min | new connections/min | connections |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for m in &outcome.measured {
        let gzip = if m.compressed.gzip {
            (format!("{:.2} / {:.2}", m.compressed.p50, m.compressed.p99), kb(m.compressed.bytes))
        } else {
            ("-".to_owned(), "-".to_owned())
        };
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} / {:.2} / {:.2} | {} | {} / {} | {:.1} / {:.1} | {:.3} | {:.1} | {:.3} | {:.1} | {:.2} | {:.0} | {} | {} |",
            m.target,
            m.series,
            m.plain.p50,
            m.plain.p99,
            m.plain.max,
            gzip.0,
            kb(m.plain.bytes),
            gzip.1,
            mb(m.memory.rss),
            mb(m.memory.peak),
            m.cpu_ms_per_scrape,
            m.cpu_ms_per_min,
            m.backend_ms_per_scrape,
            m.backend_ms_per_min,
            m.statements_per_scrape,
            m.statements_per_min,
            m.new_connections_per_min.map_or("-".to_owned(), |n| format!("{n:.1}")),
            m.connections,
        );
    }
    let (ours, theirs): (Vec<_>, Vec<_>) = outcome.measured.iter().partition(|m| m.loops.is_some());
    if !ours.is_empty() && !theirs.is_empty() {
        out.push_str("\nTheirs divided by ours:\n\n| | p50 | p99 | gzip p99 | RSS | own CPU/min | backend CPU/min | statements/min |\n|---|---|---|---|---|---|---|---|\n");
        for m in &ours {
            for t in &theirs {
                let _ = writeln!(
                    out,
                    "| {} : {} | {} | {} | {} | {} | {} | {} | {} |",
                    t.target,
                    m.target,
                    ratio(t.plain.p50, m.plain.p50),
                    ratio(t.plain.p99, m.plain.p99),
                    ratio(t.compressed.p99, m.compressed.p99),
                    ratio(mb(t.memory.rss), mb(m.memory.rss)),
                    ratio(t.cpu_ms_per_min, m.cpu_ms_per_min),
                    ratio(t.backend_ms_per_min, m.backend_ms_per_min),
                    ratio(t.statements_per_min, m.statements_per_min),
                );
            }
        }
    }
    if !ours.is_empty() {
        out.push_str("\npgmon's backend CPU by loop, ms:\n\n| | hot_path + workload a minute | rounds | storage round | hourly round | all a minute | first rounds, cold | RSS first / anonymous / file MB | threads |\n|---|---|---|---|---|---|---|---|---|\n");
    }
    for m in &ours {
        let Some(loops) = &m.loops else { continue };
        let [hot, workload] = loops.rounds_measured;
        let _ = writeln!(
            out,
            "| {} | {:.1} | {hot} + {workload} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} / {:.1} / {:.1} | {} |",
            m.target,
            loops.hot_and_workload_ms_per_min,
            loops.storage_round_ms,
            loops.hourly_round_ms,
            m.backend_ms_per_min,
            loops.first_rounds_ms,
            mb(m.memory_first.rss),
            mb(m.memory.anonymous),
            mb(m.memory.file),
            m.memory.threads,
        );
    }
    for m in &ours {
        let incomplete = m.loops.as_ref().map(|l| l.incomplete.join("; ")).unwrap_or_default();
        if !incomplete.is_empty() {
            let _ = writeln!(out, "\n{}: {incomplete}", m.target);
        }
    }
    if !outcome.checks.is_empty() {
        out.push_str("\n| | measured | wanted | |\n|---|---|---|---|\n");
    }
    for c in &outcome.checks {
        let (sign, verdict) = (if c.at_least { "≥" } else { "≤" }, if c.pass { "pass" } else { "FAIL" });
        let _ = writeln!(out, "| {} | {:.2} | {sign} {} | {verdict} |", c.what, c.value, c.limit);
    }
    out
}

fn ratio(theirs: f64, ours: f64) -> String {
    if ours > 0.0 { format!("{:.1}", theirs / ours) } else { "-".to_owned() }
}

fn mb(kb: u64) -> f64 {
    kb as f64 / 1024.0
}

fn kb(bytes: usize) -> String {
    format!("{:.1}", bytes as f64 / 1024.0)
}
