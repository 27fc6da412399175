//! The report for a terminal, a mail or a ticket.

mod table;

use super::Renderer;
use super::cells;
use super::columns;
use super::content::{Built, Database, Head, PanelView, path_of};
use super::terminal::Style;
use pgmon_views::{Executed, Level, Problem, Remedy, Verdict, words};
use serde_json::Value;
use std::fmt::Write as _;
use table::Table;

/// Rows of a panel at most.
const ROWS: usize = 10;

/// Writes text, database by database.
pub struct Text {
    out: String,
    style: Style,
}

impl Text {
    /// Begins the report.
    pub fn new(head: &Head, style: Style) -> Self {
        let mut text = Self { out: String::new(), style };
        let (version, at) = (crate::cli::VERSION, cells::moment(head.at));
        text.line(0, &format!("pgmon {version}, report of {at}"));
        if head.several {
            text.line(0, "");
            text.verdict(&head.answer.data.verdict);
            text.line(0, "");
            let rows: Vec<Value> =
                head.answer.data.targets.iter().filter_map(|t| serde_json::to_value(t).ok()).collect();
            let columns = ["level", "cluster", "db", "version", "role", "sentence"].map(str::to_owned);
            text.table(&columns, &rows, rows.len());
        }
        text
    }

    fn line(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// Prose over as many lines as it takes.
    fn prose(&mut self, indent: usize, text: &str) {
        for line in table::wrap(&cells::line(text), self.style.width.saturating_sub(indent)) {
            self.line(indent, &line);
        }
    }

    fn table(&mut self, columns: &[String], rows: &[Value], at_most: usize) {
        let shown = rows.get(..at_most).unwrap_or(rows);
        let table = Table::new(columns, shown, self.style.width.saturating_sub(4));
        for line in table.lines(self.style) {
            self.line(4, &line);
        }
        if let Some(more) = rows.len().checked_sub(shown.len()).filter(|more| *more > 0) {
            let more = format!("and {more} more rows (--format html or json)");
            let more = self.style.dim(&more);
            self.line(4, &more);
        }
    }

    fn badge(&self, level: Level) -> String {
        let word = cells::word(level).to_uppercase();
        self.style.level(level, &format!("{} {word}", cells::sign(level)))
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let badge = self.badge(verdict.level);
        self.line(0, &badge);
        self.prose(2, &verdict.sentence);
    }

    fn heading(&mut self, text: &str) {
        self.line(0, "");
        let text = self.style.bold(&cells::line(text));
        self.line(0, &text);
    }

    fn problem(&mut self, problem: &Problem, of: Option<&str>) {
        let badge = self.badge(problem.level);
        self.line(2, &format!("{badge}  {}", cells::line(&problem.title)));
        self.prose(6, &problem.evidence);
        let since = problem.since.map(|at| format!("since {}; ", cells::moment(at))).unwrap_or_default();
        let of = of.map(|of| format!(" of {}", cells::line(of))).unwrap_or_default();
        let where_to = format!("{since}more under {}{of}", path_of(problem.page));
        let where_to = self.style.dim(&where_to);
        self.line(6, &where_to);
        if let Some(remedy) = &problem.remedy {
            self.remedy(remedy);
        }
    }

    fn remedy(&mut self, remedy: &Remedy) {
        self.line(6, "What may be done (to copy; pgmon never runs it):");
        for line in cells::lines(&remedy.sql).lines() {
            self.line(8, line);
        }
        self.prose(6, &format!("Lock: {}", remedy.lock));
        self.prose(6, &format!("Risk: {}", remedy.risk));
    }

    fn page(&mut self, page: &Built, of: Option<&str>) {
        let title = of.map_or_else(|| page.title.to_owned(), |of| format!("{} of {of}", page.title));
        self.heading(&format!("== {title} =="));
        self.verdict(&page.verdict);
        if page.name != "overview" {
            self.figures(page);
        }
        for panel in page.panels().filter(|panel| columns::is_for_text(page.name, panel.name)) {
            self.panel(page, panel);
        }
        self.executed(&page.executed);
    }

    fn figures(&mut self, page: &Built) {
        let width = page.figures.iter().map(|f| f.label.chars().count()).max().unwrap_or(0);
        for figure in &page.figures {
            let mut line = format!("{:width$}  {}", figure.label, cells::figure(figure));
            if figure.level > Level::Unknown {
                let _ = write!(line, "  {}", self.badge(figure.level));
            }
            if let Some(seconds) = figure.stats_reset_age_seconds {
                let _ = write!(line, "  (counted for {})", words::seconds(seconds));
            }
            if let Some(note) = &figure.note {
                let _ = write!(line, "  ({})", cells::line(note));
            }
            self.line(2, &line);
        }
    }

    fn panel(&mut self, page: &Built, panel: PanelView<'_>) {
        let state = match panel.state() {
            "ok" => String::new(),
            state => format!(" [{state}: {}]", cells::line(panel.reason().unwrap_or("not known"))),
        };
        self.line(0, "");
        let title = format!("{}{state}", self.style.bold(panel.title()));
        self.line(2, &title);
        match panel.rows() {
            None => self.line(4, "not known"),
            Some([]) => self.line(4, panel.empty().unwrap_or("none")),
            Some(rows) => {
                // One row for each page.
                let at_most = if page.name == "overview" { rows.len() } else { ROWS };
                self.table(&columns::of(page.name, panel.name, rows), rows, at_most);
            }
        }
        if let Some(note) = panel.note() {
            self.prose(4, note);
        }
        if let Some(seconds) = panel.counted_for() {
            let counted = self.style.dim(&format!("counted for {}", words::seconds(seconds)));
            self.line(4, &counted);
        }
    }

    fn executed(&mut self, executed: &[Executed]) {
        if executed.is_empty() {
            return;
        }
        self.line(0, "");
        self.line(2, "SQL that ran (the texts: pgmon sql NAME, or --format html)");
        for ran in executed {
            let at = ran.started_at.strftime("%H:%M:%S UTC");
            let rows = words::counted(usize::try_from(ran.rows).unwrap_or(usize::MAX), "row", "rows");
            let line = format!("{}: {rows} in {:.1} ms, started {at}", ran.collector, ran.duration_ms);
            let line = self.style.dim(&line);
            self.line(4, &line);
        }
    }
}

impl Renderer for Text {
    fn database(&mut self, database: &Database) -> anyhow::Result<()> {
        let target = &database.target;
        let rule = "-".repeat(self.style.width.min(100));
        self.line(0, "");
        let rule = self.style.dim(&rule);
        self.line(0, &rule);
        let version = target.version.as_deref().map(|v| format!(", PostgreSQL {v}")).unwrap_or_default();
        let role = serde_json::to_value(target.role)?;
        let role = role.as_str().filter(|r| *r != "unknown").map(|r| format!(", {r}")).unwrap_or_default();
        let name = format!("{}/{}", cells::line(&target.cluster), cells::line(&target.db));
        let name = self.style.bold(&name);
        self.line(0, &format!("{name}{version}{role}"));
        self.verdict(&database.verdict);
        for missing in &database.missing {
            self.prose(2, &format!("Missing, as the time was up (--timeout): {missing}"));
        }
        if let Some(unread) = database.unread() {
            unread.iter().for_each(|text| self.prose(2, text));
            return Ok(());
        }
        let Some((overview, own)) = database.parts.first().and_then(|part| part.pages.split_first()) else {
            return Ok(());
        };
        self.heading("Problems, worst first");
        let problems = database.problems();
        if problems.is_empty() {
            self.line(2, if database.level == Level::Ok { "None." } else { "None is known." });
        }
        for (place, (problem, of)) in problems.into_iter().enumerate() {
            if place > 0 {
                self.line(0, "");
            }
            self.problem(problem, of);
        }
        if !database.needs.is_empty() {
            self.heading("Not seen, and what would make it visible");
            for need in &database.needs {
                self.prose(2, &need.needs);
                for (effect, collector) in &need.effects {
                    self.prose(6, &format!("- {effect} ({collector})"));
                }
                for line in need.remedy.as_deref().map(cells::lines).unwrap_or_default().lines() {
                    self.line(6, line);
                }
            }
        }
        self.heading("Figures");
        self.figures(overview);
        self.page(overview, None);
        own.iter().for_each(|page| self.page(page, None));
        for part in database.parts.iter().skip(1) {
            part.pages.iter().for_each(|page| self.page(page, part.datname.as_deref()));
        }
        self.queries(database);
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<String> {
        Ok(self.out)
    }
}

impl Text {
    /// What the queries of the configuration found.
    fn queries(&mut self, database: &Database) {
        if database.queries.is_empty() {
            return;
        }
        self.heading("== Queries of the configuration ==");
        for (name, answer) in &database.queries {
            let (rows, state) = super::content::query(answer);
            let name = self.style.bold(&cells::line(name));
            self.line(2, &format!("{name}{}", state.map(|s| format!(" [{s}]")).unwrap_or_default()));
            for (columns, rows) in rows {
                self.table(&columns, &rows, ROWS);
            }
        }
    }
}
