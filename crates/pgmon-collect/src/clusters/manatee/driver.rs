//! Follows the shards of one ZooKeeper ensemble: by watches, not by polling; and asks their peers in rounds.

mod rounds;

use super::peer::{Asked, Link};
use super::shard::Shard;
use super::zookeeper::{Client, Ensemble, Event, ZkError};
use crate::clusters::registry::Slot;
use crate::clusters::roster::{Shared, told};
use crate::poller::backoff::Backoff;
use pgmon_config::{ClusterSpec, ManateeSpec, Shards};
use pgmon_core::cluster::{ClusterSnapshot, Health, Manager};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

/// Everything is read anew after this time, should a watch have been lost.
const READ_ANEW: Duration = Duration::from_secs(300);

/// Shards that are followed at most.
const MOST_SHARDS: usize = 1_000;

/// After a connection that held is lost, the next one is made after this time.
const AGAIN: Duration = Duration::from_millis(250);

/// Follows the shards until it is told to stop.
pub async fn run(
    spec: &ClusterSpec,
    manatee: &ManateeSpec,
    shared: Shared,
    slot: Arc<Slot>,
    mut stop: watch::Receiver<bool>,
) {
    let mut driver = Driver::new(spec, manatee, shared, slot);
    tokio::select! {
        () = driver.follow_for_ever() => {}
        () = told(&mut stop) => {}
    }
    driver.goodbye().await;
}

/// What a task that asks a peer brings back.
type Answer = (Link, Asked);

struct Driver<'s> {
    spec: &'s ClusterSpec,
    manatee: &'s ManateeSpec,
    shared: Shared,
    slot: Arc<Slot>,
    ensemble: Ensemble,
    /// The ensemble, for people.
    source: String,
    client: Option<Client>,
    shards: BTreeMap<String, Shard>,
    /// Connections that are not in use, by where they lead.
    links: HashMap<(String, u16), Link>,
    asking: JoinSet<Answer>,
    /// Who is being asked: where it is, and for which peers of which shards.
    asked: HashMap<Id, Question>,
    round_at: Duration,
    anew_at: Duration,
    /// When what has come since the last time is to be shown.
    publish_at: Option<Duration>,
    /// What is said of the ensemble while no shard of it is known.
    whole: ClusterSnapshot,
    backoff: Backoff,
}

struct Question {
    place: (String, u16),
    /// Shard and peer.
    of: Vec<(String, String)>,
}

/// How long a state is taken for the present one.
fn keeps(spec: &ClusterSpec, manatee: &ManateeSpec) -> Duration {
    spec.interval * 3 + manatee.session_timeout
}

/// The ensemble as a whole, of which nothing is known yet.
fn whole(spec: &ClusterSpec, manatee: &ManateeSpec, source: &str) -> ClusterSnapshot {
    let root = match &manatee.shards {
        Shards::Below(root) => root.as_str(),
        Shards::Listed(_) => "",
    };
    let first = manatee.hosts.first().map(|(host, port)| format!("{host}:{port}")).unwrap_or_default();
    let name = spec.name.clone().unwrap_or_else(|| format!("{first}{}{root}", manatee.chroot));
    ClusterSnapshot::pending(Manager::Manatee, name, format!("{source}{root}"), keeps(spec, manatee))
}

impl<'s> Driver<'s> {
    fn new(spec: &'s ClusterSpec, manatee: &'s ManateeSpec, shared: Shared, slot: Arc<Slot>) -> Self {
        let hosts: Vec<String> = manatee.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let now = shared.timer.mono();
        let source = format!("zookeeper {}{}", hosts.join(","), manatee.chroot);
        let mut driver = Self {
            ensemble: Ensemble {
                hosts: manatee.hosts.clone(),
                chroot: manatee.chroot.clone(),
                session_timeout: manatee.session_timeout,
                timeout: spec.timeout,
            },
            whole: whole(spec, manatee, &source),
            source,
            spec,
            manatee,
            shared,
            slot,
            client: None,
            shards: BTreeMap::new(),
            links: HashMap::new(),
            asking: JoinSet::new(),
            asked: HashMap::new(),
            round_at: now,
            anew_at: now,
            publish_at: None,
            backoff: Backoff::default(),
        };
        if let Shards::Listed(paths) = &manatee.shards {
            paths.iter().for_each(|path| driver.add(path, paths.len() > 1));
        }
        driver.publish(None);
        driver
    }

