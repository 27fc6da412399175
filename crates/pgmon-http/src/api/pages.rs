//! The pages about one database.

use super::cache::Inputs;
use super::columns;
use super::params::Asked;
use super::refusal::Refusal;
use super::respond::{self, Built};
use super::select::{Picked, pick};
use super::shape;
use crate::app::App;
use axum::extract::{Path, State};
use axum::response::Response;
use pgmon_core::snapshot::Snapshot;
use pgmon_views::agent::Process;
use pgmon_views::{Answer, Page, Source, agent, pages};
use serde::Serialize;
use std::sync::Arc;

const PARAMS: &[&str] = &["cluster", "db", "datname", "panel", "sort", "order", "limit", "q"];

type Reply = Result<Response, Refusal>;

/// What an answer about one database is made from.
pub fn inputs(picked: &Picked) -> Inputs {
    let snapshots = [Some(&picked.own), picked.leader.as_ref()];
    Inputs::Database {
        snapshots: snapshots.into_iter().flatten().map(Arc::downgrade).collect(),
        roamed: Arc::downgrade(&picked.roamed),
        rules: picked.rules.clone(),
    }
}

/// Answers with a page.
fn page<P: Serialize>(
    app: &App,
    asked: &Asked,
    on: &[&'static str],
    build: impl FnOnce(&Source<'_>, &Picked) -> Result<Page<P>, Refusal>,
) -> Reply {
    asked.only(PARAMS)?;
    let rows = asked.rows()?;
    let picked = pick(app, asked)?;
    // Without a collector it is about pgmon itself, of which more than one snapshot tells.
    let inputs = match on {
        [] => Inputs::Fleet(*app.fleet.subscribe().borrow(), picked.rules.clone()),
        _ => inputs(&picked),
    };
    respond::answer(app, asked, inputs, picked.now.mono, || -> Result<Built, Refusal> {
        let source = picked.source();
        let answer = Answer::of(&source, on, build(&source, &picked)?);
        let path = match asked.path.trim_start_matches("/api/v1/") {
            path if path.starts_with("statements/") => "statements/{queryid}",
            path => path,
        };
        let columns = |panel: &str| columns::of(path, panel);
        let shape = |value: &mut _, rows: &_, csv| shape::page(value, rows, csv, columns);
        respond::write(&answer, asked, &rows, shape, source.holds_until())
    })
}

macro_rules! handlers {
    ($($name:ident => $module:ident),* $(,)?) => {
        $(
            /// The page of this name.
            pub async fn $name(State(app): State<Arc<App>>, asked: Asked) -> Reply {
                page(&app, &asked, pages::$module::ON, |s, _| Ok(pages::$module::page(s)))
            }
        )*
    };
}

handlers! {
    overview => overview,
    activity => activity,
    locks => locks,
    autovacuum => autovacuum,
    top_queries => statements,
    storage => storage,
    indexes => indexes,
    bloat => bloat,
    partitions => partitions,
    wraparound => wraparound,
    wal => wal,
    io => io,
    settings => settings,
}

/// `replication`: also reads the other databases, for those with the same data.
pub async fn replication(State(app): State<Arc<App>>, asked: Asked) -> Reply {
    page(&app, &asked, pages::replication::ON, |s, picked| {
        let all: Vec<&Snapshot> = picked.all.iter().map(Arc::as_ref).collect();
        Ok(pages::replication::page(s, &all))
    })
}

/// `statements/{queryid}`.
pub async fn statement(State(app): State<Arc<App>>, Path(queryid): Path<String>, asked: Asked) -> Reply {
    if queryid.parse::<i64>().is_err() {
        return Err(Refusal::bad("this is not a queryid", "it is a whole number, perhaps below 0"));
    }
    page(&app, &asked, pages::statements::ON_STATEMENT, |s, _| {
        pages::statements::statement(s, &queryid).ok_or_else(|| {
            Refusal::not_found(
                "no such statement is kept",
                "statements that take little time are left out (limits.top_queries); see /api/v1/top-queries",
            )
        })
    })
}

/// `collectors`: pgmon itself.
pub async fn collectors(State(app): State<Arc<App>>, asked: Asked) -> Reply {
    page(&app, &asked, &[], |s, picked| {
        let left_out: Vec<String> = picked.cell.cardinality().left_out().iter().map(|o| o.text()).collect();
        let config = app.fleet.config();
        let process = Process {
            version: app.version,
            configuration_read_at: config.since,
            configuration_failure: config.failure.clone(),
            history: app.fleet.history().stats(),
            history_trouble: app.fleet.history().trouble().map(|t| t.to_string()),
            left_out: &left_out,
        };
        Ok(agent::page(s, &process))
    })
}
