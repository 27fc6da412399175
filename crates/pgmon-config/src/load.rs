//! From the file, the environment and the command line to a [`Config`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::entries::Defaults;
use crate::interpolate::{Dollar, Variables, interpolate};
use crate::schema::Shape;
use crate::tree::{Data, Node, Place, join};
use crate::validate::validate;
use crate::{
    ClusterSpec, Config, ConfigErrors, ConnectSpec, Database, Diagnostic, Places, Query, Secret, ServiceSpec,
};
use crate::{alfred, checks, cluster_checks, entries, env, files, lists, normalise};
use crate::{pem_files, query_checks, service_checks, sitrep, usable, yaml};

/// The largest configuration file (bytes).
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What a configuration is made from. The environment is handed in, so that loading depends on nothing
/// else; only files are read.
#[derive(Clone)]
pub struct LoadOptions {
    /// The file that was named on the command line. It must exist.
    pub path: Option<PathBuf>,
    /// The environment variables: all of the process's, of which those of pgmon (`PGMON_*`), libpq's
    /// (`PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGPASSFILE`), Vault's (`VAULT_ADDR`,
    /// `VAULT_TOKEN`, `VAULT_NAMESPACE`, `VAULT_CACERT`), `HOME` and `USER`, and those that the file names
    /// are used.
    pub env: BTreeMap<String, String>,
    /// Options of the command line. They come before everything else.
    pub overrides: Overrides,
    /// Where to look if no file is named; the first one that exists is read.
    pub default_paths: Vec<PathBuf>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            path: None,
            env: BTreeMap::new(),
            overrides: Overrides::default(),
            default_paths: vec!["/etc/pgmon/pgmon.yaml".into(), "/config/pgmon.yaml".into()],
        }
    }
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
    /// A file with queries, in the place of all others.
    pub queries_file: Option<String>,
    /// `--web.config.file`
    pub web_config_file: Option<String>,
}

/// A configuration that is fit for use.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration, with everything overridden that is.
    pub config: Config,
    /// The databases to watch, each (cluster, db) once; at least one, unless there is something else to watch.
    pub entries: Vec<Entry>,
    /// The services to check, in the order of the configuration.
    pub services: Vec<ServiceSpec>,
    /// The clusters to ask for, in the order of the configuration.
    pub clusters: Vec<ClusterSpec>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Diagnostic>,
    /// What keeps single databases from being watched, and may have changed by the time they are connected to.
    pub unready: Vec<Diagnostic>,
    /// Where the configuration comes from.
    pub source: Source,
    /// Every file that was read for it.
    pub files: BTreeSet<PathBuf>,
    /// Where the keys were read of which a part is only checked when it is used: `http` and `canary`.
    pub places: Places,
}

/// A configuration and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What can be used of it; all of it, if nothing is wrong.
    pub loaded: Loaded,
    /// What is wrong, in the order of the lines.
    pub faults: Vec<Diagnostic>,
}

impl Examined {
    /// Adds what else is wrong, unless it merely follows from what is known already.
    pub fn add(&mut self, found: impl IntoIterator<Item = Diagnostic>) {
        let known = self.faults.len();
        for fault in found {
            let before = self.faults.get(..known).unwrap_or_default();
            if !before.iter().any(|other| fault.touches(other)) && !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
        sort(&mut self.faults);
    }

    /// The configuration, if nothing is wrong with it.
    pub fn into_result(self) -> Result<Loaded, ConfigErrors> {
        if self.faults.is_empty() { Ok(self.loaded) } else { Err(ConfigErrors(self.faults)) }
    }
}

fn sort(faults: &mut [Diagnostic]) {
    faults.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
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
    /// exist. Otherwise it is the first of [`LoadOptions::default_paths`] that exists.
    pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
        Self::load_noting(options, &mut BTreeSet::new())
    }

    /// As [`Config::load`]; `files` learns which files were read, or could not be, also if the
    /// configuration is wrong: when one of them changes, it is worth another try.
    pub fn load_noting(options: &LoadOptions, files: &mut BTreeSet<PathBuf>) -> Result<Loaded, ConfigErrors> {
        Self::examine(options, files).into_result()
    }

    /// As [`Config::load_noting`]; what is right of a configuration that is wrong is answered as well, so that
    /// more can be checked of it.
    pub fn examine(options: &LoadOptions, files: &mut BTreeSet<PathBuf>) -> Examined {
        let Some((path, found_by)) = options.find() else { return load(None, "", options, files) };
        files.insert(path.clone());
        match read(&path) {
            Ok(text) => load(Some(&path), &text, options, files),
            Err(message) => {
                let mut fault = found_by.says("", format!("cannot read {}: {message}", path.display()));
                if found_by == Place::Nowhere {
                    fault.hint = Some("pgmon must be able to read it, or it must not be there".to_owned());
                }
                Examined { loaded: nothing(Some(&path), files), faults: vec![fault] }
            }
        }
    }

