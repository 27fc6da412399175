//! Reads the configuration again while pgmon runs.

use super::files::Files;
use super::roster::{self, Roster};
use crate::logging::Levels;
use pgmon_collect::poller::fleet::ConfigState;
use pgmon_config::{Config, Http, LoadOptions, Loaded};
use pgmon_http::exposition::Look;
use pgmon_http::{Access, App};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

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
    pub files: Files,
    levels: Levels,
    app: Arc<App>,
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
        Self { options, started: loaded.config.clone(), current: loaded.config.clone(), files, levels, app }
    }

    /// Reads the configuration again. One that is wrong changes nothing. Answers what changed, or what is
    /// wrong, by name and place, without values.
    pub async fn reload(&mut self, cause: Cause, roster: &mut Roster) -> Result<String, String> {
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
        let result = match work.await {
            Ok((files, result)) => {
                self.files = files;
                result
            }
            Err(_) => Err(vec!["reading the configuration broke off".to_owned()]),
        };
        match result {
            Ok(read) => Ok(self.take_over(cause, read, roster)),
            Err(faults) => Err(self.refuse(cause, &faults)),
        }
    }

    fn take_over(&mut self, cause: Cause, read: Read, roster: &mut Roster) -> String {
        let Loaded { config, entries, warnings, .. } = read.loaded;
        for warning in warnings {
            tracing::warn!("configuration: {warning}");
        }
        let settings = settings(&self.current, &config);
        let restart = after_restart(&self.started, &config);
        let changes = roster.apply(&config, entries);
        self.levels.follow(&config);
        if let Some(access) = read.access {
            self.app.set_access(access);
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
        if !settings.is_empty() {
            said.push(format!("settings: {}", settings.join(", ")));
        }
        if said.is_empty() {
            said.push("nothing changed".to_owned());
        }
        if !restart.is_empty() {
            said.push(format!("needs a restart: {}", restart.join(", ")));
        }
        tracing::info!(
            %cause,
            added = roster::list(&changes.added),
            removed = roster::list(&changes.removed),
            changed = roster::list(&changes.changed),
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

    fn refuse(&self, cause: Cause, faults: &[String]) -> String {
        for fault in faults {
            tracing::error!(%cause, "configuration not reloaded: {fault}");
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
    let access =
        access.map_err(|faults| faults.to_string().lines().map(str::to_owned).collect::<Vec<_>>())?;
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
    let http = Http { bind: before.http.bind.clone(), ..now.http.clone() };
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
        ("queries", before.queries != now.queries),
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
        ("logging.format", started.logging.format != now.logging.format),
        ("history", started.history != now.history),
    ];
    keys.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
