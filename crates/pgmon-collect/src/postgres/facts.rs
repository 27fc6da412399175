//! What is known of a server and of our role on it: read on connecting and again every hour.

use super::collector::{Floor, Need, Query, Spec, pg};
use super::session::{QueryError, Session};
use jiff::Timestamp;
use pgmon_core::snapshot::ServerInfo;
use pgmon_core::version::{ExtVersion, PgVersion};
use serde::Serialize;
use sqlx::Row as _;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVER: &str = include_str!("facts/pg12.sql");
const EXTENSIONS: &str = include_str!("facts/extensions.sql");
const SETTINGS: &str = include_str!("facts/settings.sql");

/// The statements that read the facts, for `pgmon sql`: name and texts.
pub const STATEMENTS: &[(&str, &[Query])] = &[
    ("server", &[pg(12, SERVER)]),
    ("extensions", &[pg(12, EXTENSIONS)]),
    ("settings", &[pg(12, SETTINGS)]),
];

/// An installed extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// Its version.
    pub version: ExtVersion,
    /// The schema of its functions.
    pub schema: String,
}

/// The facts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The server's version.
    pub version: PgVersion,
    /// The same as the server writes it.
    pub version_text: String,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// When its postmaster started.
    pub started_at: Timestamp,
    /// The database that we are in.
    pub database: String,
    /// Its oid.
    pub database_oid: i64,
    /// Our role.
    pub role: String,
    /// Its oid.
    pub role_oid: i64,
    /// Whether our role is a superuser.
    pub superuser: bool,
    /// Whether it sees other sessions and all statistics (`pg_monitor` or `pg_read_all_stats`).
    pub monitor: bool,
    /// Whether it may list the WAL directory (`pg_monitor`).
    pub wal_directory: bool,
    /// Whether it sees all settings (`pg_monitor` or `pg_read_all_settings`).
    pub read_all_settings: bool,
    /// Whether it may read all tables, and so `pg_stats`, sequences and plans (`pg_read_all_data`).
    pub read_all_data: bool,
    /// Bytes in a page.
    pub block_size: u32,
    /// Whether our connection is encrypted.
    pub tls: bool,
    /// The identity of the cluster's data.
    pub system_identifier: Option<String>,
    /// Our backend's process id.
    pub backend_pid: i32,
    /// Extensions of this database.
    pub extensions: BTreeMap<String, Extension>,
    /// Settings: name to value and unit as in `pg_settings`.
    pub settings: BTreeMap<String, (String, Option<String>)>,
}

/// What a collector does on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It runs this text.
    Run(&'static str),
    /// It lacks these.
    Blind(Vec<Need>),
    /// The server's version has no such figures.
    Unsupported,
}

impl Facts {
    /// Reads the facts through a session, within `limit` for each of three statements.
    pub async fn read(session: &mut Session, limit: Duration) -> Result<Self, QueryError> {
        let rows = session.fetch(SERVER, limit).await?;
        let row = rows.first().ok_or_else(|| QueryError::protocol("the facts query returned no row"))?;
        let version = PgVersion::from_num(u32::try_from(row.try_get::<i32, _>("version_num")?).unwrap_or(0));
        let read_all_data =
            row.try_get::<bool, _>("read_all_data")? || row.try_get::<bool, _>("reads_all_tables")?;
        let mut facts = Self {
            version,
            version_text: row.try_get("version_text")?,
            in_recovery: row.try_get("in_recovery")?,
            started_at: super::decode::timestamp(row, "started_at")?,
            database: row.try_get("database")?,
            database_oid: row.try_get("database_oid")?,
            role: row.try_get("role")?,
            role_oid: row.try_get("role_oid")?,
            superuser: row.try_get("superuser")?,
            monitor: row.try_get("monitor")?,
            wal_directory: row.try_get("wal_directory")?,
            read_all_settings: row.try_get("read_all_settings")?,
            read_all_data,
            block_size: u32::try_from(row.try_get::<i32, _>("block_size")?).unwrap_or(8192),
            tls: row.try_get("tls")?,
            system_identifier: row.try_get("system_identifier")?,
            backend_pid: row.try_get("backend_pid")?,
            extensions: BTreeMap::new(),
            settings: BTreeMap::new(),
        };
        for row in session.fetch(EXTENSIONS, limit).await? {
            let text: String = row.try_get("version")?;
            let version = ExtVersion::parse(&text).unwrap_or(ExtVersion(0, 0));
            facts
                .extensions
                .insert(row.try_get("name")?, Extension { version, schema: row.try_get("schema")? });
        }
        for row in session.fetch(SETTINGS, limit).await? {
            facts.settings.insert(row.try_get("name")?, (row.try_get("setting")?, row.try_get("unit")?));
        }
        session.set_search_path(facts.search_path());
        Ok(facts)
    }

    /// A numeric setting in the unit that `pg_settings` shows it in.
    pub fn setting(&self, name: &str) -> Option<f64> {
        self.settings.get(name).and_then(|(v, _)| v.parse().ok())
    }

    /// Whether a boolean setting is on; `None` where the server has no such setting.
    pub fn setting_on(&self, name: &str) -> Option<bool> {
        self.settings.get(name).map(|(v, _)| v == "on")
    }

