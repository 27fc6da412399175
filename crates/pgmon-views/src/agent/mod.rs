//! Is monitoring itself working?

pub(crate) mod grants;
mod rows;

pub use rows::{Agent, CollectorRow, Grant, LeftOutFamily, LoopRow, PublicRight};

use crate::answer::State;
use crate::judge::{Judgement, problem, refused, unreachable_verdict};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::{Found, Source};
use crate::words;
use jiff::Timestamp;
use pgmon_collect::postgres::collectors::ALL;
use pgmon_core::snapshot::{Blind, CollectorState, LoopState, Outcome, Snapshot, query_name};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `collectors`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Collectors")]
pub struct Panels {
    /// pgmon itself.
    pub agent: Panel<Agent>,
    /// The loops on this database.
    pub loops: Panel<LoopRow>,
    /// The collectors and custom queries on this database.
    pub collectors: Panel<CollectorRow>,
    /// What the role may, and what it would have to be granted.
    pub grants: Panel<Grant>,
    /// Rights that all roles have through PUBLIC and should not.
    pub warnings: Panel<PublicRight>,
    /// Families of `/metrics` that have too many series and are left out.
    pub left_out: Panel<LeftOutFamily>,
}

/// What only the running program knows of itself.
#[derive(Debug, Clone)]
pub struct Process<'a> {
    /// pgmon's version.
    pub version: &'static str,
    /// When the configuration was read.
    pub configuration_read_at: Option<Timestamp>,
    /// Why a newer one is not in force.
    pub configuration_failure: Option<String>,
    /// Size of the history.
    pub history: pgmon_core::history::Stats,
    /// Why the history would not outlive a restart, though it should.
    pub history_trouble: Option<String>,
    /// What is left out of `/metrics`.
    pub left_out: &'a [String],
}

/// The page.
pub fn page(s: &Source<'_>, process: &Process<'_>) -> Page<Panels> {
    let loops: Vec<LoopRow> = s.own.loops.iter().map(|l| loop_row(s, l)).collect();
    let collectors: Vec<CollectorRow> = states(s).map(|(state, of)| collector_row(s, state, of)).collect();
    let grants = grants::grants(s);
    let judgement = judge(s, process, &loops, &collectors, &grants);
    let figures = figures(s, &collectors);
    let panels = Panels {
        agent: known("pgmon", "", vec![agent(s, process)]),
        loops: known("Loops", "", loops),
        collectors: known("Collectors", "None runs here yet.", collectors),
        grants: known_of_role(s, "Grants", "Nothing is needed.", grants),
        warnings: known_of_role(
            s,
            "Rights of PUBLIC",
            "PUBLIC has no right that it should not have.",
            s.own.warnings.iter().map(public_right).collect(),
        ),
        left_out: known(
            "Left out of /metrics",
            "Nothing is left out.",
            process.left_out.iter().map(|text| LeftOutFamily { text: text.clone() }).collect(),
        ),
    };
    judgement.page(s, figures, panels)
}

/// pgmon knows its own state at any time.
fn known<R>(title: &'static str, empty: &'static str, rows: Vec<R>) -> Panel<R> {
    Panel {
        title,
        state: State::Ok,
        reason: None,
        needs: Vec::new(),
        age_seconds: Some(0.0),
        collectors: Vec::new(),
        stats_reset_age_seconds: None,
        note: None,
        empty: Some(empty).filter(|text| !text.is_empty()),
        rows: Some(rows),
    }
}

/// The same, of what can only be known once the role could read.
fn known_of_role<R>(s: &Source<'_>, title: &'static str, empty: &'static str, rows: Vec<R>) -> Panel<R> {
    let panel = known(title, empty, rows);
    let nothing = panel.rows.as_ref().is_none_or(Vec::is_empty);
    match unreachable_verdict(s).filter(|_| nothing) {
        None => panel,
        Some(verdict) => Panel {
            state: if verdict.level == Level::Unknown { State::Pending } else { State::Error },
            reason: Some(verdict.sentence),
            age_seconds: None,
            rows: None,
            ..panel
        },
    }
}

