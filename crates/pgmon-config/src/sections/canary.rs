//! `canary`: a statement that is run to see how the server answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A read-only statement that is run as `EXPLAIN (ANALYZE, BUFFERS)` to see how the server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Canary {
    /// Whether the canary runs.
    pub enabled: bool,
    /// The statement, without EXPLAIN. Not set: pgmon's own on the system catalog.
    #[schemars(extend("examples" = ["SELECT count(*) FROM orders WHERE created_at > now() - interval '1 hour'"]))]
    pub statement: Option<String>,
}

impl Default for Canary {
    fn default() -> Self {
        Self { enabled: true, statement: None }
    }
}
