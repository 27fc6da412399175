//! Rules of `clusters` that a schema does not express, and the way from there to who is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster_spec::{ClusterSpec, ManagerSpec, ManateeSpec, PatroniSpec, Shards, StreamingSpec};
use crate::entries::{self, Defaults};
use crate::entry_rules::Found;
use crate::sections::{ClusterSource, ClusterType};
use crate::tree::{Data, Node, join};
use crate::{Database, Diagnostic, Entry, HttpUrl, Patterns, Span, usable};
use ClusterType::{Manatee, Patroni, Streaming};

/// The shortest interval.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Where Manatee puts its shards.
const ROOT: &str = "/manatee";
/// ZooKeeper's port.
const ZOOKEEPER_PORT: u16 = 2181;

/// Keys that only one type has.
const OF_TYPES: [(&str, ClusterType); 16] = [
    ("zookeeper", Manatee),
    ("shard", Manatee),
    ("shards", Manatee),
    ("root", Manatee),
    ("session_timeout", Manatee),
    ("postgres", Manatee),
    ("statusServer", Manatee),
    ("urls", Patroni),
    ("follow_members", Patroni),
    ("username", Patroni),
    ("password", Patroni),
    ("password_file", Patroni),
    ("bearer_token", Patroni),
    ("bearer_token_file", Patroni),
    ("tls", Patroni),
    ("databases", Streaming),
];

/// Checks the clusters, as far as their keys are right, and answers those that can be used.
pub(crate) fn check(
    root: &Node,
    entries: &[Entry],
    env: &BTreeMap<String, String>,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<ClusterSpec> {
    let Some(Data::List(items)) = root.member("clusters").map(|member| &member.node.data) else {
        return Vec::new();
    };
    let mut specs = Vec::<ClusterSpec>::new();
    let mut taken = BTreeMap::<(ClusterType, String), String>::new();
    for (n, item) in items.iter().enumerate() {
        let pointer = join("/clusters", n);
        let Some(source) = usable::entry::<ClusterSource>(item, &pointer, faults) else { continue };
        let found = Found::new(root, &pointer);
        let mut check = Check { item, source: &source, found };
        let spec = check.spec(entries, env);
        if let Some(spec) = &spec {
            for name in check.names(spec) {
                match taken.get(&(source.kind, name.clone())) {
                    Some(other) => {
                        let first = root.locate(other).0;
                        check.found.fault("", format!("the entry at {first} is called {name:?} as well: give one of them another `name`"));
                    }
                    None => {
                        taken.insert((source.kind, name), pointer.clone());
                    }
                }
            }
        }
        let sound = check.found.tell(faults, warnings);
        specs.extend(spec.filter(|_| sound));
    }
    specs
}

struct Check<'c> {
    item: &'c Node,
    source: &'c ClusterSource,
    found: Found<'c>,
}

