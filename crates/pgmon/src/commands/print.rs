//! Subcommands that only print.

use crate::cli::SchemaOf;
use crate::exit::Code;
use anyhow::Context as _;
use pgmon_collect::postgres::setup_sql::{self, Tier};
use pgmon_collect::postgres::{collectors, listing};
use pgmon_config::File;
use std::io::Write as _;

/// `pgmon schema`
pub fn schema(of: SchemaOf) -> anyhow::Result<Code> {
    let file = match of {
        SchemaOf::Main => File::Main,
        SchemaOf::Queries => File::Queries,
        SchemaOf::Databases => File::Databases,
    };
    let text = serde_json::to_string_pretty(&pgmon_config::schema_of(file))
        .context("the schema cannot be written")?;
    out(&format!("{text}\n"))
}

/// `pgmon completions`
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<Code> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "pgmon", &mut text);
    out_bytes(&text)
}

/// `pgmon man`
pub fn man() -> anyhow::Result<Code> {
    let mut page = Vec::new();
    clap_mangen::Man::new(crate::cli::command())
        .render(&mut page)
        .context("the manual page cannot be written")?;
    out_bytes(&page)
}

/// `pgmon setup-sql`
pub fn setup_sql(
    role: &str,
    major: Option<u16>,
    databases: &[String],
    minimal: bool,
) -> anyhow::Result<Code> {
    let tier = if minimal { Tier::T0 } else { Tier::T1 };
    out(&setup_sql::setup_sql(major, role, databases, tier))
}

/// `pgmon sql`
pub fn sql(collector: Option<&str>, major: Option<u16>) -> anyhow::Result<Code> {
    match listing::listing(collectors::ALL, collector, major) {
        Ok(text) => out(&text),
        Err(error) => {
            eprintln!("pgmon: {error}");
            Ok(Code::Usage)
        }
    }
}

/// Prints; a reader that has seen enough (`pgmon sql | head`) is no error.
fn out(text: &str) -> anyhow::Result<Code> {
    out_bytes(text.as_bytes())
}

fn out_bytes(bytes: &[u8]) -> anyhow::Result<Code> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(Code::Ok),
    }
}
