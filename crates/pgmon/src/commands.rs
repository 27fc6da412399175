//! One file per subcommand.

mod agent;
mod check_config;
mod doctor;
mod hash;
mod healthcheck;
mod print;
mod query;
mod report;

use crate::cli::{Cli, Command, QueryAction, SourceArgs};
use crate::exit::Code;
use pgmon_collect::postgres::custom::QuerySet;
use pgmon_collect::postgres::{collectors, denylist};
use pgmon_config::{Config, Diagnostic, LoadOptions, Loaded, Overrides, Secret};
use pgmon_http::{Access, exposition};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Does what the command line says.
pub fn run(cli: Cli) -> anyhow::Result<Code> {
    if cli.healthcheck {
        return Ok(healthcheck::run(&cli.source));
    }
    match cli.command.unwrap_or(Command::Agent) {
        Command::CheckConfig { show, format } => match pgoptions() {
            Some(code) => Ok(code),
            None => {
                check_config::run(Config::examine(&options(&cli.source), &mut BTreeSet::new()), show, format)
            }
        },
        Command::Agent => with_config(&cli.source, |loaded| agent::run(loaded, options(&cli.source))),
        Command::SetupSql { role, pg, databases, minimal } => {
            print::setup_sql(&role, pg, &databases, minimal)
        }
        Command::Doctor { format } => with_config(&cli.source, |loaded| doctor::run(loaded, format)),
        Command::Report { format, dbs, output, watch, timeout } => {
            // With a DSN it names the cluster; without, there may be several to choose from.
            let names = cli.source.dsn.is_some() || environment().contains_key("PGMON_DSN");
            let mut source = cli.source;
            let cluster = if names { None } else { source.cluster.take() };
            let options = report::Options { format, cluster, dbs, output, watch, timeout };
            Ok(match with_config(&source, |loaded| report::run(loaded, &options))? {
                Code::Usage => Code::Unusable,
                code => code,
            })
        }
        Command::Sql { collector, pg } => print::sql(collector.as_deref(), pg),
        Command::Query { action: QueryAction::Test { file } } => {
            with_config(&SourceArgs { queries: Some(file), ..cli.source }, |loaded| query::test(&loaded))
        }
        Command::Schema { of } => print::schema(of),
        Command::HashKey { generate } => hash::key(generate),
        Command::HashPassword { algorithm } => hash::password(algorithm),
        Command::Completions { shell } => print::completions(shell),
        Command::Man => print::man(),
    }
}

/// libpq's variable for start-up options. The driver would send it to the server; pgmon sends none, as
/// poolers refuse them and sessions would no longer be as the server's settings have them.
const PGOPTIONS: &str = "PGOPTIONS";

/// Refuses to go on where the variable is set.
fn pgoptions() -> Option<Code> {
    std::env::var_os(PGOPTIONS).filter(|v| !v.is_empty())?;
    eprintln!(
        "error: {PGOPTIONS} is set: pgmon sends no start-up options; unset it (env -u {PGOPTIONS} pgmon ...)"
    );
    Some(Code::Usage)
}

/// What is wrong with the canary's statement.
fn canary_fault(loaded: &Loaded) -> Option<Diagnostic> {
    let canary = loaded.config.canary.statement.as_deref().filter(|_| loaded.config.canary.enabled)?;
    let refusal = denylist::check(canary).err()?;
    Some(loaded.places.says("/canary/statement", refusal.to_string()))
}

/// What is wrong with the files that the listener needs: keys, certificates, the toolkit's configuration.
fn access_faults(loaded: &Loaded) -> Vec<Diagnostic> {
    let Err(errors) = Access::build(&loaded.config.http) else { return Vec::new() };
    errors.into_faults().into_iter().map(|fault| loaded.places.locate(fault)).collect()
}

/// The queries of the configuration, checked.
fn queries(config: &Config) -> QuerySet {
    // OpenMetrics names a counter's family without its suffix: that name is taken as well.
    let taken = |name: &str| collectors::has_family(name) || exposition::is_ours(name);
    QuerySet::new(config, |name| taken(name) || taken(&format!("{name}_total")))
}

/// Loads the configuration, prints what is wrong with it, and goes on if nothing is.
fn with_config(
    source: &SourceArgs,
    then: impl FnOnce(Loaded) -> anyhow::Result<Code>,
) -> anyhow::Result<Code> {
    if let Some(code) = pgoptions() {
        return Ok(code);
    }
    match read(&options(source), &mut BTreeSet::new()) {
        Ok(loaded) => {
            for warning in loaded.warnings.iter().chain(&loaded.unready) {
                eprintln!("warning: {warning}");
            }
            then(loaded)
        }
        Err(faults) => {
            for fault in faults {
                eprintln!("error: {fault}");
            }
            Ok(Code::Usage)
        }
    }
}

/// Reads the configuration and says everything that is wrong with it. `files` learns where it was read from.
fn read(options: &LoadOptions, files: &mut BTreeSet<PathBuf>) -> Result<Loaded, Vec<String>> {
    let mut examined = Config::examine(options, files);
    examined.add(canary_fault(&examined.loaded));
    if !examined.faults.is_empty() {
        // Whoever mends it wants to know of everything; without other faults they are found where they are used.
        examined.add(access_faults(&examined.loaded));
    }
    examined.into_result().map_err(|errors| errors.diagnostics().iter().map(ToString::to_string).collect())
}

/// From where the configuration is read.
fn options(source: &SourceArgs) -> LoadOptions {
    LoadOptions {
        path: source.config.clone(),
        env: environment(),
        overrides: Overrides {
            dsn: source.dsn.clone().map(Secret::new),
            cluster: source.cluster.clone(),
            bind: source.bind.clone(),
            queries_file: source.queries.as_ref().map(|path| path.display().to_string()),
            web_config_file: source.web_config_file.clone(),
        },
        ..LoadOptions::default()
    }
}

/// The environment, as far as it is text.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}