impl Check<'_> {
    /// Names that are known before anybody is asked: two sources of the same would give the same series.
    fn names(&self, spec: &ClusterSpec) -> Vec<String> {
        match (&spec.name, &spec.manager) {
            (Some(name), _) => vec![name.clone()],
            (None, ManagerSpec::Manatee(manatee)) => match &manatee.shards {
                Shards::Listed(paths) => paths.iter().map(|path| last_part(path).to_owned()).collect(),
                Shards::Below(_) => Vec::new(),
            },
            (None, _) => Vec::new(),
        }
    }

    fn spec(&mut self, entries: &[Entry], env: &BTreeMap<String, String>) -> Option<ClusterSpec> {
        self.keys_of_the_type();
        let source = self.source;
        let interval = source.interval.map_or(INTERVAL, Span::duration);
        if interval < SHORTEST_INTERVAL {
            self.found.fault("interval", "must be at least 1s");
        }
        let timeout = source.timeout.map_or(TIMEOUT.min(interval), Span::duration);
        if timeout > interval {
            self.found.fault("timeout", format!("is longer than the interval ({})", shown(interval)));
        }
        let exported = source.status_server.as_ref().is_none_or(|status| status.metrics.enabled);
        let manager = match source.kind {
            Manatee => ManagerSpec::Manatee(Box::new(self.manatee(env)?)),
            Patroni => ManagerSpec::Patroni(Box::new(self.patroni()?)),
            Streaming => ManagerSpec::Streaming(self.streaming(entries)),
        };
        Some(ClusterSpec { name: source.name.clone(), interval, timeout, exported, manager })
    }

    fn keys_of_the_type(&mut self) {
        let kind = self.source.kind;
        for (key, of) in OF_TYPES {
            if of != kind && self.item.member(key).is_some() {
                let message =
                    format!("is a key of type {}; this cluster is of type {}", of.as_str(), kind.as_str());
                self.found.fault(key, message);
            }
        }
    }

    fn manatee(&mut self, env: &BTreeMap<String, String>) -> Option<ManateeSpec> {
        let source = self.source;
        if let Some(status) = &source.status_server {
            if status.port.is_some() {
                self.found.warn("statusServer/port", "has no effect: pgmon serves at http.bind");
            }
            if status.metrics.endpoint.as_deref().is_some_and(|path| path != "/metrics") {
                self.found.warn("statusServer/metrics/endpoint", "has no effect: pgmon serves at /metrics");
            }
        }
        let session_timeout = source.session_timeout.map_or(SESSION_TIMEOUT, Span::duration);
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&session_timeout) {
            self.found.fault("session_timeout", "must be from 1s to 10m");
        }
        let shards = self.shards();
        let ensemble = match source.zookeeper.as_deref().map(ensemble) {
            Some(Ok(ensemble)) => Some(ensemble),
            Some(Err(message)) => {
                self.found.fault("zookeeper", message);
                None
            }
            None => {
                self.found.missing(
                    "",
                    "needs `zookeeper`: the servers that hold its state, as in zk1:2181,zk2:2181",
                    None,
                );
                None
            }
        };
        let login = self.login(env);
        let (hosts, chroot) = ensemble?;
        Some(ManateeSpec { hosts, chroot, session_timeout, shards: shards?, login: login? })
    }

    fn shards(&mut self) -> Option<Shards> {
        let source = self.source;
        let given = [source.shard.is_some(), !source.shards.is_empty(), source.root.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            self.found.fault("", "shard, shards and root exclude each other: keep one of them");
            return None;
        }
        let key = if source.root.is_some() { "root" } else { "shard" };
        let mut paths = Vec::new();
        for (n, text) in source.shard.iter().chain(&source.shards).chain(&source.root).enumerate() {
            let key = if source.shards.is_empty() { key.to_owned() } else { format!("shards/{n}") };
            match path(text) {
                Ok(path) => paths.push(path),
                Err(message) => self.found.fault(&key, message),
            }
        }
        if paths.len() > 1 && source.name.is_some() {
            self.found.warn("name", "stands before the last part of each shard, as there are several");
        }
        match (source.root.is_some(), paths.pop()) {
            (true, Some(root)) => Some(Shards::Below(root)),
            (true, None) => None,
            (false, None) if source.shard.is_some() || !source.shards.is_empty() => None,
            (false, None) => Some(Shards::Below(ROOT.to_owned())),
            (false, Some(last)) => {
                paths.push(last);
                Some(Shards::Listed(paths))
            }
        }
    }

    fn login(&mut self, env: &BTreeMap<String, String>) -> Option<crate::ConnectSpec> {
        let login = &self.source.postgres;
        let database = Database {
            host: Some("localhost".to_owned()),
            port: Some(5432),
            user: login.user.clone(),
            password: login.password.clone(),
            password_file: login.password_file.clone(),
            database: login.database.clone().or_else(|| Some("postgres".to_owned())),
            sslmode: login.sslmode,
            sslrootcert: login.sslrootcert.clone(),
            ..Database::default()
        };
        let mut unused = Vec::new();
        match entries::connect_spec(&database, &Defaults::new(env, &mut unused)) {
            Ok(spec) => Some(spec),
            // Where there is no user at all, which would be sought in a DSN as well: a cluster has none.
            Err(("", _)) if login.user.is_none() => {
                self.found.missing(
                    "postgres",
                    "no user to connect to the peers as: set `user` in it, or PGUSER",
                    None,
                );
                None
            }
            Err((key, message)) => {
                let key = if key.is_empty() { "postgres".to_owned() } else { format!("postgres/{key}") };
                self.found.fault(&key, message);
                None
            }
        }
    }

    fn patroni(&mut self) -> Option<PatroniSpec> {
        let source = self.source;
        if source.urls.is_empty() {
            self.found.missing("", "needs `urls`: the REST API of each member, as in https://db1:8008", None);
        }
        let mut urls = Vec::<HttpUrl>::new();
        for (n, text) in source.urls.iter().enumerate() {
            let key = format!("urls/{n}");
            match text.parse::<HttpUrl>() {
                Ok(url) if url.path_and_query() != "/" => {
                    self.found.fault(&key, "has a path: give scheme, host and port alone");
                }
                Ok(url) if urls.iter().any(|other| other.has_origin_of(&url)) => {
                    self.found.fault(&key, "is there twice");
                }
                Ok(url) => urls.push(url),
                Err(error) => self.found.fault(&key, error.to_string()),
            }
        }
        let basic = match (&source.username, &source.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (Some(_), None) => {
                self.found.missing("username", "needs a password or a password_file", None);
                None
            }
            (None, Some(_)) => {
                self.found.missing("password", "needs a username", None);
                None
            }
            (None, None) => None,
        };
        if basic.is_some() && source.bearer_token.is_some() {
            self.found.fault("bearer_token", "username is given as well; keep one of them");
        }
        if source.tls.cert_file.is_some() != source.tls.key_file.is_some() {
            self.found.fault("tls", "cert_file and key_file go together: set both or none");
        }
        let secret = basic.is_some() || source.bearer_token.is_some();
        let in_clear = |url: &HttpUrl| !url.is_https() && !crate::dsn::is_loopback_host(url.host());
        if secret && urls.iter().any(in_clear) {
            self.found
                .warn("urls", "credentials cross the network in clear text: use https, if the members can");
        }
        (!urls.is_empty()).then(|| PatroniSpec {
            urls,
            follow_members: source.follow_members,
            basic,
            bearer: source.bearer_token.clone(),
            tls: source.tls.clone(),
        })
    }

    fn streaming(&mut self, entries: &[Entry]) -> StreamingSpec {
        for (n, pattern) in self.source.databases.iter().enumerate() {
            let bare = pattern.trim_start_matches('!').to_owned();
            let one = Patterns::new(&[bare]);
            let named = |entry: &Entry| one.meet(&[&entry.db, &format!("{}/{}", entry.cluster, entry.db)]);
            if !entries.iter().any(named) {
                self.found.warn(&format!("databases/{n}"), "no entry of `databases` is called so");
            }
        }
        if entries.is_empty() {
            self.found.missing(
                "",
                "needs databases: it shows what the watched ones say of their replication",
                None,
            );
        }
        StreamingSpec { databases: Patterns::new(&self.source.databases) }
    }
}

