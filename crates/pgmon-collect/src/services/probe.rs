//! What a check is, and how one is run.

use super::families::{self, Common, PROBE_CERT_EXPIRY, Tally};
use super::net::Names;
use super::redact::Redactor;
use super::tls::{Authorities, Seen};
use super::{http, pgbouncer, postgres, redis, tcp};
use crate::poller::timer::Timer;
use futures::FutureExt as _;
use jiff::Timestamp;
use pgmon_config::{ConnectSpec, ServiceCheck, ServiceSpec};
use pgmon_core::metric::{Families, Family, Group};
use pgmon_core::service::{Evidence, ServiceSnapshot, ServiceState};
use pgmon_secrets::Keyring;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Pieces of evidence of one check, and rows of one of them, at most.
const EVIDENCE: usize = 12;
const EVIDENCE_ROWS: usize = 200;

/// Why a check is not good. May hold what a service said: it is cleaned before anybody sees it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It does not answer, or not as it should.
    Bad(String),
    /// It does not let us in: asking on would lock us out, or fill its log.
    Login(String),
}

impl Fault {
    /// It does not answer, or not as it should.
    pub fn down(why: impl Into<String>) -> Self {
        Self::Bad(why.into())
    }

    fn text(&self) -> &str {
        match self {
            Self::Bad(text) | Self::Login(text) => text,
        }
    }
}

/// What a probe has to hand.
pub(crate) struct Probing<'p> {
    /// Time.
    pub timer: &'p dyn Timer,
    /// When the check is given up, monotonic.
    pub deadline: Duration,
    /// Who may sign certificates.
    pub authorities: &'p Authorities,
    /// Looks names up.
    pub names: &'p Names,
    /// Makes texts of strangers fit to be shown.
    pub redactor: &'p Redactor,
}

impl Probing<'_> {
    /// The time since a moment.
    pub fn since(&self, began: Duration) -> Duration {
        self.timer.mono().saturating_sub(began)
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.timer.mono())
    }
}

/// What a check found so far: what was found before it failed or ran out of time counts.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Metrics of the type.
    pub families: Families,
    /// What was asked and read.
    pub evidence: Vec<Evidence>,
    /// The version that the service says it has.
    pub version: Option<String>,
    /// What is not as it should be with a service that does its work.
    pub warnings: Vec<String>,
    /// The handshake.
    pub tls: Seen,
    /// What it was doing last: said if it runs out of time.
    pub doing: &'static str,
}

impl Found {
    /// Keeps a piece of evidence.
    pub fn keep(&mut self, mut evidence: Evidence) {
        evidence.rows.truncate(EVIDENCE_ROWS);
        if self.evidence.len() < EVIDENCE {
            self.evidence.push(evidence);
        }
    }
}

/// The probe of one service.
pub(crate) struct Probe {
    kind: Kind,
    names: Names,
    redactor: Redactor,
}

enum Kind {
    Postgres(postgres::Postgres),
    PgBouncer(pgbouncer::PgBouncer),
    Redis(redis::Redis),
    Http(http::Http),
    Tcp(tcp::Tcp),
    /// Stands for a fault of a probe's own.
    #[cfg(test)]
    Panics,
}

impl Probe {
    /// The probe for what the configuration says. Nothing is asked yet.
    pub fn new(check: &ServiceCheck, keyring: &Keyring) -> Self {
        let redactor = Redactor::of(check);
        let logins = |spec: &ConnectSpec| redactor.listening(keyring.logins(spec));
        let kind = match check {
            ServiceCheck::Postgres(spec) => Kind::Postgres(postgres::Postgres::new(spec, logins(spec))),
            ServiceCheck::PgBouncer(spec) => Kind::PgBouncer(pgbouncer::PgBouncer::new(spec, logins(spec))),
            ServiceCheck::Redis(spec) => Kind::Redis(redis::Redis::new(spec)),
            ServiceCheck::Http(spec) => Kind::Http(http::Http::new(spec)),
            ServiceCheck::Tcp(spec) => Kind::Tcp(tcp::Tcp::new(spec)),
        };
        Self { kind, names: Names::default(), redactor }
    }

