//! Subcommands that only print.

use crate::cli::Cli;
use crate::exit::Code;
use anyhow::Context as _;
use clap::CommandFactory as _;
use pgmon_collect::postgres::setup_sql::{self, Tier};
use pgmon_collect::postgres::{collectors, listing};
use std::io::Write as _;

/// `pgmon schema`
pub fn schema() -> anyhow::Result<Code> {
    let text =
        serde_json::to_string_pretty(&pgmon_config::schema()).context("the schema cannot be written")?;
    println!("{text}");
    Ok(Code::Ok)
}

/// `pgmon completions`
pub fn completions(shell: clap_complete::Shell) -> Code {
    clap_complete::generate(shell, &mut Cli::command(), "pgmon", &mut std::io::stdout());
    Code::Ok
}

/// `pgmon man`
pub fn man() -> anyhow::Result<Code> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).context("the manual page cannot be written")?;
    std::io::stdout().write_all(&page).context("standard output")?;
    Ok(Code::Ok)
}

/// `pgmon setup-sql`
pub fn setup_sql(role: &str, major: Option<u16>, databases: &[String], minimal: bool) -> Code {
    let tier = if minimal { Tier::T0 } else { Tier::T1 };
    println!("{}", setup_sql::setup_sql(major, role, databases, tier));
    Code::Ok
}

/// `pgmon sql`
pub fn sql(collector: Option<&str>, major: Option<u16>) -> Code {
    match listing::listing(collectors::ALL, collector, major) {
        Ok(text) => {
            print!("{text}");
            Code::Ok
        }
        Err(error) => {
            eprintln!("pgmon: {error}");
            Code::Usage
        }
    }
}