/// The collectors' states here, each with the snapshot that it is from.
fn states<'a>(s: &Source<'a>) -> impl Iterator<Item = (&'a CollectorState, &'a Snapshot)> + use<'a> {
    let own = s.own;
    let led =
        s.leader.into_iter().flat_map(|l| l.collectors.iter().filter(|c| c.server_wide).map(move |c| (c, l)));
    let mine = own.collectors.iter().chain(&own.retained).map(move |c| (c, own));
    mine.chain(led).chain(s.roamed.iter().map(move |c| (c, own)))
}

fn judge(
    s: &Source<'_>,
    process: &Process<'_>,
    loops: &[LoopRow],
    collectors: &[CollectorRow],
    grants: &[Grant],
) -> Judgement {
    let mut found = Judgement::new(format!(
        "Monitoring works: {} in {} loops, all on time.",
        words::counted(collectors.len(), "collector", "collectors"),
        loops.len()
    ));
    let page = PageName::Collectors;
    found.extend(refused(s));
    if let Some(failure) = &process.configuration_failure {
        let title = "The new configuration is not in force";
        found.push(problem("configuration", Level::Warn, page, title, failure.clone()));
    }
    if let Some(trouble) = &process.history_trouble {
        let title = "The history would not outlive a restart";
        found.push(problem("history", Level::Warn, page, title, trouble.clone()));
    }
    for l in loops {
        if l.late {
            let evidence =
                format!("its last round ended {} ago", words::seconds(l.age_seconds.unwrap_or(0.0)));
            let title = format!("The loop {} is late", l.name);
            found.push(problem(format!("late:{}", l.name), Level::Crit, page, title, evidence).about(l.name));
        }
        if let Some(degraded) = &l.degraded {
            let title = format!("The loop {} does not fit its budget", l.name);
            found.push(
                problem(format!("budget:{}", l.name), Level::Warn, page, title, degraded.clone())
                    .about(l.name),
            );
        }
    }
    for c in collectors.iter().filter(|c| c.outcome == "failed") {
        let what = if c.custom { "The query" } else { "The collector" };
        let name = query_name(&c.name).unwrap_or(&c.name);
        let place = c.datname.as_ref().map(|d| format!(" in database {d}")).unwrap_or_default();
        let title = format!("{what} {name} fails{place}");
        let id = match &c.datname {
            Some(datname) => format!("failing:{}:{datname}", c.name),
            None => format!("failing:{}", c.name),
        };
        let evidence = c.message.clone().unwrap_or_default();
        found.push(problem(id, Level::Warn, page, title, evidence).about(c.name.clone()));
    }
    for grant in grants.iter().filter(|g| g.met == Some(false)) {
        let title = format!("pgmon is blind without {}", grant.needs);
        let evidence = format!("not seen: {}", grant.effects.join("; "));
        let remedy = grant.remedy.clone().map(|sql| Remedy {
            sql,
            lock: "none that others wait for".to_owned(),
            risk: "The role sees more, and can change nothing. What an extension or a library needs besides is said beside it.".to_owned(),
        });
        found.push(
            problem(format!("blind:{}", grant.needs), Level::Warn, page, title, evidence)
                .about(grant.needs.clone())
                .remedy(remedy),
        );
    }
    if s.own.alive_mono.is_none() {
        found.unknown = Some("nothing was collected yet".into());
    }
    found
}

fn figures(s: &Source<'_>, collectors: &[CollectorRow]) -> Vec<Figure> {
    let count = |outcome: &str| collectors.iter().filter(|c| c.outcome == outcome).count() as f64;
    let failing = count("failed");
    vec![
        Figure::new("age", "Since the last answer", Unit::Seconds, s.own.alive_mono.map(|at| s.now.age(at))),
        Figure::new("collectors", "Collectors that work", Unit::Count, Some(count("ok")))
            .of(Some(collectors.len() as f64)),
        Figure::new("failing", "Collectors that fail", Unit::Count, Some(failing)).warns(1.0),
        Figure::new("blind", "Collectors that are blind", Unit::Count, Some(count("blind"))).warns(1.0),
    ]
}

