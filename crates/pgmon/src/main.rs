//! `pgmon`: a read-only PostgreSQL monitor. One file per subcommand in `commands`.

mod cli;
mod commands;
mod exit;
mod logging;
mod memory;

use std::process::ExitCode;

// The system's allocator keeps an arena per thread and gives little back: pgmon's resident memory
// was twice as high with it. Built without its wish for huge pages, see below.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Of a huge page, 2 MB are resident as soon as one byte is used: pgmon took twice its memory where
    // the system gives them to everybody. If it cannot be forbidden, pgmon works as well.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = match cli::parse() {
        Ok(cli) => cli,
        // 2 is what clap has for this, and what `report` has for what is critical.
        Err(error) if error.use_stderr() && cli::is_report(std::env::args_os().skip(1)) => {
            // Nobody is left to tell if it cannot be printed.
            let _ = error.print();
            return exit::Code::Unusable.into();
        }
        Err(error) => error.exit(),
    };
    if !cli.healthcheck && matches!(cli.command, None | Some(cli::Command::Agent)) {
        memory::give_back_at_once();
    }
    let failed = if matches!(cli.command, Some(cli::Command::Report { .. })) {
        exit::Code::Unusable
    } else {
        exit::Code::Failed
    };
    match commands::run(cli) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("pgmon: {error:#}");
            failed.into()
        }
    }
}
