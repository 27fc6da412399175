//! Who is watched: starts and stops drivers as the configuration says.

use pgmon_collect::poller::fleet::{Cell, Fleet};
use pgmon_collect::poller::permits::Permits;
use pgmon_collect::poller::timer::Timer;
use pgmon_collect::postgres::driver::{Driver, Shared};
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::roamer::Roamer;
use pgmon_collect::services::ServiceChanges;
use pgmon_config::{Config, ConnectSpec, Entry, PasswordSource, Query, Secrets, Spot};
use pgmon_secrets::Keyring;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tracing::Instrument as _;

/// A change names so many databases at most.
const NAMED: usize = 20;

/// The databases that are watched, and the tasks that watch them.
pub struct Roster {
    fleet: Arc<Fleet>,
    permits: Arc<Permits>,
    timer: Arc<dyn Timer>,
    plans: watch::Sender<Arc<Plan>>,
    env: BTreeMap<String, String>,
    secrets: Secrets,
    keyring: Keyring,
    watched: Vec<Watched>,
    tasks: JoinSet<()>,
    /// Tasks that were told to end.
    told: HashSet<tokio::task::Id>,
}

/// One entry that is watched.
struct Watched {
    entry: Entry,
    cell: Arc<Cell>,
    stop: watch::Sender<bool>,
    tasks: Vec<AbortHandle>,
}

/// What another configuration changed, by name: databases, or queries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are no more.
    pub removed: Vec<String>,
    /// Those that are other than before; of databases with what is other.
    pub changed: Vec<String>,
}

impl Changes {
    /// What is other in the queries of a configuration, by name. Where they were read does not count.
    pub fn of_queries(before: &[Query], now: &[Query]) -> Self {
        let by_name = |queries: &[Query]| {
            let mut named: BTreeMap<String, Vec<Query>> = BTreeMap::new();
            for query in queries {
                named
                    .entry(query.name.clone())
                    .or_default()
                    .push(Query { at: Spot::default(), ..query.clone() });
            }
            named
        };
        let (mut changes, mut before) = (Self::default(), by_name(before));
        for (name, now) in by_name(now) {
            match before.remove(&name) {
                None => changes.added.push(name),
                Some(before) if before != now => changes.changed.push(name),
                Some(_) => {}
            }
        }
        changes.removed = before.into_keys().collect();
        changes
    }

    /// What is other in the services.
    pub fn of_services(changes: ServiceChanges) -> Self {
        let ServiceChanges { added, removed, changed } = changes;
        Self { added, removed, changed }
    }

    /// Whether nothing is other.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)];
        let mut between = "";
        for (what, names) in all.into_iter().filter(|(_, names)| !names.is_empty()) {
            write!(f, "{between}{what} {}", list(names))?;
            between = "; ";
        }
        Ok(())
    }
}

