//! How is the server set up, and what changed?

use crate::judge::{Judgement, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Remedy, Unit};
use crate::source::Source;
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::settings;
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `settings`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
pub struct Panels {
    /// Settings that changed since pgmon first saw them, or that wait for a restart.
    pub changed: Panel<settings::Row>,
    /// Settings that are not as they are without any configuration.
    pub configured: Panel<settings::Row>,
    /// All settings.
    pub all: Panel<settings::Row>,
}

/// The collectors behind it.
pub const ON: &[&str] = &["settings"];

/// Settings that must not be as they are here: name, value, level, what follows.
const DANGEROUS: &[(&str, &str, Level, &str)] = &[
    ("fsync", "off", Level::Crit, "a crash of the machine destroys the data"),
    ("full_page_writes", "off", Level::Crit, "a crash of the machine may destroy pages"),
    ("autovacuum", "off", Level::Crit, "dead rows pile up, until wraparound stops the server"),
    ("track_counts", "off", Level::Crit, "autovacuum does not work without it"),
    ("zero_damaged_pages", "on", Level::Crit, "damaged pages are emptied instead of reported"),
    ("track_activities", "off", Level::Warn, "nobody can see what sessions do"),
];

/// What is wrong with the settings.
pub fn judge(s: &Source<'_>) -> Judgement {
    let rows = s.list::<settings::Row>("settings");
    let changed = rows.iter().filter(|r| r.changed_at.is_some()).count();
    let good = match changed {
        0 => "No setting has changed since pgmon first saw them, and none waits for a restart.".to_owned(),
        n => format!(
            "{} since pgmon first saw them.",
            words::counted(n, "setting has changed", "settings have changed")
        ),
    };
    let mut found = Judgement::new(good).rests_on(s, &["settings"]);
    for row in rows {
        let dangerous = DANGEROUS.iter().find(|d| d.0 == row.name && Some(d.1) == row.setting.as_deref());
        if let Some((name, value, level, effect)) = dangerous {
            let title = format!("{name} is {value}");
            found.push(
                problem(format!("setting:{name}"), *level, PageName::Settings, title, *effect)
                    .about(*name)
                    .remedy(mend(s, name)),
            );
        }
    }
    let pending: Vec<&str> = rows.iter().filter(|r| r.pending_restart).map(|r| r.name.as_str()).collect();
    if !pending.is_empty() {
        let evidence = format!(
            "{} {} effect only at a restart of the server",
            pending.join(", "),
            if pending.len() == 1 { "takes" } else { "take" }
        );
        let title = "Settings wait for a restart";
        found.push(problem("pending_restart", Level::Warn, PageName::Settings, title, evidence));
    }
    found
}

/// What sets one of [`DANGEROUS`] right, if the value is from where `ALTER SYSTEM` can replace it.
pub(super) fn mend(s: &Source<'_>, name: &str) -> Option<Remedy> {
    let row = s.list::<settings::Row>("settings").iter().find(|row| row.name == name)?;
    let (name, bad, ..) = DANGEROUS.iter().find(|dangerous| dangerous.0 == name)?;
    let good = if *bad == "off" { "on" } else { "off" };
    matches!(row.source.as_str(), "default" | "configuration file").then(|| remedy::set(name, good))
}

/// Whether somebody has set it, in a file, for a role or a database; what pgmon sets for its own session says
/// nothing of the server.
fn is_configured(row: &settings::Row) -> bool {
    !matches!(row.source.as_str(), "default" | "override" | "session" | "client")
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let some = |which: fn(&settings::Row) -> bool| {
        let rows: Option<&Vec<settings::Row>> = s.rows("settings");
        move || Some(rows?.iter().filter(|r| which(r)).cloned().collect())
    };
    let panels = Panels {
        changed: s.panel(
            "Changed, or waiting for a restart",
            &["settings"],
            "No setting has changed since pgmon first saw them, and none waits for a restart.",
            some(|r| r.changed_at.is_some() || r.pending_restart),
        ),
        configured: s.panel(
            "Configured",
            &["settings"],
            "All are as they are without any configuration.",
            some(is_configured),
        ),
        all: s
            .panel("All settings", &["settings"], "None can be seen.", some(|_| true))
            .note("Those whose source is session or client are those of pgmon's own session.".into()),
    };
    let gauge = |id, label, metric| {
        Figure::new(id, label, Unit::Count, s.metric("settings", metric, &[])).gauge(metric, &[])
    };
    let figures = vec![
        gauge("changed", "Changed since pgmon first saw them", "pg_settings_changed_since_start"),
        gauge("pending_restart", "Waiting for a restart", "pg_settings_pending_restart"),
    ];
    judge(s).page(s, figures, panels)
}
