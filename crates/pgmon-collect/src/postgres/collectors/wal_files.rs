//! The files of `pg_wal` and what waits to be archived, counted in the directories themselves.
//!
//! In the storage loop: the cost grows with the number of files.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings, Spec, pg};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

/// The directory's figures.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "WalFilesRow")]
pub struct Row {
    /// Files in `pg_wal`.
    pub files: i64,
    /// Their size, bytes.
    pub bytes: f64,
    /// Files that wait to be archived; absent while archiving is off.
    pub ready_files: Option<i64>,
}

const FILES: Desc = Desc::gauge("pg_wal_directory_files", "Files in pg_wal.", &[]);
const BYTES: Desc = Desc::gauge("pg_wal_directory_bytes", "Size of the files in pg_wal, bytes.", &[]);
const READY: Desc = Desc::gauge(
    "pg_archiver_ready_files",
    "WAL files that wait to be archived, counted in the directory; absent while archiving is off.",
    &[],
);

/// See the module's head.
#[derive(Debug)]
pub struct WalFiles;

impl Collector for WalFiles {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "wal_files",
        title: "WAL directory",
        in_loop: Loop::Storage,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("wal_files/pg12.sql"))],
        follow_ups: &[],
        families: &[&FILES, &BYTES, &READY],
        needs: &[Need::WalDirectory],
        blind_effect: "the size of the WAL directory and the archiver's queue",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn samples(&mut self, rows: &[Row], _cx: &Cx, out: &mut Families) -> Vec<Blind> {
        for row in rows.iter().take(1) {
            out.push(&FILES, &[], row.files as f64);
            out.push(&BYTES, &[], row.bytes);
            out.push_opt(&READY, &[], row.ready_files.map(|n| n as f64));
        }
        Vec::new()
    }
}