    /// One that panics at each check.
    #[cfg(test)]
    pub fn panicking() -> Self {
        Self { kind: Kind::Panics, names: Names::default(), redactor: Redactor::default() }
    }

    async fn ask(&self, probing: &Probing<'_>, tally: &mut Tally, found: &mut Found) -> Result<(), Fault> {
        match &self.kind {
            Kind::Postgres(probe) => probe.check(probing, tally, found).await,
            Kind::PgBouncer(probe) => probe.check(probing, found).await,
            Kind::Redis(probe) => probe.check(probing, tally, found).await,
            Kind::Http(probe) => probe.check(probing, tally, found).await,
            Kind::Tcp(probe) => probe.check(probing, found).await,
            #[cfg(test)]
            Kind::Panics => {
                found.doing = "while it was tested";
                tokio::task::yield_now().await;
                panic!("as a test wants it");
            }
        }
    }

    /// What is shown of a service that could not be asked at all, or not to the end.
    fn down(&self, tally: &Tally, found: &mut Found) {
        match &self.kind {
            Kind::Postgres(_) => postgres::down(tally, &mut found.families),
            Kind::PgBouncer(_) => pgbouncer::down(&mut found.families),
            Kind::Redis(_) => redis::down(&mut found.families),
            Kind::Http(_) | Kind::Tcp(_) => {}
            #[cfg(test)]
            Kind::Panics => {}
        }
    }

    /// Adds the counters that live on, after a check.
    fn counters(&self, tally: &Tally, found: &mut Found) {
        if let Kind::Http(probe) = &self.kind {
            probe.counters(tally, &mut found.families);
        }
    }

    /// Checks once, within the time that `spec` gives. Never panics. Answers the snapshot that follows
    /// `before`, and whether the login was refused.
    pub async fn check(
        &self,
        spec: &ServiceSpec,
        authorities: &Authorities,
        timer: &dyn Timer,
        before: &ServiceSnapshot,
        tally: &mut Tally,
    ) -> (ServiceSnapshot, bool) {
        let (at, began) = (timer.wall(), timer.mono());
        let deadline = began + spec.timeout;
        let probing = Probing { timer, deadline, authorities, names: &self.names, redactor: &self.redactor };
        let mut found = Found::default();
        let asked = {
            let work = AssertUnwindSafe(self.ask(&probing, tally, &mut found)).catch_unwind();
            tokio::select! {
                asked = work => Some(asked),
                () = timer.sleep_until(deadline) => None,
            }
        };
        let result = match asked {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Fault::down("this check failed for a fault in pgmon: please report it")),
            None if found.doing.is_empty() => {
                Err(Fault::down(format!("no answer within {:?}", spec.timeout)))
            }
            None => Err(Fault::down(format!("no answer within {:?}, {}", spec.timeout, found.doing))),
        };
        let duration = timer.mono().saturating_sub(began);
        tally.checks += 1;
        if result.is_err() {
            tally.failures += 1;
            self.down(tally, &mut found);
        }
        self.counters(tally, &mut found);
        let login = matches!(result, Err(Fault::Login(_)));
        let state = match result {
            Ok(()) => ServiceState::Ok,
            Err(fault) => ServiceState::Failed { reason: self.redactor.clean(fault.text()).into() },
        };
        (self.snapshot(spec, before, tally, Ended { at, duration, mono: timer.mono(), state, found }), login)
    }

    fn snapshot(
        &self,
        spec: &ServiceSpec,
        before: &ServiceSnapshot,
        tally: &Tally,
        ended: Ended,
    ) -> ServiceSnapshot {
        let Ended { at, duration, mono, state, found } = ended;
        let ok = state == ServiceState::Ok;
        let last_success = if ok { Some(at) } else { before.last_success };
        let same = before.state.is_ok() == state.is_ok();
        let said = found.version.map(|version| self.redactor.clean(&version));
        let version: Option<Arc<str>> = match (&spec.version, said) {
            (Some(configured), _) => Some(configured.as_str().into()),
            (None, Some(said)) => Some(said.into()),
            // Known from before: a service that is down has not changed it.
            (None, None) => before.version.clone(),
        };
        let mut evidence = found.evidence;
        for evidence in &mut evidence {
            // Where a redirect led to is a stranger's word as well.
            evidence.asked = self.redactor.strip(&evidence.asked);
            for cell in evidence.rows.iter_mut().flatten() {
                *cell = self.redactor.clean(cell);
            }
        }
        let seconds = |at: Timestamp| at.as_microsecond() as f64 / 1e6;
        let warnings: Vec<String> = found.warnings.iter().map(|text| self.redactor.clean(text)).collect();
        let mut families = Families::new();
        families::common(
            &Common {
                ok,
                version: version.as_deref().unwrap_or_default(),
                checks: tally.checks,
                failures: tally.failures,
                critical: spec.critical,
                warnings: warnings.len(),
                at: Some(seconds(at)),
                last_success: last_success.map(seconds),
                seconds: duration.as_secs_f64(),
                interval: spec.interval.as_secs_f64(),
            },
            &mut families,
        );
        families.push_opt(&PROBE_CERT_EXPIRY, &[], found.tls.earliest_expiry.map(|at| at as f64));
        let mut families = families.into_vec();
        let mut own = found.families.into_vec();
        self.redact_versions(&mut own);
        families.extend(own);
        ServiceSnapshot {
            version,
            since: if same { before.since } else { Some(at) },
            state,
            warnings: warnings.into(),
            at: Some(at),
            at_mono: Some(mono),
            duration: Some(duration),
            last_success,
            checks: tally.checks,
            failures: tally.failures,
            group: Arc::new(Group { labels: before.group.labels.clone(), families }),
            evidence: evidence.into(),
            ..before.clone()
        }
    }
}