    /// As [`Config::load`], from a text that stands for the content of the file `path`.
    pub fn load_text(path: &Path, text: &str, options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
        load(Some(path), text, options, &mut BTreeSet::new()).into_result()
    }
}

fn nothing(path: Option<&Path>, files: &BTreeSet<PathBuf>) -> Loaded {
    Loaded {
        config: Config::default(),
        entries: Vec::new(),
        services: Vec::new(),
        clusters: Vec::new(),
        warnings: Vec::new(),
        unready: Vec::new(),
        source: path.map_or(Source::NoFile, |path| Source::File(path.to_owned())),
        files: files.clone(),
        places: Places::default(),
    }
}

impl Loaded {
    /// What is watched and asked, in the form of SitRep's `/configz`: names of databases, and queries as
    /// they were defined. There are no secrets in it.
    pub fn configz(&self) -> Value {
        let databases: Vec<&str> = self.entries.iter().map(|entry| entry.db.as_str()).collect();
        json!({ "databases": databases, "customMetrics": self.config.shown_queries() })
    }
}

impl Config {
    /// The definitions of the queries, as SitRep's `/configz` has them.
    pub fn shown_queries(&self) -> Vec<Value> {
        self.queries.iter().map(Query::configz).collect()
    }
}

impl LoadOptions {
    /// The file to read, and what named it.
    fn find(&self) -> Option<(PathBuf, Place)> {
        if let Some(path) = &self.path {
            return Some((path.clone(), Place::Flag("--config")));
        }
        if let Some(path) = self.env.get("PGMON_CONFIG").filter(|path| !path.is_empty()) {
            return Some((path.into(), Place::Env("PGMON_CONFIG".into())));
        }
        self.default_paths.iter().find(|path| path.exists()).map(|path| (path.clone(), Place::Nowhere))
    }
}

/// Files of processes themselves, such as `/dev/stdin` and what a shell makes of `<(command)`: these, and
/// `/dev/null`, may be something else than a file on a disk.
const OF_THE_PROCESS: [&str; 4] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/", "/dev/null"];

