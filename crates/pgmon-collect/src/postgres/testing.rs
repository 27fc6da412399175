//! Runs one collector against a real server, as the driver does, for the collectors' tests.

use super::collector::{Cx, Registered, Settings, Steps};
use super::facts::{Choice, Facts};
use super::run::{Progress, Running};
use super::session::{Guard, QueryError, Session};
use pgmon_core::clock::{Clock as _, SystemClock};
use pgmon_core::metric::{Family, Value};
use pgmon_core::snapshot::{Blind, Executed};
use std::sync::Arc;
use std::time::Duration;

/// The tests are not about time limits, and many servers share the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a round gave.
pub(crate) struct Round {
    pub(crate) families: Vec<Family>,
    /// The collector's rows as JSON.
    pub(crate) data: serde_json::Value,
    pub(crate) blind: Vec<Blind>,
    pub(crate) executed: Vec<Executed>,
}

impl Round {
    /// The samples of a family, each as its label values and its number.
    pub(crate) fn samples(&self, family: &str) -> Vec<(Vec<String>, f64)> {
        let found = self.families.iter().find(|f| f.desc.name() == family);
        found.map_or_else(Vec::new, |f| {
            let number = |v: &Value| if let Value::Number(n) = v { *n } else { f64::NAN };
            f.samples
                .iter()
                .map(|s| (s.labels.iter().map(ToString::to_string).collect(), number(&s.value)))
                .collect()
        })
    }

    /// The value of the one sample with these label values; `None` if there is none.
    pub(crate) fn value(&self, family: &str, labels: &[&str]) -> Option<f64> {
        let mut found = self.samples(family).into_iter().filter(|(l, _)| l == labels);
        let value = found.next().map(|(_, v)| v);
        assert!(found.next().is_none(), "{family}{labels:?} appears twice");
        value
    }
}

/// A collector on a connection of its own.
pub(crate) struct Probe {
    pub(crate) session: Session,
    pub(crate) facts: Arc<Facts>,
    pub(crate) settings: Arc<Settings>,
    steps: Box<dyn Steps>,
    registered: Registered,
    clock: SystemClock,
    /// How far the monotonic clock that collectors see is ahead of the true one.
    pub(crate) ahead: Duration,
}

impl Probe {
    /// Connects with `dsn` and makes an instance.
    pub(crate) async fn new(dsn: &str, registered: Registered) -> Self {
        Self::with(dsn, registered, Settings::default()).await
    }

    /// The same with settings of its own.
    pub(crate) async fn with(dsn: &str, registered: Registered, settings: Settings) -> Self {
        let guard = Guard { lock_timeout: Duration::from_millis(500), pooled: false };
        let options = dsn.parse().unwrap();
        let mut session = Session::connect(&options, guard, PATIENCE).await.unwrap();
        let facts = Facts::read(&mut session, PATIENCE).await.unwrap();
        let steps = (registered.make)(&settings);
        Self {
            session,
            facts: Arc::new(facts),
            settings: Arc::new(settings),
            steps,
            registered,
            clock: SystemClock::new(),
            ahead: Duration::ZERO,
        }
    }

    /// What the collector does on this server.
    pub(crate) fn choice(&self) -> Choice {
        self.facts.choose(self.registered.spec)
    }

    /// Reads the facts again.
    pub(crate) async fn refresh(&mut self) {
        self.facts = Arc::new(Facts::read(&mut self.session, PATIENCE).await.unwrap());
    }

    /// Runs a round and checks what holds for every collector.
    pub(crate) async fn round(&mut self) -> Round {
        self.try_round().await.unwrap_or_else(|e| panic!("{}: {e}", self.registered.spec.name))
    }

