//! Follows the shards of one ZooKeeper ensemble: by watches, not by polling; and asks their peers in rounds.

use super::peer::{Asked, Limits, Link};
use super::shard::Shard;
use super::zookeeper::{Client, Ensemble, Event, ZkError};
use crate::clusters::registry::Slot;
use crate::clusters::roster::{Shared, told};
use crate::poller::backoff::Backoff;
use crate::postgres::connect::Route;
use pgmon_config::{ClusterSpec, ConnectSpec, Host, ManateeSpec, Shards};
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
    backoff: Backoff,
}

struct Question {
    place: (String, u16),
    /// Shard and peer.
    of: Vec<(String, String)>,
}

impl<'s> Driver<'s> {
    fn new(spec: &'s ClusterSpec, manatee: &'s ManateeSpec, shared: Shared, slot: Arc<Slot>) -> Self {
        let hosts: Vec<String> = manatee.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let now = shared.timer.mono();
        let mut driver = Self {
            ensemble: Ensemble {
                hosts: manatee.hosts.clone(),
                chroot: manatee.chroot.clone(),
                session_timeout: manatee.session_timeout,
                timeout: spec.timeout,
            },
            source: format!("zookeeper {}{}", hosts.join(","), manatee.chroot),
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
            backoff: Backoff::default(),
        };
        if let Shards::Listed(paths) = &manatee.shards {
            paths.iter().for_each(|path| driver.add(path, paths.len() > 1));
            driver.publish(None);
        }
        driver
    }

    fn add(&mut self, path: &str, several: bool) {
        let last = path.rsplit('/').next().unwrap_or(path);
        let name = match &self.spec.name {
            Some(name) if several => format!("{name}/{last}"),
            Some(name) => name.clone(),
            None => last.to_owned(),
        };
        let keeps = self.spec.interval * 3 + self.manatee.session_timeout;
        let shard = || Shard::new(path, &name, &self.source, keeps);
        self.shards.entry(path.to_owned()).or_insert_with(shard);
    }

    async fn follow_for_ever(&mut self) {
        loop {
            let error = match Client::connect(&self.ensemble, self.shared.timer.clone()).await {
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
            self.go_on_until(until).await;
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
        let snapshots = self.shards.values_mut().map(|shard| shard.fail(&reason, now)).collect();
        self.slot.publish(snapshots);
    }

    /// While ZooKeeper is away, the peers of the state that was read last are asked all the same.
    async fn go_on_until(&mut self, until: Duration) {
        let timer = self.shared.timer.clone();
        while self.now() < until {
            self.begin_round_if_due();
            let next = until.min(self.round_at);
            tokio::select! {
                () = timer.sleep_until(next) => {}
                Some(done) = self.asking.join_next_with_id(), if !self.asking.is_empty() => {
                    self.answered(done);
                    self.publish(None);
                }
            }
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, ZkError> {
        self.read_all().await?;
        let timer = self.shared.timer.clone();
        loop {
            self.begin_round_if_due();
            let until = self.round_at.min(self.anew_at);
            let Some(client) = &mut self.client else { return Err(ZkError::Expired) };
            tokio::select! {
                event = client.wait(until) => match event? {
                    Some(event) => self.changed(event).await?,
                    None if timer.mono() >= self.anew_at => self.read_all().await?,
                    None => {}
                },
                Some(done) = self.asking.join_next_with_id(), if !self.asking.is_empty() => {
                    self.answered(done);
                    if self.asking.is_empty() {
                        self.publish(self.heard());
                    }
                }
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
        self.slot.publish(snapshots);
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
        let names = client.children(root).await?.unwrap_or_default();
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

    fn begin_round_if_due(&mut self) {
        let now = self.now();
        if now < self.round_at {
            return;
        }
        self.round_at = now + self.spec.interval;
        let mut wanted: BTreeMap<(String, u16), Vec<(String, String)>> = BTreeMap::new();
        for (path, shard) in &self.shards {
            let Some(state) = shard.known_state() else { continue };
            for peer in state.peers() {
                if let Some(place) = peer.postgres() {
                    wanted.entry(place).or_default().push((path.clone(), peer.id.clone()));
                }
            }
        }
        self.links.retain(|place, _| wanted.contains_key(place));
        for (place, of) in wanted {
            // Who has not answered since the last round is not asked again.
            if self.asked.values().any(|question| question.place == place) {
                continue;
            }
            let link = self.links.remove(&place).or_else(|| self.link(&place));
            let Some(mut link) = link else { continue };
            let (timer, limit, timeout) = (self.shared.timer.clone(), self.limit(), self.spec.timeout);
            let question = Question { place, of };
            let handle = self.asking.spawn(async move {
                let until = timer.mono() + limit;
                let asked = tokio::select! {
                    asked = link.ask() => asked,
                    () = timer.sleep_until(until) => Asked::Failed(format!("no answer within {timeout:?}")),
                };
                (link, asked)
            });
            self.asked.insert(handle.id(), question);
        }
    }

    /// A peer as a whole may take this long.
    fn limit(&self) -> Duration {
        self.spec.timeout
    }

    fn link(&self, place: &(String, u16)) -> Option<Link> {
        let host: Host = place.0.parse().ok()?;
        let connect = ConnectSpec { host, port: place.1, ..self.manatee.login.clone() };
        let route = Route::new(&connect, self.shared.keyring.logins(&connect));
        let limits = Limits {
            connect: self.spec.timeout,
            statement: self.spec.timeout,
            lock: self.shared.limits.lock_timeout,
            enforce_read_only: self.shared.limits.enforce_read_only,
        };
        Some(Link::new(route, limits))
    }

    fn answered(&mut self, done: Result<(Id, Answer), tokio::task::JoinError>) {
        let (id, asked) = match done {
            Ok((id, (link, asked))) => {
                if let Some(question) = self.asked.get(&id) {
                    self.links.insert(question.place.clone(), link);
                }
                (id, asked)
            }
            Err(error) => {
                tracing::error!("asking a peer ended by a panic: this is an error in pgmon");
                (error.id(), Asked::Failed("an error in pgmon: see its log".to_owned()))
            }
        };
        let Some(question) = self.asked.remove(&id) else { return };
        for (path, peer) in question.of {
            if let Some(shard) = self.shards.get_mut(&path) {
                shard.take_finding(&peer, asked.clone());
            }
        }
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
