//! What the database spills to temporary files: the pulse that tells a surge while it lasts.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::origin::Origin;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The database's temporary files.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "TempRow")]
pub struct Row {
    /// Files since the statistics were reset.
    pub temp_files: i64,
    /// Bytes since then.
    pub temp_bytes: i64,
    /// When the statistics were reset, Unix time in seconds; absent if never.
    pub stats_reset: Option<f64>,
}

const BYTES: Desc = Desc::counter(
    "pg_temp_bytes_total",
    "Bytes written to temporary files by queries in this database since its statistics were reset.",
    &[],
);
const FILES: Desc = Desc::counter(
    "pg_temp_files_total",
    "Temporary files created by queries in this database since its statistics were reset.",
    &[],
);
const BYTES_PER_SECOND: Desc = Desc::gauge(
    "pg_temp_bytes_per_second",
    "Bytes per second written to temporary files in this database since the last round; a file counts when it is dropped.",
    &[],
);

/// See the module's head.
pub struct Temp {
    last: Option<(Duration, Origin, Row)>,
}

impl Collector for Temp {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "temp",
        title: "Temporary files",
        in_loop: Loop::HotPath,
        // The counters are those of the database that we are in.
        scope: Scope::Entry,
        queries: &[pg(12, include_str!("temp/pg12.sql"))],
        follow_ups: &[],
        families: &[&BYTES, &FILES, &BYTES_PER_SECOND],
        needs: &[],
        blind_effect: "",
    };

    fn new(_settings: &Settings) -> Self {
        Self { last: None }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let Some(row) = rows.first() else {
            self.last = None;
            return Vec::new();
        };
        out.push(&BYTES, &[], row.temp_bytes as f64);
        out.push(&FILES, &[], row.temp_files as f64);
        let origin = Origin::of(&cx.facts);
        if let Some((at, from, before)) = self.last.replace((cx.mono, origin.clone(), row.clone()))
            && from == origin
        {
            out.push_opt(&BYTES_PER_SECOND, &[], rate(&before, row, cx.mono.saturating_sub(at)));
        }
        Vec::new()
    }
}

/// Bytes per second; unknown if the counters began anew in between.
fn rate(before: &Row, now: &Row, elapsed: Duration) -> Option<f64> {
    let grown = now.temp_bytes.checked_sub(before.temp_bytes).filter(|bytes| *bytes >= 0)?;
    // Up to 14 a database has no statistics, and so no time of their reset, until its first use is reported.
    let unused = before.stats_reset.is_none() && before.temp_bytes == 0;
    let same = (unused || before.stats_reset == now.stats_reset) && now.temp_files >= before.temp_files;
    (same && !elapsed.is_zero()).then(|| grown as f64 / elapsed.as_secs_f64())
}
