//! How much WAL is written, and is it taken care of?

use crate::page::Panel;
use crate::pages::replication::Slot;
use pgmon_collect::postgres::collectors::{archiver, checkpoints, wal, wal_files};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `wal`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Wal")]
pub struct Panels {
    /// WAL written.
    pub wal: Panel<wal::Row>,
    /// Checkpoints and who writes buffers.
    pub checkpoints: Panel<checkpoints::Row>,
    /// The WAL directory.
    pub files: Panel<wal_files::Row>,
    /// The archiver.
    pub archiver: Panel<archiver::Row>,
    /// Slots that hold WAL back, most first.
    pub slots: Panel<Slot>,
}
