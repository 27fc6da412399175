//! Since when the server runs, and whether it had come to a clean end before.

use crate::judge::problem;
use crate::page::{Figure, Level, PageName, Problem, Role, Unit};
use crate::source::{Source, role_of};
use crate::thresholds::start::{CRASHED, STATISTICS_WITHIN};
use crate::words;
use jiff::Timestamp;
use pgmon_collect::postgres::collectors::{archiver, checkpoints};

/// Up to 14 a server that was never stopped has no file of statistics either.
const SAYS_SO_FROM: u16 = 15;

/// Seconds since the server started, if it answers.
pub fn age(s: &Source<'_>) -> Option<f64> {
    let server = s.own.server.as_ref().filter(|_| s.own.up.is_up())?;
    Some(s.now.seconds_since(server.started_at))
}

/// The same as a figure.
pub fn figure(s: &Source<'_>) -> Figure {
    let note = crashed(s).map(|_| "it had not come to a clean end before".to_owned());
    let level = if note.is_some() { Level::Warn } else { Level::Ok };
    let figure = Figure::new("started", "Since the server started", Unit::Seconds, age(s));
    match figure.value {
        Some(_) => figure.at(level).note(note),
        None => figure,
    }
}

/// A start after a crash.
///
/// The server says so nowhere in SQL. But it throws its statistics away when it has to recover, so that they
/// begin with the start; after a clean end they go on. Those of a new server begin before, with initdb.
pub fn crashed(s: &Source<'_>) -> Option<Problem> {
    let server = s.own.server.as_ref()?;
    let age = age(s).filter(|age| *age < CRASHED)?;
    if role_of(s.own) != Role::Primary || server.version.major() < SAYS_SO_FROM {
        return None;
    }
    let began_then = |at: Option<Timestamp>| {
        at.is_some_and(|at| {
            (0.0..STATISTICS_WITHIN).contains(&at.duration_since(server.started_at).as_secs_f64())
        })
    };
    let checkpoints = s.list::<checkpoints::Row>("checkpoints").first()?.checkpointer_stats_reset;
    let archiver = s.list::<archiver::Row>("archiver").first()?.stats_reset;
    // Both: one alone may have been reset by somebody.
    let lost = began_then(checkpoints.map(|at| at.0)) && began_then(archiver.map(|at| at.0));
    lost.then(|| {
        let evidence = format!(
            "the server started {} ago and its statistics began then: before, it had crashed, was killed or stopped in mode immediate, or this is a backup that was restored; its log says which",
            words::seconds(age)
        );
        problem("crashed", Level::Warn, PageName::Overview, "The server started without a clean end before", evidence)
            .since(Some(server.started_at))
    })
}
