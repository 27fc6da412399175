//! From the file, the environment and the command line to a [`Config`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Config, ConfigErrors, ConnectSpec, Diagnostic, Secret};

/// What a configuration is made from. The environment is handed in, so that loading depends on nothing
/// else; only files are read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The file that was named on the command line. It must exist.
    pub path: Option<PathBuf>,
    /// The environment variables: all of the process's, of which those of pgmon (`PGMON_*`), libpq's
    /// (`PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGPASSFILE`), `HOME` and `USER`, and
    /// those that the file names are used.
    pub env: BTreeMap<String, String>,
    /// Options of the command line. They come before everything else.
    pub overrides: Overrides,
}

/// Values from the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--dsn`
    pub dsn: Option<Secret>,
    /// `--cluster`
    pub cluster: Option<String>,
    /// `--bind`
    pub bind: Option<String>,
}

/// A configuration that is fit for use.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration, with everything overridden that is.
    pub config: Config,
    /// The databases to watch: at least one, each (cluster, db) once.
    pub entries: Vec<Entry>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Diagnostic>,
    /// Where the configuration comes from.
    pub source: Source,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file; the environment and the command line may have changed some of it.
    File(PathBuf),
    /// No file: defaults, the environment and the command line.
    NoFile,
}

/// One database to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The label `cluster`.
    pub cluster: String,
    /// The label `db`.
    pub db: String,
    /// Where and how to connect.
    pub connect: ConnectSpec,
    /// Watch the server's other databases as well.
    pub discover: bool,
    /// Through PgBouncer in transaction mode: no prepared statements.
    pub pooled: bool,
}

impl Config {
    /// Reads the configuration, and says everything that is wrong with it at once.
    ///
    /// The file is the one that `options` names, else the one that `PGMON_CONFIG` names; either must
    /// exist. Otherwise it is `/etc/pgmon/pgmon.yaml` or `/config/pgmon.yaml`, if there is one.
    pub fn load(_options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
        Err(ConfigErrors(Vec::new()))
    }
}
