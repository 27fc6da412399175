//! The report as one page that needs nothing beside it.
//!
//! maud makes the markup while pgmon is compiled: whatever is put in is escaped unless it is marked, and
//! there is neither a template to parse nor an engine to keep in memory.

use super::Renderer;
use super::cells;
use super::columns;
use super::content::{self, Built, Database, Head, PanelView, Unseen, path_of};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pgmon_views::fleet::Fleet;
use pgmon_views::{Executed, Figure, Level, Remedy, Verdict, words};
use serde_json::Value;

/// Rows of a panel at most.
const ROWS: usize = 200;

const STYLE: &str = include_str!("style.css");

/// No script runs and nothing is loaded, whatever got into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Writes HTML, database by database.
pub struct Html {
    out: String,
    anchors: Vec<(String, String)>,
    databases: usize,
}

/// Where a database's part begins.
fn anchor(place: usize) -> String {
    format!("db{}", place + 1)
}

impl Html {
    /// Begins the page.
    pub fn new(head: &Head) -> Self {
        let fleet = &head.answer.data;
        let names = fleet.targets.iter().map(|t| (t.cluster.to_string(), t.db.to_string()));
        let title = match fleet.targets.first().filter(|_| !head.several) {
            Some(one) => format!("{}/{}: pgmon report", cells::line(&one.cluster), cells::line(&one.db)),
            None => "pgmon report".to_owned(),
        };
        let begin = html! {
            (DOCTYPE)
            (PreEscaped("<html lang=\"en\">"))
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            (PreEscaped("<body>"))
            a.skip href="#main" { "To the content" }
            header {
                h1 { "pgmon report" }
                p { "Made " (cells::moment(head.at)) " by pgmon " (crate::cli::VERSION)
                    ". It shows one moment, and was read without writing anything." }
            }
            (PreEscaped("<main id=\"main\">"))
            @if head.several { (summary(fleet)) }
        };
        Self { out: begin.into_string(), anchors: names.collect(), databases: 0 }
    }
}

impl Renderer for Html {
    fn database(&mut self, database: &Database) -> anyhow::Result<()> {
        let at = &database.target;
        let is_it = |(cluster, db): &(String, String)| **cluster == *at.cluster && **db == *at.db;
        let place = self.anchors.iter().position(is_it).unwrap_or(self.databases);
        let role = serde_json::to_value(at.role)?;
        let one = html! {
            section.database id=(anchor(place)) {
                h2 { (cells::line(&at.cluster)) "/" (cells::line(&at.db)) }
                p.meta {
                    @if let Some(version) = &at.version { "PostgreSQL " (version) ", " (role.as_str().unwrap_or_default()) }
                    @if let Some(name) = &at.datname { ", database " (cells::line(name)) }
                    @if let Some(started) = at.started_at { ", running since " (cells::moment(started)) }
                }
                (verdict(&database.verdict, true))
                @if !database.missing.is_empty() {
                    h3 { "Missing, as the time was up" }
                    ul { @for missing in &database.missing { li { (cells::line(missing)) } } }
                }
                @match database.unread() {
                    Some(unread) => { @for text in &unread { p { (cells::line(text)) } } }
                    None => (whole(database, place)),
                }
            }
        };
        self.out.push_str(&one.into_string());
        self.databases += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<String> {
        let end = "</main><footer><p>SQL under \u{201c}What may be done\u{201d} is to copy: pgmon never runs it. \
                   Tables show the columns that matter most and 200 rows at most; \
                   <code>pgmon report --format json</code> has everything.</p></footer></body></html>\n";
        Ok(self.out + end)
    }
}

/// Problems, figures and pages.
fn whole(database: &Database, place: usize) -> Markup {
    html! {
        (problems(database))
        (needs(&database.needs))
        @if let Some(overview) = database.parts.first().and_then(|part| part.pages.first()) {
            h3 { "Figures" }
            (figures(&overview.figures))
        }
        (contents(database, place))
        @for (part, of) in database.parts.iter().enumerate() {
            @for built in &of.pages {
                (page(built, &id(place, part, built), of.datname.as_deref()))
            }
        }
        (queries(database))
    }
}

fn id(place: usize, part: usize, page: &Built) -> String {
    format!("{}-{part}-{}", anchor(place), page.name)
}

fn badge(level: Level) -> Markup {
    html! { span class={ "badge " (class(level)) } { span.sign aria-hidden="true" { (cells::sign(level)) } " " (cells::word(level)) } }
}

fn class(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Unknown => "unknown",
        Level::Warn => "warn",
        Level::Crit => "crit",
    }
}

