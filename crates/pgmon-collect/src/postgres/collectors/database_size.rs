//! Sizes of the server's databases and tablespaces.
//!
//! All databases are measured by one statement. If that fails (a database is just being dropped, a
//! directory cannot be read), each is measured by a statement of its own, so that one costs only itself.

use crate::postgres::collector::{
    Cx, Outcome, Query, Registered, Scope, Settings, Spec, Statement, Steps, pg,
};
use crate::postgres::session::QueryError;
use crate::postgres::wording::few;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, FromRow as _, Row as _};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// So many databases are measured one by one at most.
const SINGLY: usize = 500;

/// A database.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "DatabaseSize")]
pub struct Database {
    /// Its oid.
    pub oid: i64,
    /// Its name.
    pub name: String,
    /// Whether it is a template.
    pub is_template: bool,
    /// Whether anybody may connect to it.
    pub allows_connections: bool,
    /// Whether its size may be taken.
    pub may: bool,
    /// Bytes; absent if unknown.
    pub bytes: Option<i64>,
}

/// A tablespace.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "TablespaceSize")]
pub struct Tablespace {
    /// Its oid.
    pub oid: i64,
    /// Its name.
    pub name: String,
    /// Its directory; absent for `pg_default` and `pg_global`, which lie in the data directory.
    pub location: Option<String>,
    /// Whether its size may be taken.
    pub may: bool,
    /// Bytes; absent if unknown. Of `pg_default` what the databases hold outside of the others.
    pub bytes: Option<i64>,
}

/// What the API gets.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "DatabaseSizes")]
pub struct Sizes {
    /// The databases.
    pub databases: Vec<Database>,
    /// The tablespaces.
    pub tablespaces: Vec<Tablespace>,
}

const DATABASE: Desc = Desc::gauge(
    "pg_database_size_bytes",
    "Bytes of a database (pg_database_size); both labels carry its name.",
    &["datname", "database"],
);
const TABLESPACE: Desc = Desc::gauge(
    "pg_tablespace_size_bytes",
    "Bytes of a tablespace (pg_tablespace_size); of pg_default what the databases hold outside of the others, without temporary files.",
    &["tablespace"],
);

const NAMES: Query = pg(12, include_str!("database_size/names.sql"));
const ONE: Query = pg(12, include_str!("database_size/one.sql"));
const TABLESPACES: Query = pg(12, include_str!("database_size/tablespaces.sql"));

const SPEC: &Spec = &Spec {
    name: "database_size",
    title: "Databases and tablespaces",
    in_loop: Loop::Storage,
    scope: Scope::Server,
    queries: &[pg(12, include_str!("database_size/pg12.sql"))],
    follow_ups: &[TABLESPACES, NAMES, ONE],
    families: &[&DATABASE, &TABLESPACE],
    needs: &[],
    blind_effect: "sizes of databases",
};

/// What the running statement brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// All databases with their sizes.
    #[default]
    All,
    /// The databases alone.
    Names,
    /// The size of the database at this position.
    One(usize),
    /// The tablespaces.
    Tablespaces,
}

/// See the module's head.
#[derive(Default)]
pub struct DatabaseSize {
    stage: Stage,
    sizes: Sizes,
    failed: Vec<String>,
}

/// For the list of collectors.
pub const REGISTERED: Registered = Registered {
    spec: SPEC,
    make: |_: &Settings| Box::new(DatabaseSize::default()),
    row_schema: || schemars::schema_for!(Sizes),
};

impl DatabaseSize {
    /// The statement for the next database from position `from` on that can be measured.
    fn next(&mut self, from: usize) -> Result<Statement, QueryError> {
        let found = self.sizes.databases.iter().enumerate().skip(from).take(SINGLY.saturating_sub(from));
        let Some((position, database)) = found.into_iter().find(|(_, d)| d.may) else {
            self.stage = Stage::Tablespaces;
            return Ok(Statement::plain(TABLESPACES.sql));
        };
        let mut args = PgArguments::default();
        args.add(database.oid).map_err(|e| QueryError::Decode(e.to_string()))?;
        self.stage = Stage::One(position);
        Ok(Statement::with(ONE.sql, args))
    }

