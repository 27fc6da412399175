//! Is it healthy, and if not, what first?

use crate::answer::State;
use crate::judge::{Judgement, refused, unreachable_verdict};
use crate::page::{Figure, Level, Page, PageName, Panel, Problem, Unit};
use crate::pages::statements::StatementRow;
use crate::pages::{activity, locks};
use crate::source::Source;
use crate::{start, thresholds, words};
use pgmon_collect::postgres::collectors::{canary, throughput};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Panels of `overview`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Overview")]
pub struct Panels {
    /// What the other pages say.
    pub pages: Panel<PageVerdict>,
    /// Transactions and cache hits of the database.
    pub throughput: Panel<throughput::Row>,
    /// The statements that cost most now.
    pub top_statements: Panel<StatementRow>,
    /// What a client feels.
    pub canary: Panel<canary::Probe>,
}

/// What a page comes to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PageVerdict {
    /// The page.
    pub page: PageName,
    /// How bad it is.
    pub level: Level,
    /// Its verdict.
    pub sentence: String,
    /// Its problems.
    pub problems: u32,
}

/// The collectors behind it.
pub const ON: &[&str] =
    &["connections", "locks", "throughput", "statements", "canary", "wal", "replication", "wraparound"];

/// The statements that are shown.
const STATEMENTS: usize = 5;

