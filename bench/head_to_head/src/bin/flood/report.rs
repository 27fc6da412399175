//! The table, and whether the promise is kept.

use crate::{Args, Outcome, Times};
use anyhow::Result;
use std::fmt::Write as _;

/// A valid scrape's p99 under load, at most so many times the quiet one.
const MOST: f64 = 2.0;

/// The table, and whether all of it is within bounds.
pub fn markdown(outcomes: &[Outcome], args: &Args) -> Result<(String, bool)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = String::new();
    let mut pass = true;
    writeln!(
        text,
        "PostgreSQL {}, 20 tables; {cores} cores, server, pgmon and all clients on the same machine; {} phases each, quiet \
         and loaded in turns, of {} scrapes on a kept connection and {} on new ones; {} clients flood, {} are slow.\n",
        args.pg, args.phases, args.scrapes, args.scrapes, args.floods, args.slow
    )?;
    writeln!(
        text,
        "| in the way | scrape on | quiet p50 / p99 ms | loaded p50 / p99 ms | p99, times the quiet one | at most | 403 and 429 a second | closed a second | not answered |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
    for o in outcomes {
        pass &= o.failed == 0;
        for (on, times) in [("a kept connection", &o.kept), ("new ones", &o.new)] {
            let Times { quiet, loaded } = times;
            let ratio = percentile(loaded, 99) / percentile(quiet, 99).max(f64::MIN_POSITIVE);
            let missed = ratio > MOST;
            pass &= !missed;
            writeln!(
                text,
                "| {} | {on} | {:.2} / {:.2} | {:.2} / {:.2} | {ratio:.2}{} | {MOST} | {:.0} and {:.0} | {:.0} | {} |",
                o.name,
                percentile(quiet, 50),
                percentile(quiet, 99),
                percentile(loaded, 50),
                percentile(loaded, 99),
                if missed { " **missed**" } else { "" },
                o.done.refused as f64 / o.seconds,
                o.done.too_many as f64 / o.seconds,
                o.done.closed as f64 / o.seconds,
                o.failed,
            )?;
        }
    }
    let reconnected: usize = outcomes.iter().map(|o| o.reconnected).sum();
    writeln!(
        text,
        "\nThe kept connection was closed by pgmon {reconnected} times; the scrape then took a new one, in the same time."
    )?;
    Ok((text, pass))
}

fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}
