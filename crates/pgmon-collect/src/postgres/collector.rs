//! What a collector is, and how the harness drives it.
//!
//! A collector is one file beside its SQL. It owns its row type, its [`Spec`] and a pure mapping of
//! rows to samples; it never connects, sleeps, spawns or times itself. Most implement [`Collector`]
//! (one statement a round); one that needs several statements implements [`Steps`].

use super::facts::Facts;
use super::session::QueryError;
use jiff::Timestamp;
use pgmon_core::metric::{Desc, Families, Family};
use pgmon_core::snapshot::{Blind, Data, Loop};
use pgmon_core::version::ExtVersion;
use serde::Serialize;
use sqlx::postgres::{PgArguments, PgRow};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What a figure belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole server: collected once, exported under each of its entries.
    Server,
    /// Each database: collected in the entry's own and, with `discover: true`, in those that are visited.
    /// Then the label `datname` tells them apart.
    Database,
    /// The entry's own database and connection alone: what happens in seconds is not seen in visits.
    Entry,
}

/// The oldest server or extension that a query text serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// A PostgreSQL major version.
    Pg(u16),
    /// An extension's version, whatever the server's: an upgraded server may keep an old extension.
    Ext(&'static str, ExtVersion),
}

/// One text of a collector's statement.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Query {
    /// From which version on.
    pub floor: Floor,
    /// The statement, from a `.sql` file.
    pub sql: &'static str,
}

/// The text for PostgreSQL `major` and later.
pub const fn pg(major: u16, sql: &'static str) -> Query {
    Query { floor: Floor::Pg(major), sql }
}

/// The text for an extension from `version` on.
pub const fn ext(name: &'static str, version: (u16, u16), sql: &'static str) -> Query {
    Query { floor: Floor::Ext(name, ExtVersion(version.0, version.1)), sql }
}

/// Something that a collector cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Membership in `pg_monitor` (or `pg_read_all_stats`): other sessions are seen.
    Monitor,
    /// The functions that list the WAL directory, which members of `pg_monitor` itself may call.
    WalDirectory,
    /// Membership in `pg_read_all_settings` (or `pg_monitor`, which has it).
    ReadAllSettings,
    /// Membership in `pg_read_all_data` (14+), or SELECT on the user tables.
    ReadAllData,
    /// An extension, installed in this database.
    Extension(&'static str),
    /// A library in `shared_preload_libraries`.
    Preloaded(&'static str),
}

/// A collector's description. Routes, docs, `pgmon sql` and the generic UI panel follow from it.
#[derive(Debug, Serialize)]
pub struct Spec {
    /// Its name: lower-case words with `_`.
    pub name: &'static str,
    /// What a panel's head says.
    pub title: &'static str,
    /// When it runs.
    #[serde(rename = "loop")]
    pub in_loop: Loop,
    /// What its figures belong to.
    pub scope: Scope,
    /// Its statement by version, oldest first; the last one whose floor is met runs.
    /// If there are extension floors and none is met, the collector is blind;
    /// if there are only version floors and none is met, it is unsupported.
    pub queries: &'static [Query],
    /// Further statements that [`Steps`] may send in the same round (shown by `pgmon sql`).
    pub follow_ups: &'static [Query],
    /// Families that its samples may belong to.
    pub families: &'static [&'static Desc],
    /// Without these it does not run and reports itself blind.
    pub needs: &'static [Need],
    /// What a DBA does not see while it is blind, in words.
    pub blind_effect: &'static str,
}

/// What a round may look at besides its rows.
#[derive(Debug, Clone)]
pub struct Cx {
    /// What is known of the server.
    pub facts: Arc<Facts>,
    /// The limits and thresholds from the configuration.
    pub settings: Arc<Settings>,
    /// When the round started.
    pub at: Timestamp,
    /// The same on the monotonic clock.
    pub mono: Duration,
    /// The interval of the collector's loop.
    pub interval: Duration,
}

/// What collectors take from the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Series per relation family.
    pub top_relations: u32,
    /// Series per index family.
    pub top_indexes: u32,
    /// Statements per ranking.
    pub top_queries: u32,
    /// How far ahead partitions must exist.
    pub partition_horizon: Duration,
    /// Whether SQL text is kept without literals.
    pub redact_sql_text: bool,
    /// Whether the canary runs a second statement.
    pub canary_enabled: bool,
    /// A read-only statement that the canary times; pgmon's own if there is none.
    pub canary_statement: Option<String>,
    /// How bloat is measured.
    pub bloat: BloatSettings,
}

/// How bloat is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct BloatSettings {
    /// Tables and indexes measured a round.
    pub top_n: u32,
    /// Smaller ones are left alone, bytes.
    pub min_bytes: u64,
    /// All bytes that a round may read at most.
    pub max_bytes: u64,
    /// Whether relations are read at all; otherwise bloat is estimated from statistics alone.
    pub measure: bool,
    /// Whether `pgstattuple` (reads every page) may be used instead of `pgstattuple_approx`.
    pub exact: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top_relations: 50,
            top_indexes: 50,
            top_queries: 50,
            partition_horizon: Duration::from_secs(7 * 86_400),
            redact_sql_text: true,
            canary_enabled: true,
            canary_statement: None,
            bloat: BloatSettings {
                top_n: 10,
                min_bytes: 100 << 20,
                max_bytes: 10 << 30,
                measure: true,
                exact: false,
            },
        }
    }
}

/// What a round gave.
#[derive(Default)]
pub struct Outcome {
    /// The samples.
    pub families: Vec<Family>,
    /// The rows (or what was made of them) for the API.
    pub data: Option<Data>,
    /// What could not be seen although the statement ran, and why.
    pub blind: Vec<Blind>,
}

