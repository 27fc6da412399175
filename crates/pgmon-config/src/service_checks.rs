//! Rules of `services` that a schema does not express, and the way from there to what is checked.

mod http;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::entries::{self, Defaults};
use crate::entry_rules::Found;
use crate::sections::{Exchange, Service, ServiceType};
use crate::service_spec::{Address, RedisCheck, ServiceCheck, ServiceSpec, TcpCheck};
use crate::tree::{Data, Member, Node, join};
use crate::{Config, Database, Diagnostic, usable};

/// The shortest interval.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// A check's time where none is set.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Services at most.
const MOST_SERVICES: usize = 2_000;

/// Compiled regular expressions may take so much memory (bytes).
pub(crate) const REGEX_LIMIT: usize = 256 * 1024;

/// Labels that pgmon or the text format gives its own meaning in metrics of services.
pub const SERVICE_LABELS: [&str; 15] = [
    "service", "mode", "version", "endpoint", "phase", "db", "database", "master", "role", "cluster",
    "status", "le", "quantile", "software", "err",
];

use ServiceType::{Http, PgBouncer, Postgres, Redis, Tcp};

/// Keys that only some types have.
const OF_TYPES: [(&str, &[ServiceType]); 28] = [
    ("host", &[Postgres, Redis, Tcp, PgBouncer]),
    ("port", &[Postgres, Redis, Tcp, PgBouncer]),
    ("socket", &[Redis]),
    ("username", &[Postgres, Redis, Http, PgBouncer]),
    ("password", &[Postgres, Redis, Http, PgBouncer]),
    ("password_file", &[Postgres, Redis, Http, PgBouncer]),
    ("tls", &[Redis, Http, Tcp]),
    ("db", &[Redis]),
    ("dsn", &[Postgres, PgBouncer]),
    ("dsn_file", &[Postgres, PgBouncer]),
    ("database", &[Postgres]),
    ("sslmode", &[Postgres, PgBouncer]),
    ("sslrootcert", &[Postgres, PgBouncer]),
    ("url", &[Http]),
    ("health_path", &[Http]),
    ("method", &[Http]),
    ("headers", &[Http]),
    ("body", &[Http]),
    ("bearer_token", &[Http]),
    ("bearer_token_file", &[Http]),
    ("expected_status", &[Http]),
    ("body_match", &[Http]),
    ("body_not_match", &[Http]),
    ("json", &[Http]),
    ("follow_redirects", &[Http]),
    ("max_redirects", &[Http]),
    ("max_body", &[Http]),
    ("query_response", &[Tcp]),
];

/// Checks the services, as far as their keys are right, and answers those that can be used.
pub(crate) fn check(
    root: &Node,
    config: &Config,
    env: &BTreeMap<String, String>,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<ServiceSpec> {
    let Some(member) = root.member("services") else { return Vec::new() };
    let mut specs = Vec::new();
    if member.node.members().len() > MOST_SERVICES {
        faults.push(member.at.says("/services", format!("has more than {MOST_SERVICES} services")));
        return specs;
    }
    for service in member.node.members() {
        let pointer = join("/services", &service.key);
        let Some(read) = usable::entry::<Service>(&service.node, &pointer, faults) else { continue };
        let found = Found::new(root, &pointer);
        let mut check = Check { member: service, service: &read, found };
        let spec = check.spec(config, env);
        let sound = check.found.tell(faults, warnings);
        specs.extend(spec.filter(|_| sound));
    }
    specs
}

struct Check<'c> {
    member: &'c Member,
    service: &'c Service,
    found: Found<'c>,
}

