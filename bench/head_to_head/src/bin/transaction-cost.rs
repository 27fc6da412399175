//! What a guarded transaction around a statement costs the server, in several ways of asking for it.
//!
//! Every way runs the prepared `SELECT 1` with a time limit, a lock limit and a search path that end
//! with its transaction, on a connection of its own. They take turns, so that all of them see the same
//! machine; the CPU time is the backends' own, by the kernel's count.
//!
//! `transaction-cost [VERSION [TURNS]]`

use anyhow::{Context as _, Result};
use pgmon_testkit::{Major, PgConnection, Server};
use sqlx::{AssertSqlSafe, Executor as _};
use std::time::Duration;

/// Statements in a turn.
const STATEMENTS: u32 = 250;

/// A way of asking: what is sent before the statement, and after it.
struct Way {
    name: &'static str,
    before: &'static [Part],
    after: &'static [Part],
}

/// One message to the server and its answer.
enum Part {
    /// Parsed and planned anew each time; `{limit}` stands for a limit that changes.
    Simple(&'static str),
    /// Kept prepared.
    Prepared(&'static str),
    /// Kept prepared, with the limits and the search path as values.
    Settings(&'static str),
}

use Part::{Prepared, Settings, Simple};

const SET_CONFIG: &str = "SELECT set_config('statement_timeout', $1, true), \
     set_config('lock_timeout', $2, true), set_config('search_path', $3, true)";

const WAYS: &[Way] = &[
    Way { name: "nothing around it", before: &[], after: &[] },
    Way { name: "BEGIN; COMMIT", before: &[Simple("BEGIN READ ONLY")], after: &[Simple("COMMIT")] },
    Way {
        name: "BEGIN; 1 x SET LOCAL; COMMIT",
        before: &[Simple("BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}")],
        after: &[Simple("COMMIT")],
    },
    Way {
        name: "BEGIN; 3 x SET LOCAL; COMMIT",
        before: &[Simple(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = 1000; SET LOCAL search_path = pg_catalog, \"public\"",
        )],
        after: &[Simple("COMMIT")],
    },
    Way {
        name: "the last COMMIT joined with BEGIN; 3 x SET LOCAL",
        before: &[Simple(
            "COMMIT; BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = 1000; SET LOCAL search_path = pg_catalog, \"public\"",
        )],
        after: &[],
    },
    Way {
        name: "BEGIN; SELECT 3 x set_config as text; COMMIT",
        before: &[Simple(
            "BEGIN READ ONLY; SELECT set_config('statement_timeout', '{limit}', true), set_config('lock_timeout', '1000', true), set_config('search_path', 'pg_catalog, \"public\"', true)",
        )],
        after: &[Simple("COMMIT")],
    },
    Way {
        name: "BEGIN; prepared SELECT 3 x set_config; COMMIT",
        before: &[Simple("BEGIN READ ONLY"), Settings(SET_CONFIG)],
        after: &[Simple("COMMIT")],
    },
    Way {
        name: "all prepared: BEGIN, SELECT 3 x set_config, COMMIT",
        before: &[Prepared("BEGIN READ ONLY"), Settings(SET_CONFIG)],
        after: &[Prepared("COMMIT")],
    },
    Way {
        name: "all prepared, with 3 x SET LOCAL",
        before: &[
            Prepared("BEGIN READ ONLY"),
            Prepared("SET LOCAL statement_timeout = 1000"),
            Prepared("SET LOCAL lock_timeout = 1000"),
            Prepared("SET LOCAL search_path = pg_catalog, \"public\""),
        ],
        after: &[Prepared("COMMIT")],
    },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let major = args.next().map_or(Ok(Major::NEWEST), |arg| arg.parse().map(Major))?;
    let turns: u32 = args.next().map_or(Ok(40), |arg| arg.parse())?;
    let server = Server::builder(major).statements().start().await?;
    server.create_extension("postgres", "pg_stat_statements").await?;
    let mut lanes = Vec::new();
    for way in WAYS {
        let mut connection = server.connect("postgres").await?;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        lanes.push((way, connection, pid, Vec::new()));
    }
    // The first turn warms the caches and prepares the statements.
    for turn in 0..=turns {
        for (way, connection, pid, costs) in &mut lanes {
            let before = server.backend_cpu(*pid)?;
            for i in 0..STATEMENTS {
                guarded(connection, way, 3000 - i % 100).await?;
            }
            let cost = Duration::from_nanos(server.backend_cpu(*pid)? - before) / STATEMENTS;
            if turn > 0 {
                costs.push(cost.as_secs_f64() * 1e6);
            }
        }
    }
    println!(
        "PostgreSQL {major}, us of backend CPU per statement, median of {turns} turns of {STATEMENTS}:\n"
    );
    println!("| | us | round trips |\n|---|---|---|");
    for (way, _, _, costs) in &mut lanes {
        costs.sort_by(f64::total_cmp);
        let median = costs.get(costs.len() / 2).context("no turns were asked for")?;
        println!("| {} | {median:.1} | {} |", way.name, way.before.len() + 1 + way.after.len());
    }
    let entries: i64 = server
        .query(
            "postgres",
            "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'SET LOCAL statement_timeout%'",
        )
        .await?;
    println!("\nEntries that SET LOCAL statement_timeout left in pg_stat_statements: {entries}");
    Ok(())
}

async fn guarded(connection: &mut PgConnection, way: &Way, limit: u32) -> Result<()> {
    for part in way.before {
        send(connection, part, limit).await?;
    }
    send(connection, &Prepared("SELECT 1"), limit).await?;
    for part in way.after {
        send(connection, part, limit).await?;
    }
    Ok(())
}

async fn send(connection: &mut PgConnection, part: &Part, limit: u32) -> Result<()> {
    match part {
        Simple(sql) => {
            let sql = sql.replace("{limit}", &limit.to_string());
            connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        }
        Prepared(sql) => {
            connection.execute(sqlx::query(*sql)).await?;
        }
        Settings(sql) => {
            let values =
                sqlx::query(*sql).bind(limit.to_string()).bind("1000").bind("pg_catalog, \"public\"");
            connection.execute(values).await?;
        }
    }
    Ok(())
}
