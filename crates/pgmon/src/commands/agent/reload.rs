//! Reads the configuration again while pgmon runs.

use super::files::{self, Files};
use super::roster::{self, Changes, Roster};
use crate::logging::Levels;
use pgmon_collect::clusters;
use pgmon_collect::poller::fleet::ConfigState;
use pgmon_collect::poller::timer::Timer;
use pgmon_collect::services;
use pgmon_config::{Config, Http, LoadOptions, Loaded};
use pgmon_http::exposition::Look;
use pgmon_http::reload::ReloadRequest;
use pgmon_http::{Access, App};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Why the configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// `POST /-/reload`.
    Request,
    /// A file that it was read from is another one now.
    File,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "SIGHUP",
            Self::Request => "POST /-/reload",
            Self::File => "a file changed",
        })
    }
}

/// Reads the configuration and has it take the place of the one before.
pub struct Reloader {
    /// From where the configuration is read: as at the start.
    options: LoadOptions,
    /// What pgmon was started with: some of it cannot change.
    started: Config,
    /// What is in force.
    current: Config,
    /// The files that it was read from.
    files: Files,
    /// Attempts to read that took too long and have not ended: a file system hangs.
    hanging: Vec<Work>,
    /// Keys and users were taken away together with the address, which still is what it was.
    held: bool,
    levels: Levels,
    app: Arc<App>,
}

/// How long reading may take.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// Each attempt that hangs takes a thread: so many at most.
const MOST_HANGING: usize = 4;

type Work = JoinHandle<(Files, Result<Read, Vec<String>>)>;

/// An attempt to read the configuration, on a thread of its own.
pub struct Reading {
    audit: Audit,
    work: Work,
    /// Monotonic time.
    until: Duration,
}

/// Why the configuration is read again, and who is told of the outcome.
struct Audit {
    cause: Cause,
    request: Option<ReloadRequest>,
}

impl Audit {
    /// Who asked over HTTP.
    fn by(&self) -> Option<&str> {
        self.request.as_ref().map(|request| request.by.as_str())
    }

    fn answer(self, result: Result<String, String>) {
        if let Some(request) = self.request {
            // Who asked may have gone.
            let _ = request.answer.send(result);
        }
    }
}

/// What came of an attempt.
pub struct Outcome {
    audit: Audit,
    what: Result<(Files, Result<Read, Vec<String>>), Failure>,
}

/// Why there is nothing to take over.
enum Failure {
    /// It took too long.
    Late(Work),
    /// It panicked.
    BrokeOff,
}

/// Waits for the end of an attempt, if there is one, but not for longer than it may take.
pub async fn done(reading: &mut Option<Reading>, timer: &dyn Timer) -> Outcome {
    let Some(under_way) = reading.as_mut() else { return std::future::pending().await };
    let ended = tokio::select! {
        ended = &mut under_way.work => Some(ended.map_err(|_| Failure::BrokeOff)),
        () = timer.sleep_until(under_way.until) => None,
    };
    match (reading.take(), ended) {
        (Some(Reading { audit, .. }), Some(what)) => Outcome { audit, what },
        (Some(Reading { audit, work, .. }), None) => Outcome { audit, what: Err(Failure::Late(work)) },
        (None, _) => std::future::pending().await,
    }
}

/// What was read, and what follows from it that can be wrong as well.
struct Read {
    loaded: Loaded,
    /// Keys, users and certificates, if they are to be others.
    access: Option<Access>,
}

impl Reloader {
    /// After the start with `loaded`.
    pub fn new(options: LoadOptions, loaded: &Loaded, levels: Levels, app: Arc<App>) -> Self {
        let mut files = Files::default();
        files.set(loaded.files.clone());
        app.fleet.set_config(ConfigState { since: Some(app.timer.wall()), failure: None });
        let (started, current) = (loaded.config.clone(), loaded.config.clone());
        Self { options, started, current, files, hanging: Vec::new(), held: false, levels, app }
    }

    /// Waits until a file changes. Where reading hangs, files are not looked at.
    pub async fn changed(&self, timer: &dyn Timer) {
        while self.hanging.iter().any(|work| !work.is_finished()) {
            timer.sleep_until(timer.mono() + READ_WITHIN).await;
        }
        files::changed(&self.files, timer).await;
    }

