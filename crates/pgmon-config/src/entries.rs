//! From `dsn` and `databases` to the list of what is watched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::tree::{Node, Place, join};
use crate::{
    ConnectParts, ConnectSpec, Database, Diagnostic, Dsn, DsnError, Entry, Host, PasswordSource, Secret,
    SslMode, VaultSecret,
};
use crate::{pem_files, pgpass};

/// Port of a server that names none.
const DEFAULT_PORT: u16 = 5432;

/// What the environment adds to an entry, as libpq does it.
pub(crate) struct Defaults<'e> {
    env: &'e BTreeMap<String, String>,
    pass_file: Option<PathBuf>,
}

impl<'e> Defaults<'e> {
    pub(crate) fn new(env: &'e BTreeMap<String, String>, warnings: &mut Vec<Diagnostic>) -> Self {
        let pass_file = pgpass::path(env);
        warnings.extend(pass_file.as_deref().and_then(pgpass::unfit).map(|why| Place::Nowhere.says("", why)));
        Self { env, pass_file }
    }

    fn var(&self, name: &str) -> Option<&'e str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Fills in what is missing. A fault names the key that it is about.
    fn complete(&self, parts: ConnectParts, password: PasswordSource) -> Result<ConnectSpec, Fault> {
        let of_var = |name: &'static str| move |error: DsnError| Fault::new("", format!("{name}: {error}"));
        let host = match (parts.host, self.var("PGHOST")) {
            (Some(host), _) => host,
            (None, Some(host)) => host.parse().map_err(of_var("PGHOST"))?,
            (None, None) => Host::Name("localhost".to_owned()),
        };
        let port = match (parts.port, self.var("PGPORT")) {
            (Some(port), _) => port,
            (None, Some(port)) => crate::dsn::parse_port(port).map_err(of_var("PGPORT"))?,
            (None, None) => DEFAULT_PORT,
        };
        let database = parts.database.or(self.var("PGDATABASE").map(str::to_owned));
        let (user, database) = match (&password, parts.user) {
            (PasswordSource::VaultLogin(_), Some(_)) => {
                let message = "the secret has the user as well; leave the entry's out, or use password_vault";
                return Err(Fault::new("login_vault", message));
            }
            (PasswordSource::VaultLogin(_), None) => {
                let message = "the user is not known beforehand: say which `database`";
                (String::new(), database.ok_or_else(|| Fault::new("login_vault", message))?)
            }
            (_, user) => {
                let of_env = || ["PGUSER", "USER", "LOGNAME"].into_iter().find_map(|name| self.var(name));
                let user = user.or_else(|| of_env().map(str::to_owned)).ok_or_else(|| {
                    Fault::new("", "no user to connect as: add it to the DSN, or set `user` or PGUSER")
                })?;
                let database = database.unwrap_or_else(|| user.clone());
                (user, database)
            }
        };
        let password = match (password, self.var("PGPASSWORD"), &self.pass_file) {
            (PasswordSource::None, Some(password), _) => PasswordSource::Given(Secret::new(password)),
            (PasswordSource::None, None, Some(path)) => PasswordSource::PassFile(path.clone()),
            (password, ..) => password,
        };
        Ok(ConnectSpec {
            host,
            port,
            user,
            password,
            database,
            sslmode: parts.sslmode,
            sslrootcert: parts.sslrootcert,
            sslcert: parts.sslcert,
            sslkey: parts.sslkey,
        })
    }
}

/// What is wrong with an entry, and under which of its keys.
struct Fault {
    key: &'static str,
    message: String,
}

impl Fault {
    fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self { key, message: message.into() }
    }
}

/// Where and how to connect to what a database's keys say. The error names the key that it is about.
pub(crate) fn connect_spec(
    database: &Database,
    defaults: &Defaults<'_>,
) -> Result<ConnectSpec, (&'static str, String)> {
    let resolved = merge(database).and_then(|parts| {
        let password = password(database, &parts)?;
        defaults.complete(parts, password)
    });
    resolved.map_err(|fault| (fault.key, fault.message))
}

