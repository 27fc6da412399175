//! `pgmon report`: looks once, and says what it found.
//!
//! The drivers are those of the agent, so that limits, audit and verdicts are the same. They run until every
//! loop has had its round; nothing listens and nothing is kept.

mod cells;
mod collect;
mod columns;
mod content;
mod html;
mod json;
mod terminal;
mod text;

use crate::cli::ReportFormat;
use crate::exit::Code;
use anyhow::Context as _;
use collect::{Collected, Patience};
use content::{Database, Head};
use pgmon_collect::poller::timer::Timer;
use pgmon_config::{Config, Entry, Loaded};
use pgmon_core::clock::SystemClock;
use pgmon_core::snapshot::Up;
use pgmon_views::{Answer, Level, Rules};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the report is to be.
    pub format: ReportFormat,
    /// Only this cluster.
    pub cluster: Option<String>,
    /// Only these entries: `db`, or `cluster/db`.
    pub dbs: Vec<String>,
    /// Where it goes, if not to standard output.
    pub output: Option<PathBuf>,
    /// How long after the first round the second one comes; zero for no second one.
    pub watch: Duration,
    /// How long all may take.
    pub timeout: Option<Duration>,
}

/// How long all may take, unless the command line says otherwise, besides what is watched for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long the drivers may take to close their connections.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Writes a database's part of a report.
pub trait Renderer {
    /// The next database, the worst first.
    fn database(&mut self, database: &Database) -> anyhow::Result<()>;
    /// The whole report.
    fn finish(self: Box<Self>) -> anyhow::Result<String>;
}

/// Looks at everything, and prints or writes the report.
pub fn run(loaded: Loaded, options: &Options) -> anyhow::Result<Code> {
    let Loaded { config, entries, .. } = loaded;
    let entries = match chosen(entries, options) {
        Ok(entries) => entries,
        Err(error) => return Ok(refuse(&error)),
    };
    if let Some(fault) = unwritable(options.output.as_deref()) {
        return Ok(refuse(&fault));
    }
    let patience = Patience {
        second_round_after: Some(options.watch).filter(|watch| !watch.is_zero()),
        timeout: options.timeout.unwrap_or(TIMEOUT + options.watch),
    };
    if patience.timeout <= options.watch {
        return Ok(refuse("--timeout is to be longer than --for: rates are known after that"));
    }
    let timer: Arc<dyn Timer> = Arc::new(SystemClock::new());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the async runtime could not be started")?;
    let collected = runtime.block_on(collect::collect(&config, entries, timer.clone(), &patience));
    // A name that is being looked up blocks a thread for as long as the resolver likes.
    runtime.shutdown_timeout(STOP_WITHIN);
    let collected = collected?;
    let (report, level) = render(&config, &collected, &*timer, options)?;
    deliver(&report, options.output.as_deref())?;
    Ok(code(&collected, level))
}

fn refuse(error: &str) -> Code {
    eprintln!("error: {error}");
    Code::Unusable
}

/// The entries that the report is about.
fn chosen(entries: Vec<Entry>, options: &Options) -> Result<Vec<Entry>, String> {
    let names: Vec<String> = entries.iter().map(|e| format!("{}/{}", e.cluster, e.db)).collect();
    let is = |entry: &Entry, wanted: &str| {
        entry.db == wanted || wanted == format!("{}/{}", entry.cluster, entry.db)
    };
    for wanted in &options.dbs {
        if !entries.iter().any(|entry| is(entry, wanted)) {
            return Err(format!(
                "no database {wanted:?} is configured (--db); there are: {}",
                names.join(", ")
            ));
        }
    }
    let fits = |entry: &Entry| {
        options.cluster.as_ref().is_none_or(|cluster| entry.cluster == *cluster)
            && (options.dbs.is_empty() || options.dbs.iter().any(|wanted| is(entry, wanted)))
    };
    let chosen: Vec<Entry> = entries.into_iter().filter(fits).collect();
    if chosen.is_empty() {
        return Err(format!("no database fits --cluster and --db; there are: {}", names.join(", ")));
    }
    Ok(chosen)
}

/// Why the report cannot be written there, as far as that shows before anything is asked.
fn unwritable(output: Option<&Path>) -> Option<String> {
    let output = output?;
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return Some(format!("--output {}: there is no such directory", output.display()));
    }
    output.is_dir().then(|| format!("--output {}: this is a directory; name a file", output.display()))
}

fn render(
    config: &Config,
    collected: &[Collected],
    timer: &dyn Timer,
    options: &Options,
) -> anyhow::Result<(String, Level)> {
    let rules = Rules {
        alerts: config.alerts.clone(),
        redacts_sql_text: config.security.redact_sql_text,
        hide_postgres_defaults: config.ui.hide_postgres_defaults,
    };
    let at = timer.wall();
    let fleet = content::fleet(collected, &rules);
    let mut level = fleet.verdict.level;
    let head = Head { at, answer: Answer::plain(at, fleet), several: collected.len() > 1 };
    let order = head.answer.data.targets.clone();
    let to_file = options.output.is_some();
    let mut renderer: Box<dyn Renderer> = match options.format {
        ReportFormat::Text => Box::new(text::Text::new(&head, terminal::style(to_file))),
        ReportFormat::Json => Box::new(json::Json::new(&head)?),
        ReportFormat::Html => Box::new(html::Html::new(&head)),
    };
    for target in &order {
        let of_target = |c: &&Collected| c.own.cluster == target.cluster && c.own.db == target.db;
        let Some(one) = collected.iter().find(of_target) else { continue };
        // One after the other, so that hundreds of databases do not have all their pages in memory at once.
        let database = content::database(one, collected, &rules)?;
        level = level.max(database.level);
        renderer.database(&database)?;
    }
    Ok((renderer.finish()?, level))
}

fn deliver(report: &str, output: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = output else {
        return match std::io::stdout().write_all(report.as_bytes()) {
            // A reader that has seen enough (`pgmon report | head`) is no error.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(error).context("standard output")
            }
            _ => Ok(()),
        };
    };
    std::fs::write(path, report)
        .with_context(|| format!("--output {}: the report could not be written", path.display()))
}

/// How it went, for scripts; what could not be read is told on standard error.
fn code(collected: &[Collected], level: Level) -> Code {
    let mut read = 0;
    for one in collected {
        let name = format!("{}/{}", one.own.cluster, one.own.db);
        match &one.own.up {
            Up::Up => read += 1,
            Up::Pending => eprintln!("error: {name}: not connected within the time (--timeout)"),
            Up::Down { reason } => eprintln!("error: {name}: {reason}"),
            Up::Refused { rights, .. } => {
                eprintln!("error: {name}: refused, its role can write: {}", rights.join("; "));
            }
        }
    }
    if read < collected.len() {
        eprintln!("hint: `pgmon doctor` with the same options says what is wrong and what mends it");
    }
    match level {
        _ if read == 0 => Code::Unusable,
        Level::Ok => Code::Ok,
        Level::Unknown | Level::Warn => Code::Warn,
        Level::Crit => Code::Crit,
    }
}

#[cfg(test)]
mod tests;
