//! The whole of `pgmon.yaml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Alerts, Bloat, Budgets, Canary, ClusterSource, Database, History, Http, Limits, Logging, Notifiers,
    Query, SampleIntervals, Secrets, Security, Service, Timeouts, Ui,
};
use crate::Dsn;

/// The configuration of pgmon. Every key has a default, and every key can be set by an environment
/// variable: `PGMON_` and the path of the key in capitals, joined by `_`, as in
/// `PGMON_ALERTS_CONNECTIONS_WARN=0.7` or `PGMON_DATABASES_0_DSN=postgres://...`; a section or list
/// is given as YAML or JSON text. The command line comes before the environment, the environment
/// before the file; an empty variable counts as not set.
///
/// In the file, `${VAR}` stands for an environment variable, `${VAR:-text}` gives it a default, and
/// `$$` is a dollar sign; within `{}` and `[]`, YAML wants quotes around it: `{port: "${PORT}"}`. A key `x_file` names a file with the value of the secret `x`; a path that is
/// not absolute starts at the directory of the file that it is written in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "pgmon.yaml")]
pub struct Config {
    /// The label `cluster` of every metric, unless a database has its own.
    #[schemars(length(min = 1, max = 128))]
    pub cluster: String,
    /// The database to watch, if it is one: a URL (`postgres://user@host:5432/database`) or keywords
    /// (`host=db1 dbname=shop user=pgmon`).
    #[schemars(extend("examples" = ["postgres://pgmon@db1:5432/shop?sslmode=verify-full"]))]
    pub dsn: Option<Dsn>,
    /// File with the DSN.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/dsn"]))]
    pub dsn_file: Option<PathBuf>,
    /// The databases to watch, if there are several.
    #[schemars(length(max = 10_000))]
    pub databases: Vec<Database>,
    /// File with more databases, JSON or YAML: SitRep's `databases.json`, or a list as `databases` is.
    #[schemars(extend("format" = "path", "examples" = ["databases.json"]))]
    pub databases_file: Option<PathBuf>,
    /// Metrics of your own, each from a statement: see docs/custom-queries.md.
    #[schemars(length(max = 1_000))]
    pub queries: Vec<Query>,
    /// File with more queries, JSON or YAML: SitRep's `queries.json`, or a list as `queries` is.
    #[schemars(extend("format" = "path", "examples" = ["queries.json"]))]
    pub queries_file: Option<PathBuf>,
    /// Services that are checked besides databases, each by its name: Redis, HTTP, TCP, PgBouncer and
    /// PostgreSQL. See docs/services.md.
    pub services: BTreeMap<String, Service>,
    /// Managers of highly available PostgreSQL that are asked how their clusters are: Manatee, Patroni, and
    /// streaming replication as the watched databases show it. See docs/clusters.md.
    #[schemars(length(max = 1_000))]
    pub clusters: Vec<ClusterSource>,
    /// Schemas in which `queries` look up names without a schema.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 63)))]
    pub search_path: Vec<String>,
    /// Labels that every sample on `/metrics` gets, unless its family has a label of that name.
    #[schemars(extend("examples" = [{ "exporter": "custom_pg_exporter" }]))]
    pub default_labels: BTreeMap<String, String>,
    /// How often each loop runs.
    pub sample_intervals: SampleIntervals,
    /// How long one round of each loop may take.
    pub budgets: Budgets,
    /// Caps on what is collected and exported.
    pub limits: Limits,
    /// How long pgmon waits for a monitored server.
    pub timeouts: Timeouts,
    /// What pgmon refuses and hides.
    pub security: Security,
    /// How passwords are got that are in no file: commands and Vault.
    pub secrets: Secrets,
    /// Where pgmon serves metrics, API and UI.
    pub http: Http,
    /// Thresholds of the built-in alert rules.
    pub alerts: Alerts,
    /// Where alerts are sent.
    pub notifiers: Notifiers,
    /// A statement that is run to see how the server answers.
    pub canary: Canary,
    /// How wasted space is measured.
    pub bloat: Bloat,
    /// The figures of the last hours and days.
    pub history: History,
    /// What pgmon writes to standard error.
    pub logging: Logging,
    /// What the pages show.
    pub ui: Ui,
}

impl Config {
    /// The configuration with every secret left out, for showing. A DSN is reduced to user, host, port
    /// and database.
    pub fn redacted(&self) -> serde_json::Value {
        // Cannot fail: no section has a map with other than text keys.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: "local".to_owned(),
            dsn: None,
            dsn_file: None,
            databases: Vec::new(),
            databases_file: None,
            queries: Vec::new(),
            queries_file: None,
            services: BTreeMap::new(),
            clusters: Vec::new(),
            search_path: ["pg_catalog", "$user", "public"].map(str::to_owned).into(),
            default_labels: BTreeMap::new(),
            sample_intervals: SampleIntervals::default(),
            budgets: Budgets::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            security: Security::default(),
            secrets: Secrets::default(),
            http: Http::default(),
            alerts: Alerts::default(),
            notifiers: Notifiers::default(),
            canary: Canary::default(),
            bloat: Bloat::default(),
            history: History::default(),
            logging: Logging::default(),
            ui: Ui::default(),
        }
    }
}