impl Check<'_> {
    fn spec(&mut self, config: &Config, env: &BTreeMap<String, String>) -> Option<ServiceSpec> {
        self.name();
        self.labels(config);
        self.keys_of_the_type();
        let (interval, timeout) = self.times();
        let check = match self.service.kind {
            Postgres | PgBouncer => self.database(env),
            Redis => self.redis(),
            Http => self.http(),
            Tcp => self.tcp(),
        }?;
        Some(ServiceSpec {
            name: self.member.key.clone(),
            critical: self.service.critical,
            version: self.service.version.clone(),
            labels: self.service.labels.clone().into_iter().collect(),
            interval,
            timeout,
            check,
        })
    }

    fn name(&mut self) {
        let name = &self.member.key;
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            self.found.fault("", "a service's name has 1 to 128 bytes and no control characters");
        }
    }

    fn labels(&mut self, config: &Config) {
        let service = self.service;
        for (name, value) in &service.labels {
            let key = format!("labels/{}", name.replace('~', "~0").replace('/', "~1"));
            let mut bytes = name.bytes();
            let word = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
                && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if SERVICE_LABELS.contains(&name.as_str()) {
                self.found.fault(&key, "pgmon gives this label itself; choose another name");
            } else if !word || name.starts_with("__") {
                self.found.fault(
                    &key,
                    "a label's name has letters, digits and _, begins with no digit and not with __",
                );
            } else if value.is_empty() || value.len() > 128 || value.chars().any(char::is_control) {
                self.found.fault(&key, "a label's value has 1 to 128 bytes and no control characters");
            } else if config.default_labels.contains_key(name) {
                self.found.fault(&key, "default_labels has this label as well; keep one of them");
            }
        }
        if service.labels.len() > 16 {
            self.found.fault("labels", "has more than 16 labels");
        }
    }

    fn keys_of_the_type(&mut self) {
        let kind = self.service.kind;
        for (key, types) in OF_TYPES {
            let Some(member) = self.member.node.member(key).filter(|_| !types.contains(&kind)) else {
                continue;
            };
            // What a file was read for stands under the secret's name as well.
            if matches!(&member.node.data, Data::Map(members) if members.is_empty()) {
                continue;
            }
            let names: Vec<&str> = types.iter().map(|kind| kind.as_str()).collect();
            let message =
                format!("is a key of type {}; this service is of type {}", names.join(", "), kind.as_str());
            self.found.fault(key, message);
        }
    }

    fn times(&mut self) -> (Duration, Duration) {
        let interval = self.service.interval.duration();
        if interval < SHORTEST_INTERVAL {
            self.found.fault("interval", "must be at least 1s");
        }
        let timeout = self.service.timeout.map(crate::Span::duration);
        if timeout.is_some_and(|timeout| timeout > interval) {
            self.found.fault("timeout", format!("is longer than the interval ({})", self.service.interval));
        }
        (interval, timeout.unwrap_or(TIMEOUT).min(interval))
    }

    fn database(&mut self, env: &BTreeMap<String, String>) -> Option<ServiceCheck> {
        let s = self.service;
        let bouncer = s.kind == PgBouncer;
        let names_database = s.dsn.as_ref().is_some_and(|dsn| dsn.parts().database.is_some());
        let names_port = s.port.is_some() || s.dsn.as_ref().is_some_and(|dsn| dsn.parts().port.is_some());
        if s.dsn.is_none() && s.host.is_none() {
            self.found.missing("", "needs a `dsn`, or at least a `host`", None);
            return None;
        }
        let console = "pgbouncer".to_owned();
        let database = Database {
            dsn: s.dsn.clone(),
            dsn_file: s.dsn_file.clone(),
            host: s.host.clone(),
            port: s.port.or((bouncer && !names_port).then_some(6432)),
            user: s.username.clone(),
            password: s.password.clone(),
            password_file: s.password_file.clone(),
            database: s.database.clone().or((bouncer && !names_database).then_some(console)),
            sslmode: s.sslmode,
            sslrootcert: s.sslrootcert.clone(),
            ..Database::default()
        };
        let mut unused = Vec::new();
        match entries::connect_spec(&database, &Defaults::new(env, &mut unused)) {
            Ok(spec) if bouncer && spec.database != "pgbouncer" => {
                self.found.fault(
                    "dsn",
                    "the console of PgBouncer is the database pgbouncer: leave the database out",
                );
                None
            }
            Ok(spec) if bouncer => Some(ServiceCheck::PgBouncer(spec)),
            Ok(spec) => Some(ServiceCheck::Postgres(spec)),
            Err((key, message)) => {
                let key = if key == "user" { "username" } else { key };
                self.found.fault(key, message);
                None
            }
        }
    }

    fn host(&mut self, what: &str) -> Option<String> {
        let Some(host) = &self.service.host else {
            self.found.missing("", format!("needs {what}"), None);
            return None;
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bare.parse::<std::net::IpAddr>().is_err() && !bare.chars().all(named) {
            self.found.fault("host", "the host must be a name or an IP address; the port goes into `port`");
            return None;
        }
        Some(bare.to_owned())
    }

    fn redis(&mut self) -> Option<ServiceCheck> {
        let s = self.service;
        let address = match &s.socket {
            Some(_) if s.host.is_some() || s.port.is_some() => {
                self.found.fault("socket", "host or port is given as well; keep one of them");
                return None;
            }
            Some(_) if s.tls.is_enabled() => {
                self.found.fault("tls", "there is no TLS on a Unix socket");
                return None;
            }
            Some(path) => Address::Unix(path.clone()),
            None => Address::Tcp(self.host("a `host` or a `socket`")?, s.port.unwrap_or(6379)),
        };
        if s.username.is_some() && s.password.is_none() {
            self.found.missing("username", "needs a password or a password_file", None);
        }
        let tls = self.tls(s.tls.is_enabled());
        let remote = matches!(&address, Address::Tcp(host, _) if !crate::dsn::is_loopback_host(host));
        if s.password.is_some() && tls.is_none() && remote {
            self.found.warn(
                "",
                "the password crosses the network in clear text: set tls.enabled: true, if the server can",
            );
        }
        let (username, password) = (s.username.clone(), s.password.clone());
        Some(ServiceCheck::Redis(RedisCheck { address, username, password, tls, db: s.db }))
    }

    fn tls(&mut self, enabled: bool) -> Option<crate::sections::ServiceTls> {
        let tls = &self.service.tls;
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            self.found.fault("tls", "cert_file and key_file go together: set both or none");
        }
        if tls.enabled == Some(false) && tls.ca_file.is_some() {
            self.found.warn("tls", "has no effect: enabled is false");
        }
        enabled.then(|| tls.clone())
    }

    fn regex(&mut self, key: &str, pattern: &str) {
        let built = regex_lite::RegexBuilder::new(pattern).size_limit(REGEX_LIMIT).build();
        if built.is_err() {
            // The library's message repeats the pattern.
            self.found.fault(
                key,
                "is no regular expression that can be used: is a bracket missing, or is it too large? Classes are of ASCII alone",
            );
        }
    }

    fn tcp(&mut self) -> Option<ServiceCheck> {
        let s = self.service;
        for (n, step) in s.query_response.iter().enumerate() {
            let key = format!("query_response/{n}");
            if *step == Exchange::default() {
                self.found.missing(&key, "needs an `expect`, a `send` or `starttls: true`", None);
            }
            if let Some(pattern) = &step.expect {
                self.regex(&format!("{key}/expect"), pattern);
            }
        }
        let at_once = s.tls.is_enabled();
        let later = s.query_response.iter().filter(|step| step.starttls).count();
        if later + usize::from(at_once && s.tls.enabled == Some(true)) > 1 {
            self.found
                .fault("query_response", "TLS begins more than once: keep one of tls.enabled and starttls");
        }
        let host = self.host("a `host` and a `port`")?;
        let Some(port) = s.port else {
            self.found.missing("", "needs a `port`", None);
            return None;
        };
        let tls = self.tls(at_once || later > 0);
        let conversation = s.query_response.clone();
        Some(ServiceCheck::Tcp(TcpCheck {
            host,
            port,
            tls,
            tls_at_once: at_once && later == 0,
            conversation,
        }))
    }
}
