//! How much space would a rewrite give back?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::Source;
use crate::thresholds::bloat::{CRIT, LARGE, WARN, WORTH_A_REWRITE};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::bloat;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `bloat`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Bloat")]
pub struct Panels {
    /// The largest tables.
    pub tables: Panel<BloatedRelation>,
    /// The largest indexes.
    pub indexes: Panel<BloatedRelation>,
}

/// A table or an index.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BloatedRelation {
    /// How bad it is.
    pub level: Level,
    /// Whether it is estimated from statistics, not measured.
    pub estimate: bool,
    /// What may be done.
    pub remedy: Option<Remedy>,
    /// All that was read.
    #[serde(flatten)]
    pub row: bloat::Row,
}

/// The collectors behind it.
pub const ON: &[&str] = &["bloat"];

/// What is wrong with bloat.
pub fn judge(s: &Source<'_>) -> Judgement {
    let rows = s.list::<bloat::Row>("bloat");
    let all: f64 = rows.iter().filter_map(|r| r.bloat_bytes).sum();
    let good = if rows.is_empty() {
        "No table or index is large enough to be looked at.".to_owned()
    } else {
        format!(
            "The largest tables and indexes would give back {} if they were rewritten.",
            words::bytes(all)
        )
    };
    let mut found = Judgement::new(good).rests_on(s, &["bloat"]);
    if !rows.is_empty() && rows.iter().all(|r| r.bloat_ratio.is_none()) {
        found.unknown.get_or_insert_with(|| "nothing could be measured or estimated".into());
    }
    found.extend(rows.iter().filter_map(|row| {
        let level = look(row);
        if level <= Level::Ok {
            return None;
        }
        let name = remedy::shown(&row.schema_name, &row.name);
        let by = if row.method == Some("statistics") { " (an estimate)" } else { "" };
        let evidence = format!(
            "{name}: {} of {} would be given back by a rewrite{by}",
            words::bytes(row.bloat_bytes?),
            words::bytes(row.size_bytes)
        );
        let title = if row.kind == "index" { "An index is bloated" } else { "A table is bloated" };
        let problem = problem(format!("bloat:{name}"), level, PageName::Bloat, title, evidence);
        Some(problem.about(name).remedy(mend(s, row)))
    }));
    found
}

fn look(row: &bloat::Row) -> Level {
    let (Some(ratio), Some(bytes)) = (row.bloat_ratio, row.bloat_bytes) else { return Level::Unknown };
    if bytes < LARGE {
        return Level::Ok;
    }
    match level(ratio, WARN, CRIT) {
        // An estimate is nothing to get up for at night.
        Level::Crit if row.method == Some("statistics") => Level::Warn,
        level => level,
    }
}

fn mend(s: &Source<'_>, row: &bloat::Row) -> Option<Remedy> {
    let mend = if row.kind == "index" {
        remedy::reindex(&row.schema_name, &row.name)
    } else {
        remedy::rewrite(&row.schema_name, &row.name)
    };
    Some(remedy::on_primary(s, mend))
}

fn relation(s: &Source<'_>, row: &bloat::Row) -> BloatedRelation {
    let level = look(row);
    BloatedRelation {
        level,
        estimate: row.method == Some("statistics"),
        remedy: row.bloat_ratio.filter(|ratio| *ratio >= WORTH_A_REWRITE).and_then(|_| mend(s, row)),
        row: row.clone(),
    }
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let of = |kind: &'static str| {
        let rows: Option<&Vec<bloat::Row>> = s.rows("bloat");
        move || {
            let mut all: Vec<BloatedRelation> =
                rows?.iter().filter(|r| r.kind == kind).map(|row| relation(s, row)).collect();
            all.sort_by(|a, b| {
                b.row.bloat_bytes.unwrap_or(-1.0).total_cmp(&a.row.bloat_bytes.unwrap_or(-1.0))
            });
            Some(all)
        }
    };
    let panels = Panels {
        tables: s.panel("Tables", &["bloat"], "No table is large enough to be looked at.", of("table")),
        indexes: s.panel("Indexes", &["bloat"], "No index is large enough to be looked at.", of("index")),
    };
    let sum = |kind: &str| {
        let rows: &Vec<bloat::Row> = s.current("bloat")?;
        rows.iter().filter(|r| r.kind == kind).filter_map(|r| r.bloat_bytes).reduce(|a, b| a + b)
    };
    let figures = vec![
        Figure::new("tables", "In the largest tables", Unit::Bytes, sum("table")),
        Figure::new("indexes", "In the largest indexes", Unit::Bytes, sum("index")),
    ];
    judge(s).page(s, figures, panels)
}
