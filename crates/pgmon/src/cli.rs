//! The command line.

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const AFTER: &str = "\
Examples:
  pgmon --dsn postgres://pgmon@127.0.0.1/shop      watch one database, no file needed
  pgmon --config pgmon.yaml                        watch what the file names
  pgmon doctor --dsn postgres://pgmon@db1/shop     is the role right, and what cannot be seen?
  pgmon report --dsn postgres://pgmon@db1/shop     look once: what is wrong, and what to do about it
  pgmon setup-sql | psql -h db1 shop postgres      make a role of the right kind
  pgmon sql locks --pg 17                          the SQL behind a figure
  pgmon query test queries.json --dsn postgres://pgmon@db1/shop
                                                   what queries of your own give

Every key of the configuration can be given as an environment variable:
  PGMON_DSN=...  PGMON_HTTP_BIND=0.0.0.0:8181  PGMON_SAMPLE_INTERVALS_HOT_PATH=5s

Exit codes: 0 well, 1 failed, 2 wrong command line or configuration, 3 refused (the role can write);
`pgmon report` has its own.";

const REPORT: &str = "\
Examples:
  pgmon report --dsn postgres://pgmon@db1/shop          what is wrong now, on the terminal
  pgmon report --config pgmon.yaml                      all databases of the file: a summary, then each
  pgmon report --config pgmon.yaml --db shop/orders     one of them; repeat --db for more
  pgmon report --config pgmon.yaml --cluster shop       those of one cluster
  pgmon report --dsn ... --format html -o report.html   one file to send or keep; it loads nothing
  pgmon report --dsn ... --format json | jq '.databases[0].pages.locks.data.panels.tree.rows'
  pgmon report --dsn ... --for 1m                       rates over a minute instead of 5 seconds
  pgmon report --dsn ... --for 0                        at once, without rates

It looks with the same collectors, limits, write audit and thresholds as the agent, and comes to the
same verdicts as its pages. It writes nothing to the database, listens nowhere and keeps nothing.

Exit codes: 0 all is well; 1 a warning, or something cannot be told; 2 something is critical, or one of
several databases is down; 3 no database could be read (each with the reason), or the command line or
the configuration is wrong.";

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Watches PostgreSQL servers, read-only, and exports what a DBA needs to know.
#[derive(Debug, Parser)]
#[command(name = "pgmon", version, about, after_help = AFTER, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Ask a running pgmon whether it is well, and exit 0 or 1 (for container health checks).
    #[arg(long)]
    pub healthcheck: bool,
    /// What to do; without one pgmon runs as the agent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that say what to watch.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// The configuration file [default: $PGMON_CONFIG, /etc/pgmon/pgmon.yaml, /config/pgmon.yaml].
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// The database to watch: postgres://user@host:port/database or "host=... user=... dbname=...".
    /// A password is better kept in a file or in PGMON_DSN than on the command line.
    #[arg(long, value_name = "DSN", global = true, hide_env_values = true)]
    pub dsn: Option<String>,
    /// The label `cluster` of all figures.
    #[arg(long, value_name = "NAME", global = true)]
    pub cluster: Option<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    pub bind: Option<String>,
    /// The file of `pgmon query test`, which takes the place of the configured queries.
    #[arg(skip)]
    pub queries: Option<PathBuf>,
    /// Web configuration file of the Prometheus exporter toolkit: certificate, users, headers.
    #[arg(long = "web.config.file", value_name = "FILE", global = true)]
    pub web_config_file: Option<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch databases and serve their figures (the default).
    Agent,
    /// Check the configuration and say everything that is wrong with it.
    CheckConfig {
        /// Print the configuration in force, secrets left out.
        #[arg(long)]
        show: bool,
        /// How to print what is wrong: text, or a list of objects with file, line, pointer, message, mend.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check each configured database: connection, role, extensions, settings; say what to GRANT.
    Doctor {
        /// How to print the findings.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Look once at each configured database and say what is wrong, why, and what may be done.
    #[command(after_help = REPORT)]
    Report {
        /// What the report is to be: text for people, the API's answers, or one HTML file.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        /// Only this database: its name, or cluster/name; repeat the option. (Without --dsn, --cluster
        /// chooses as well: only databases of that cluster.)
        #[arg(long = "db", value_name = "NAME")]
        dbs: Vec<String>,
        /// Write to this file instead of standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// How long to watch, so that rates are known: 5s, 1m; 0 for no rates.
        #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = watch_for)]
        watch: Duration,
        /// How long all may take; what is missing by then is named. [default: 60s and the time of --for]
        #[arg(long, value_name = "TIME", value_parser = span)]
        timeout: Option<Duration>,
    },
    /// Print SQL that makes a monitoring role of the right kind.
    SetupSql {
        /// The role's name.
        #[arg(long, default_value = "pgmon")]
        role: String,
        /// Major version of the server; without it the SQL fits all versions.
        #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u16).range(12..=99))]
        pg: Option<u16>,
        /// Databases that the role may connect to; repeat the option. Default: the one that the SQL runs in.
        #[arg(long = "database", value_name = "NAME")]
        databases: Vec<String>,
        /// Only statistics, no right to read tables: sequences, plans and bloat by statistics stay blind.
        #[arg(long)]
        minimal: bool,
    },
    /// Print the SQL that a collector runs.
    Sql {
        /// The collector; without one, all of them.
        collector: Option<String>,
        /// Major version of the server; without it the texts for all versions.
        #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u16).range(12..=99))]
        pg: Option<u16>,
    },
    /// Try out queries of your own.
    Query {
        /// What to do.
        #[command(subcommand)]
        action: QueryAction,
    },
    /// Print the SHA-256 of an API key, for http.auth.api_keys. The key is read from standard input.
    HashKey {
        /// Make a new key, and print it as well.
        #[arg(long)]
        generate: bool,
    },
    /// Print the hash of a password, for http.auth.basic. The password is read from standard input.
    HashPassword {
        /// How it is hashed.
        #[arg(long, value_enum, default_value_t = Algorithm::Bcrypt)]
        algorithm: Algorithm,
    },
    /// Print the JSON Schema of the configuration.
    Schema {
        /// Of which file.
        #[arg(value_enum, default_value_t = SchemaOf::Main)]
        of: SchemaOf,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff).
    Man,
}

/// What `pgmon query` does.
#[derive(Debug, Subcommand)]
pub enum QueryAction {
    /// Run each query of a file once, print its metrics, and say what failed or was refused, and why.
    Test {
        /// The file: SitRep's queries.json, or the same in YAML.
        file: PathBuf,
    },
}

/// What a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal, a mail or a ticket: the ten most important rows of each table.
    Text,
    /// Everything, in the shapes of the HTTP API.
    Json,
    /// One file that needs nothing beside it: 200 rows of each table, and the SQL that ran.
    Html,
}

