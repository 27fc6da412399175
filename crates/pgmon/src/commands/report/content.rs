//! What a report says, before it has a form.

use super::collect::Collected;
use jiff::Timestamp;
use pgmon_core::snapshot::{Snapshot, query_name};
use pgmon_views::agent::{self, Process};
use pgmon_views::fleet::{Fleet, target};
use pgmon_views::source::visited;
use pgmon_views::{
    Answer, Executed, Figure, Level, Need, Page, PageName, Problem, Rules, Source, TargetRef, UpState,
    Verdict, generic, pages,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands above all.
pub struct Head {
    /// When it was made.
    pub at: Timestamp,
    /// All databases.
    pub answer: Answer<Fleet>,
    /// Whether there are several.
    pub several: bool,
}

/// What is said of a database.
pub struct Database {
    /// Which.
    pub target: TargetRef,
    /// How bad it is, with what is missing and the databases that were visited.
    pub level: Level,
    /// What it comes to.
    pub verdict: Verdict,
    /// What is missing because the time was up.
    pub missing: Vec<String>,
    /// What cannot be seen.
    pub needs: Vec<Unseen>,
    /// The entry's own, then those that were visited.
    pub parts: Vec<Part>,
    /// What the queries of the configuration found, by name.
    pub queries: Map<String, Value>,
}

impl Database {
    /// What to say of a database that nothing could be read from, and all that there is to say.
    pub fn unread(&self) -> Option<Vec<String>> {
        if self.target.up == UpState::Up {
            return None;
        }
        // Of one that is down the verdict says why already.
        let reason =
            self.target.reason.iter().filter(|reason| !self.verdict.sentence.contains(*reason)).cloned();
        let hint = "`pgmon doctor` with the same options says what is wrong and what mends it.".to_owned();
        Some(reason.chain([hint]).collect())
    }

    /// What is wrong, worst first, with the database where that is another one than the entry's.
    pub fn problems(&self) -> Vec<(&Problem, Option<&str>)> {
        let parts = self.parts.iter().enumerate().flat_map(|(place, part)| {
            // The overview has those of all the entry's own pages.
            let pages =
                if place == 0 { part.pages.get(..1).unwrap_or_default() } else { part.pages.as_slice() };
            pages.iter().flat_map(move |page| page.problems.iter().map(move |p| (p, part.datname.as_deref())))
        });
        let mut all: Vec<_> = parts.collect();
        all.sort_by_key(|(problem, _)| std::cmp::Reverse(problem.level));
        all
    }
}

/// What one right or extension would make visible.
pub struct Unseen {
    /// The right or extension.
    pub needs: String,
    /// SQL that brings it, if SQL can.
    pub remedy: Option<String>,
    /// What is not seen without it, each with the collector that misses it.
    pub effects: Vec<(String, String)>,
}

impl Unseen {
    /// Several collectors may miss the same.
    pub fn together(needs: impl IntoIterator<Item = Need>) -> Vec<Self> {
        let needs: BTreeSet<Need> = needs.into_iter().collect();
        let mut all: Vec<Self> = Vec::new();
        for need in needs {
            let effect = (need.effect, need.collector);
            match all.iter_mut().find(|one| one.needs == need.needs && one.remedy == need.remedy) {
                Some(one) => one.effects.push(effect),
                None => all.push(Self { needs: need.needs, remedy: need.remedy, effects: vec![effect] }),
            }
        }
        all
    }
}

/// The pages of one database of the server.
pub struct Part {
    /// Which, if it is another one than the entry's.
    pub datname: Option<Arc<str>>,
    /// Its pages.
    pub pages: Vec<Built>,
}

/// A page.
pub struct Built {
    /// As in the API's path.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it comes to.
    pub verdict: Verdict,
    /// What is wrong, worst first.
    pub problems: Vec<Problem>,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// What ran for it.
    pub executed: Vec<Executed>,
    /// The API's answer.
    pub answer: Value,
}

/// A panel of an answer.
#[derive(Clone, Copy)]
pub struct PanelView<'a> {
    /// Its name.
    pub name: &'a str,
    value: &'a Value,
}

