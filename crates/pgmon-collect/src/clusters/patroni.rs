//! Patroni: its members tell over their REST API how the cluster is. Only GET is ever sent.

mod http;
mod model;
pub mod rest;

use super::registry::Slot;
use super::roster::{Shared, told};
use crate::services::tls::Authorities;
use futures::future::join_all;
use http::{Credentials, Getter};
use model::{Asked, View};
use pgmon_config::{ClusterSpec, HttpUrl, PatroniSpec};
use pgmon_core::cluster::{ClusterSnapshot, Evidence, Health, Manager};
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
        }
    }

    fn getter(&self) -> Getter<'_> {
        Getter {
            timer: &*self.shared.timer,
            authorities: &self.authorities,
            tls: &self.patroni.tls,
            timeout: self.spec.timeout,
        }
    }

    async fn round(&mut self) {
        let getter = self.getter();
        let credentials = &self.credentials;
        let asking = self.patroni.urls.iter().map(|url| ask(&getter, url, Some(credentials)));
        let mut members: Vec<Asked> = join_all(asking).await;
        // Who has reached the store of the state last knows best; of equals, who stands first.
        let mut order: Vec<usize> = (0..members.len()).collect();
        let seen =
            |n: &usize| members.get(*n).and_then(|m| m.status.as_ref().ok()).and_then(|s| s.store_seen);
        order.sort_by_key(|n| std::cmp::Reverse(seen(n)));
        let mut failures = Vec::new();
        let mut found = None;
        for url in order.iter().filter_map(|n| self.patroni.urls.get(*n)) {
            match getter.get(url, "/cluster", Some(credentials)).await {
                Ok(body) => match rest::cluster(&body) {
                    Ok(cluster) => {
                        let history = getter.get(url, "/history", Some(credentials)).await;
                        found = Some((url, cluster, body, history));
                        break;
                    }
                    Err(error) => failures.push(format!("{}: {error}", at(url, ""))),
                },
                Err(error) => failures.push(format!("{}: {error}", at(url, ""))),
            }
        }
        let (now, wall) = (self.shared.timer.mono(), self.shared.timer.wall());
        let Some((url, cluster, body, history)) = found else {
            let reason = failures.join("; ");
            if !matches!(self.last.health, Health::Failed { .. }) {
                tracing::warn!(urls = %self.last.source, "the state of the cluster cannot be read: {reason}");
            }
            self.last.errors += 1;
            self.last.health = Health::Failed { reason };
            self.slot.publish(vec![Arc::new(self.last.clone())]);
            return;
        };
        if self.patroni.follow_members {
            let known = |api: &HttpUrl| self.patroni.urls.iter().any(|url| url.has_origin_of(api));
            let named = cluster.members.iter().filter_map(|m| m.api_url.as_deref()?.parse::<HttpUrl>().ok());
            let others: Vec<HttpUrl> = named.filter(|api| !known(api)).take(MOST_FOLLOWED).collect();
            // Credentials are for those that are configured alone.
            members.extend(join_all(others.iter().map(|url| ask(&getter, url, None))).await);
        }
        let mut evidence = vec![Evidence::new(at(url, "/cluster"), wall, &text(&body))];
        let past = match &history {
            Ok(body) => {
                evidence.push(Evidence::new(at(url, "/history"), wall, &text(body)));
                rest::history(body)
            }
            Err(_) => Vec::new(),
        };
        for member in &members {
            if let Some(body) = &member.body {
                evidence.push(Evidence::new(at(&member.url, "/patroni"), wall, &text(body)));
            }
        }
        let scope = cluster.scope.clone();
        let scope = scope.or_else(|| members.iter().find_map(|m| m.status.as_ref().ok()?.scope.clone()));
        if let (Some(scope), false) = (scope, self.named) {
            self.last.name = scope.into();
            self.named = true;
        }
        let view = View { cluster: &cluster, asked: &members, history: &past, now, wall };
        let made = view.cluster(&self.last.name, &self.last.source, &mut self.lags);
        self.publish(made, evidence, now, wall);
    }

    fn publish(
        &mut self,
        cluster: pgmon_core::cluster::Cluster,
        evidence: Vec<Evidence>,
        now: Duration,
        wall: jiff::Timestamp,
    ) {
        self.last.health = Health::Ok;
        (self.last.at, self.last.at_mono) = (Some(wall), Some(now));
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

async fn ask(getter: &Getter<'_>, url: &HttpUrl, credentials: Option<&Credentials>) -> Asked {
    match getter.get(url, "/patroni", credentials).await {
        Ok(body) => {
            let status = rest::status(&body).map_err(|error| error.to_string());
            Asked { url: url.clone(), status, body: Some(body) }
        }
        Err(error) => Asked { url: url.clone(), status: Err(error), body: None },
    }
}
