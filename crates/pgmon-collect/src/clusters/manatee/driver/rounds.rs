//! Asking the peers: each by a task of its own, all of them again at every interval.

use super::{Answer, Driver, Question};
use crate::clusters::manatee::peer::{Asked, Limits, Link};
use crate::postgres::connect::Route;
use pgmon_config::{ConnectSpec, Host};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::Id;

/// Answers that come within this time are shown together: making a snapshot of each shard costs something.
const TOGETHER: Duration = Duration::from_millis(100);

impl Driver<'_> {
    pub(super) fn begin_round_if_due(&mut self) {
        let now = self.now();
        if now < self.round_at {
            return;
        }
        self.round_at = now + self.spec.interval;
        // Also if nobody answers: the state is as it was, and that is news.
        self.publish_soon();
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
            let (timer, timeout) = (self.shared.timer.clone(), self.spec.timeout);
            let question = Question { place, of };
            let handle = self.asking.spawn(async move {
                // A peer as a whole may take this long.
                let until = timer.mono() + timeout;
                let asked = tokio::select! {
                    asked = link.ask() => asked,
                    () = timer.sleep_until(until) => Asked::Failed(format!("no answer within {timeout:?}")),
                };
                (link, asked)
            });
            self.asked.insert(handle.id(), question);
        }
    }

    /// What has come is shown after a moment, together with what comes meanwhile; at once if nobody is asked any
    /// more. Nobody waits for a peer that hangs.
    fn publish_soon(&mut self) {
        let at = self.now() + if self.asking.is_empty() { Duration::ZERO } else { TOGETHER };
        self.publish_at = Some(self.publish_at.map_or(at, |before| before.min(at)));
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

    pub(super) fn answered(&mut self, done: Result<(Id, Answer), tokio::task::JoinError>) {
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
        let now = self.now();
        for (path, peer) in question.of {
            if let Some(shard) = self.shards.get_mut(&path) {
                shard.take_finding(&peer, asked.clone(), now);
            }
        }
        self.publish_soon();
    }
}
