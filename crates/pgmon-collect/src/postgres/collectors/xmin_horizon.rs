//! Who holds back the xmin horizon, so that VACUUM cannot remove dead rows.

use crate::postgres::collector::{Collector, Cx, Need, Scope, Settings, Spec, pg};
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};

/// One holder.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "XminHorizonRow")]
pub struct Row {
    /// `backend`, `standby` (a walsender with `hot_standby_feedback`), `slot`, `slot_catalog` or `prepared`.
    pub holder: String,
    /// The session's `application_name`, the slot's name, or the prepared transaction's identifier.
    pub name: Option<String>,
    /// The backend, or the walsender that uses the slot.
    pub pid: Option<i32>,
    /// Its database; none for physical replication. Only that database's tables are held back, and shared ones.
    pub database: Option<String>,
    /// The session's state; `active` or `inactive` for a slot.
    pub state: Option<String>,
    /// How far back it holds the horizon, transactions.
    pub xid_age: i64,
    /// How long ago the transaction began or was prepared, seconds; unknown for slots.
    pub seconds: Option<f64>,
}

const XMIN_AGE: Desc = Desc::gauge(
    "pg_xmin_age",
    "How many transactions back the oldest holder of a kind keeps dead rows from VACUUM; 0 if there is none.",
    &["holder"],
);

/// Every kind of holder, and whether it takes `pg_monitor` to see it.
const HOLDERS: [(&str, bool); 5] =
    [("backend", true), ("standby", true), ("slot", false), ("slot_catalog", false), ("prepared", false)];

/// See the module's head.
pub struct XminHorizon;

impl Collector for XminHorizon {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "xmin_horizon",
        title: "xmin horizon",
        in_loop: Loop::Workload,
        scope: Scope::Server,
        queries: &[
            pg(12, include_str!("xmin_horizon/pg12.sql")),
            pg(13, include_str!("xmin_horizon/pg13.sql")),
        ],
        follow_ups: &[],
        families: &[&XMIN_AGE],
        // Slots and prepared transactions are there for all to see.
        needs: &[],
        blind_effect: "transactions and standbys that hold back VACUUM",
    };

    fn new(_settings: &Settings) -> Self {
        Self
    }

    fn complete(&mut self, rows: &mut [Row], _cx: &Cx) {
        for row in rows {
            // What began while we looked is younger than we are: it holds nothing back.
            row.xid_age = row.xid_age.max(0);
        }
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        let sees_sessions = cx.facts.has(Need::Monitor);
        for (holder, needs_monitor) in HOLDERS {
            if needs_monitor && !sees_sessions {
                continue;
            }
            let oldest = rows.iter().filter(|r| r.holder == holder).map(|r| r.xid_age).max();
            out.push(&XMIN_AGE, &[holder], oldest.unwrap_or(0) as f64);
        }
        if sees_sessions {
            return Vec::new();
        }
        vec![Blind {
            collector: Self::SPEC.name.into(),
            needs: Need::Monitor.label(),
            effect: Self::SPEC.blind_effect.into(),
            remedy: Some(Need::Monitor.remedy(&cx.facts)),
        }]
    }
}

#[cfg(test)]
mod tests;
