//! `history`: the figures of the last hours and days.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// The figures of the last hours and days that the UI draws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// Memory for the whole process, plus 0.3 MiB a database (bytes, or a size such as 8MiB).
    pub max_bytes: ByteSize,
    /// Directory that keeps the history over a restart. Empty: memory only.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
}

impl History {
    /// The directory to keep the history in, if one is set.
    pub fn directory(&self) -> Option<&std::path::Path> {
        (!self.path.as_os_str().is_empty()).then_some(self.path.as_path())
    }
}

impl Default for History {
    fn default() -> Self {
        Self { max_bytes: ByteSize::from_mib(1), path: PathBuf::new() }
    }
}