impl Built {
    fn new<P: Serialize>(
        name: &'static str,
        title: &'static str,
        answer: &Answer<Page<P>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            title,
            verdict: answer.data.verdict.clone(),
            problems: answer.data.problems.clone(),
            figures: answer.data.figures.clone(),
            executed: answer.executed.clone(),
            answer: serde_json::to_value(answer)?,
        })
    }

    /// Its panels.
    pub fn panels(&self) -> impl Iterator<Item = PanelView<'_>> {
        let panels = self.answer.pointer("/data/panels").and_then(Value::as_object);
        panels.into_iter().flatten().map(|(name, value)| PanelView { name, value })
    }
}

impl<'a> PanelView<'a> {
    fn text(self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }

    /// Its head.
    pub fn title(self) -> &'a str {
        self.text("title").unwrap_or(self.name)
    }

    /// How far it can be relied on.
    pub fn state(self) -> &'a str {
        self.text("state").unwrap_or("ok")
    }

    /// Why that is not `ok`.
    pub fn reason(self) -> Option<&'a str> {
        self.text("reason")
    }

    /// What its rows leave out.
    pub fn note(self) -> Option<&'a str> {
        self.text("note")
    }

    /// What to say without rows.
    pub fn empty(self) -> Option<&'a str> {
        self.text("empty")
    }

    /// For how long its figures have been counted, seconds.
    pub fn counted_for(self) -> Option<f64> {
        self.value.get("stats_reset_age_seconds")?.as_f64()
    }

    /// Its rows, if they are known.
    pub fn rows(self) -> Option<&'a [Value]> {
        self.value.get("rows")?.as_array().map(Vec::as_slice)
    }
}

/// All databases, the worst first.
pub fn fleet(collected: &[Collected], rules: &Rules) -> Fleet {
    let mut targets = Vec::with_capacity(collected.len());
    for one in collected {
        let mut row = target(&source(one, rules, None));
        if !one.missing.is_empty() && row.level < Level::Unknown {
            row.level = Level::Unknown;
            row.sentence = incomplete(&one.missing, &row.sentence);
        }
        targets.push(row);
    }
    Fleet::new(targets, crate::cli::VERSION, None)
}

fn incomplete(missing: &[String], sentence: &str) -> String {
    format!("The report is not complete, {} of it are missing. {sentence}", missing.len())
}

/// A page's name as in the API's path.
pub fn path_of(page: PageName) -> String {
    serde_json::to_value(page).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// All pages about one of them.
pub fn database(one: &Collected, all: &[Collected], rules: &Rules) -> anyhow::Result<Database> {
    let peers: Vec<&Snapshot> = all.iter().map(|c| &*c.own).collect();
    let s = source(one, rules, None);
    let mut parts = vec![Part { datname: None, pages: own_pages(one, &s, &peers)? }];
    for datname in visited(&one.roamed) {
        let s = source(one, rules, Some(&datname));
        parts.push(Part { pages: visited_pages(&s)?, datname: Some(datname) });
    }
    let all_pages = || parts.iter().flat_map(|part| &part.pages);
    // The first page is the overview.
    let mut verdict = all_pages().next().map_or_else(
        || Verdict { level: Level::Unknown, sentence: String::new() },
        |overview| overview.verdict.clone(),
    );
    if !one.missing.is_empty() && verdict.level < Level::Unknown {
        verdict = Verdict { level: Level::Unknown, sentence: incomplete(&one.missing, &verdict.sentence) };
    }
    let seen = parts.iter().skip(1).flat_map(|part| &part.pages).map(|page| page.verdict.level).max();
    let states = one.own.collectors.iter().chain(one.roamed.iter());
    let led = one.leader.iter().flat_map(|l| l.collectors.iter().filter(|c| c.server_wide));
    let needs = states.chain(led).flat_map(|state| &state.blind).map(pgmon_views::source::need);
    let names = one.own.collectors.iter().filter(|state| query_name(&state.collector).is_some());
    let mut queries = Map::new();
    for state in names {
        if let Some(answer) = generic::answer(&s, &state.collector) {
            queries.insert(state.collector.to_string(), serde_json::to_value(answer)?);
        }
    }
    Ok(Database {
        target: s.target(),
        level: verdict.level.max(seen.unwrap_or(Level::Ok)),
        verdict,
        missing: one.missing.clone(),
        needs: Unseen::together(needs),
        parts,
        queries,
    })
}

fn source<'a>(one: &'a Collected, rules: &'a Rules, datname: Option<&'a str>) -> Source<'a> {
    Source { own: &one.own, leader: one.leader.as_deref(), roamed: &one.roamed, datname, now: one.now, rules }
}