fn agent(s: &Source<'_>, process: &Process<'_>) -> Agent {
    let own = s.own;
    Agent {
        version: process.version,
        configuration_read_at: process.configuration_read_at,
        configuration_failure: process.configuration_failure.clone(),
        redacts_sql_text: s.rules.redacts_sql_text,
        connects: own.connects,
        connect_errors: own.connect_errors,
        next_attempt_seconds: own.quarantined_until.map(|at| at.saturating_sub(s.now.mono).as_secs_f64()),
        leads: own.leads,
        tls: own.server.as_ref().map(|server| server.tls),
        samples_dropped: own.dropped,
        history_bytes: process.history.bytes,
        history_series: process.history.series,
        history_dropped: process.history.dropped,
        history_trouble: process.history_trouble.clone(),
    }
}

fn loop_row(s: &Source<'_>, l: &LoopState) -> LoopRow {
    let since = l.ended_mono.map_or(s.own.up_since_mono, |at| at.max(s.own.up_since_mono));
    let late = s.own.up.is_up() && s.now.mono.saturating_sub(since) > l.interval * 2 + l.budget;
    let level = match (late, l.degraded.is_some() || (l.rounds > 0 && !l.success), l.ended_mono) {
        (true, ..) => Level::Crit,
        (_, true, _) => Level::Warn,
        (_, _, None) => Level::Unknown,
        _ => Level::Ok,
    };
    let rounds = l.durations.count();
    LoopRow {
        name: l.name.name(),
        level,
        interval_seconds: l.interval.as_secs_f64(),
        budget_seconds: l.budget.as_secs_f64(),
        last_at: l.last.map(|(at, _)| at),
        last_duration_seconds: l.last.map(|(_, took)| took.as_secs_f64()),
        age_seconds: l.ended_mono.map(|at| s.now.age(at)),
        success_age_seconds: l.success_mono.map(|at| s.now.age(at)),
        success: l.success,
        late,
        rounds: l.rounds,
        errors: l.errors,
        missed: l.missed,
        mean_duration_seconds: l.durations.sum.filter(|_| rounds > 0).map(|sum| sum / rounds as f64),
        degraded: l.degraded.clone(),
    }
}

fn collector_row(s: &Source<'_>, state: &CollectorState, snapshot: &Snapshot) -> CollectorRow {
    let found = Found { state, snapshot };
    let standing = found.standing(s.now);
    let (message, sqlstate) = match &state.outcome {
        Outcome::Failed { message, sqlstate } => (Some(message.clone()), sqlstate.clone()),
        Outcome::Skipped { reason } => (Some(reason.clone()), None),
        _ => (standing.reason, None),
    };
    let level = match (&state.outcome, standing.state) {
        (Outcome::Failed { .. } | Outcome::Blind, _) => Level::Warn,
        (Outcome::Unsupported, _) | (_, State::Ok) => Level::Ok,
        (_, State::Degraded) => Level::Warn,
        _ => Level::Unknown,
    };
    let good = state.good.as_ref();
    let title = ALL.iter().find(|r| *r.spec.name == *state.collector).map(|r| r.spec.title);
    let name = state.collector.to_string();
    CollectorRow {
        title: title.map_or_else(|| query_name(&name).unwrap_or(&name).to_owned(), str::to_owned),
        name,
        in_loop: state.in_loop.name(),
        custom: state.custom.is_some(),
        server_wide: state.server_wide,
        datname: state.datname.clone(),
        level,
        outcome: state.outcome.name(),
        message,
        sqlstate,
        last_at: state.at,
        duration_ms: state.duration.as_secs_f64() * 1000.0,
        age_seconds: standing.age_seconds,
        statements: good.map_or(0, |good| good.executed.len()),
        rows: good.map_or(0, |good| good.executed.iter().map(|e| e.rows).sum()),
        errors: state.errors,
        stride: state.stride,
        blind: state.blind.iter().map(|b| b.needs.clone()).collect(),
    }
}

fn public_right(blind: &Blind) -> PublicRight {
    PublicRight { right: blind.needs.clone(), effect: blind.effect.clone(), remedy: blind.remedy.clone() }
}