    /// `pg_default` is where a database's files are if they are nowhere else: walking it would read every
    /// directory a second time.
    fn derive_default(&mut self) {
        let databases: Option<i64> = self.sizes.databases.iter().map(|d| d.bytes).sum();
        let mut others: Option<i64> = Some(0);
        for t in self.sizes.tablespaces.iter().filter(|t| t.name != "pg_default" && t.name != "pg_global") {
            others = others.zip(t.bytes).map(|(a, b)| a.saturating_add(b));
        }
        if let Some(t) = self.sizes.tablespaces.iter_mut().find(|t| t.name == "pg_default") {
            t.bytes = databases.zip(others).map(|(d, o)| d.saturating_sub(o).max(0));
        }
    }
}

impl Steps for DatabaseSize {
    fn spec(&self) -> &'static Spec {
        SPEC
    }

    fn begin(&mut self, sql: &'static str, _cx: &Cx) -> Result<Statement, BoxDynError> {
        self.abort();
        Ok(Statement::plain(sql))
    }

    fn row(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        match self.stage {
            Stage::All | Stage::Names => self.sizes.databases.push(Database::from_row(row)?),
            Stage::Tablespaces => self.sizes.tablespaces.push(Tablespace::from_row(row)?),
            Stage::One(position) => {
                if let Some(database) = self.sizes.databases.get_mut(position) {
                    database.bytes = row.try_get("bytes")?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, error: Option<QueryError>, _cx: &Cx) -> Result<Option<Statement>, QueryError> {
        match (self.stage, error) {
            (Stage::All, None) => {
                self.stage = Stage::Tablespaces;
                Ok(Some(Statement::plain(TABLESPACES.sql)))
            }
            (Stage::All, Some(_)) => {
                self.abort();
                self.stage = Stage::Names;
                Ok(Some(Statement::plain(NAMES.sql)))
            }
            (Stage::Names, Some(error)) => Err(error),
            (Stage::Names, None) => self.next(0).map(Some),
            (Stage::One(position), error) => {
                if let (Some(error), Some(database)) = (error, self.sizes.databases.get(position)) {
                    self.failed.push(format!("{}: {error}", database.name));
                }
                self.next(position.saturating_add(1)).map(Some)
            }
            (Stage::Tablespaces, error) => {
                if let Some(error) = error {
                    self.sizes.tablespaces.clear();
                    self.failed.push(format!("tablespaces: {error}"));
                }
                self.derive_default();
                Ok(None)
            }
        }
    }

    fn finish(&mut self, cx: &Cx) -> Outcome {
        let mut out = Families::new();
        for database in &self.sizes.databases {
            let name = label::name(&database.name);
            out.push_opt(&DATABASE, &[&name, &name], database.bytes.map(|b| b as f64));
        }
        for tablespace in &self.sizes.tablespaces {
            let name = label::name(&tablespace.name);
            out.push_opt(&TABLESPACE, &[&name], tablespace.bytes.map(|b| b as f64));
        }
        let mut blind = Vec::new();
        let hidden: Vec<&str> =
            self.sizes.databases.iter().filter(|d| !d.may).map(|d| d.name.as_str()).collect();
        let spaces = self.sizes.tablespaces.iter().filter(|t| !t.may && t.name != "pg_default");
        let hidden_spaces: Vec<&str> = spaces.map(|t| t.name.as_str()).collect();
        for (what, names) in [("databases", hidden), ("tablespaces", hidden_spaces)] {
            if !names.is_empty() {
                blind.push(Blind {
                    collector: SPEC.name.into(),
                    needs: "pg_read_all_stats".into(),
                    effect: format!("sizes of the {what} {}", few(&names)),
                    remedy: Some(format!(
                        "GRANT pg_read_all_stats TO {};",
                        crate::postgres::quote_ident(&cx.facts.role)
                    )),
                });
            }
        }
        for database in self.sizes.databases.iter().filter(|d| d.may && d.bytes.is_none()) {
            // Without an error the server says NULL if it found no file: dropped just now, or unreadable.
            if !self.failed.iter().any(|f| f.starts_with(&format!("{}: ", database.name))) {
                self.failed.push(format!("{}: no file was found", database.name));
            }
        }
        if !self.failed.is_empty() {
            let failed: Vec<&str> = self.failed.iter().map(String::as_str).collect();
            blind.push(Blind {
                collector: SPEC.name.into(),
                needs: "a readable directory".into(),
                effect: format!("sizes that could not be taken: {}", few(&failed)),
                remedy: None,
            });
        }
        let sizes = std::mem::take(&mut self.sizes);
        self.abort();
        Outcome { families: out.into_vec(), data: Some(Arc::new(sizes)), blind }
    }

    fn abort(&mut self) {
        *self = Self::default();
    }
}
