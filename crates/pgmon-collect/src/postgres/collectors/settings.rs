//! The server's settings: what they are, what a restart would change, what has changed since pgmon began.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings as Limits, Spec, pg};
use jiff::Timestamp;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use std::collections::BTreeMap;

mod exported;

/// One setting.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "SettingsRow")]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its value in its unit; none if it is [`Self::hidden`].
    pub setting: Option<String>,
    /// Its unit: `8kB`, `ms`, ...
    pub unit: Option<String>,
    /// Where the value is from: `default`, `configuration file`, `command line`, `database`, ...
    pub source: String,
    /// The value that the server has without any configuration.
    pub boot_value: Option<String>,
    /// Whether the configuration file holds another value, which a restart would bring.
    pub pending_restart: bool,
    /// Whether the role or the database that pgmon connects with has a value of its own (ALTER ROLE ...
    /// SET, ALTER DATABASE ... SET): then the server's cannot be read, and this one is neither exported
    /// nor watched for changes.
    pub overridden: bool,
    /// Whether the value is withheld because it may hold credentials (commands, connection strings).
    pub hidden: bool,
    /// Tells hidden values apart.
    #[serde(skip)]
    pub fingerprint: Option<i64>,
    /// When a round first found the value that it has now, if that is not the one of pgmon's first round.
    #[sqlx(skip)]
    #[schemars(with = "Option<String>")]
    pub changed_at: Option<Timestamp>,
    /// The value of pgmon's first round, if the value is another one now; none if that was hidden.
    #[sqlx(skip)]
    pub value_at_start: Option<String>,
}

const CHANGED: Desc = Desc::gauge(
    "pg_settings_changed_since_start",
    "Settings whose value is not the one that pgmon found in its first round.",
    &[],
);
const PENDING_RESTART: Desc = Desc::gauge(
    "pg_settings_pending_restart",
    "Settings whose value in the configuration file takes effect only at a restart of the server.",
    &[],
);

/// The families of this file and of [`exported`].
const FAMILIES: [&Desc; exported::COUNT + 2] = {
    let mut families = [&CHANGED; exported::COUNT + 2];
    families[1] = &PENDING_RESTART;
    let mut i = 0;
    while i < exported::COUNT {
        families[i + 2] = exported::FAMILIES[i];
        i += 1;
    }
    families
};

/// A value as far as we may know it: in clear, or the fingerprint of a hidden one.
type Known = (Option<Box<str>>, Option<i64>);

fn known(row: &Row) -> Known {
    (row.setting.as_deref().map(Box::from), row.fingerprint)
}

/// A value that is not the one of the first round.
struct Change {
    at: Timestamp,
    to: Known,
}

/// See the module's head.
#[derive(Default)]
pub struct Settings {
    server: Option<String>,
    first: BTreeMap<Box<str>, Known>,
    changes: BTreeMap<Box<str>, Change>,
}

impl Collector for Settings {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "settings",
        title: "Settings",
        in_loop: Loop::Hourly,
        scope: Scope::Server,
        queries: &[pg(12, include_str!("settings/pg12.sql"))],
        follow_ups: &[],
        families: &FAMILIES,
        needs: &[],
        blind_effect: "settings that only members of pg_read_all_settings see",
    };

    fn new(_limits: &Limits) -> Self {
        Self::default()
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        if self.server != cx.facts.system_identifier {
            // Another server's settings are not changed ones.
            *self = Self { server: cx.facts.system_identifier.clone(), ..Self::default() };
        }
        for row in rows.iter_mut().filter(|r| !r.overridden) {
            let now = known(row);
            let Some(first) = self.first.get(row.name.as_str()) else {
                self.first.insert(row.name.as_str().into(), now);
                continue;
            };
            if *first == now {
                self.changes.remove(row.name.as_str());
                continue;
            }
            row.value_at_start = first.0.as_deref().map(str::to_owned);
            let change = self.changes.entry(row.name.as_str().into());
            let change = change.or_insert_with(|| Change { at: cx.at, to: now.clone() });
            if change.to != now {
                *change = Change { at: cx.at, to: now };
            }
            row.changed_at = Some(change.at);
        }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        out.push(&CHANGED, &[], rows.iter().filter(|r| r.changed_at.is_some()).count() as f64);
        out.push(&PENDING_RESTART, &[], rows.iter().filter(|r| r.pending_restart).count() as f64);
        for row in rows.iter().filter(|r| !r.overridden) {
            let Some((desc, value)) = exported::desc(&row.name).zip(row.setting.as_deref()) else { continue };
            out.push_opt(desc, &[], exported::value(value, row.unit.as_deref()));
        }
        if cx.facts.has(Need::ReadAllSettings) {
            return Vec::new();
        }
        vec![Blind {
            collector: Self::SPEC.name.into(),
            needs: Need::ReadAllSettings.label(),
            effect: Self::SPEC.blind_effect.into(),
            remedy: Some(Need::ReadAllSettings.remedy(&cx.facts)),
        }]
    }
}

#[cfg(test)]
mod tests;
