//! How is the server set up, and what changed?

use crate::page::Panel;
use pgmon_collect::postgres::collectors::settings;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `settings`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
pub struct Panels {
    /// Settings that changed since pgmon first saw them, or that wait for a restart.
    pub changed: Panel<settings::Row>,
    /// Settings that are not as they are without any configuration.
    pub configured: Panel<settings::Row>,
    /// All settings.
    pub all: Panel<settings::Row>,
}