/// A collector with one statement a round.
///
/// An instance lives as long as its database's entry; what a round must remember for the next one
/// (counters for rates, members of a Top-N) is in its fields. [`Collector::samples`] does no I/O and
/// depends on nothing but `self`, the rows and `cx`, so that tests call it with rows of their own.
pub trait Collector: Send + Sized + 'static {
    /// One row as the statement returns it.
    type Row: for<'r> sqlx::FromRow<'r, PgRow> + Serialize + schemars::JsonSchema + Send + Sync + 'static;

    /// Its description.
    const SPEC: &'static Spec;

    /// A new instance.
    fn new(settings: &Settings) -> Self;

    /// Values for the statement's `$1`, `$2`, ...
    fn args(&self, cx: &Cx) -> Result<PgArguments, sqlx::error::BoxDynError> {
        let _ = cx;
        Ok(PgArguments::default())
    }

    /// Fills in what rows take from earlier rounds (rates, changes): fields that the statement does not
    /// return (`#[sqlx(skip)]`). Runs before [`Collector::samples`], as pure as that.
    fn complete(&mut self, rows: &mut [Self::Row], cx: &Cx) {
        let _ = (rows, cx);
    }

    /// Maps the rows of a round.
    fn samples(&mut self, rows: &[Self::Row], cx: &Cx, out: &mut Families) -> Vec<Blind>;

    /// Adds rows of what is not there any more and worth being told. Runs last: they have no samples.
    fn remembered(&mut self, rows: &mut Vec<Self::Row>, cx: &Cx) {
        let _ = (rows, cx);
    }
}

/// A statement to be run.
pub struct Statement {
    /// Its text: one of ours (costs nothing to pass on), or one from the configuration.
    pub sql: Cow<'static, str>,
    /// Its values.
    pub args: PgArguments,
    /// Another `search_path` than the session's, quoted where need be.
    pub search_path: Option<Cow<'static, str>>,
    /// Whether it is prepared for this one time only. What is kept prepared fails for good once the types
    /// of its columns change.
    pub once: bool,
}

/// Where names in statements from the configuration are looked up, if nothing else is configured.
pub const USERS_SEARCH_PATH: &str = r#"pg_catalog, "$user", public"#;

impl Statement {
    /// A statement without values.
    pub fn plain(sql: impl Into<Cow<'static, str>>) -> Self {
        Self::with(sql, PgArguments::default())
    }

    /// A statement with its values.
    pub fn with(sql: impl Into<Cow<'static, str>>, args: PgArguments) -> Self {
        Self { sql: sql.into(), args, search_path: None, once: false }
    }

    /// The same, with names looked up elsewhere than in `pg_catalog` and the extensions' schemas.
    pub fn in_path(self, search_path: impl Into<Cow<'static, str>>) -> Self {
        Self { search_path: Some(search_path.into()), ..self }
    }

    /// The same, not kept prepared.
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }
}

/// What the harness drives: a round is `begin`, then for each statement its rows and `end`, then `finish`.
pub trait Steps: Send {
    /// The description.
    fn spec(&self) -> &'static Spec;
    /// Starts a round with the text chosen for this server; `Err` if a value cannot be sent.
    fn begin(&mut self, sql: &'static str, cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError>;
    /// Takes a row of the statement that is running.
    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error>;
    /// Called before [`Steps::end`]: how long the statement took as seen from here, from sending it to
    /// its last row (without the transaction around it). Only what measures the server needs it.
    fn answered(&mut self, within: Duration) {
        let _ = within;
    }
    /// The statement's rows are all here: the next statement, or `None` to finish.
    /// `error` is set if the statement failed; return it to fail the round, or go on without it.
    fn end(&mut self, error: Option<QueryError>, cx: &Cx) -> Result<Option<Statement>, QueryError>;
    /// Maps what the round took in.
    fn finish(&mut self, cx: &Cx) -> Outcome;
    /// Forgets what an unfinished round took in.
    fn abort(&mut self);
}

/// A registered collector.
#[derive(Clone, Copy)]
pub struct Registered {
    /// Its description.
    pub spec: &'static Spec,
    /// Makes an instance for one database.
    pub make: fn(&Settings) -> Box<dyn Steps>,
    /// The JSON Schema of its rows.
    pub row_schema: fn() -> schemars::Schema,
}

/// Registers a collector with one statement.
pub const fn single<C: Collector>() -> Registered {
    Registered {
        spec: C::SPEC,
        make: |settings| Box::new(Single { inner: C::new(settings), rows: Vec::new() }),
        row_schema: || schemars::schema_for!(Vec<C::Row>),
    }
}

/// Drives a [`Collector`].
struct Single<C: Collector> {
    inner: C,
    rows: Vec<C::Row>,
}

impl<C: Collector> Steps for Single<C> {
    fn spec(&self) -> &'static Spec {
        C::SPEC
    }

    fn begin(&mut self, sql: &'static str, cx: &Cx) -> Result<Statement, sqlx::error::BoxDynError> {
        self.rows.clear();
        Ok(Statement::with(sql, self.inner.args(cx)?))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        self.rows.push(<C::Row as sqlx::FromRow<'_, PgRow>>::from_row(row)?);
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, _cx: &Cx) -> Result<Option<Statement>, QueryError> {
        error.map_or(Ok(None), Err)
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        let mut families = Families::new();
        let mut rows = std::mem::take(&mut self.rows);
        self.inner.complete(&mut rows, cx);
        let blind = self.inner.samples(&rows, cx, &mut families);
        self.inner.remembered(&mut rows, cx);
        Outcome { families: families.into_vec(), data: Some(Arc::new(rows)), blind }
    }

    fn abort(&mut self) {
        self.rows = Vec::new();
    }
}