    /// Begins to read the configuration again. `None`: earlier attempts hang, and whoever asked was told.
    pub fn begin(
        &mut self,
        cause: Cause,
        request: Option<ReloadRequest>,
        timer: &dyn Timer,
    ) -> Option<Reading> {
        let audit = Audit { cause, request };
        self.hanging.retain(|work| !work.is_finished());
        if self.hanging.len() >= MOST_HANGING {
            let fault = "earlier attempts to read the configuration still hang: does a file system?";
            let refusal = self.refuse(&audit, &[fault.to_owned()]);
            audit.answer(Err(refusal));
            return None;
        }
        let (options, http) = (self.options.clone(), self.current.http.clone());
        let mut files = self.files.clone();
        // Files may be on a network, and checking thousands of databases takes a while.
        let work = tokio::task::spawn_blocking(move || {
            files.look();
            let mut read = BTreeSet::new();
            let result = read_all(&options, &http, &mut read);
            if result.is_err() {
                // What was not come to may be what has to be mended.
                read.extend(files.paths().cloned());
            }
            files.set(read);
            (files, result)
        });
        Some(Reading { audit, work, until: timer.mono() + READ_WITHIN })
    }

    /// Takes over what was read, and tells who asked. A configuration that is wrong changes nothing. What is
    /// told is what changed, or what is wrong, by name and place, without values.
    pub fn finish(
        &mut self,
        outcome: Outcome,
        roster: &mut Roster,
        services: &mut services::Roster,
        clusters: &mut clusters::Roster,
    ) {
        let Outcome { audit, what } = outcome;
        let result = match what {
            Ok((files, result)) => {
                self.files = files;
                result
            }
            Err(Failure::BrokeOff) => Err(vec!["reading the configuration broke off".to_owned()]),
            Err(Failure::Late(work)) => {
                self.hanging.push(work);
                Err(vec![format!("it was not read within {READ_WITHIN:?}: does a file system hang?")])
            }
        };
        let result = match result {
            Ok(read) => Ok(self.take_over(&audit, read, roster, services, clusters)),
            Err(faults) => Err(self.refuse(&audit, &faults)),
        };
        audit.answer(result);
    }

    fn take_over(
        &mut self,
        audit: &Audit,
        read: Read,
        roster: &mut Roster,
        services: &mut services::Roster,
        clusters: &mut clusters::Roster,
    ) -> String {
        let Loaded { config, entries, services: checks, clusters: specs, warnings, unready, .. } =
            read.loaded;
        for warning in warnings.iter().chain(&unready) {
            tracing::warn!("configuration: {warning}");
        }
        let settings = settings(&self.current, &config);
        let queries = Changes::of_queries(&self.current.queries, &config.queries);
        let mut restart = after_restart(&self.started, &config);
        let (begun, ended) = clusters.apply(&config, &specs, &entries);
        let changes = roster.apply(&config, entries);
        let of_services = Changes::of_services(services.apply(checks, &config.secrets));
        self.levels.follow(&config);
        if let Some(access) = read.access {
            // Where another address was meant to make up for it, the doors stay shut until that is in force.
            self.held = self.started.http.bind != config.http.bind && self.app.would_open(&access);
            if !self.held {
                self.app.set_access(access);
            }
        }
        if self.held {
            restart.push("http.auth");
        }
        self.app.pages.set_look(look(&config));
        self.app.set_queries(config.shown_queries());
        self.app.set_rules(&config);
        self.app.fleet.set_config(ConfigState { since: Some(self.app.timer.wall()), failure: None });
        self.current = config;

        let mut said = Vec::new();
        if !changes.is_empty() {
            said.push(changes.to_string());
        }
        if !queries.is_empty() {
            said.push(format!("queries: {queries}"));
        }
        if !of_services.is_empty() {
            said.push(format!("services: {of_services}"));
        }
        if begun + ended > 0 {
            said.push(format!("clusters: {begun} begun, {ended} ended"));
        }
        if !settings.is_empty() {
            said.push(format!("settings: {}", settings.join(", ")));
        }
        if said.is_empty() {
            said.push("nothing changed".to_owned());
        }
        if !restart.is_empty() {
            said.push(format!("needs a restart: {}", restart.join(", ")));
        }
        let some = |names: &[String]| (!names.is_empty()).then(|| roster::list(names));
        tracing::info!(
            cause = %audit.cause,
            by = audit.by(),
            added = roster::list(&changes.added),
            removed = roster::list(&changes.removed),
            changed = roster::list(&changes.changed),
            queries_added = some(&queries.added),
            queries_removed = some(&queries.removed),
            queries_changed = some(&queries.changed),
            services_added = some(&of_services.added),
            services_removed = some(&of_services.removed),
            services_changed = some(&of_services.changed),
            clusters_begun = (begun > 0).then_some(begun),
            clusters_ended = (ended > 0).then_some(ended),
            settings = settings.join(", "),
            needs_restart = restart.join(", "),
            "configuration reloaded"
        );
        if !restart.is_empty() {
            tracing::warn!(
                "changed in the configuration, but only in force after a restart: {}",
                restart.join(", ")
            );
        }
        format!("configuration reloaded: {}", said.join("; "))
    }

