//! What a driver tells: the snapshot for readers, and the log.

use super::Driver;
use super::admission::Rejection;
use pgmon_core::snapshot::{Loop, Up};
use std::time::Duration;

/// A database that stays down for the same reason is told of in the log at most this often.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// What the log was last told of a database that is down.
#[derive(Debug, Default)]
pub(super) struct Told(Option<(String, Duration)>);

impl Told {
    /// Whether `reason` is to be told at `now`: it is another one than before, or was told long ago.
    fn is_news(&mut self, reason: &str, now: Duration) -> bool {
        let old = self.0.as_ref();
        if old.is_some_and(|(told, at)| told == reason && now.saturating_sub(*at) < AGAIN_AFTER) {
            return false;
        }
        self.0 = Some((reason.to_owned(), now));
        true
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Driver {
    /// Notes that the database answers and may be watched.
    pub(super) fn is_up(&mut self) {
        self.snapshot.quarantined_until = None;
        self.told.forget();
        if self.snapshot.up != Up::Up
            && let Some(server) = &self.snapshot.server
        {
            tracing::info!(
                version = server.version_text,
                standby = server.in_recovery,
                tls = server.tls,
                "connected"
            );
        }
        self.set_up(Up::Up);
        self.publish();
    }

    /// Notes that the database cannot be used and returns when to try again.
    pub(super) fn down(&mut self, rejection: Rejection) -> Duration {
        let interval = self.plan.interval(Loop::HotPath);
        let now = self.shared.timer.mono();
        let pause = match rejection {
            Rejection::Refused { .. } => self.backoff.refused(interval, fastrand::f64()),
            _ => self.backoff.failed(interval, fastrand::f64()),
        };
        let until = now + pause;
        self.resign();
        self.snapshot.quarantined_until = self.backoff.is_quarantined().then_some(until);
        let (attempts, retry_in_s) = (self.backoff.failures(), pause.as_secs());
        let mut down = |reason: String| {
            if self.told.is_news(&reason, now) {
                tracing::warn!(attempts, retry_in_s, "down: {reason}");
            }
            Up::Down { reason }
        };
        let up = match rejection {
            Rejection::Down(reason) => down(reason),
            Rejection::Failed(error) => down(error.to_string()),
            Rejection::Refused { rights, remedy } => {
                let up = Up::Refused { rights: rights.clone(), remedy };
                if self.snapshot.up != up {
                    tracing::error!(
                        rights = rights.join("; "),
                        "refused, because its role can write; /healthz has the SQL for another"
                    );
                }
                // Nothing that was read through such a role stays.
                self.engine = None;
                self.custom.forget();
                self.snapshot.alive_mono = None;
                up
            }
        };
        self.set_up(up);
        self.publish();
        until
    }

    /// Notes that the database is not watched for lack of a free connection.
    pub(super) fn keeps_waiting(&mut self, why: String) {
        // What was under way is not gone on with: by the time there is a connection it would be old.
        let cut = self.cut;
        self.close_rounds(false);
        // Nor is it begun again out of turn: there is too little time for everybody as it is.
        self.cut = cut;
        self.resign();
        if self.told.is_news(&why, self.shared.timer.mono()) {
            tracing::warn!("{why}");
        }
        // A refused role stays refused until it has been looked at again.
        if !matches!(self.snapshot.up, Up::Refused { .. }) {
            self.set_up(Up::Down { reason: why });
        }
        self.publish();
    }

    /// Lets another entry collect what belongs to the server.
    fn resign(&mut self) {
        self.shared.fleet.resign(self.ticket);
        self.snapshot.leads = false;
    }

    fn set_up(&mut self, up: Up) {
        if std::mem::discriminant(&self.snapshot.up) != std::mem::discriminant(&up) {
            self.snapshot.up_since_mono = self.shared.timer.mono();
        }
        self.snapshot.up = up;
    }

    /// Hands the present state to the readers.
    pub(super) fn publish(&mut self) {
        if let Some(engine) = &self.engine {
            self.snapshot.collectors = engine.states(self.snapshot.leads);
            self.snapshot.collectors.extend(self.custom.states(self.snapshot.leads));
            self.snapshot.dropped = engine.dropped;
            self.snapshot.retained = match self.snapshot.up {
                Up::Down { .. } => engine.known_of_server(),
                _ => Vec::new(),
            };
        } else {
            self.snapshot.collectors = Vec::new();
            self.snapshot.retained = Vec::new();
        }
        self.cell.publish(self.snapshot.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_told_every_ten_minutes_and_another_one_at_once() {
        let mut told = Told::default();
        let s = Duration::from_secs;
        assert!(told.is_news("refused", s(0)));
        let attempts = (1..120).filter(|n| told.is_news("refused", s(n * 15))).count();
        assert_eq!(attempts, 2, "in half an hour");
        assert!(told.is_news("no answer", s(1800)) && !told.is_news("no answer", s(1815)));
        told.forget();
        assert!(told.is_news("no answer", s(1816)));
    }
}
