//! How much WAL is written, and is it taken care of?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Problem, Unit};
use crate::pages::replication::slots::Slot;
use crate::source::Source;
use crate::thresholds::wal::{BACKLOG, FEW_REQUESTED, REQUESTED};
use crate::words;
use pgmon_collect::postgres::collectors::{archiver, checkpoints, wal, wal_files};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `wal`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Wal")]
pub struct Panels {
    /// WAL written.
    pub wal: Panel<wal::Row>,
    /// Checkpoints and who writes buffers.
    pub checkpoints: Panel<checkpoints::Row>,
    /// The WAL directory.
    pub files: Panel<wal_files::Row>,
    /// The archiver.
    pub archiver: Panel<archiver::Row>,
    /// Slots that hold WAL back, most first.
    pub slots: Panel<Slot>,
}

/// The collectors behind it.
pub const ON: &[&str] = &["wal", "checkpoints", "wal_files", "archiver", "slots"];

/// What is wrong with the WAL.
pub fn judge(s: &Source<'_>) -> Judgement {
    let alerts = &s.rules.alerts;
    let rate = s.metric("wal", "pg_wal_bytes_per_second", &[]);
    let good = match rate {
        Some(rate) => format!("{} of WAL is written a second.", words::bytes(rate)),
        None => "Nothing is wrong with what can be seen of the WAL.".to_owned(),
    };
    let mut found = Judgement::new(good).rests_on(s, &["wal", "checkpoints"]);
    if let Some(rate) = rate {
        let level = level(
            rate,
            alerts.wal_surge_warn_bytes_per_sec as f64,
            alerts.wal_surge_crit_bytes_per_sec as f64,
        );
        if level > Level::Ok {
            let evidence = format!("{} is written a second", words::bytes(rate));
            found.push(problem("wal_surge", level, PageName::Wal, "Much WAL is written", evidence));
        }
    }
    found.extend(checkpoints_too_often(s));
    found.extend(archiver(s));
    found.extend(super::replication::slots::problems(s));
    found
}

/// Whether checkpoints come too often, by those of the last hour.
fn checkpoints_too_often(s: &Source<'_>) -> Option<Problem> {
    let alerts = &s.rules.alerts;
    let row = s.list::<checkpoints::Row>("checkpoints").first()?;
    let (timed, requested) = (row.recent_timed? as f64, row.recent_requested? as f64);
    let (seconds, all) = (row.recent_seconds?, timed + requested);
    let by_share = match requested >= REQUESTED {
        true => level(requested / all, alerts.checkpoint_ratio_warn, alerts.checkpoint_ratio_crit),
        false => Level::Ok,
    };
    // So far apart at most: the time before the first and after the last may be cut. Those that come by time
    // come as often as checkpoint_timeout says.
    let apart = (requested > timed && all >= 2.0).then(|| seconds / (all - 1.0));
    let by_time = match apart {
        Some(apart) if apart < alerts.checkpoint_interval_crit_seconds as f64 => Level::Crit,
        Some(apart) if apart < alerts.checkpoint_interval_warn_seconds as f64 => Level::Warn,
        _ => Level::Ok,
    };
    // A few at once say nothing yet: a restore or a new database asks for some.
    let by_time = if requested >= FEW_REQUESTED { by_time } else { Level::Ok };
    let level = by_share.max(by_time);
    (level > Level::Ok).then(|| {
        let evidence = format!(
            "{} of {} checkpoints of the last {} were asked for (max_wal_size was reached, or by CHECKPOINT, a backup or the like), one came every {}",
            words::count(requested),
            words::count(all),
            words::seconds(seconds),
            words::seconds(seconds / all),
        );
        problem("checkpoints", level, PageName::Wal, "Checkpoints come too often", evidence)
    })
}

/// What is wrong with the archiver.
pub fn archiver(s: &Source<'_>) -> Option<Problem> {
    let row = s.list::<archiver::Row>("archiver").first().filter(|r| r.active)?;
    let backlog = row.backlog_segments.unwrap_or(0);
    if row.failing {
        let failed = row.last_failed_wal.as_deref().unwrap_or("a file");
        let since = row.last_archived_age_seconds;
        let evidence = format!(
            "{failed} could not be archived; the last that could was archived {}",
            since.map_or("never".to_owned(), |s| format!("{} ago", words::seconds(s)))
        );
        let problem = problem("archiver", Level::Crit, PageName::Wal, "Archiving fails", evidence);
        return Some(problem.since(since.and_then(|seconds| s.since("archiver", seconds))));
    }
    (backlog >= BACKLOG).then(|| {
        let evidence = format!("{backlog} WAL segments wait to be archived");
        problem("archiver", Level::Warn, PageName::Wal, "Archiving does not keep up", evidence)
    })
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let since = |at: Option<pgmon_collect::postgres::decode::Time>| at.map(|at| s.now.seconds_since(at.0));
    let wal_reset = s.rows::<Vec<wal::Row>>("wal").and_then(|r| since(r.first()?.stats_reset));
    let checkpoint_reset = s
        .rows::<Vec<checkpoints::Row>>("checkpoints")
        .and_then(|r| since(r.first()?.checkpointer_stats_reset));
    let archiver_reset = s.rows::<Vec<archiver::Row>>("archiver").and_then(|r| since(r.first()?.stats_reset));
    let panels = Panels {
        wal: s.plain("WAL", "wal", "None is written.").since_reset(wal_reset),
        checkpoints: s.plain("Checkpoints", "checkpoints", "There was none.").since_reset(checkpoint_reset),
        files: s.plain("WAL directory", "wal_files", "It is empty."),
        archiver: s.plain("Archiver", "archiver", "There is none.").since_reset(archiver_reset),
        slots: super::replication::slots::panel(s),
    };
    let gauge = |id, label, unit, collector, metric| {
        Figure::new(id, label, unit, s.metric(collector, metric, &[])).gauge(metric, &[])
    };
    let alerts = &s.rules.alerts;
    let figures = vec![
        gauge("wal_rate", "WAL written", Unit::BytesPerSecond, "wal", "pg_wal_bytes_per_second")
            .judged(alerts.wal_surge_warn_bytes_per_sec as f64, alerts.wal_surge_crit_bytes_per_sec as f64),
        gauge("directory", "WAL directory", Unit::Bytes, "wal_files", "pg_wal_directory_bytes"),
        gauge(
            "checkpoint_age",
            "Since the last checkpoint",
            Unit::Seconds,
            "checkpoints",
            "pg_last_checkpoint_age_seconds",
        ),
        gauge(
            "redo",
            "WAL to replay after a crash",
            Unit::Bytes,
            "checkpoints",
            "pg_checkpoint_redo_lag_bytes",
        ),
        gauge("backlog", "Segments to archive", Unit::Count, "archiver", "pg_archiver_backlog_segments"),
    ];
    judge(s).page(s, figures, panels)
}