/// Resolves databases, each with its pointer; `root` knows their lines. `cluster` is the label of those
/// that have none of their own.
pub(crate) fn resolve(
    cluster: &str,
    databases: Vec<(String, Database)>,
    defaults: &Defaults<'_>,
    root: &Node,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
    unready: &mut Vec<Diagnostic>,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    for (pointer, database) in databases {
        let resolved = merge(&database).and_then(|parts| {
            let ignored = parts.ignored.clone();
            let password = password(&database, &parts)?;
            Ok((defaults.complete(parts, password)?, ignored))
        });
        let (connect, ignored) = match resolved {
            Ok(resolved) => resolved,
            Err(Fault { key, message }) => {
                let pointer = if key.is_empty() { pointer } else { join(&pointer, key) };
                faults.push(root.locate(&pointer).0.says(pointer, message));
                continue;
            }
        };
        let at = root.locate(&pointer).0;
        for (key, message) in unready_files(&connect) {
            // A file of the DSN has no key of its own.
            let own = root.locate(&pointer).1.member(key).is_some();
            let key = if own { join(&pointer, key) } else { pointer.clone() };
            let mut diagnostic = root.locate(&key).0.says(&key, message);
            diagnostic.hint = Some("pgmon starts, and cannot connect there before it is".to_owned());
            unready.push(diagnostic);
        }
        for name in ignored {
            warnings.push(at.says(&pointer, format!("the parameter {name} has no effect")));
        }
        if connect.is_remote() && connect.effective_sslmode() < SslMode::Require {
            let message = format!(
                "sslmode={} to another machine: the connection may go without TLS",
                connect.effective_sslmode()
            );
            warnings.push(at.says(&pointer, message));
        }
        let entry = Entry {
            cluster: database.cluster.unwrap_or_else(|| cluster.to_owned()),
            db: database.name.unwrap_or_else(|| connect.database.clone()),
            connect,
            discover: database.discover,
            pooled: database.pooled,
        };
        let labels = (entry.cluster.clone(), entry.db.clone());
        match seen.get(&labels) {
            Some(first) => {
                let first = root.locate(first).0;
                let message = format!(
                    "cluster {:?} and db {:?} are those of the entry at {first} as well",
                    entry.cluster, entry.db
                );
                let mut fault = at.says(&pointer, message);
                fault.hint = Some("give one of them another `name` or `cluster`".to_owned());
                faults.push(fault);
            }
            None => {
                seen.insert(labels, pointer);
                entries.push(entry);
            }
        }
    }
    entries
}

/// The files for TLS that are not as they must be to connect.
fn unready_files(connect: &ConnectSpec) -> impl Iterator<Item = (&'static str, String)> {
    let files = [
        ("sslrootcert", &connect.sslrootcert, pem_files::CERTIFICATE),
        ("sslcert", &connect.sslcert, pem_files::CERTIFICATE),
        ("sslkey", &connect.sslkey, pem_files::KEY),
    ];
    files.into_iter().filter_map(|(key, path, of)| Some((key, pem_files::fault(key, path.as_ref()?, of)?)))
}

/// The parts of the DSN with the keys beside it.
fn merge(database: &Database) -> Result<ConnectParts, Fault> {
    let mut parts = database.dsn.as_ref().map(Dsn::parts).cloned().unwrap_or_default();
    if database.dsn.is_none() && database.host.is_none() && database.database.is_none() {
        return Err(Fault::new("", "needs a `dsn`, or at least `host` or `database`"));
    }
    if let Some(host) = &database.host {
        let host = host.parse().map_err(|error: DsnError| Fault::new("host", error.to_string()))?;
        put(&mut parts.host, Some(host), "host")?;
    }
    put(&mut parts.port, database.port, "port")?;
    put(&mut parts.user, database.user.clone(), "user")?;
    put(&mut parts.database, database.database.clone(), "database")?;
    put(&mut parts.sslmode, database.sslmode, "sslmode")?;
    put(&mut parts.sslrootcert, database.sslrootcert.clone(), "sslrootcert")?;
    put(&mut parts.sslcert, database.sslcert.clone(), "sslcert")?;
    put(&mut parts.sslkey, database.sslkey.clone(), "sslkey")?;
    if parts.sslcert.is_some() != parts.sslkey.is_some() {
        return Err(Fault::new("", "sslcert and sslkey go together: set both or none"));
    }
    Ok(parts)
}

/// Where the entry's password comes from, as far as the entry says.
fn password(database: &Database, parts: &ConnectParts) -> Result<PasswordSource, Fault> {
    let set = |path: &Option<PathBuf>| path.clone().filter(|path| path != Path::new(""));
    let vault = |key, text: &Option<String>| {
        let secret = text.as_deref().map(VaultSecret::parse).transpose();
        secret.map_err(|message| Fault::new(key, message))
    };
    let given = database.password.clone().filter(|password| !password.is_empty());
    let own = match (given, set(&database.password_file)) {
        // The loader has read the file, to see that it can be.
        (_, Some(path)) => Some(("password_file", PasswordSource::File(path))),
        (Some(password), None) => Some(("password", PasswordSource::Given(password))),
        (None, None) => None,
    };
    let of_dsn = parts.password.clone().map(|password| match set(&database.dsn_file) {
        Some(path) => PasswordSource::DsnFile(path),
        None => PasswordSource::Given(password),
    });
    let sources = [
        of_dsn.map(|source| ("dsn", source)),
        own,
        database.password_command.clone().map(|argv| ("password_command", PasswordSource::Command(argv))),
        vault("password_vault", &database.password_vault)?
            .map(|secret| ("password_vault", PasswordSource::VaultPassword(secret))),
        vault("login_vault", &database.login_vault)?
            .map(|secret| ("login_vault", PasswordSource::VaultLogin(secret))),
    ];
    let mut sources = sources.into_iter().flatten();
    let Some((first, source)) = sources.next() else { return Ok(PasswordSource::None) };
    match sources.next() {
        Some((key, _)) if first == "dsn" => {
            Err(Fault::new(key, "a password is in the DSN as well; keep one of them"))
        }
        Some((key, _)) => Err(Fault::new(key, format!("{first} is given as well; keep one of them"))),
        None => Ok(source),
    }
}

fn put<T>(slot: &mut Option<T>, value: Option<T>, key: &'static str) -> Result<(), Fault> {
    match (value, &slot) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(Fault::new(key, "is in the DSN as well; keep one of them")),
        (value, None) => {
            *slot = value;
            Ok(())
        }
    }
}
