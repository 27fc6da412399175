//! `pgmon`: a read-only PostgreSQL monitor. One file per subcommand in `commands`.

mod cli;
mod commands;
mod exit;
mod logging;

use clap::Parser as _;
use std::process::ExitCode;

// The system's allocator keeps an arena per thread and gives little back: pgmon's resident memory
// was twice as high with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("pgmon: {error:#}");
            exit::Code::Failed.into()
        }
    }
}
