//! The small caches (SLRU) for transaction status, subtransactions, multixacts and the like.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

/// One cache since its last reset.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "SlruRow")]
pub struct Row {
    /// Its name as from PostgreSQL 17 on: `transaction`, `subtransaction`, `multixact_member`, ...
    pub name: String,
    /// Blocks zeroed on being made.
    pub blks_zeroed: i64,
    /// Blocks found in the cache.
    pub blks_hit: i64,
    /// Blocks read from disk.
    pub blks_read: i64,
    /// Blocks written to disk.
    pub blks_written: i64,
    /// Blocks whose existence was checked.
    pub blks_exists: i64,
    /// Flushes of dirty data.
    pub flushes: i64,
    /// Truncations.
    pub truncates: i64,
}

const ZEROED: Desc =
    Desc::counter("pg_slru_blks_zeroed_total", "Blocks zeroed in a small cache (SLRU).", &["name"]);
const HIT: Desc = Desc::counter("pg_slru_blks_hit_total", "Blocks found in a small cache (SLRU).", &["name"]);
const READ: Desc = Desc::counter(
    "pg_slru_blks_read_total",
    "Blocks read from disk because a small cache (SLRU) did not hold them.",
    &["name"],
);
const WRITTEN: Desc = Desc::counter(
    "pg_slru_blks_written_total",
    "Blocks written to disk from a small cache (SLRU).",
    &["name"],
);
const EXISTS: Desc = Desc::counter(
    "pg_slru_blks_exists_total",
    "Blocks of a small cache (SLRU) whose existence on disk was checked.",
    &["name"],
);
const FLUSHES: Desc =
    Desc::counter("pg_slru_flushes_total", "Flushes of a small cache's (SLRU) dirty data.", &["name"]);
const TRUNCATES: Desc =
    Desc::counter("pg_slru_truncates_total", "Truncations of a small cache's (SLRU) files.", &["name"]);

/// See the module's head.
pub struct Slru;

impl Collector for Slru {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "slru",
        title: "Small caches (SLRU)",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[pg(13, include_str!("slru/pg13.sql"))],
        follow_ups: &[],
        families: &[&ZEROED, &HIT, &READ, &WRITTEN, &EXISTS, &FLUSHES, &TRUNCATES],
        needs: &[],
        blind_effect: "",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows {
            let name = label::name(&row.name);
            for (desc, value) in [
                (&ZEROED, row.blks_zeroed),
                (&HIT, row.blks_hit),
                (&READ, row.blks_read),
                (&WRITTEN, row.blks_written),
                (&EXISTS, row.blks_exists),
                (&FLUSHES, row.flushes),
                (&TRUNCATES, row.truncates),
            ] {
                out.push(desc, &[&name], value as f64);
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