pub(crate) fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    // Who opens a pipe waits until somebody writes into it, and a device may never end.
    if !metadata.is_file()
        && !OF_THE_PROCESS
            .iter()
            .any(|known| path.as_os_str().as_encoded_bytes().starts_with(known.as_bytes()))
    {
        return Err("it is no regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err("it is larger than 16 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn load(path: Option<&Path>, text: &str, options: &LoadOptions, files: &mut BTreeSet<PathBuf>) -> Examined {
    let schema = crate::schema();
    let shape = Shape(&schema);
    let (mut faults, mut warnings, mut unready) = (Vec::new(), Vec::new(), Vec::new());

    let Some(mut root) = parse(path, text, &mut faults) else {
        return Examined { loaded: nothing(path, files), faults };
    };
    let mut renamed = normalise::Renamed::default();
    normalise::rename_aliases(&mut root, shape, "", &mut renamed, &mut faults);
    env::overlay(&mut root, shape, &options.env, &options.overrides, &mut faults, &mut warnings);
    lists::overlay_sitrep(&mut root, &options.env);
    sitrep::overlay(&mut root, shape, &options.env, &mut faults);
    alfred::overlay(&mut root, &options.env, &mut faults);
    normalise::expand_short(&mut root, shape);
    let variables = Variables { env: &options.env, dollar: Dollar::Doubled };
    interpolate(&mut root, shape, variables, "", &mut faults);
    normalise::fit(&mut root, shape, path.and_then(Path::parent));
    let origins = lists::read_all(&mut root, shape, &options.env, renamed, &mut faults);
    files.extend(origins.files.iter().cloned());
    files::read_all(&mut root, shape, "", files, &mut faults);
    validate(&root, shape, &mut faults);
    normalise::deprecated(&root, shape, "", &mut warnings);

    let entries = entries(&root, options, &mut faults, &mut warnings, &mut unready);
    let sound = faults.is_empty();
    let mut queries = query_checks::check(&root, &entries, &mut faults, &mut warnings);
    for query in &mut queries {
        let mut at = [query.at.says("")];
        origins.localise(&mut at);
        query.at.pointer = at.into_iter().map(|at| at.pointer).collect();
    }
    let whole = sound.then(|| serde_json::from_value::<Config>(root.to_json()));
    let (mut config, lost) = match whole {
        Some(Ok(config)) => (config, Vec::new()),
        Some(Err(_)) => {
            // The message of serde repeats values, so it is not passed on.
            faults.push(root.at.says("", "fits the schema but not the types of this version of pgmon"));
            (Config::default(), Vec::new())
        }
        // Rules between keys hold for those that are right, whatever is wrong elsewhere.
        None => usable::read::<Config>(&root, &faults, &["databases", "queries", "services", "clusters"]),
    };
    config.queries = queries;
    let services = service_checks::check(&root, &config, &options.env, &mut faults, &mut warnings);
    let clusters = cluster_checks::check(&root, &entries, &options.env, &mut faults, &mut warnings);
    pem_files::unready(&root, &mut unready);
    config.secrets.vault.complete(&options.env);
    let mut found = Vec::new();
    checks::check(&config, &entries, &root, &options.env, &mut found, &mut warnings);
    // Pointers into the other file are not to be taken for some into this one.
    let web = config.http.web_config_file.as_ref().map(|path| path.display().to_string());
    let (mut of_web, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|fault| web.as_ref() == Some(&fault.file));
    faults.extend(usable::keep_new(found, &faults, &lost));
    faults.append(&mut of_web);
    config.http.auth.seal();
    origins.localise(&mut warnings);
    origins.localise(&mut unready);
    origins.localise(&mut faults);
    sort(&mut faults);
    let places = Places::of(&root, &["http", "canary"]);
    let loaded =
        Loaded { config, entries, services, clusters, warnings, unready, places, ..nothing(path, files) };
    Examined { loaded, faults }
}

pub(crate) fn parse(path: Option<&Path>, text: &str, faults: &mut Vec<Diagnostic>) -> Option<Node> {
    let file: Arc<str> = path.map(|path| path.display().to_string()).unwrap_or_default().into();
    let place = |line, column| match path {
        Some(_) => Place::File { file: file.clone(), line, column },
        None => Place::Nowhere,
    };
    let mut root = yaml::parse(text, &place, faults)?;
    if matches!(root.data, Data::Null) {
        root.data = Data::Map(Vec::new());
    }
    Some(root)
}

/// Whether something is wrong at this place or below it.
pub(crate) fn is_faulty(faults: &[Diagnostic], pointer: &str) -> bool {
    let within = |rest: &str| rest.is_empty() || rest.starts_with('/') || rest == "_file";
    faults.iter().any(|fault| fault.pointer.strip_prefix(pointer).is_some_and(within))
}

/// Sections with what pgmon watches besides databases: with one of them, there need not be a database.
const OTHER_TARGETS: [&str; 2] = ["services", "clusters"];

/// Resolves the databases whose keys are right, whatever is wrong elsewhere.
fn entries(
    root: &Node,
    options: &LoadOptions,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
    unready: &mut Vec<Diagnostic>,
) -> Vec<Entry> {
    let faulty = |pointer: &str| is_faulty(faults, pointer);
    // Without the right labels, entries would be taken for the same that are not.
    if faults.iter().any(|fault| fault.pointer.is_empty()) || faulty("/cluster") {
        return Vec::new();
    }
    let cluster = match root.member("cluster").map(|member| &member.node.data) {
        Some(Data::Text(cluster, _)) => cluster.clone(),
        _ => Config::default().cluster,
    };
    let mut databases = Vec::new();
    if let Some(dsn) = root.member("dsn")
        && !faulty("/dsn")
        && let Ok(dsn) = serde_json::from_value(dsn.node.to_json())
    {
        let dsn_file = match root.member("dsn_file").map(|member| &member.node.data) {
            Some(Data::Text(path, _)) => Some(path.into()),
            _ => None,
        };
        databases.push(("/dsn".to_owned(), Database { dsn: Some(dsn), dsn_file, ..Database::default() }));
    }
    if let Some(Data::List(items)) = root.member("databases").map(|member| &member.node.data) {
        for (n, item) in items.iter().enumerate() {
            let pointer = join("/databases", n);
            if !faulty(&pointer)
                && let Ok(database) = serde_json::from_value(item.to_json())
            {
                databases.push((pointer, database));
            }
        }
    }
    let watches_others = OTHER_TARGETS.iter().any(|section| {
        root.member(section).is_some_and(|member| match &member.node.data {
            Data::Map(members) => !members.is_empty(),
            Data::List(items) => !items.is_empty(),
            _ => false,
        })
    });
    if databases.is_empty() && !watches_others && !faulty("/dsn") && !faulty("/databases") {
        let mut fault = root.at.says("", "no database to watch");
        (fault.line, fault.column) = (None, None);
        fault.hint =
            Some("use --dsn, or set PGMON_DSN, or add `dsn:` or `databases:` to the file".to_owned());
        faults.push(fault);
        return Vec::new();
    }
    let defaults = Defaults::new(&options.env, warnings);
    entries::resolve(&cluster, databases, &defaults, root, faults, warnings, unready)
}
