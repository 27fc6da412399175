//! `security`: what pgmon refuses and hides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What pgmon refuses and hides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Refuse a database whose role can write; `false` only warns.
    pub read_only_enforce: bool,
    /// Replace literals in statements that are shown.
    pub redact_sql_text: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self { read_only_enforce: true, redact_sql_text: true }
    }
}