macro_rules! pages {
    ($s:expr, $($name:literal, $title:literal => $module:ident),* $(,)?) => {
        vec![$(Built::new($name, $title, &Answer::of($s, pages::$module::ON, pages::$module::page($s)))?),*]
    };
}

/// The pages of an entry, in the order in which a DBA reads them.
fn own_pages(one: &Collected, s: &Source<'_>, peers: &[&Snapshot]) -> anyhow::Result<Vec<Built>> {
    let mut built = pages!(s,
        "overview", "Overview" => overview,
        "activity", "Activity" => activity,
        "locks", "Locks" => locks,
        "top-queries", "Top queries" => statements,
        "autovacuum", "Autovacuum" => autovacuum,
        "wraparound", "Wraparound" => wraparound,
    );
    let replication = Answer::of(s, pages::replication::ON, pages::replication::page(s, peers));
    built.push(Built::new("replication", "Replication", &replication)?);
    built.extend(pages!(s,
        "wal", "WAL and checkpoints" => wal,
        "storage", "Storage" => storage,
        "indexes", "Indexes" => indexes,
        "bloat", "Bloat" => bloat,
        "partitions", "Partitions" => partitions,
        "io", "I/O" => io,
        "settings", "Settings" => settings,
    ));
    let left_out: Vec<String> = one.cell.cardinality().left_out().iter().map(|o| o.text()).collect();
    let process = Process {
        version: crate::cli::VERSION,
        configuration_read_at: None,
        configuration_failure: None,
        history: pgmon_core::history::Stats::default(),
        history_trouble: None,
        left_out: &left_out,
    };
    let page = agent::page(s, &process);
    built.push(Built::new("collectors", "This run of pgmon", &Answer::of(s, &[], page))?);
    Ok(built)
}

/// The pages of another database of the server: those whose figures are a database's own.
fn visited_pages(s: &Source<'_>) -> anyhow::Result<Vec<Built>> {
    Ok(pages!(s,
        "autovacuum", "Autovacuum" => autovacuum,
        "storage", "Storage" => storage,
        "indexes", "Indexes" => indexes,
        "bloat", "Bloat" => bloat,
        "partitions", "Partitions" => partitions,
    ))
}

/// Columns and rows of a table.
pub type Rows = (Vec<String>, Vec<Value>);

/// What a query of the configuration found, and why it is not `ok` if it is not.
pub fn query(answer: &Value) -> (Vec<Rows>, Option<String>) {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let state = text(answer, "state").filter(|state| state != "ok");
    let reason = text(answer, "reason").map(|reason| format!(": {reason}")).unwrap_or_default();
    let tables = answer.pointer("/data/tables").and_then(Value::as_array);
    let table = |table: &Value| {
        let columns = table.get("columns").and_then(Value::as_array);
        let columns: Vec<String> = columns.into_iter().flatten().filter_map(|c| text(c, "name")).collect();
        let row = |row: &Value| {
            let cells = row.as_array().into_iter().flatten().cloned();
            Value::Object(columns.iter().cloned().zip(cells).collect())
        };
        let rows = table.get("rows").and_then(Value::as_array).into_iter().flatten().map(row).collect();
        (columns, rows)
    };
    (tables.into_iter().flatten().map(table).collect(), state.map(|state| state + &reason))
}
