//! The tables, and whether all figures are reached.

use super::{Args, Measured};
use anyhow::Result;
use std::fmt::Write as _;

/// What 99 of 100 answers of any path may take (ms).
const P99_LIMIT: f64 = 5.0;

/// A figure with its limit.
struct Check {
    what: &'static str,
    measured: f64,
    limit: f64,
    unit: &'static str,
}

impl Check {
    fn pass(&self) -> bool {
        self.measured <= self.limit
    }

    fn line(&self) -> String {
        let Self { what, measured, limit, unit } = self;
        let share = match *limit {
            0.0 => "-".to_owned(),
            limit => format!("{:.0} %", measured / limit * 100.0),
        };
        let word = if self.pass() { "reached" } else { "**missed**" };
        let places = if unit.is_empty() { 0 } else { 1 };
        format!("| {what} | {measured:.places$} {unit} | {limit} {unit} | {share} | {word} |")
    }
}

/// The report, and whether pgmon reached everything.
pub fn markdown(measured: &Measured, args: &Args) -> Result<(String, bool)> {
    let mut out = String::new();
    if cfg!(debug_assertions) {
        writeln!(out, "**A debug build: these figures mean nothing.**\n")?;
    }
    writeln!(
        out,
        "PostgreSQL {} with {} tables and as many indexes; {} cores, server, pgmon, client and browser on the same \
         machine. {} requests of each path and kind at a pace of {} ms.\n",
        args.pg,
        measured.tables,
        std::thread::available_parallelism()?,
        args.requests,
        args.pace_ms
    )?;
    let checks = checks(measured);
    writeln!(out, "| | measured | at most | of it | |\n|---|---|---|---|---|")?;
    for check in &checks {
        writeln!(out, "{}", check.line())?;
    }
    writeln!(out, "\n| path | plain p50 ms | p99 | gzip p50 ms | p99 | 304 p99 ms | bytes | gzip |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for timed in &measured.api {
        let (plain, gzip) = (&timed.plain, &timed.gzip);
        let unchanged =
            timed.unchanged.as_ref().map_or_else(|| "-".to_owned(), |k| format!("{:.2}", k.p99_ms));
        writeln!(
            out,
            "| `{}` | {:.2} | {:.2} | {:.2} | {:.2} | {unchanged} | {} | {} |",
            timed.path.trim_start_matches("/api/v1/"),
            plain.p50_ms,
            plain.p99_ms,
            gzip.p50_ms,
            gzip.p99_ms,
            plain.bytes,
            gzip.bytes
        )?;
    }
    if let Some(painted) = &measured.pages {
        writeln!(out, "\n| page | first paint ms | largest paint ms | KiB |\n|---|---|---|---|")?;
        for page in &painted.pages {
            writeln!(out, "| `{}` | {} | {} | {} |", page.path, page.fcp_ms, page.lcp_ms, page.kib)?;
        }
    }
    let quiet = &measured.quiet;
    writeln!(
        out,
        "\nStatements: {} requests to the API ({} refreshes of all paths: an hour at 5 s is 720) and {} pages opened in \
         a browser, while pgmon's loops rested. pg_stat_statements counted {} statements of pgmon's before and {} after.",
        quiet.requests, args.refreshes, quiet.pages, quiet.before, quiet.after
    )?;
    let after_pages =
        measured.memory_after_pages.as_ref().map_or_else(|| "-".to_owned(), |m| m.rss.to_string());
    writeln!(
        out,
        "\nResident: {} KB before anybody asked, {} after the API, {after_pages} after the pages.",
        measured.memory_before.rss, measured.memory_after_api.rss
    )?;
    Ok((out, checks.iter().all(Check::pass)))
}

fn checks(measured: &Measured) -> Vec<Check> {
    let slowest = measured.api.iter().map(super::api::Timed::p99_ms).fold(f64::NAN, f64::max);
    // Of what has an ETag, some answers at least must have been 304.
    let silent =
        measured.api.iter().filter_map(|t| t.unchanged.as_ref()).filter(|k| k.unchanged == 0).count();
    let mut checks = vec![
        Check { what: "API: p99 of the slowest path", measured: slowest, limit: P99_LIMIT, unit: "ms" },
        Check {
            what: "API: paths with an ETag that never gave 304",
            measured: silent as f64,
            limit: 0.0,
            unit: "",
        },
    ];
    if let Some(painted) = &measured.pages {
        let (fcp, lcp) = painted.slowest();
        let (first, largest) = ("First paint of the slowest page", "Largest paint of the slowest page");
        checks.push(Check { what: first, measured: fcp, limit: painted.limits.fcp_ms, unit: "ms" });
        checks.push(Check { what: largest, measured: lcp, limit: painted.limits.lcp_ms, unit: "ms" });
    }
    let (statements, connections) = (measured.quiet.statements(), measured.quiet.new_connections);
    let what = "Statements of an hour of open pages, beyond the loops'";
    checks.push(Check { what, measured: statements as f64, limit: 0.0, unit: "" });
    checks.push(Check { what: "Connections of it", measured: connections as f64, limit: 0.0, unit: "" });
    checks
}