    fn add(&mut self, path: &str, several: bool) {
        let last = path.rsplit('/').next().unwrap_or(path);
        let name = match &self.spec.name {
            Some(name) if several => format!("{name}/{last}"),
            Some(name) => name.clone(),
            None => last.to_owned(),
        };
        let keeps = keeps(self.spec, self.manatee);
        let shard = || Shard::new(path, &name, &self.source, keeps);
        self.shards.entry(path.to_owned()).or_insert_with(shard);
    }

    async fn follow_for_ever(&mut self) {
        loop {
            let (ensemble, timer) = (self.ensemble.clone(), self.shared.timer.clone());
            let error = match self.go_on_while(Client::connect(&ensemble, timer.clone())).await {
                Ok(client) => {
                    tracing::debug!(host = client.host(), "connected to ZooKeeper");
                    self.client = Some(client);
                    let began = self.now();
                    let Err(error) = self.follow().await;
                    self.client = None;
                    // One that held for a while is tried again at once: its server may just have been restarted.
                    if self.now().saturating_sub(began) > self.spec.interval {
                        self.backoff.succeeded();
                    }
                    error
                }
                Err(error) => error,
            };
            self.failed(&error);
            let first = self.backoff.failures() == 0;
            let pause = self.backoff.failed(self.spec.interval.min(Duration::from_secs(5)), fastrand::f64());
            let until = self.now() + if first { AGAIN } else { pause };
            self.go_on_while(timer.sleep_until(until)).await;
        }
    }

    fn now(&self) -> Duration {
        self.shared.timer.mono()
    }

    fn failed(&mut self, error: &ZkError) {
        if self.backoff.failures() == 0 {
            tracing::warn!(source = self.source, "the state of clusters cannot be read: {error}");
        }
        let (reason, now) = (error.to_string(), self.now());
        self.whole.errors += 1;
        self.whole.health = Health::Failed { reason: reason.clone() };
        let snapshots = self.shards.values_mut().map(|shard| shard.fail(&reason, now)).collect();
        self.show(snapshots);
    }