impl Probe {
    /// A version is the one label that is a service's own free text.
    fn redact_versions(&self, families: &mut [Family]) {
        for family in families {
            let Some(place) = family.desc.labels().position(|label| label == "version") else { continue };
            for label in family.samples.iter_mut().filter_map(|sample| sample.labels.get_mut(place)) {
                *label = self.redactor.strip(label).into();
            }
        }
    }
}

/// How a check ended.
struct Ended {
    at: Timestamp,
    duration: Duration,
    mono: Duration,
    state: ServiceState,
    found: Found,
}

/// A service before its first check.
pub(crate) fn pending(spec: &ServiceSpec) -> ServiceSnapshot {
    let mut labels: Vec<(Box<str>, Box<str>)> = vec![("service".into(), spec.name.as_str().into())];
    labels.extend(spec.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
    ServiceSnapshot {
        name: spec.name.as_str().into(),
        kind: spec.check.kind().as_str(),
        target: spec.check.to_string().into(),
        critical: spec.critical,
        version: spec.version.as_deref().map(Into::into),
        labels: spec.labels.clone().into(),
        interval: spec.interval,
        timeout: spec.timeout,
        state: ServiceState::Pending,
        warnings: Arc::default(),
        since: None,
        at: None,
        at_mono: None,
        duration: None,
        last_success: None,
        checks: 0,
        failures: 0,
        group: Arc::new(Group { labels, families: Vec::new() }),
        evidence: Arc::default(),
    }
}

/// Checks a service once, for who looks by hand.
pub async fn examine(spec: &ServiceSpec, keyring: &Keyring, timer: &dyn Timer) -> ServiceSnapshot {
    let probe = Probe::new(&spec.check, keyring);
    let (authorities, mut tally) = (Authorities::default(), Tally::default());
    probe.check(spec, &authorities, timer, &pending(spec), &mut tally).await.0
}
