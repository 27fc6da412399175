//! How a database comes to be watched: leave to connect, the connection, facts and audit.

use super::{Driver, Ended, pulse};
use crate::poller::permits::{Permit, Permits};
use crate::poller::timer::Timer;
use crate::postgres::audit::Audit;
use crate::postgres::collectors;
use crate::postgres::connect;
use crate::postgres::engine::Engine;
use crate::postgres::facts::Facts;
use crate::postgres::plan::Plan;
use crate::postgres::session::{Guard, QueryError, Session};
use futures::FutureExt as _;
use pgmon_config::{ConnectSpec, Host};
use pgmon_core::snapshot::Loop;
use pgmon_core::version::PgVersion;
use std::net::IpAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// A statement of the facts or the audit may take this long: on a catalog of many thousand tables the
/// first one is slow, and without them nothing is watched.
const LEARN_WITHIN: Duration = Duration::from_secs(15);

/// Where packages put a server's socket; another directory may well be another server's.
const SOCKET_DIRECTORIES: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// Why a connection is not used.
#[derive(Debug)]
pub(super) enum Rejection {
    Down(String),
    Failed(QueryError),
    Refused { rights: Vec<String>, remedy: String },
}

impl From<QueryError> for Rejection {
    fn from(error: QueryError) -> Self {
        Self::Failed(error)
    }
}

/// What reading the facts came to.
struct Learned {
    /// Whether it is the server that was watched before.
    same: bool,
    /// Whether the facts were read, and not found to hold still.
    anew: bool,
    /// Loops with collectors that may see more than before.
    revived: Vec<Loop>,
}