    fn refuse(&self, audit: &Audit, faults: &[String]) -> String {
        for fault in faults {
            tracing::error!(cause = %audit.cause, by = audit.by(), "configuration not reloaded: {fault}");
        }
        let first = faults.first().cloned().unwrap_or_default();
        let failure = match faults.len().saturating_sub(1) {
            0 => first,
            more => format!("{first} (and {more} more)"),
        };
        let since = self.app.fleet.config().since;
        self.app.fleet.set_config(ConfigState { since, failure: Some(failure) });
        format!("configuration not reloaded, the one before stays in force:\n{}", faults.join("\n"))
    }
}

/// Reads everything, so that what is wrong is known before anything changes.
fn read_all(options: &LoadOptions, http: &Http, files: &mut BTreeSet<PathBuf>) -> Result<Read, Vec<String>> {
    let loaded = crate::commands::read(options, files)?;
    let access = (loaded.config.http != *http).then(|| Access::build(&loaded.config.http)).transpose();
    let told = |fault| loaded.places.locate(fault).to_string();
    let access = access.map_err(|faults| faults.into_faults().into_iter().map(told).collect::<Vec<_>>())?;
    Ok(Read { loaded, access })
}

/// What is the same for all pages.
pub fn look(config: &Config) -> Look {
    Look {
        hide_postgres_defaults: config.ui.hide_postgres_defaults,
        labels: config.default_labels.clone().into_iter().collect(),
    }
}

/// The sections that differ and are in force at once.
fn settings(before: &Config, now: &Config) -> Vec<&'static str> {
    // The address is another matter: see `after_restart`.
    let (bind, metrics_bind) = (before.http.bind.clone(), before.http.metrics_bind.clone());
    let http = Http { bind, metrics_bind, ..now.http.clone() };
    let sections = [
        ("sample_intervals", before.sample_intervals != now.sample_intervals),
        ("budgets", before.budgets != now.budgets),
        ("limits", before.limits != now.limits),
        ("timeouts", before.timeouts != now.timeouts),
        ("security", before.security != now.security),
        ("secrets", before.secrets != now.secrets),
        ("http", before.http != http),
        ("default_labels", before.default_labels != now.default_labels),
        ("ui", before.ui != now.ui),
        ("alerts", before.alerts != now.alerts),
        ("search_path", before.search_path != now.search_path),
        ("canary", before.canary != now.canary),
        ("bloat", before.bloat != now.bloat),
        ("logging.level", before.logging.level != now.logging.level),
    ];
    sections.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

/// The keys that differ from what pgmon was started with and cannot change while it runs.
fn after_restart(started: &Config, now: &Config) -> Vec<&'static str> {
    let keys = [
        ("http.bind", started.http.bind != now.http.bind),
        ("http.metrics_bind", started.http.metrics_bind != now.http.metrics_bind),
        ("logging.format", started.logging.format != now.logging.format),
        ("history", started.history != now.history),
    ];
    keys.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