fn verdict(verdict: &Verdict, large: bool) -> Markup {
    html! {
        p class={ "verdict " (class(verdict.level)) @if large { " large" } } {
            (badge(verdict.level)) " " (cells::line(&verdict.sentence))
        }
    }
}

fn summary(fleet: &Fleet) -> Markup {
    html! {
        section {
            h2 { "All databases" }
            (verdict(&fleet.verdict, true))
            div.scroll role="region" aria-label="All databases" tabindex="0" {
                table {
                    thead { tr {
                        @for head in ["level", "database", "version", "role", "what is wrong first"] { th scope="col" { (head) } }
                        th.n scope="col" { "connections" }
                        th.n scope="col" { "transactions per s" }
                    } }
                    tbody { @for (place, t) in fleet.targets.iter().enumerate() { tr {
                        td { (badge(t.level)) }
                        th scope="row" { a href={ "#" (anchor(place)) } { (cells::line(&t.cluster)) "/" (cells::line(&t.db)) } }
                        td { (t.version.as_deref().unwrap_or(cells::NONE)) }
                        td { (serde_json::to_value(t.role).ok().as_ref().and_then(Value::as_str).unwrap_or(cells::NONE)) }
                        td.prose { (cells::line(&t.sentence)) }
                        td.n { (t.connections.map_or_else(|| cells::NONE.to_owned(), words::count)) }
                        td.n { (t.transactions_per_second.map_or_else(|| cells::NONE.to_owned(), words::count)) }
                    } } }
                }
            }
        }
    }
}

fn problems(database: &Database) -> Markup {
    let all = database.problems();
    html! {
        h3 { "Problems, worst first" }
        @if all.is_empty() {
            p { @if database.level == Level::Ok { "None." } @else { "None is known." } }
        } @else {
            ol.problems { @for (problem, of) in all { li class=(class(problem.level)) {
                h4 { (badge(problem.level)) " " (cells::line(&problem.title)) }
                p { (cells::line(&problem.evidence)) }
                p.meta {
                    @if let Some(since) = problem.since { "Since " (cells::moment(since)) ". " }
                    @if let Some(of) = of { "In the database " (cells::line(of)) ". " }
                    "More under " (path_of(problem.page)) "."
                }
                @if let Some(of_problem) = &problem.remedy { (remedy(of_problem)) }
            } } }
        }
    }
}

fn remedy(remedy: &Remedy) -> Markup {
    html! {
        details {
            summary { "What may be done" }
            pre tabindex="0" { code { (cells::lines(&remedy.sql)) } }
            dl.plain {
                dt { "Lock" } dd { (cells::line(&remedy.lock)) }
                dt { "Risk" } dd { (cells::line(&remedy.risk)) }
            }
        }
    }
}

fn needs(needs: &[Unseen]) -> Markup {
    html! {
        @if !needs.is_empty() {
            h3 { "Not seen, and what would make it visible" }
            ul.needs { @for need in needs { li {
                strong { (cells::line(&need.needs)) }
                ul { @for (effect, collector) in &need.effects { li { (cells::line(effect)) " (" (collector) ")" } } }
                @if let Some(sql) = &need.remedy { pre tabindex="0" { code { (cells::lines(sql)) } } }
            } } }
        }
    }
}

fn figures(figures: &[Figure]) -> Markup {
    html! {
        dl.figures { @for figure in figures { div class=(class(figure.level)) {
            dt { (figure.label) }
            dd {
                span.value { (cells::figure(figure)) }
                @if figure.level > Level::Unknown { " " (badge(figure.level)) }
                @if let Some(note) = &figure.note { span.meta { (cells::line(note)) } }
                @if let Some(seconds) = figure.stats_reset_age_seconds { span.meta { "counted for " (words::seconds(seconds)) } }
            }
        } } }
    }
}

fn contents(database: &Database, place: usize) -> Markup {
    html! {
        nav aria-label={ "Pages of " (database.target.cluster) "/" (database.target.db) } {
            @for (part, of) in database.parts.iter().enumerate() {
                ul { @if let Some(name) = &of.datname { li { (cells::line(name)) ":" } }
                    @for built in &of.pages { li {
                        a href={ "#" (id(place, part, built)) } { (built.title) } " " (badge(built.verdict.level))
                    } }
                }
            }
        }
    }
}

