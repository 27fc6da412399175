//! What consumes the server, and what changed?

use crate::judge::{Judgement, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Unit};
use crate::source::Source;
use crate::thresholds::statements::{CALLS, FELT_MS, LOAD, PART_OF_LOAD, SLOWER};
use crate::words;
use pgmon_collect::postgres::collectors::{connections, statements};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `top-queries`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "TopQueries")]
pub struct Panels {
    /// Statements, those that took most time in the last interval first.
    pub statements: Panel<StatementRow>,
}

/// Panels of `statements/{queryid}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Statement")]
pub struct StatementPanels {
    /// The statement; no row if it is not among those that are kept.
    pub statement: Panel<StatementRow>,
    /// Sessions with an old transaction that run it, or ran it last.
    pub sessions: Panel<connections::Session>,
}

/// A statement.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatementRow {
    /// Execution time spent on it per second over the last interval, seconds: 2.0 = two processors, or sessions, all the time.
    pub load: Option<f64>,
    /// Rows per call since its entry was made.
    pub rows_per_call: Option<f64>,
    /// Mean execution time since its entry was made, milliseconds.
    pub mean_ms_since_reset: Option<f64>,
    /// How the mean of the last interval compares with that: 2.0 = twice as slow.
    pub mean_change_ratio: Option<f64>,
    /// Share of all execution time since the entries were made, among the statements that are listed, 0-1.
    pub time_share_since_reset: Option<f64>,
    /// Bytes read into the buffer cache since its entry was made.
    pub read_bytes: Option<f64>,
    /// Bytes of temporary files written since its entry was made.
    pub temp_written_bytes: Option<f64>,
    /// All that was read.
    #[serde(flatten)]
    pub row: statements::Row,
}

/// The collectors behind `top-queries`.
pub const ON: &[&str] = &["statements"];

/// The collectors behind `statements/{queryid}`.
pub const ON_STATEMENT: &[&str] = &["statements", "connections"];

/// What is wrong with statements.
pub fn judge(s: &Source<'_>) -> Judgement {
    let mut rows = s.list::<statements::Row>("statements").iter();
    let good = match rows.next().and_then(|first| first.time_share.map(|share| (first, share))) {
        Some((first, share)) => format!(
            "{} takes most time, {} of all, and no statement has become much slower.",
            named(first),
            words::percent(share)
        ),
        None => "No statement stands out.".to_owned(),
    };
    let mut found = Judgement::new(good).rests_on(s, &["statements"]);
    for row in s.list::<statements::Row>("statements") {
        let (Some(change), Some(share)) = (change(row), row.time_share) else { continue };
        // A share of next to nothing is nothing.
        let felt = load(row).is_some_and(|load| load >= LOAD) || more_ms(row).is_some_and(|ms| ms >= FELT_MS);
        if change < SLOWER || share < PART_OF_LOAD || row.calls < CALLS || !felt {
            continue;
        }
        let evidence = format!(
            "{} takes {:.1} ms now and {:.1} ms on average, and {} of all time",
            named(row),
            row.mean_ms.unwrap_or_default(),
            mean(row).unwrap_or_default(),
            words::percent(share)
        );
        found.push(
            problem(
                format!("slower:{}", row.queryid),
                Level::Warn,
                PageName::TopQueries,
                "A statement has become slower",
                evidence,
            )
            .about(row.queryid.clone()),
        );
    }
    found
}

/// A statement in words: how it begins, and its id, which alone tells it apart.
fn named(row: &statements::Row) -> String {
    match row.text.as_deref().map(|text| words::beginning(text, BEGINNING)).filter(|text| !text.is_empty()) {
        Some(text) => format!("\u{201c}{text}\u{201d} (statement {})", row.queryid),
        None => format!("Statement {}", row.queryid),
    }
}

/// Characters of a statement that a sentence has room for.
const BEGINNING: usize = 60;

/// The figures of all statements.
pub fn figures(s: &Source<'_>) -> Vec<Figure> {
    let gauge = |id, label, unit, metric| {
        Figure::new(id, label, unit, s.metric("statements", metric, &[])).gauge(metric, &[])
    };
    vec![
        gauge("queries", "Statements a second", Unit::PerSecond, "pg_qps"),
        gauge("latency_mean", "Mean execution time", Unit::Seconds, "pg_query_latency_seconds_mean"),
        gauge("latency_p95", "95th percentile", Unit::Seconds, "pg_query_latency_seconds_p95"),
        gauge("entries", "Statements that are counted", Unit::Count, "pg_stmt_entries").of(s.metric(
            "statements",
            "pg_stmt_entries_max",
            &[],
        )),
    ]
}

fn reset_age(s: &Source<'_>) -> Option<f64> {
    let at = s.metric("statements", "pg_stmt_stats_reset_timestamp_seconds", &[])?;
    Some((s.now.wall.as_microsecond() as f64 / 1e6 - at).max(0.0))
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let panels = Panels { statements: top(s, usize::MAX) };
    judge(s).page(s, figures(s), panels)
}

