//! From problems to a verdict.

use crate::page::{Figure, Level, MetricRef, Page, PageName, Problem, Remedy, Thresholds, Unit, Verdict};
use crate::source::Source;
use jiff::Timestamp;
use pgmon_core::snapshot::Up;
use std::collections::BTreeMap;

/// What a page found.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Why something cannot be told.
    pub unknown: Option<String>,
    /// What to say if nothing is wrong.
    pub good: String,
}

impl Judgement {
    /// Nothing is wrong yet; `good` says so if it stays like this.
    pub fn new(good: impl Into<String>) -> Self {
        Self { problems: Vec::new(), unknown: None, good: good.into() }
    }

    /// Notes that nothing can be told if one of these collectors has no current figures.
    pub fn rests_on(mut self, source: &Source<'_>, collectors: &[&str]) -> Self {
        for collector in collectors {
            if let Some(reason) = source.unknown(collector) {
                self.unknown.get_or_insert(reason);
            }
        }
        self
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds one if there is one.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    /// How bad it is.
    pub fn level(&self) -> Level {
        let unknown = if self.unknown.is_some() { Level::Unknown } else { Level::Ok };
        self.problems.iter().map(|p| p.level).max().unwrap_or(Level::Ok).max(unknown)
    }

    /// The problems, worst first.
    pub fn sort(&mut self) {
        self.problems.sort_by_key(|p| std::cmp::Reverse(p.level));
    }

    /// The verdict.
    pub fn verdict(&self, source: &Source<'_>) -> Verdict {
        if let Some(verdict) = unreachable_verdict(source) {
            return verdict;
        }
        let level = self.level();
        let worst = self.problems.iter().find(|p| p.level == level && level > Level::Unknown);
        let hidden = || self.problems.iter().find(|p| p.level == Level::Unknown).map(|p| p.evidence.clone());
        // The good news is for when it is good.
        let unknown = self.unknown.clone().or_else(hidden);
        let sentence = match (worst, &unknown) {
            (Some(worst), _) => match self.problems.len() - 1 {
                0 => format!("{}: {}", worst.title, worst.evidence),
                more => format!("{}: {} And {more} more.", worst.title, sentence(&worst.evidence)),
            },
            (None, Some(reason)) => format!("It cannot be told: {reason}."),
            (None, None) => self.good.clone(),
        };
        Verdict { level, sentence }
    }

    /// The page.
    pub fn page<P>(mut self, source: &Source<'_>, figures: Vec<Figure>, panels: P) -> Page<P> {
        self.sort();
        let verdict = self.verdict(source);
        Page { target: source.target(), verdict, problems: self.problems, figures, panels }
    }
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// What is to be said of a database that does not answer, whatever was known before.
pub fn unreachable_verdict(source: &Source<'_>) -> Option<Verdict> {
    let (level, sentence) = match &source.own.up {
        Up::Up => return None,
        Up::Pending => (Level::Unknown, "pgmon has not connected yet.".to_owned()),
        Up::Down { reason } => (Level::Crit, format!("The database is down: {reason}")),
        Up::Refused { rights, .. } => (Level::Crit, format!("{REFUSED}: {}.", refused_for(rights))),
    };
    Some(Verdict { level, sentence })
}

const REFUSED: &str = "The role can write, so that nothing is read with it";

/// What a role can write, as far as a sentence has room for it.
fn refused_for(rights: &[String]) -> String {
    let first: Vec<&str> = rights.iter().take(RIGHTS).map(String::as_str).collect();
    match rights.len().saturating_sub(RIGHTS) {
        0 => first.join("; "),
        more => format!("{}; and {more} more", first.join("; ")),
    }
}

/// Rights that a sentence has room for.
const RIGHTS: usize = 3;

/// That the role can write, and what makes one that cannot.
pub fn refused(source: &Source<'_>) -> Option<Problem> {
    let Up::Refused { rights, remedy } = &source.own.up else { return None };
    let evidence = format!("it {}", refused_for(rights));
    let remedy = Remedy {
        sql: remedy.clone(),
        lock: "none that others wait for".to_owned(),
        risk: "Rights that are taken away may be used by others who log in with the role; a new role harms nobody. Name it in the DSN of the entry then.".to_owned(),
    };
    let since = Some(source.now.wall_of(source.own.up_since_mono));
    Some(
        problem("refused", Level::Crit, PageName::Collectors, REFUSED, evidence)
            .since(since)
            .remedy(Some(remedy)),
    )
}

/// The level of a value by two thresholds, from which on it is bad.
pub fn level(value: f64, warn: f64, crit: f64) -> Level {
    if value >= crit {
        Level::Crit
    } else if value >= warn {
        Level::Warn
    } else {
        Level::Ok
    }
}

/// A problem without a remedy.
pub fn problem(
    id: impl Into<String>,
    level: Level,
    page: PageName,
    title: impl Into<String>,
    evidence: impl Into<String>,
) -> Problem {
    Problem {
        id: id.into(),
        level,
        title: title.into(),
        since: None,
        evidence: evidence.into(),
        object: None,
        page,
        remedy: None,
    }
}

impl Problem {
    /// The same, about this.
    pub fn about(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    /// The same, since then.
    pub fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    /// The same, with what may be done.
    pub fn remedy(self, remedy: Option<Remedy>) -> Self {
        Self { remedy, ..self }
    }
}

impl Figure {
    /// A figure whose level is not judged.
    pub fn new(id: &'static str, label: &'static str, unit: Unit, value: Option<f64>) -> Self {
        Self {
            id,
            label,
            value,
            of: None,
            unit,
            level: if value.is_some() { Level::Ok } else { Level::Unknown },
            thresholds: None,
            history: None,
            note: None,
            stats_reset_age_seconds: None,
        }
    }

    /// Bad from these on.
    pub fn judged(self, warn: f64, crit: f64) -> Self {
        let level = self.value.map_or(Level::Unknown, |value| level(value, warn, crit));
        let thresholds = Some(Thresholds { warn: Some(warn), crit: Some(crit), below: false });
        Self { level, thresholds, ..self }
    }

    /// Worth a warning from this on.
    pub fn warns(self, warn: f64) -> Self {
        let level = self.value.map_or(Level::Unknown, |value| level(value, warn, f64::INFINITY));
        Self { level, thresholds: Some(Thresholds { warn: Some(warn), crit: None, below: false }), ..self }
    }

    /// Bad as this says.
    pub fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Of so many.
    pub fn of(self, of: Option<f64>) -> Self {
        Self { of, ..self }
    }

    /// With its past in a gauge.
    pub fn gauge(self, metric: &'static str, labels: &[(&'static str, &str)]) -> Self {
        self.history(metric, labels, false)
    }

    /// With its past in a counter.
    pub fn counter(self, metric: &'static str, labels: &[(&'static str, &str)]) -> Self {
        self.history(metric, labels, true)
    }

    fn history(self, metric: &'static str, labels: &[(&'static str, &str)], counter: bool) -> Self {
        let labels: BTreeMap<_, _> = labels.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        Self { history: Some(MetricRef { metric, labels, counter }), ..self }
    }

    /// With a remark.
    pub fn note(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }

    /// Cumulative since then.
    pub fn since_reset(self, seconds: Option<f64>) -> Self {
        Self { stats_reset_age_seconds: seconds, ..self }
    }
}
