//! Patroni: its members tell over their REST API how the cluster is. Only GET is ever sent.

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod model;
mod outage;
pub mod rest;
mod state;

use super::registry::Slot;
use super::roster::{Shared, told};
use crate::services::tls::Authorities;
use futures::future::join_all;
use http::{Credentials, Getter};
use model::{Asked, View};
use pgmon_config::{ClusterSpec, HttpUrl, PatroniSpec};
use pgmon_core::cluster::{ClusterSnapshot, Evidence, Health, Manager};
use state::Found;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Members that others name and that are asked as well, at most.
const MOST_FOLLOWED: usize = 50;

/// Asks until it is told to stop.
pub async fn run(
    spec: &ClusterSpec,
    patroni: &PatroniSpec,
    shared: Shared,
    slot: Arc<Slot>,
    mut stop: watch::Receiver<bool>,
) {
    let timer = shared.timer.clone();
    let mut watcher = Watcher::new(spec, patroni, shared, slot);
    watcher.slot.publish(vec![Arc::new(watcher.last.clone())]);
    let mut due = timer.mono();
    loop {
        tokio::select! {
            () = watcher.round() => {}
            () = told(&mut stop) => return,
        }
        // A round that took longer leaves out those that were due meanwhile.
        while due <= timer.mono() {
            due += spec.interval;
        }
        tokio::select! {
            () = timer.sleep_until(due) => {}
            () = told(&mut stop) => return,
        }
    }
}

struct Watcher<'s> {
    spec: &'s ClusterSpec,
    patroni: &'s PatroniSpec,
    shared: Shared,
    slot: Arc<Slot>,
    authorities: Authorities,
    credentials: Credentials,
    last: ClusterSnapshot,
    /// Whether the cluster's own name is known.
    named: bool,
    /// Who led last.
    leader: Option<String>,
    lags: model::Lags,
    /// The state as it was read last: the cluster and its history.
    read: (rest::ClusterAnswer, Vec<rest::Past>),
    /// What members are called, by where they were asked.
    names: BTreeMap<String, String>,
    /// Members that are not configured, and that others name.
    followed: Vec<HttpUrl>,
}

impl<'s> Watcher<'s> {
    fn new(spec: &'s ClusterSpec, patroni: &'s PatroniSpec, shared: Shared, slot: Arc<Slot>) -> Self {
        let urls: Vec<String> = patroni.urls.iter().map(|url| at(url, "")).collect();
        let first = patroni.urls.first().map_or("patroni", HttpUrl::host);
        let name = spec.name.clone().unwrap_or_else(|| first.to_owned());
        let keeps = spec.interval * 3;
        Self {
            spec,
            patroni,
            shared,
            slot,
            authorities: Authorities::default(),
            credentials: Credentials::new(patroni),
            last: ClusterSnapshot::pending(Manager::Patroni, name, urls.join(", "), keeps),
            named: spec.name.is_some(),
            leader: None,
            lags: model::Lags::default(),
            read: Default::default(),
            names: BTreeMap::new(),
            followed: Vec::new(),
        }
    }