    /// Whether `shared_preload_libraries` names the library. The setting is hidden from roles without
    /// `pg_read_all_settings`; then the answer is `None`.
    pub fn preloaded(&self, library: &str) -> Option<bool> {
        let (list, _) = self.settings.get("shared_preload_libraries")?;
        // An entry may have its directory: `$libdir/pg_stat_statements`.
        let name = |entry: &str| entry.trim().trim_matches('"').rsplit('/').next() == Some(library);
        Some(list.split(',').any(name))
    }

    /// The `search_path` of our transactions: `pg_catalog`, then the extensions' schemas.
    pub fn search_path(&self) -> String {
        let mut path = String::from("pg_catalog");
        let mut seen = std::collections::BTreeSet::from(["pg_catalog"]);
        for name in ["pg_stat_statements", "pgstattuple", "pg_stat_monitor", "pg_buffercache", "hypopg"] {
            let Some(extension) = self.extensions.get(name) else { continue };
            if seen.insert(&extension.schema) {
                path.push_str(", ");
                path.push_str(&super::quote_ident(&extension.schema));
            }
        }
        path
    }

    /// Decides what a collector does here.
    pub fn choose(&self, spec: &Spec) -> Choice {
        let missing: Vec<Need> = spec.needs.iter().copied().filter(|n| !self.has(*n)).collect();
        if !missing.is_empty() {
            return Choice::Blind(missing);
        }
        if let Some(query) = self.pick(spec.queries) {
            return Choice::Run(query);
        }
        let extensions: Vec<Need> = spec
            .queries
            .iter()
            .filter_map(|q| match q.floor {
                Floor::Ext(name, _) => Some(Need::Extension(name)),
                Floor::Pg(_) => None,
            })
            .take(1)
            .collect();
        if extensions.is_empty() { Choice::Unsupported } else { Choice::Blind(extensions) }
    }

    /// The last text whose floor is met.
    pub fn pick(&self, queries: &[Query]) -> Option<&'static str> {
        queries
            .iter()
            .rev()
            .find(|q| match q.floor {
                Floor::Pg(major) => self.version.major() >= major,
                Floor::Ext(name, floor) => self.extensions.get(name).is_some_and(|e| e.version >= floor),
            })
            .map(|q| q.sql)
    }

    /// Whether a need is met.
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Monitor => self.monitor || self.superuser,
            Need::WalDirectory => self.wal_directory || self.superuser,
            Need::ReadAllSettings => self.read_all_settings || self.superuser,
            Need::ReadAllData => self.read_all_data || self.superuser,
            Need::Extension(name) => self.extensions.contains_key(name),
            // Hidden means unknown: then the statement itself will tell.
            Need::Preloaded(library) => self.preloaded(library).unwrap_or(true),
        }
    }

    /// Whether our role was granted something since `before`, or an extension was installed or updated.
    pub fn has_gained_on(&self, before: &Self) -> bool {
        let rights =
            |f: &Self| [f.superuser, f.monitor, f.wal_directory, f.read_all_settings, f.read_all_data];
        let granted = rights(self).into_iter().zip(rights(before)).any(|(now, before)| now && !before);
        let installed =
            |(name, extension): (&String, &Extension)| before.extensions.get(name) != Some(extension);
        let preload = |f: &Self| f.settings.get("shared_preload_libraries").cloned();
        granted || self.extensions.iter().any(installed) || preload(self) != preload(before)
    }

    /// What readers of a snapshot may know.
    pub fn server_info(&self) -> ServerInfo {
        ServerInfo {
            version: self.version,
            version_text: self.version_text.clone(),
            in_recovery: self.in_recovery,
            started_at: self.started_at,
            system_identifier: self.system_identifier.clone(),
            database: self.database.clone(),
            tls: self.tls,
            block_size: self.block_size,
        }
    }
}

impl Need {
    /// A bounded name for labels: `pg_monitor`, `extension pgstattuple`.
    pub fn label(self) -> String {
        match self {
            Self::Monitor | Self::WalDirectory => "pg_monitor".into(),
            Self::ReadAllSettings => "pg_read_all_settings".into(),
            Self::ReadAllData => "pg_read_all_data".into(),
            Self::Extension(name) => format!("extension {name}"),
            Self::Preloaded(name) => format!("shared_preload_libraries {name}"),
        }
    }

    /// SQL that a DBA can run to meet it.
    pub fn remedy(self, facts: &Facts) -> String {
        let role = super::quote_ident(&facts.role);
        match self {
            Self::Monitor | Self::WalDirectory => format!("GRANT pg_monitor TO {role};"),
            Self::ReadAllSettings => format!("GRANT pg_read_all_settings TO {role};"),
            Self::ReadAllData if facts.version.major() >= 14 => format!("GRANT pg_read_all_data TO {role};"),
            Self::ReadAllData => format!(
                "-- for each schema, in database {db}:\nGRANT USAGE ON SCHEMA public TO {role};\nGRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};\nGRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};",
                db = super::psql::in_comment(&super::quote_ident(&facts.database))
            ),
            Self::Extension(name) => {
                format!(
                    "CREATE EXTENSION {}; -- in database {}",
                    super::quote_ident(name),
                    super::psql::in_comment(&super::quote_ident(&facts.database))
                )
            }
            Self::Preloaded(name) => {
                format!(
                    "-- add {name} to shared_preload_libraries (append to what is there), then restart the server"
                )
            }
        }
    }
}