/// A length of time.
fn span(text: &str) -> Result<Duration, String> {
    text.parse::<pgmon_config::Span>().map(Duration::from).map_err(|error| error.to_string())
}

/// A length of time, or none; too short a one gives rates of chance.
fn watch_for(text: &str) -> Result<Duration, String> {
    if matches!(text.trim(), "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    let watch = span(text)?;
    if watch < Duration::from_secs(1) { Err("at least 1s, or 0 for none".to_owned()) } else { Ok(watch) }
}

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// pgmon.yaml
    Main,
    /// The file that queries_file names.
    Queries,
    /// The file that databases_file names.
    Databases,
}

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    /// Understood by the Prometheus exporter toolkit as well.
    Bcrypt,
    /// Harder to attack with special hardware; each verification takes 19 MiB for a moment.
    Argon2id,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Options of who listens.
const LISTENING: [&str; 2] = ["bind", "web_config_file"];

/// The command line. Subcommands that listen nowhere take the options of who does, since they read the same
/// configuration, but do not list them.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let listens = |arg: &&clap::Arg| LISTENING.contains(&arg.get_id().as_str());
    let hidden: Vec<clap::Arg> =
        command.get_arguments().filter(listens).map(|arg| arg.clone().hide(true)).collect();
    let quiet: Vec<String> =
        command.get_subcommands().map(|c| c.get_name().to_owned()).filter(|name| name != "agent").collect();
    quiet.into_iter().fold(command, |command, name| command.mut_subcommand(name, |c| c.args(hidden.clone())))
}

/// What the arguments say.
pub fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches()?)
}

/// Whether arguments that clap refused were for `pgmon report`: whether that is the first one which is
/// neither an option nor an option's value.
pub fn is_report(args: impl Iterator<Item = OsString>) -> bool {
    let command = Cli::command();
    let takes_value = |arg: &str| {
        command.get_arguments().filter(|a| a.get_action().takes_values()).any(|a| {
            let long = a.get_long().is_some_and(|long| arg.strip_prefix("--") == Some(long));
            long || a
                .get_short()
                .is_some_and(|short| arg.strip_prefix('-') == Some(short.to_string().as_str()))
        })
    };
    let mut is_value = false;
    for arg in args {
        let arg = arg.to_string_lossy();
        if std::mem::take(&mut is_value) {
            continue;
        }
        if !arg.starts_with('-') {
            return arg == "report";
        }
        is_value = takes_value(&arg);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_known_also_where_its_arguments_are_wrong() {
        let is = |line: &str| is_report(line.split_whitespace().map(OsString::from));
        assert!(is("report --nope") && is("--dsn report report --for x") && is("-c f --dsn=x report"));
        assert!(
            !is("doctor report") && !is("--dsn report") && !is("--cluster report doctor") && !is("--nope")
        );
    }

    #[test]
    fn who_listens_nowhere_does_not_list_where_but_takes_it() {
        let help = |args: &[&str]| command().try_get_matches_from(args).unwrap_err().to_string();
        for args in [&["pgmon", "report", "--help"][..], &["pgmon", "query", "test", "--help"]] {
            let help = help(args);
            assert!(
                help.contains("--dsn") && !help.contains("--bind") && !help.contains("--web.config.file"),
                "{help}"
            );
        }
        for args in [&["pgmon", "--help"][..], &["pgmon", "agent", "--help"]] {
            assert!(help(args).contains("--bind") && help(args).contains("--web.config.file"));
        }
        for args in [&["pgmon", "report", "--bind", "x"][..], &["pgmon", "--bind", "x", "report"]] {
            let matches = command().try_get_matches_from(args).unwrap();
            assert_eq!(
                Cli::from_arg_matches(&matches).unwrap().source.bind.as_deref(),
                Some("x"),
                "{args:?}"
            );
        }
        command().debug_assert();
    }

    #[test]
    fn rates_need_a_second_or_none() {
        assert_eq!(watch_for("0"), Ok(Duration::ZERO));
        assert_eq!(watch_for("1m"), Ok(Duration::from_secs(60)));
        assert!(watch_for("500ms").is_err() && watch_for("5").is_err());
    }
}