    /// Runs a round that may fail.
    pub(crate) async fn try_round(&mut self) -> Result<Round, QueryError> {
        let Choice::Run(sql) = self.choice() else { panic!("does not run here: {:?}", self.choice()) };
        let cx = Cx {
            facts: self.facts.clone(),
            settings: self.settings.clone(),
            at: self.clock.wall(),
            mono: self.clock.mono() + self.ahead,
            interval: Duration::from_secs(15),
        };
        let mut running = Running::begin(self.steps.as_mut(), sql, cx)?;
        loop {
            match running.step(self.steps.as_mut(), &mut self.session, PATIENCE, &self.clock).await {
                Progress::More => {}
                Progress::Failed(e) => return Err(e),
                Progress::Done(outcome) => {
                    let mut json = Vec::new();
                    if let Some(data) = &outcome.data {
                        let mut serializer = serde_json::Serializer::new(&mut json);
                        erased_serde::serialize(&**data, &mut serializer).unwrap();
                    }
                    let round = Round {
                        data: if json.is_empty() {
                            serde_json::Value::Null
                        } else {
                            serde_json::from_slice(&json).unwrap()
                        },
                        families: outcome.families,
                        blind: outcome.blind,
                        executed: running.into_executed(),
                    };
                    self.check(&round);
                    return Ok(round);
                }
            }
        }
    }

    /// Every sample belongs to a family that the spec names; no series appears twice.
    fn check(&self, round: &Round) {
        for family in &round.families {
            let declared = self.registered.spec.families.iter().any(|d| d.name == family.desc.name());
            assert!(declared, "{} is not in the spec's families", family.desc.name());
            let mut seen = std::collections::BTreeSet::new();
            for sample in &family.samples {
                assert!(
                    seen.insert(sample.labels.clone()),
                    "{}{:?} appears twice",
                    family.desc.name(),
                    sample.labels
                );
            }
        }
    }
}

/// Runs a test's body on a server of every selected version, all at once; says which versions failed.
///
/// Each version has a thread: what blocks in one (copying a data directory) must not use up the time
/// limits of the others.
pub(crate) fn on_all_majors<F: Future<Output = ()>>(body: impl Fn(pgmon_testkit::Major) -> F + Sync) {
    let run = &|major| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(body(major));
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = pgmon_testkit::Major::selected()
            .into_iter()
            .map(|major| (major, scope.spawn(move || run(major))))
            .collect();
        runs.into_iter().filter_map(|(major, run)| run.join().err().map(|_| major.to_string())).collect()
    });
    assert!(failed.is_empty(), "failed on PostgreSQL {}", failed.join(", "));
}

/// A round's surroundings on a server of this version, for tests that bring rows of their own.
pub(crate) fn cx(major: u16, mono: Duration) -> Cx {
    let facts = Facts {
        version: pgmon_core::version::PgVersion::from_num(u32::from(major) * 10_000 + 1),
        version_text: format!("{major}.1"),
        in_recovery: false,
        started_at: jiff::Timestamp::UNIX_EPOCH,
        database: "shop".into(),
        database_oid: 16_384,
        role: "pgmon".into(),
        role_oid: 16_400,
        superuser: false,
        monitor: true,
        wal_directory: true,
        read_all_settings: true,
        read_all_data: false,
        block_size: 8192,
        tls: false,
        system_identifier: Some("7000000000000000001".into()),
        backend_pid: 4711,
        extensions: std::collections::BTreeMap::new(),
        settings: std::collections::BTreeMap::new(),
    };
    Cx {
        facts: Arc::new(facts),
        settings: Arc::new(Settings::default()),
        at: jiff::Timestamp::UNIX_EPOCH + mono,
        mono,
        interval: Duration::from_secs(3600),
    }
}

/// A family's value with these labels, for tests that bring rows of their own.
pub(crate) fn number(families: &[Family], family: &str, labels: &[&str]) -> Option<f64> {
    let family = families.iter().find(|f| f.desc.name() == family)?;
    let sample = family.samples.iter().find(|s| s.labels.iter().map(|l| &**l).eq(labels.iter().copied()))?;
    if let Value::Number(n) = sample.value { Some(n) } else { None }
}
