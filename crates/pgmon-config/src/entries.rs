//! From `dsn` and `databases` to the list of what is watched.

use std::collections::BTreeMap;

use crate::pgpass::PassFile;
use crate::tree::{Node, join};
use crate::{ConnectParts, ConnectSpec, Database, Diagnostic, Dsn, DsnError, Entry, Host, Secret, SslMode};

/// Port of a server that names none.
const DEFAULT_PORT: u16 = 5432;

/// What the environment adds to an entry, as libpq does it.
pub(crate) struct Defaults<'e> {
    env: &'e BTreeMap<String, String>,
    passwords: PassFile,
}

impl<'e> Defaults<'e> {
    pub(crate) fn new(env: &'e BTreeMap<String, String>, warnings: &mut Vec<Diagnostic>) -> Self {
        Self { env, passwords: PassFile::find(env, warnings) }
    }

    fn var(&self, name: &str) -> Option<&'e str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Fills in what is missing. A fault names the key that it is about.
    fn complete(&self, parts: ConnectParts) -> Result<ConnectSpec, Fault> {
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
        let user = ["PGUSER", "USER", "LOGNAME"].into_iter().find_map(|name| self.var(name));
        let user = parts.user.or(user.map(str::to_owned)).ok_or_else(|| {
            Fault::new("", "no user to connect as: add it to the DSN, or set `user` or PGUSER")
        })?;
        let database = parts.database.or(self.var("PGDATABASE").map(str::to_owned));
        let database = database.unwrap_or_else(|| user.clone());
        let password = parts
            .password
            .or_else(|| self.var("PGPASSWORD").map(Secret::new))
            .or_else(|| self.passwords.lookup(&host, port, &database, &user));
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

/// Resolves databases, each with its pointer; `root` knows their lines. `cluster` is the label of those
/// that have none of their own.
pub(crate) fn resolve(
    cluster: &str,
    databases: Vec<(String, Database)>,
    defaults: &Defaults<'_>,
    root: &Node,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    for (pointer, database) in databases {
        let resolved = merge(&database).and_then(|parts| {
            let ignored = parts.ignored.clone();
            Ok((defaults.complete(parts)?, ignored))
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
    let password = database.password.clone().filter(|password| !password.is_empty());
    put(&mut parts.password, password, "password")?;
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