fn page(page: &Built, id: &str, of: Option<&str>) -> Markup {
    html! {
        section.page id=(id) {
            h3 { (page.title) @if let Some(of) = of { " of " (cells::line(of)) } }
            (verdict(&page.verdict, false))
            @if page.name != "overview" { (figures(&page.figures)) }
            @for of_page in page.panels() { (panel(page, of_page)) }
            (executed(&page.executed))
        }
    }
}

fn panel(page: &Built, panel: PanelView<'_>) -> Markup {
    html! {
        h4 { (panel.title()) @if panel.state() != "ok" { " " span.state { (panel.state()) } } }
        @if let Some(reason) = panel.reason() { p.meta { (cells::line(reason)) } }
        @match panel.rows() {
            None => p { "Not known." },
            Some([]) => p { (panel.empty().unwrap_or("None.")) },
            Some(rows) => (table(panel.title(), &columns::of(page.name, panel.name, rows), rows)),
        }
        @if let Some(note) = panel.note() { p.meta { (cells::line(note)) } }
        @if let Some(seconds) = panel.counted_for() { p.meta { "Counted for " (words::seconds(seconds)) "." } }
    }
}

fn table(title: &str, columns: &[String], rows: &[Value]) -> Markup {
    let shown = rows.get(..ROWS).unwrap_or(rows);
    let is_right = |column: &String| {
        let mut values = rows.iter().filter_map(|row| row.get(column)).filter(|v| !v.is_null()).peekable();
        values.peek().is_some() && values.all(cells::is_number)
    };
    let right: Vec<bool> = columns.iter().map(is_right).collect();
    html! {
        div.scroll role="region" aria-label=(cells::line(title)) tabindex="0" {
            table {
                thead { tr { @for (column, right) in columns.iter().zip(&right) {
                    th.n[*right] scope="col" { (cells::head(column)) }
                } } }
                tbody { @for row in shown { tr { @for (place, (column, right)) in columns.iter().zip(&right).enumerate() {
                    (cell(row, column, *right, place == 0))
                } } } }
            }
        }
        @if rows.len() > shown.len() { p.meta { "And " (rows.len() - shown.len()) " more rows." } }
    }
}

fn cell(row: &Value, column: &str, right: bool, first: bool) -> Markup {
    let value = row.get(column).unwrap_or(&Value::Null);
    let level = value.as_str().and_then(cells::level).filter(|_| column == "level");
    let depth = row.get("depth").and_then(Value::as_u64).filter(|_| first);
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    html! {
        @if let Some(level) = level {
            td { (badge(level)) }
        } @else if value.is_object() && column == "remedy" {
            td { (remedy(&Remedy { sql: text("sql"), lock: text("lock"), risk: text("risk") })) }
        } @else if let Some(depth) = depth {
            td class={ "depth" (depth.min(6)) } { (cells::cell(column, value)) }
        } @else {
            td.n[right].prose[cells::is_prose(column)] { (cells::cell(column, value)) }
        }
    }
}

fn queries(database: &Database) -> Markup {
    html! {
        @if !database.queries.is_empty() {
            section.page {
                h3 { "Queries of the configuration" }
                @for (name, answer) in &database.queries {
                    @let (tables, state) = content::query(answer);
                    h4 { (cells::line(name)) }
                    @if let Some(state) = state { p.meta { (cells::line(&state)) } }
                    @for (columns, rows) in tables {
                        @if rows.is_empty() { p { "No row." } } @else { (table(name, &columns, &rows)) }
                    }
                }
            }
        }
    }
}

fn executed(executed: &[Executed]) -> Markup {
    html! {
        details.sql {
            summary { "SQL that ran: " (words::counted(executed.len(), "statement", "statements")) }
            @if executed.is_empty() { p { "Nothing ran for this." } }
            @for ran in executed {
                p.meta {
                    strong { (ran.collector) }
                    @if let Some(name) = &ran.datname { " in " (cells::line(name)) }
                    ": " (ran.rows) " rows in " (format!("{:.1}", ran.duration_ms)) " ms, started "
                    (cells::moment(ran.started_at)) ", text for PostgreSQL " (ran.pg_major)
                }
                pre tabindex="0" { code { (cells::lines(&ran.sql)) } }
            }
        }
    }
}
