//! Is it healthy, and if not, what first?

use crate::page::{Level, PageName, Panel};
use crate::pages::statements::StatementRow;
use pgmon_collect::postgres::collectors::{canary, throughput};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `overview`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Overview")]
pub struct Panels {
    /// What the other pages say.
    pub pages: Panel<PageVerdict>,
    /// Transactions and cache hits of the database.
    pub throughput: Panel<throughput::Row>,
    /// The statements that cost most now.
    pub top_statements: Panel<StatementRow>,
    /// What a client feels.
    pub canary: Panel<canary::Probe>,
}

/// What a page comes to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PageVerdict {
    /// The page.
    pub page: PageName,
    /// How bad it is.
    pub level: Level,
    /// Its verdict.
    pub sentence: String,
    /// Its problems.
    pub problems: u32,
}
