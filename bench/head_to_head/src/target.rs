//! What is measured: pgmon and its peers, each with its settings.

use crate::scenario::Scenario;
use anyhow::{Context as _, Result, bail};
use head_to_head::running::{Running, free_port};
use pgmon_testkit::Server;
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// An exporter with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// pgmon with its defaults (scenario c: `discover`).
    Pgmon,
    /// pgmon with limits that leave no relation, index or statement out.
    PgmonRaised,
    /// pgmon with an entry per database (scenario c).
    PgmonEntries,
    /// postgres_exporter with its defaults (scenario c: `--auto-discover-databases`).
    PostgresExporter,
    /// postgres_exporter with all collectors.
    PostgresExporterAll,
    /// pg_exporter with its defaults.
    PgExporter,
    /// pg_exporter with all collectors.
    PgExporterAll,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// pgmon.
    pub pgmon: PathBuf,
    /// prometheus-postgres-exporter.
    pub postgres_exporter: Option<PathBuf>,
    /// crates.io's pg_exporter.
    pub pg_exporter: Option<PathBuf>,
}

/// pgmon's loops as an instance is to run them, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// hot_path
    pub hot_path: u64,
    /// workload
    pub workload: u64,
    /// storage
    pub storage: u64,
    /// hourly
    pub hourly: u64,
}

impl Intervals {
    /// pgmon's defaults.
    pub const DEFAULT: Self = Self { hot_path: 15, workload: 60, storage: 600, hourly: 3600 };
}

/// How a role reaches the server.
pub struct Access<'a> {
    /// The server.
    pub server: &'a Server,
    /// The role.
    pub role: &'a str,
    /// Its password.
    pub password: &'a str,
}

impl Access<'_> {
    fn dsn(&self, database: &str) -> String {
        self.server.dsn_as(self.role, self.password, database)
    }
}

impl Target {
    /// The ones that make sense for a scenario.
    pub fn of(scenario: Scenario) -> Vec<Self> {
        let mut all = vec![Self::Pgmon, Self::PgmonRaised];
        if scenario == Scenario::C {
            all.push(Self::PgmonEntries);
        }
        all.extend([
            Self::PostgresExporter,
            Self::PostgresExporterAll,
            Self::PgExporter,
            Self::PgExporterAll,
        ]);
        all
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pgmon => "pgmon",
            Self::PgmonRaised => "pgmon, limits raised",
            Self::PgmonEntries => "pgmon, ten entries",
            Self::PostgresExporter => "postgres_exporter",
            Self::PostgresExporterAll => "postgres_exporter, all",
            Self::PgExporter => "pg_exporter",
            Self::PgExporterAll => "pg_exporter, all",
        }
    }

    /// A name for its role.
    pub fn role(self) -> String {
        format!("bench_{self:?}").to_lowercase()
    }

    /// Whether it is pgmon.
    pub fn is_pgmon(self) -> bool {
        matches!(self, Self::Pgmon | Self::PgmonRaised | Self::PgmonEntries)
    }

    /// Its program, if it is there.
    pub fn program(self, programs: &Programs) -> Option<&Path> {
        match self {
            Self::Pgmon | Self::PgmonRaised | Self::PgmonEntries => Some(&programs.pgmon),
            Self::PostgresExporter | Self::PostgresExporterAll => programs.postgres_exporter.as_deref(),
            Self::PgExporter | Self::PgExporterAll => programs.pg_exporter.as_deref(),
        }
    }

    /// The entries that pgmon is configured with.
    pub fn entries(self, scenario: Scenario) -> usize {
        if self == Self::PgmonEntries { scenario.databases().len() } else { 1 }
    }

    /// Starts it; `intervals` counts for pgmon only.
    pub async fn start(
        self,
        programs: &Programs,
        scenario: Scenario,
        access: &Access<'_>,
        intervals: Intervals,
    ) -> Result<Running> {
        let program = self.program(programs).context("the program is not there")?;
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let bind = format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        // Not the caller's PG* and PGMON_* variables.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir.path());
        let dsn = access.dsn(crate::scenario::DATABASE);
        match self {
            Self::Pgmon | Self::PgmonRaised | Self::PgmonEntries => {
                let file = dir.path().join("pgmon.yaml");
                // JSON is YAML.
                std::fs::write(&file, self.pgmon_config(scenario, access, &bind, intervals).to_string())?;
                command.arg("--config").arg(file);
            }
            Self::PostgresExporter | Self::PostgresExporterAll => {
                command.env("DATA_SOURCE_NAME", format!("{dsn}?sslmode=disable"));
                command.args(["--web.listen-address", &bind, "--log.level", "error"]);
                if scenario == Scenario::C {
                    command.arg("--auto-discover-databases");
                }
                if self == Self::PostgresExporterAll {
                    command.args(flags(program, "--collector.", &["stat_statements.", "no-"]).await?);
                }
            }
            Self::PgExporter | Self::PgExporterAll => {
                command.args(["--dsn", &dsn, "--port", &port.to_string(), "--listen", "127.0.0.1"]);
                if self == Self::PgExporterAll {
                    command.args(flags(program, "--collector.", &[]).await?);
                }
            }
        }
        Running::start(command, port, dir).await
    }

    fn pgmon_config(
        self,
        scenario: Scenario,
        access: &Access<'_>,
        bind: &str,
        intervals: Intervals,
    ) -> serde_json::Value {
        let databases = scenario.databases();
        let entries: Vec<_> = databases
            .iter()
            .take(self.entries(scenario))
            .map(|name| {
                let discover = scenario == Scenario::C && self != Self::PgmonEntries;
                json!({"name": name, "dsn": access.dsn(name), "discover": discover})
            })
            .collect();
        let seconds = |n: u64| format!("{n}s");
        let mut config = json!({
            "cluster": "bench",
            "databases": entries,
            "http": {"bind": bind},
            "sample_intervals": {
                "hot_path": seconds(intervals.hot_path),
                "workload": seconds(intervals.workload),
                "storage": seconds(intervals.storage),
                "hourly": seconds(intervals.hourly),
            },
        });
        if self == Self::PgmonRaised {
            config["limits"] = json!({
                "top_relations": 10_000, "top_indexes": 10_000, "top_queries": 10_000,
                "series_per_family": 1_000_000, "series_per_database": 1_000_000,
            });
        }
        config
    }

    /// What the program says its version is, in one line.
    pub async fn version(self, programs: &Programs) -> Result<String> {
        let program = self.program(programs).context("the program is not there")?;
        let output = Command::new(program).arg("--version").output().await?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
    }
}

/// The flags of a program that begin with `prefix`, by its own help text.
async fn flags(program: &Path, prefix: &str, not: &[&str]) -> Result<Vec<String>> {
    let output = Command::new(program).arg("--help").output().await?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | '[' | ']'));
    let mut flags: Vec<String> = words
        .filter(|word| word.strip_prefix(prefix).is_some_and(|rest| !not.iter().any(|n| rest.starts_with(n))))
        .map(str::to_owned)
        .collect();
    flags.sort();
    flags.dedup();
    if flags.is_empty() {
        bail!("{} names no collectors", program.display());
    }
    Ok(flags)
}