    /// While ZooKeeper is away, the peers of the state that was read last are asked all the same.
    async fn go_on_while<T>(&mut self, ends: impl Future<Output = T>) -> T {
        let timer = self.shared.timer.clone();
        tokio::pin!(ends);
        loop {
            self.begin_round_if_due();
            if self.is_to_be_published() {
                self.publish(None);
            }
            let next = self.round_at.min(self.publish_at.unwrap_or(Duration::MAX));
            tokio::select! {
                end = &mut ends => return end,
                () = timer.sleep_until(next) => {}
                Some(done) = self.asking.join_next_with_id(), if !self.asking.is_empty() => self.answered(done),
            }
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, ZkError> {
        self.read_all().await?;
        let timer = self.shared.timer.clone();
        loop {
            self.begin_round_if_due();
            if self.is_to_be_published() {
                self.publish(self.heard());
            }
            let until = self.round_at.min(self.anew_at).min(self.publish_at.unwrap_or(Duration::MAX));
            let Some(client) = &mut self.client else { return Err(ZkError::Expired) };
            tokio::select! {
                event = client.wait(until) => match event? {
                    Some(event) => self.changed(event).await?,
                    None if timer.mono() >= self.anew_at => self.read_all().await?,
                    None => {}
                },
                Some(done) = self.asking.join_next_with_id(), if !self.asking.is_empty() => self.answered(done),
            }
        }
    }

    /// When ZooKeeper was last heard, by both clocks: until then, watches would have told of changes.
    fn heard(&self) -> Option<(Duration, jiff::Timestamp)> {
        let heard = self.client.as_ref()?.heard();
        let ago = self.now().saturating_sub(heard);
        let wall = self.shared.timer.wall().checked_sub(ago).ok()?;
        Some((heard, wall))
    }

    fn publish(&mut self, heard: Option<(Duration, jiff::Timestamp)>) {
        let now = self.now();
        let snapshots = self.shards.values_mut().map(|shard| shard.snapshot(now, heard)).collect();
        self.show(snapshots);
    }

    /// Shows these. Without a shard it shows the ensemble: whoever has configured it expects some.
    fn show(&mut self, mut snapshots: Vec<Arc<ClusterSnapshot>>) {
        self.publish_at = None;
        if snapshots.is_empty() {
            snapshots.push(Arc::new(self.whole.clone()));
        }
        self.slot.publish(snapshots);
    }

    fn is_to_be_published(&self) -> bool {
        self.publish_at.is_some_and(|at| at <= self.now())
    }

    async fn read_all(&mut self) -> Result<(), ZkError> {
        self.anew_at = self.now() + READ_ANEW;
        self.find_shards().await?;
        let paths: Vec<String> = self.shards.keys().cloned().collect();
        for path in paths {
            for part in ["state", "election", "history", "error"] {
                self.read_part(&path, part).await?;
            }
        }
        // Who is new is asked at once; who was there goes on in its turn.
        self.round_at = self.now();
        self.backoff.succeeded();
        self.publish(self.heard());
        Ok(())
    }

    async fn find_shards(&mut self) -> Result<(), ZkError> {
        let Shards::Below(root) = &self.manatee.shards else { return Ok(()) };
        let Some(client) = &mut self.client else { return Err(ZkError::Expired) };
        let found = client.children(root).await?;
        let nothing = match &found {
            None => Some(format!("there is no node {root}: is `root` another one?")),
            Some(names) if names.is_empty() => Some(format!("there is no shard below {root}")),
            Some(_) => None,
        };
        if let Some(reason) = nothing {
            let health = Health::Failed { reason };
            if self.whole.health != health
                && let Health::Failed { reason } = &health
            {
                tracing::warn!(source = self.source, "no cluster is watched: {reason}");
            }
            self.whole.health = health;
            self.whole.errors += 1;
        }
        let names = found.unwrap_or_default();
        if names.len() > MOST_SHARDS {
            tracing::warn!(root, found = names.len(), "only the first {MOST_SHARDS} shards are followed");
        }
        let below = |name: &String| format!("{}/{name}", root.trim_end_matches('/'));
        let paths: BTreeSet<String> = names.iter().take(MOST_SHARDS).map(below).collect();
        self.shards.retain(|path, _| paths.contains(path));
        for path in &paths {
            self.add(path, true);
        }
        Ok(())
    }

    async fn read_part(&mut self, path: &str, part: &str) -> Result<(), ZkError> {
        let at = self.shared.timer.wall();
        let (Some(client), Some(shard)) = (&mut self.client, self.shards.get_mut(path)) else {
            return Ok(());
        };
        let place = format!("{path}/{part}");
        match part {
            "state" => shard.take_state(client.get(&place).await?.as_ref(), at),
            "error" => shard.take_error(client.get(&place).await?.as_ref(), at),
            "election" => {
                let names = client.children(&place).await?.unwrap_or_default();
                let mut nodes = Vec::new();
                for name in names.into_iter().take(super::state::MOST_PEERS * 2) {
                    // One that left meanwhile is told of as a change.
                    if let Some(node) = client.get(&format!("{place}/{name}")).await? {
                        nodes.push((name, node.data));
                    }
                }
                shard.take_election(&nodes, at);
            }
            _ => {
                let names = client.children(&place).await?.unwrap_or_default();
                for name in shard.new_in_history(&names) {
                    if let Some(node) = client.get(&format!("{place}/{name}")).await? {
                        shard.take_past(&name, &node);
                    }
                }
            }
        }
        Ok(())
    }

    async fn changed(&mut self, event: Event) -> Result<(), ZkError> {
        if matches!(&self.manatee.shards, Shards::Below(root) if *root == event.path) {
            return self.read_all().await;
        }
        let found = self.shards.keys().find_map(|shard| {
            let rest = event.path.strip_prefix(shard.as_str())?.strip_prefix('/')?;
            Some((shard.clone(), rest.split('/').next().unwrap_or(rest).to_owned()))
        });
        let Some((shard, part)) = found else { return Ok(()) };
        // A node of the history never changes.
        if part == "history" && event.path.len() > shard.len() + "/history".len() {
            return Ok(());
        }
        self.read_part(&shard, &part).await?;
        self.publish(self.heard());
        if part == "state" {
            self.round_at = self.now();
        }
        Ok(())
    }

    async fn goodbye(self) {
        if let Some(client) = self.client {
            client.close().await;
        }
        for (_, link) in self.links {
            link.close().await;
        }
    }
}
