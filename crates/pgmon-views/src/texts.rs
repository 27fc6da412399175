//! A collector's statements in all versions: what pgmon would send.

use schemars::JsonSchema;
use serde::Serialize;

/// `sql/{collector}`: a collector's statements.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CollectorTexts {
    /// Its name.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The loop that it runs in.
    #[serde(rename = "loop")]
    pub in_loop: &'static str,
    /// `server`: once a server; `database`: in each database; `entry`: in the entry's database.
    pub scope: &'static str,
    /// Its statements.
    pub statements: Vec<Statement>,
    /// What it cannot do without.
    pub needs: Vec<String>,
    /// What is not seen without that.
    pub blind_effect: &'static str,
    /// The families of `/metrics` that it fills.
    pub metrics: Vec<crate::generic::MetricInfo>,
}

/// A statement in all versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "StatementTexts")]
pub struct Statement {
    /// Whether it is sent only after another one, as needed.
    pub follow_up: bool,
    /// Its texts; the last one whose version is met is sent.
    pub texts: Vec<Text>,
}

/// A statement's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "StatementText")]
pub struct Text {
    /// From which version on: `PostgreSQL 14`, `pg_stat_statements 1.8`.
    pub from: String,
    /// The text.
    pub sql: &'static str,
}