/// Names, and how many more there are.
pub fn list(names: &[String]) -> String {
    let shown = names.get(..NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Roster {
    /// Nobody is watched yet. Passwords that commands print are got with a part of `env`.
    pub fn new(
        config: &Config,
        fleet: Arc<Fleet>,
        timer: Arc<dyn Timer>,
        env: BTreeMap<String, String>,
    ) -> Self {
        let plan = plan(config);
        Self {
            keyring: Keyring::new(&config.secrets, &env, clock(&timer)),
            secrets: config.secrets.clone(),
            permits: Arc::new(Permits::new(plan.connections_per_server)),
            plans: watch::Sender::new(Arc::new(plan)),
            fleet,
            timer,
            env,
            watched: Vec::new(),
            tasks: JoinSet::new(),
            told: HashSet::new(),
        }
    }

    /// Watches just these entries from now on. One that is the same as before keeps its driver, connection
    /// and figures; limits and intervals reach all of them.
    pub fn apply(&mut self, config: &Config, entries: Vec<Entry>) -> Changes {
        let plan = Arc::new(plan(config));
        if plan.queries.refused != self.plans.borrow().queries.refused || self.watched.is_empty() {
            for refused in &plan.queries.refused {
                tracing::error!(query = refused.name, at = %refused.at, "refused: {}", refused.reason);
            }
        }
        let before = std::mem::replace(&mut self.secrets, config.secrets.clone());
        if before != self.secrets {
            self.keyring = Keyring::new(&self.secrets, &self.env, clock(&self.timer));
        }
        self.permits.resize(plan.connections_per_server);
        // Also if it is the same: who waits before another attempt makes it now, as something may have been
        // mended.
        self.plans.send_replace(plan.clone());
        let mut changes = Changes::default();
        let mut known: HashMap<(String, String), Watched> =
            self.watched.drain(..).map(|w| ((w.entry.cluster.clone(), w.entry.db.clone()), w)).collect();
        for entry in entries {
            let name = format!("{}/{}", entry.cluster, entry.db);
            let watched = match known.remove(&(entry.cluster.clone(), entry.db.clone())) {
                Some(watched) => {
                    let mut what = differences(&watched.entry, &entry);
                    if depends(&entry, &before, &self.secrets) {
                        what.push("secrets");
                    }
                    if what.is_empty() {
                        watched
                    } else {
                        changes.changed.push(format!("{name} ({})", what.join(", ")));
                        let counted = watched.cell.snapshot();
                        self.end(watched);
                        let mut start = plan.pending(&entry.cluster, &entry.db);
                        (start.connects, start.connect_errors) = (counted.connects, counted.connect_errors);
                        self.begin(entry, start)
                    }
                }
                None => {
                    changes.added.push(name);
                    let start = plan.pending(&entry.cluster, &entry.db);
                    self.begin(entry, start)
                }
            };
            self.watched.push(watched);
        }
        for (_, watched) in known {
            changes.removed.push(format!("{}/{}", watched.entry.cluster, watched.entry.db));
            self.end(watched);
        }
        changes.removed.sort();
        let cells: Vec<_> = self.watched.iter().map(|w| w.cell.clone()).collect();
        let shown = self.fleet.cells();
        if cells.len() != shown.len() || cells.iter().zip(shown.iter()).any(|(a, b)| !Arc::ptr_eq(a, b)) {
            self.fleet.arrange(cells);
        }
        changes
    }

    fn begin(&mut self, entry: Entry, start: pgmon_core::snapshot::Snapshot) -> Watched {
        let cell = self.fleet.cell(start);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            plans: self.plans.subscribe(),
            fleet: self.fleet.clone(),
            permits: self.permits.clone(),
            timer: self.timer.clone(),
            stop: stopped,
        });
        let logins = self.keyring.logins(&entry.connect);
        let mut tasks = Vec::new();
        if entry.discover {
            let roamer = Roamer::new(shared.clone(), entry.clone(), cell.clone(), logins.clone());
            let span = tracing::error_span!("database", cluster = %entry.cluster, db = %entry.db);
            tasks.push(self.tasks.spawn(roamer.run().instrument(span)));
        }
        let driver = Driver::new(shared, entry.clone(), cell.clone(), logins);
        tasks.push(self.tasks.spawn(driver.run()));
        Watched { entry, cell, stop, tasks }
    }

    fn end(&mut self, watched: Watched) {
        self.told.extend(watched.tasks.iter().map(AbortHandle::id));
        watched.stop.send_replace(true);
    }

    /// Waits for the end of a task that nobody told to end; says how it ended.
    pub async fn ended(&mut self) -> String {
        loop {
            let (id, how) = match self.tasks.join_next_with_id().await {
                Some(Ok((id, ()))) => (id, "on its own".to_owned()),
                Some(Err(error)) => (error.id(), describe(&error)),
                None => std::future::pending().await,
            };
            if !self.told.remove(&id) {
                return how;
            }
        }
    }

    /// Ends all of them.
    pub async fn stop(&mut self) {
        for watched in std::mem::take(&mut self.watched) {
            self.end(watched);
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What all drivers go by.
fn plan(config: &Config) -> Plan {
    Plan::new(config).with_queries(Arc::new(crate::commands::queries(config)))
}

fn clock(timer: &Arc<dyn Timer>) -> Arc<dyn pgmon_core::clock::Clock> {
    timer.clone()
}

/// How a task ended, without what a panic said: that may be anything.
fn describe(error: &JoinError) -> String {
    if error.is_panic() { "by a panic" } else { "cut off" }.to_owned()
}

/// Whether an entry's login comes by a way that `secrets` now goes in another one.
fn depends(entry: &Entry, before: &Secrets, now: &Secrets) -> bool {
    match &entry.connect.password {
        PasswordSource::Command(_) => {
            (before.command_timeout_ms, &before.command_env) != (now.command_timeout_ms, &now.command_env)
        }
        source => source.is_vault() && before.vault != now.vault,
    }
}

/// What is other, by name: values may be secrets.
fn differences(before: &Entry, now: &Entry) -> Vec<&'static str> {
    // Taken apart, so that a new field cannot be forgotten here.
    let Entry { cluster: _, db: _, connect, discover, pooled } = now;
    let ConnectSpec { host, port, user, password, database, sslmode, sslrootcert, sslcert, sslkey } = connect;
    let b = &before.connect;
    let parts = [
        ("host", *host != b.host),
        ("port", *port != b.port),
        ("user", *user != b.user),
        ("where the password comes from", *password != b.password),
        ("database", *database != b.database),
        ("sslmode", *sslmode != b.sslmode),
        ("sslrootcert", *sslrootcert != b.sslrootcert),
        ("sslcert", *sslcert != b.sslcert),
        ("sslkey", *sslkey != b.sslkey),
        ("discover", *discover != before.discover),
        ("pooled", *pooled != before.pooled),
    ];
    parts.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_by_name() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let changes = Changes {
            added: names(&["a/b"]),
            removed: Vec::new(),
            changed: names(&["a/c (host)", "a/d (pooled)"]),
        };
        assert_eq!(changes.to_string(), "added a/b; changed a/c (host), a/d (pooled)");
        let many: Vec<String> = (0..25).map(|n| n.to_string()).collect();
        assert!(list(&many).ends_with("19 and 5 more"));
    }

    #[test]
    fn queries_that_are_new_gone_or_other_are_named_and_their_lines_do_not_count() {
        let read = |text: &str| {
            let text = format!("dsn: postgres://u@localhost/d\nqueries:\n{text}");
            let options = pgmon_config::LoadOptions::default();
            Config::load_text("pgmon.yaml".as_ref(), &text, &options).unwrap().config.queries
        };
        let before = read(
            "- {name: gone, help: G., query: SELECT 1}\n- {name: stays, help: S., query: SELECT 2}\n\
             - {name: other, help: O., query: SELECT 3}\n",
        );
        let now = read(
            "- {name: other, help: O., query: SELECT 33}\n\n\n- {name: stays, help: S., query: SELECT 2}\n\
             - {name: fresh, help: F., query: SELECT 4}\n",
        );
        let changes = Changes::of_queries(&before, &now);
        assert_eq!(changes.to_string(), "added fresh; removed gone; changed other");
        assert!(Changes::of_queries(&now, &now).is_empty());
    }
}