/// What a page finds wrong.
type Judge = fn(&Source<'_>) -> Judgement;

/// The pages that have a verdict of their own.
const PAGES: [(PageName, Judge); 13] = [
    (PageName::Activity, super::activity::judge),
    (PageName::Locks, super::locks::judge),
    (PageName::TopQueries, super::statements::judge),
    (PageName::Autovacuum, super::autovacuum::judge),
    (PageName::Wraparound, super::wraparound::judge),
    (PageName::Replication, super::replication::judge),
    (PageName::Wal, super::wal::judge),
    (PageName::Storage, super::storage::judge),
    (PageName::Indexes, super::indexes::judge),
    (PageName::Bloat, super::bloat::judge),
    (PageName::Partitions, super::partitions::judge),
    (PageName::Io, super::io::judge),
    (PageName::Settings, super::settings::judge),
];

/// Pages without whose figures nobody can say that all is well.
const VITAL: [PageName; 3] = [PageName::Activity, PageName::Locks, PageName::Wraparound];

/// What all pages find.
pub fn judge(s: &Source<'_>) -> Judgement {
    judge_all(s).0
}

fn judge_all(s: &Source<'_>) -> (Judgement, Vec<PageVerdict>) {
    let mut all = Judgement::default();
    let mut pages = Vec::with_capacity(PAGES.len());
    for (page, judge) in PAGES {
        let mut of_page = judge(s);
        of_page.sort();
        let verdict = of_page.verdict(s);
        pages.push(PageVerdict {
            page,
            level: verdict.level,
            sentence: verdict.sentence,
            problems: u32::try_from(of_page.problems.len()).unwrap_or(u32::MAX),
        });
        if VITAL.contains(&page)
            && let Some(reason) = of_page.unknown
        {
            all.unknown.get_or_insert(reason);
        }
        for problem in of_page.problems {
            // Two pages may speak of the same.
            if !all.problems.iter().any(|p| {
                p.id == problem.id || (p.id == "autovacuum_off" && problem.id == "setting:autovacuum")
            }) {
                all.problems.push(problem);
            }
        }
    }
    say_once(s, &mut all.problems);
    all.extend(start::crashed(s));
    all.extend(refused(s));
    all.sort();
    let row = s.list::<throughput::Row>("throughput").first();
    let tps = row.and_then(|r| r.transactions_per_second);
    let well = match pages.iter().any(|page| page.level == Level::Unknown) {
        true => "All is well with what can be seen",
        false => "All is well",
    };
    all.good = match (tps, super::activity::clients(s)) {
        (Some(tps), Some(clients)) => format!(
            "{well}: {} transactions a second over {} {}.",
            words::count(tps),
            words::count(clients),
            if words::count(clients) == "1" { "connection" } else { "connections" }
        ),
        _ => format!("{well}."),
    };
    if let Some(age) = start::age(s).filter(|age| *age < thresholds::start::RECENT) {
        all.good = format!("{} The server started {} ago.", all.good, words::seconds(age));
    }
    (all, pages)
}

/// A session that blocks others, or waits for one that does, is named once: by who blocks whom.
fn say_once(s: &Source<'_>, problems: &mut Vec<Problem>) {
    let blocking: BTreeSet<String> =
        problems.iter().filter_map(|p| p.id.strip_prefix(locks::BLOCKING)).map(str::to_owned).collect();
    if blocking.is_empty() {
        return;
    }
    let roots = locks::roots(s);
    problems.retain(|p| {
        let pid = p.id.strip_prefix(activity::LONG_TRANSACTION).and_then(|pid| pid.parse::<i32>().ok());
        !pid.and_then(|pid| roots.get(&pid)).is_some_and(|root| blocking.contains(root))
    });
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let (all, mut pages) = judge_all(s);
    pages.sort_by_key(|page| std::cmp::Reverse(page.level));
    let panels = Panels {
        pages: match unreachable_verdict(s) {
            None => s.panel("Pages", &[], "There is none.", || Some(pages)),
            // All would say the same.
            Some(verdict) => Panel {
                state: if verdict.level == Level::Unknown { State::Pending } else { State::Error },
                reason: Some(verdict.sentence),
                ..s.panel("Pages", &[], "There is none.", || None)
            },
        },
        throughput: s
            .plain("Transactions", "throughput", "There was none.")
            .since_reset(super::stats_reset_age(s)),
        top_statements: super::statements::top(s, STATEMENTS),
        canary: s.plain("What a client feels", "canary", "It was not measured yet."),
    };
    let figures = figures(s);
    all.page(s, figures, panels)
}

/// Why there is no rate, though there are counters.
const NO_RATE: &str = "a rate takes two rounds without a reset of the statistics";

fn figures(s: &Source<'_>) -> Vec<Figure> {
    let gauge = |id, label, unit, collector, metric| {
        Figure::new(id, label, unit, s.metric(collector, metric, &[])).gauge(metric, &[])
    };
    let row = s.list::<throughput::Row>("throughput").first();
    let no_rate = row.filter(|r| r.transactions_per_second.is_none()).map(|_| NO_RATE.to_owned());
    let mut figures = vec![
        gauge("tps", "Transactions a second", Unit::PerSecond, "throughput", "pg_tps").note(no_rate),
        gauge("latency", "Mean query time", Unit::Seconds, "statements", "pg_query_latency_seconds_mean"),
        gauge("cache_hit_ratio", "Cache hits", Unit::Ratio, "throughput", "pg_cache_hit_ratio"),
    ];
    let of = |from: Vec<Figure>, ids: &[&str]| {
        from.into_iter().filter(|f| ids.contains(&f.id)).collect::<Vec<_>>()
    };
    figures.extend(of(super::activity::figures(s), &["connections", "oldest_transaction"]));
    figures.extend(of(super::locks::figures(s), &["blocked_sessions"]));
    let alerts = &s.rules.alerts;
    figures.push(
        gauge("wal_rate", "WAL written", Unit::BytesPerSecond, "wal", "pg_wal_bytes_per_second")
            .judged(alerts.wal_surge_warn_bytes_per_sec as f64, alerts.wal_surge_crit_bytes_per_sec as f64),
    );
    figures.extend(of(super::wraparound::figures(s), &["xid_age"]));
    if let Some(lag) = super::replication::lag(s) {
        figures.push(
            Figure::new("lag", "Greatest lag", Unit::Seconds, Some(lag))
                .judged(alerts.repl_warn_s as f64, alerts.repl_crit_s as f64),
        );
    }
    figures.push(start::figure(s));
    figures
}
