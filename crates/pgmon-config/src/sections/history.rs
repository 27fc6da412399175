//! `history`: the figures of the last hours and days.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// The figures of the last hours and days that the UI draws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// Memory for the whole process, plus 0.3 MiB a database (bytes, or a size such as 8MiB). Without it 1 MiB for
    /// each database, at most 8 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "8MiB")]
    pub max_bytes: Option<ByteSize>,
    /// Directory that keeps the history over a restart. Empty: memory only.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
}

impl History {
    /// The limit in bytes for so many databases, without the 0.3 MiB that each of them adds.
    ///
    /// A process that watches few databases is expected to be small: docs/adr/0010.
    pub fn limit(&self, databases: usize) -> u64 {
        let all = ByteSize::from_mib(8).bytes();
        let each = u64::try_from(databases).unwrap_or(u64::MAX).saturating_mul(ByteSize::from_mib(1).bytes());
        self.max_bytes.map_or(each.min(all), ByteSize::bytes)
    }

    /// The directory to keep the history in, if one is set.
    pub fn directory(&self) -> Option<&std::path::Path> {
        (!self.path.as_os_str().is_empty()).then_some(self.path.as_path())
    }
}

impl Default for History {
    fn default() -> Self {
        Self { max_bytes: None, path: PathBuf::new() }
    }
}