    /// What asks until then; who has not answered by then is given up.
    fn getter(&self, until: Duration) -> Getter<'_> {
        Getter {
            timer: &*self.shared.timer,
            authorities: &self.authorities,
            tls: &self.patroni.tls,
            timeout: self.spec.timeout,
            until,
        }
    }

    /// Two times the timeout at most, and a third time for members that nobody has named before.
    async fn round(&mut self) {
        let (members, followed, found) = self.ask_all().await;
        self.followed = followed;
        for asked in &members {
            if let Some(name) = asked.status.as_ref().ok().and_then(|status| status.name.clone()) {
                self.names.insert(at(&asked.url, ""), name);
            }
        }
        let (now, wall) = (self.shared.timer.mono(), self.shared.timer.wall());
        let mut evidence = Vec::new();
        let unread = match found {
            Ok(Found { url, cluster, body, history }) => {
                evidence.push(Evidence::new(at(&url, "/cluster"), wall, &text(&body)));
                let past = match &history {
                    Ok(body) => {
                        evidence.push(Evidence::new(at(&url, "/history"), wall, &text(body)));
                        rest::history(body)
                    }
                    Err(_) => Vec::new(),
                };
                self.read = (cluster, past);
                None
            }
            Err(reason) => {
                if !matches!(self.last.health, Health::Failed { .. }) {
                    tracing::warn!(urls = %self.last.source, "the state of the cluster cannot be read: {reason}");
                }
                self.last.errors += 1;
                self.last.health = Health::Failed { reason: reason.clone() };
                if members.iter().all(|asked| asked.status.is_err()) {
                    self.slot.publish(vec![Arc::new(self.last.clone())]);
                    return;
                }
                Some(reason)
            }
        };
        for member in &members {
            if let Some(body) = &member.body {
                evidence.push(Evidence::new(at(&member.url, "/patroni"), wall, &text(body)));
            }
        }
        let (cluster, past) = &self.read;
        let scope = cluster.scope.clone();
        let scope = scope.or_else(|| members.iter().find_map(|m| m.status.as_ref().ok()?.scope.clone()));
        if let (Some(scope), false) = (scope, self.named) {
            self.last.name = scope.into();
            self.named = true;
        }
        let unread = unread.as_deref();
        // What the store has said last names the members; how they are, they say themselves.
        let told = unread.map(|_| outage::told(cluster, &members));
        let cluster = told.as_ref().unwrap_or(cluster);
        let view = View { cluster, asked: &members, history: past, unread, now, wall };
        let made = view.cluster(&self.last.name, &self.last.source, &mut self.lags);
        self.publish(made, evidence, unread.is_none(), now, wall);
    }

    /// What all members say, whom else to ask from now on, and the cluster's state.
    async fn ask_all(&self) -> (Vec<Asked>, Vec<HttpUrl>, Result<Found, String>) {
        let (timer, timeout) = (&self.shared.timer, self.spec.timeout);
        let getter = self.getter(timer.mono() + timeout);
        // Credentials are for those that are configured alone.
        let configured = self.patroni.urls.iter().map(|url| (url, true));
        let asking = configured.chain(self.followed.iter().map(|url| (url, false)));
        let mut members: Vec<Asked> = join_all(asking.map(|(url, ours)| self.ask(&getter, url, ours))).await;
        // Who has reached the store of the state last knows best; of equals, who stands first. Who does not answer
        // has had its time.
        let seen = |m: &&Asked| m.status.as_ref().ok().and_then(|status| status.store_seen);
        let mut order: Vec<&Asked> = members.iter().filter(|m| m.configured && m.status.is_ok()).collect();
        order.sort_by_key(|m| std::cmp::Reverse(seen(m)));
        let found = if order.is_empty() {
            let failure = |m: &Asked| Some(format!("{}: {}", at(&m.url, ""), m.status.as_ref().err()?));
            Err(members.iter().filter(|m| m.configured).filter_map(failure).collect::<Vec<_>>().join("; "))
        } else {
            let urls: Vec<&HttpUrl> = order.into_iter().map(|m| &m.url).collect();
            state::read(&self.getter(timer.mono() + timeout), &urls, &self.credentials).await
        };
        let Ok(state) = &found else { return (members, self.followed.clone(), found) };
        let mut followed = Vec::new();
        if self.patroni.follow_members {
            let known = |api: &HttpUrl| self.patroni.urls.iter().any(|url| url.has_origin_of(api));
            let named =
                state.cluster.members.iter().filter_map(|m| m.api_url.as_deref()?.parse::<HttpUrl>().ok());
            followed = named.filter(|api| !known(api)).take(MOST_FOLLOWED).collect();
            let asked = |api: &&HttpUrl| self.followed.iter().any(|other| other.has_origin_of(api));
            let getter = self.getter(timer.mono() + timeout);
            let new = followed.iter().filter(|api| !asked(api)).map(|url| self.ask(&getter, url, false));
            members.extend(join_all(new).await);
        }
        (members, followed, found)
    }

    async fn ask(&self, getter: &Getter<'_>, url: &HttpUrl, configured: bool) -> Asked {
        let credentials = configured.then_some(&self.credentials);
        let (status, body) = match getter.get(url, "/patroni", credentials).await {
            Ok(body) => (rest::status(&body).map_err(|error| error.to_string()), Some(body)),
            Err(error) => (Err(error), None),
        };
        let own = status.as_ref().ok().and_then(|status| status.name.clone());
        let name = own.or_else(|| self.names.get(&at(url, "")).cloned());
        Asked { url: url.clone(), configured, name, status, body }
    }

    fn publish(
        &mut self,
        cluster: pgmon_core::cluster::Cluster,
        evidence: Vec<Evidence>,
        was_read: bool,
        now: Duration,
        wall: jiff::Timestamp,
    ) {
        if was_read {
            self.last.health = Health::Ok;
            (self.last.at, self.last.at_mono, self.last.told_mono) = (Some(wall), Some(now), None);
        } else {
            self.last.told_mono = Some(now);
        }
        // Between two leaders there may be none for a while: what counts is that another one comes.
        if let Some(leader) = &cluster.leader {
            if self.leader.as_ref().is_some_and(|before| before != leader) {
                self.last.failovers += 1;
            }
            self.leader = Some(leader.clone());
        }
        self.last.evidence = evidence;
        self.last.cluster = Some(Arc::new(cluster));
        self.slot.publish(vec![Arc::new(self.last.clone())]);
    }
}

/// A place of a member's API, for people.
fn at(url: &HttpUrl, path: &str) -> String {
    format!("{}://{}{path}", if url.is_https() { "https" } else { "http" }, url.authority())
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