fn shown(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

/// The last part of a path.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A path of ZooKeeper; a name alone is one below Manatee's root.
fn path(text: &str) -> Result<String, String> {
    let path = if text.starts_with('/') { text.to_owned() } else { format!("{ROOT}/{text}") };
    let path = path.trim_end_matches('/').to_owned();
    let parts = path.split('/').skip(1);
    let unfit =
        |part: &str| part.is_empty() || matches!(part, "." | "..") || part.chars().any(char::is_control);
    if path.is_empty() || parts.clone().any(unfit) {
        return Err("is no path of ZooKeeper: /manatee/1.moray, or 1.moray alone".to_owned());
    }
    Ok(path)
}

/// `host:port,host:port/chroot`.
fn ensemble(text: &str) -> Result<(Vec<(String, u16)>, String), String> {
    let (hosts, chroot) = match text.split_once('/') {
        Some((hosts, "")) => (hosts, String::new()),
        Some((hosts, rest)) => (hosts, path(&format!("/{rest}"))?),
        None => (text, String::new()),
    };
    let mut found = Vec::new();
    for part in hosts.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (host, port) = match part.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match part.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (part, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0),
            None => Some(ZOOKEEPER_PORT),
        };
        let named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        let fits = host.parse::<std::net::IpAddr>().is_ok() || host.chars().all(named);
        match port.filter(|_| !host.is_empty() && fits) {
            Some(port) => found.push((host.to_owned(), port)),
            None => {
                return Err(
                    "expected servers as in zk1:2181,zk2:2181, maybe with /chroot behind them".to_owned()
                );
            }
        }
    }
    if found.is_empty() { Err("names no server".to_owned()) } else { Ok((found, chroot)) }
}