/// The server that a connection counts for. The ways to reach one server on this machine count together:
/// `localhost`, the loopback addresses and the usual socket directories, by port.
pub fn server_address(spec: &ConnectSpec) -> String {
    let this_machine = match &spec.host {
        Host::Name(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Host::Ip(ip) => match ip.to_canonical() {
            // 127.0.0.2 may be another server's.
            IpAddr::V4(ip) => ip == std::net::Ipv4Addr::LOCALHOST,
            IpAddr::V6(ip) => ip.is_loopback(),
        },
        Host::Socket(directory) => SOCKET_DIRECTORIES.iter().any(|usual| directory == Path::new(usual)),
    };
    if this_machine {
        return format!("localhost:{}", spec.port);
    }
    match &spec.host {
        Host::Name(name) => format!("{}:{}", name.trim_end_matches('.').to_ascii_lowercase(), spec.port),
        _ => connect::address(spec),
    }
}

/// Waits for leave to connect; once it has taken longer than a hot_path interval, `late` is told why.
pub(in crate::postgres) async fn admit(
    permits: &Permits,
    address: &str,
    plan: &Plan,
    timer: &dyn Timer,
    late: impl FnOnce(String),
) -> Permit {
    let mut admitted = pin!(permits.acquire(address));
    if let Some(permit) = admitted.as_mut().now_or_never() {
        return permit;
    }
    let patience = timer.mono() + plan.interval(Loop::HotPath);
    tokio::select! {
        biased;
        permit = &mut admitted => return permit,
        () = timer.sleep_until(patience) => {}
    }
    late(format!(
        "waiting for a connection: limits.connections_per_server={} are in use for {address}",
        plan.connections_per_server
    ));
    admitted.await
}

impl Driver {
    /// Waits for leave to connect.
    pub(super) async fn admit(&mut self) -> Permit {
        let (shared, plan) = (self.shared.clone(), self.plan.clone());
        let address = server_address(&self.entry.connect);
        let late = |why| self.keeps_waiting(why);
        admit(&shared.permits, &address, &plan, &*shared.timer, late).await
    }

    /// Connects and decides whether the role may be used.
    pub(super) async fn connect(&mut self) -> Result<Session, Rejection> {
        let plan = &self.plan;
        let guard = Guard { lock_timeout: plan.lock_timeout, pooled: self.entry.pooled };
        // Whoever only was without a connection for a while has next to nothing to do.
        if self.learned_at.is_none() {
            let was_down = self.backoff.failures() > 0;
            self.beginning = Some(self.shared.permits.beginnings().wait(was_down).await);
        }
        let connected = self.route.log_in(guard, plan.connect_timeout).await;
        let (mut session, login) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                self.snapshot.connect_errors += 1;
                return Err(error.into());
            }
        };
        self.login = Some(login);
        self.snapshot.connects += 1;
        let learned = if !self.must_learn(self.shared.timer.mono()) && self.is_known(&mut session).await? {
            Learned { same: true, anew: false, revived: Vec::new() }
        } else {
            let learned = self.learn(&mut session).await?;
            self.learned_at = Some(self.shared.timer.mono());
            learned
        };
        let now = self.shared.timer.mono();
        for ((schedule, state), cut) in self.schedules.iter_mut().zip(&self.snapshot.loops).zip(&self.cut) {
            // On the same server a loop keeps its ticks: a connection that merely broke, or was given to
            // another entry for a while, is no reason to read everything again.
            let fresh = state.ended_mono.is_some_and(|at| now.saturating_sub(at) < state.interval);
            // What a slow loop had not come to must not be missing until its next tick.
            let cut = *cut && state.name >= Loop::Storage;
            if !(learned.same && fresh) || cut || learned.revived.contains(&state.name) {
                schedule.restart(now);
            }
        }
        if learned.anew {
            self.retry_denied();
        }
        Ok(session)
    }

    /// Whether a connection that was given to another entry for a while leads to the server that is known,
    /// with the role and into the database that were looked at. Then the facts still hold, as they would on
    /// a connection that was kept.
    async fn is_known(&mut self, session: &mut Session) -> Result<bool, Rejection> {
        let Some(engine) = &self.engine else { return Ok(false) };
        let facts = engine.facts();
        let known = match pulse::is_known(session, facts, self.plan.statement_timeout.max(LEARN_WITHIN)).await
        {
            Ok(known) => known,
            Err(error) if error.is_fatal() => return Err(error.into()),
            // The facts say more of what is wrong.
            Err(_) => false,
        };
        if known {
            session.set_search_path(facts.search_path());
        }
        Ok(known)
    }

    /// Reads the facts again. Loops keep their ticks, unless there is something new to see for them.
    pub(super) async fn learn_again(&mut self, session: &mut Session) -> Result<(), Ended> {
        let before = self.snapshot.server.clone();
        let learned = match self.learn(session).await {
            Ok(learned) => learned,
            // What was known still holds; a table that was dropped half-way, say, is no reason to stop
            // watching.
            Err(Rejection::Failed(error)) if !error.is_fatal() => {
                tracing::warn!("facts not refreshed: {error}");
                return Ok(());
            }
            Err(rejection) => return Err(Ended::Rejected(rejection)),
        };
        let now = self.shared.timer.mono();
        let another = self.snapshot.server != before;
        for (schedule, which) in self.schedules.iter_mut().zip(Loop::ALL) {
            if another || learned.revived.contains(&which) {
                schedule.restart(now);
            }
        }
        self.retry_denied();
        Ok(())
    }

    /// Reads the facts and audits the role; on another server than before, everything begins anew.
    async fn learn(&mut self, session: &mut Session) -> Result<Learned, Rejection> {
        let limit = self.plan.statement_timeout.max(LEARN_WITHIN);
        let facts = Facts::read(session, limit).await?;
        if facts.version.major() < PgVersion::OLDEST_MAJOR {
            return Err(Rejection::Down(format!(
                "PostgreSQL {} is not supported: pgmon needs {} or newer",
                facts.version_text,
                PgVersion::OLDEST_MAJOR
            )));
        }
        self.audit(session, &facts, limit).await?;
        let facts = Arc::new(facts);
        let key = server_key(&facts);
        let known = self.snapshot.server_key.as_deref() == Some(key.as_str());
        if !known {
            self.shared.fleet.resign(self.ticket);
        }
        let same = known && self.engine.is_some();
        if !same {
            // Rounds that were to be gone on with belong to the server before.
            self.close_rounds(false);
        }
        let mut revived = Vec::new();
        let alike = self.engine.as_ref().is_some_and(|engine| same_data(engine.facts(), &facts));
        self.custom.set_facts(facts.clone(), alike, self.shared.timer.mono());
        match &mut self.engine {
            // After a restart or a failover the data are the same: what collectors remember (the settings at
            // the start, who is in a Top-N) still holds, and what counts anew they tell by its origin.
            Some(engine) if alike => {
                revived = engine.set_facts(facts.clone());
            }
            _ => {
                let plan = &self.plan;
                let cardinality = self.cell.cardinality().clone();
                cardinality.set_limits(plan.series_per_family, plan.series_per_database);
                self.engine = Some(Engine::new(
                    collectors::ALL,
                    facts.clone(),
                    plan.settings.clone(),
                    cardinality,
                    self.entry.discover.then(|| facts.database.as_str().into()),
                ));
            }
        }
        self.snapshot.server_key = Some(key.into());
        self.snapshot.server = Some(Arc::new(facts.server_info()));
        Ok(Learned { same, anew: true, revived })
    }

    async fn audit(
        &mut self,
        session: &mut Session,
        facts: &Facts,
        limit: Duration,
    ) -> Result<(), Rejection> {
        let audit = Audit::read(session, facts, limit).await?;
        self.snapshot.warnings = audit.warnings(facts);
        if audit.can_write() {
            let rights = audit.rights_text();
            if self.plan.enforce_read_only {
                return Err(Rejection::Refused { rights, remedy: audit.remedy_sql(facts) });
            }
            tracing::warn!(
                rights = rights.join("; "),
                "the role can write; security.read_only_enforce is off"
            );
        }
        Ok(())
    }
}

/// Whether two servers hold the same data: the same one, or a standby of it that took its place.
fn same_data(before: &Facts, now: &Facts) -> bool {
    before.system_identifier.is_some()
        && before.system_identifier == now.system_identifier
        && before.database_oid == now.database_oid
        && before.version.major() == now.version.major()
}

/// The same for all connections to one running server, and for no other.
fn server_key(facts: &Facts) -> String {
    format!(
        "{}/{}/{}",
        facts.system_identifier.as_deref().unwrap_or_default(),
        facts.started_at.as_microsecond(),
        facts.in_recovery
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_reach_one_server_count_together_and_others_do_not() {
        let of = |host: &str, port| {
            server_address(&ConnectSpec {
                host: host.parse().unwrap(),
                port,
                user: "u".into(),
                password: pgmon_config::PasswordSource::None,
                database: "d".into(),
                sslmode: None,
                sslrootcert: None,
                sslcert: None,
                sslkey: None,
            })
        };
        let here = of("localhost", 5432);
        for host in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "LocalHost.", "/tmp", "/var/run/postgresql/"] {
            assert_eq!(of(host, 5432), here, "{host}");
        }
        for (host, port) in [
            ("localhost", 5433),
            ("/run/postgresql", 5433),
            ("127.0.0.2", 5432),
            ("/srv/a", 5432),
            ("db1", 5432),
        ] {
            assert_ne!(of(host, port), here, "{host}:{port}");
        }
        assert_eq!(of("DB1.example.org.", 5432), of("db1.example.org", 5432));
    }
}
