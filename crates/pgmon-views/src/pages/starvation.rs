//! Tables that autovacuum should come to and does not.

use super::autovacuum::last_vacuum;
use crate::judge::{level, problem};
use crate::page::{Figure, Level, PageName, Problem, Unit};
use crate::source::Source;
use crate::thresholds::vacuum::DUE_SECONDS;
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::{progress, tables};

/// A table that waits: how bad that is, and for how long it has had no vacuum, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Starved {
    pub(super) level: Level,
    seconds: f64,
}

/// From how many seconds on it is a warning, and critical.
fn thresholds(s: &Source<'_>) -> (f64, f64) {
    let alerts = &s.rules.alerts;
    (
        alerts.autovac_starvation_warn_hours as f64 * 3600.0,
        alerts.autovac_starvation_crit_hours as f64 * 3600.0,
    )
}

/// How a table waits that has been due for a while; nothing of one that is vacuumed just now, or that autovacuum is
/// off for.
pub(super) fn look(s: &Source<'_>, row: &tables::Row) -> Option<Starved> {
    let later = s.age("tables");
    let due = row.vacuum_due_seconds.filter(|_| row.autovacuum_enabled == Some(true))? + later;
    let (warn, crit) = thresholds(s);
    if due < warn.min(DUE_SECONDS) || is_vacuumed_now(s, row) {
        return None;
    }
    // One that was never vacuumed may be new: of it is known for how long it has waited.
    let seconds = last_vacuum(row).map_or(due, |ago| ago + later);
    Some(Starved { level: level(seconds, warn, crit), seconds })
}

fn is_vacuumed_now(s: &Source<'_>, row: &tables::Row) -> bool {
    let database = s.database();
    s.list::<progress::Row>("progress").iter().any(|running| {
        running.command.contains("vacuum")
            && running.relation_oid == Some(row.oid)
            && running.datname.as_deref() == database.as_deref()
    })
}

/// Why, as far as can be told.
pub(super) fn reason(s: &Source<'_>) -> String {
    let of = |metric| s.metric("connections", metric, &[]);
    match of("pg_autovacuum_workers").zip(of("pg_autovacuum_max_workers")) {
        Some((busy, all)) if busy >= all => {
            format!("all {} workers of autovacuum are busy", words::count(all))
        }
        Some(_) => {
            "a worker of autovacuum is free: the server's log may say what ends it (often a session's lock)"
                .to_owned()
        }
        None => "the server's log may say why autovacuum does not come".to_owned(),
    }
}

/// What is said of a table that waits.
pub(super) fn hint(s: &Source<'_>, row: &tables::Row, starved: Starved) -> String {
    let pressure = [row.vacuum_pressure, row.insert_pressure].into_iter().flatten().fold(0.0, f64::max);
    let without = match last_vacuum(row) {
        Some(_) => format!("not vacuumed for {}", words::seconds(starved.seconds)),
        None => format!("never vacuumed, and due for {} at least", words::seconds(starved.seconds)),
    };
    format!("{without}, at {pressure:.1} times what brings a vacuum; {}", reason(s))
}

/// That tables wait for too long: one problem, with the worst of them.
pub(super) fn problems(s: &Source<'_>, waiting: &[(&tables::Row, Starved)]) -> Option<Problem> {
    let worse = |a: &&(&tables::Row, Starved), b: &&(&tables::Row, Starved)| {
        a.1.level.cmp(&b.1.level).then(a.1.seconds.total_cmp(&b.1.seconds))
    };
    let (row, starved) = waiting.iter().max_by(worse)?;
    let name = remedy::shown(&row.schema, &row.name);
    let more = match waiting.len() - 1 {
        0 => String::new(),
        more => format!("; {} as well", words::counted(more, "other table waits", "other tables wait")),
    };
    let evidence = format!("{name}: {}{more}", hint(s, row, *starved));
    let title = "Autovacuum does not come";
    Some(
        problem("autovacuum_starvation", starved.level, PageName::Autovacuum, title, evidence)
            .about(name)
            .since(s.since("tables", row.vacuum_due_seconds.unwrap_or_default()))
            .remedy(Some(remedy::on_primary(s, remedy::vacuum(&row.schema, &row.name)))),
    )
}

/// The longest time without a vacuum of those that wait for one.
pub(super) fn figure(s: &Source<'_>) -> Figure {
    let rows: Option<&Vec<tables::Row>> = s.current("tables");
    let waits = rows.into_iter().flatten().filter_map(|row| look(s, row)).map(|starved| starved.seconds);
    let longest = waits.reduce(f64::max);
    let (warn, crit) = thresholds(s);
    let figure = Figure::new("starved", "Longest without a vacuum that is due", Unit::Seconds, longest)
        .judged(warn, crit);
    match (rows, longest) {
        (Some(_), None) => figure.at(Level::Ok).note(Some("no table waits for one".to_owned())),
        _ => figure,
    }
}