/// The first statements, those that took most time in the last interval first.
pub fn top(s: &Source<'_>, most: usize) -> Panel<StatementRow> {
    let rows = || {
        let rows: &Vec<statements::Row> = s.rows("statements")?;
        let all: f64 = rows.iter().map(|r| r.time_seconds).sum();
        Some(rows.iter().take(most).map(|r| row(s, r, all)).collect())
    };
    s.panel("Statements", &["statements"], "No statement has been counted yet.", rows)
        .since_reset(reset_age(s))
}

/// The page of one statement; `None` if it is not among those that are kept.
pub fn statement(s: &Source<'_>, queryid: &str) -> Option<Page<StatementPanels>> {
    let rows = s.rows::<Vec<statements::Row>>("statements");
    let one = rows.and_then(|rows| rows.iter().find(|r| r.queryid == queryid));
    if rows.is_some() && one.is_none() {
        return None;
    }
    let all: f64 = rows.map_or(0.0, |rows| rows.iter().map(|r| r.time_seconds).sum());
    let labels = [("queryid", queryid)];
    let mut found = judge(s);
    found.problems.retain(|p| p.object.as_deref() == Some(queryid));
    let figures = one.map_or_else(Vec::new, |r| figures_of(s, r, &labels));
    found.good = match one.and_then(|r| r.time_share) {
        Some(share) => format!("It takes {} of all time now.", words::percent(share)),
        None => "It has not run since the figures were read before.".to_owned(),
    };
    let panels = StatementPanels {
        statement: s
            .panel("Statement", &["statements"], "It is not among those that are kept.", || {
                Some(one.map(|r| row(s, r, all)).into_iter().collect())
            })
            .since_reset(reset_age(s)),
        sessions: s.panel("Sessions that run it", &["connections"], "No old transaction runs it.", || {
            let activity: &connections::Activity = s.rows("connections")?;
            let runs = |session: &&connections::Session| session.queryid.as_deref() == Some(queryid);
            Some(activity.sessions.iter().filter(runs).cloned().collect())
        }),
    };
    Some(found.page(s, figures, panels))
}

fn figures_of(s: &Source<'_>, row: &statements::Row, labels: &[(&'static str, &str)]) -> Vec<Figure> {
    let reset = reset_age(s);
    let counter = |id, label, unit, value, metric| {
        Figure::new(id, label, unit, value).counter(metric, labels).since_reset(reset)
    };
    vec![
        Figure::new("time_share", "Share of all time", Unit::Ratio, row.time_share),
        Figure::new("mean", "Mean execution time", Unit::Milliseconds, row.mean_ms),
        Figure::new("p95", "95th percentile", Unit::Milliseconds, row.p95_ms),
        Figure::new("hit_ratio", "Cache hits", Unit::Ratio, row.hit_ratio),
        counter("calls", "Calls", Unit::Count, Some(row.calls), "pg_stmt_calls_total"),
        counter(
            "time",
            "Execution time",
            Unit::Seconds,
            Some(row.time_seconds),
            "pg_stmt_time_seconds_total",
        ),
        counter("rows", "Rows", Unit::Count, Some(row.rows), "pg_stmt_rows_total"),
        counter(
            "read",
            "Blocks read",
            Unit::Count,
            Some(row.shared_blks_read),
            "pg_stmt_shared_blks_read_total",
        ),
    ]
}

fn mean(row: &statements::Row) -> Option<f64> {
    (row.calls > 0.0).then(|| row.time_seconds * 1000.0 / row.calls)
}

fn change(row: &statements::Row) -> Option<f64> {
    let (now, before) = (row.mean_ms?, mean(row)?);
    (before > 0.0).then(|| now / before)
}

/// How much longer a call takes now, milliseconds.
fn more_ms(row: &statements::Row) -> Option<f64> {
    Some(row.mean_ms? - mean(row)?)
}

/// Execution time a second, seconds.
fn load(row: &statements::Row) -> Option<f64> {
    row.calls_per_second.zip(row.mean_ms).map(|(calls, mean)| calls * mean / 1000.0)
}

fn row(s: &Source<'_>, row: &statements::Row, all_seconds: f64) -> StatementRow {
    let block = s.block_size();
    StatementRow {
        load: load(row),
        rows_per_call: (row.calls > 0.0).then(|| row.rows / row.calls),
        mean_ms_since_reset: mean(row),
        mean_change_ratio: change(row),
        time_share_since_reset: (all_seconds > 0.0).then(|| row.time_seconds / all_seconds),
        read_bytes: Some(row.shared_blks_read * block),
        temp_written_bytes: Some(row.temp_blks_written * block),
        row: row.clone(),
    }
}
