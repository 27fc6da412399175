//! A collector's statements in all versions: what pgmon would send.

use crate::generic::MetricInfo;
use pgmon_collect::postgres::collector::{Floor, Query, Scope};
use pgmon_collect::postgres::collectors::ALL;
use pgmon_collect::postgres::listing::statements;
use pgmon_core::metric::FamilyDesc;
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
    pub metrics: Vec<MetricInfo>,
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

/// The statements of the collector of this name.
pub fn of(name: &str) -> Option<CollectorTexts> {
    let spec = ALL.iter().find(|r| r.spec.name == name)?.spec;
    let groups = |queries: &'static [Query], follow_up: bool| {
        // Texts of `queries` stand for one statement, whatever their floors.
        let groups = if follow_up { statements(queries) } else { vec![queries] };
        groups.into_iter().map(move |texts| Statement { follow_up, texts: texts.iter().map(text).collect() })
    };
    Some(CollectorTexts {
        name: spec.name,
        title: spec.title,
        in_loop: spec.in_loop.name(),
        scope: match spec.scope {
            Scope::Server => "server",
            Scope::Database => "database",
            Scope::Entry => "entry",
        },
        statements: groups(spec.queries, false).chain(groups(spec.follow_ups, true)).collect(),
        needs: spec.needs.iter().map(|need| need.label()).collect(),
        blind_effect: spec.blind_effect,
        metrics: spec.families.iter().map(|d| MetricInfo::of(&FamilyDesc::from(*d))).collect(),
    })
}

fn text(query: &Query) -> Text {
    let from = match query.floor {
        Floor::Pg(major) => format!("PostgreSQL {major}"),
        Floor::Ext(name, version) => format!("{name} {version}"),
    };
    Text { from, sql: query.sql }
}
