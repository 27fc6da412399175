//! What the drivers take from the configuration.

use super::collector::{BloatSettings, Settings};
use super::custom::QuerySet;
use pgmon_config::{Config, SamplingMode};
use pgmon_core::snapshot::{Loop, LoopState, Snapshot, Up};
use std::sync::Arc;
use std::time::Duration;

/// Intervals, budgets, limits and thresholds, the same for all databases.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Intervals in the order of [`Loop::ALL`].
    pub intervals: [Duration; 4],
    /// Budgets in the order of [`Loop::ALL`].
    pub budgets: [Duration; 4],
    /// Time limit of a statement on hot_path and workload.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Whether a role that can write is refused.
    pub enforce_read_only: bool,
    /// Connections to one server at most.
    pub connections_per_server: usize,
    /// Series of one family on one database at most.
    pub series_per_family: usize,
    /// Series of one database at most.
    pub series_per_database: usize,
    /// What collectors look at.
    pub settings: Arc<Settings>,
    /// The queries of the configuration.
    pub queries: Arc<QuerySet>,
    /// How long after the first rounds of hot_path and workload the second ones come, where somebody waits
    /// for rates; else they come within the interval, so that databases do not stay in step.
    pub second_round_after: Option<Duration>,
}

impl Plan {
    /// From the configuration.
    pub fn new(config: &Config) -> Self {
        let (i, b, t, l) = (&config.sample_intervals, &config.budgets, &config.timeouts, &config.limits);
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            intervals: [i.hot_path.into(), i.workload.into(), i.storage.into(), i.hourly.into()],
            budgets: [b.hot_path.into(), b.workload.into(), b.storage.into(), b.hourly.into()],
            statement_timeout: Duration::from_millis(t.statement_timeout_ms),
            lock_timeout: Duration::from_millis(t.lock_timeout_ms),
            connect_timeout: Duration::from_millis(t.connect_ms),
            enforce_read_only: config.security.read_only_enforce,
            connections_per_server: count(l.connections_per_server),
            series_per_family: count(l.series_per_family),
            series_per_database: count(l.series_per_database),
            settings: Arc::new(Settings {
                top_relations: l.top_relations,
                top_indexes: l.top_indexes,
                top_queries: l.top_queries,
                partition_horizon: Duration::from_secs(u64::from(l.partition_horizon_days) * 86_400),
                redact_sql_text: config.security.redact_sql_text,
                canary_enabled: config.canary.enabled,
                canary_statement: config.canary.statement.clone(),
                bloat: BloatSettings {
                    top_n: config.bloat.top_n_tables,
                    min_bytes: config.bloat.min_relation_bytes.bytes(),
                    max_bytes: config.bloat.max_relation_bytes.bytes(),
                    measure: config.bloat.sampling_mode != SamplingMode::Statistics,
                    exact: matches!(config.bloat.sampling_mode, SamplingMode::Exact | SamplingMode::Detailed),
                },
            }),
            queries: Arc::default(),
            second_round_after: None,
        }
    }

    /// The same with the configuration's queries.
    pub fn with_queries(self, queries: Arc<QuerySet>) -> Self {
        Self { queries, ..self }
    }

    /// No single statement may take longer, as the most urgent loop waits for it.
    pub fn longest_statement(&self) -> Duration {
        self.interval(Loop::HotPath).max(self.statement_timeout)
    }

    /// The interval of a loop.
    pub fn interval(&self, which: Loop) -> Duration {
        let [hot, workload, storage, hourly] = self.intervals;
        match which {
            Loop::HotPath => hot,
            Loop::Workload => workload,
            Loop::Storage => storage,
            Loop::Hourly => hourly,
        }
    }

    /// The budget of a loop.
    pub fn budget(&self, which: Loop) -> Duration {
        let [hot, workload, storage, hourly] = self.budgets;
        match which {
            Loop::HotPath => hot,
            Loop::Workload => workload,
            Loop::Storage => storage,
            Loop::Hourly => hourly,
        }
    }

    /// A snapshot of a database that has not been tried yet.
    pub fn pending(&self, cluster: &str, db: &str) -> Snapshot {
        Snapshot {
            cluster: cluster.into(),
            db: db.into(),
            up: Up::Pending,
            up_since_mono: Duration::ZERO,
            alive_mono: None,
            server: None,
            server_key: None,
            leads: false,
            loops: Loop::ALL.map(|l| LoopState::new(l, self.interval(l), self.budget(l))),
            collectors: Vec::new(),
            warnings: Vec::new(),
            connects: 0,
            connect_errors: 0,
            retained: Vec::new(),
            quarantined_until: None,
            dropped: 0,
        }
    }
}
