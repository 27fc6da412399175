//! `ui`: what the pages show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the pages show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ui {
    /// Leave out the databases `postgres`, `template0` and `template1`, in metrics as well (not from wraparound).
    pub hide_postgres_defaults: bool,
}
