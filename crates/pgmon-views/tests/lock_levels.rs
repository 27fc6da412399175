//! The lock that a remedy states is the lock that its SQL takes: each kind of remedy, on real servers.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that waits for a real server"
)]

use anyhow::{Context as _, Result, ensure};
use pgmon_collect::postgres::collectors::sequences;
use pgmon_testkit::{PgConnection, Server, on_each_major};
use pgmon_views::{Remedy, remedy};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// The modes of `pg_locks`, the weakest first.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// Writing goes on beside it; from the next mode on it is to be stated.
const HARMLESS: usize = 2;

/// A mode as SQL has it: `SHARE UPDATE EXCLUSIVE`.
fn in_words(mode: &str) -> String {
    let mut words = String::new();
    for c in mode.trim_end_matches("Lock").chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_uppercase());
    }
    words
}

/// The strongest mode asked for on each relation, by its place in [`MODES`].
type Seen = BTreeMap<String, usize>;

/// How a remedy can be watched.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// Its locks stay until the transaction ends.
    InTransaction,
    /// It has to be alone: what it asks for while others hold their locks, and when they let go.
    Alone,
}

struct Case {
    what: &'static str,
    remedy: Remedy,
    how: How,
    /// Relations, and what the remedy calls them after the mode.
    locks: &'static [(&'static str, &'static str)],
}

const SETUP: &[&str] = &[
    "CREATE TABLE customers (id int PRIMARY KEY)",
    "CREATE TABLE orders (id serial PRIMARY KEY, customer int, note text)",
    "CREATE TABLE kept (id int)",
    "CREATE SEQUENCE narrow AS integer",
    "CREATE INDEX orders_customer ON orders (customer)",
    "CREATE INDEX orders_customer_note ON orders (customer, note)",
    "INSERT INTO orders (customer) SELECT n % 10 FROM generate_series(1, 2000) AS n",
    "DELETE FROM orders WHERE id % 2 = 0",
    "ALTER TABLE orders SET (autovacuum_enabled = false)",
    "CREATE TABLE events (at timestamptz NOT NULL, customer int REFERENCES customers) PARTITION BY RANGE (at)",
    "CREATE TABLE events_p1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-01-02')",
    "CREATE TABLE events_rest PARTITION OF events DEFAULT",
    "SELECT pg_create_physical_replication_slot('old')",
];

fn sequence(name: &str, table: Option<&str>) -> sequences::Row {
    let mut row = sequences::Row::default();
    (row.schema, row.name, row.data_type) = ("public".into(), name.into(), "integer".into());
    if let Some(table) = table {
        (row.table_schema, row.table_name) = (Some("public".into()), Some(table.into()));
        (row.column_name, row.column_type) = (Some("id".into()), Some("integer".into()));
    }
    row
}

fn cases(sleeper: i32) -> Vec<Case> {
    let case = |what, how, remedy, locks| Case { what, remedy, how, locks };
    let table = &[("orders", "on the table")][..];
    let widen = |row: &sequences::Row| remedy::widen(row).unwrap();
    let full = |mut of: Remedy| {
        of.sql = "VACUUM (FULL, VERBOSE) \"public\".\"orders\"".into();
        of
    };
    let indexed = "orders_customer";
    use How::{Alone, InTransaction};
    vec![
        case("vacuum", Alone, remedy::vacuum("public", "orders"), table),
        case("freeze", Alone, remedy::freeze("public", "orders"), table),
        case("analyze", InTransaction, remedy::analyze("public", "orders"), table),
        case("enable autovacuum", InTransaction, remedy::enable_autovacuum("public", "orders"), table),
        case("reindex", Alone, remedy::reindex("public", indexed), table),
        case("repair", Alone, remedy::repair_index("public", indexed, true), table),
        case(
            "drop redundant",
            Alone,
            remedy::drop_redundant_index("public", indexed, "orders_customer_note"),
            table,
        ),
        case("drop unused", Alone, remedy::drop_index("public", "orders_customer_note"), table),
        case(
            "vacuum for space",
            Alone,
            remedy::rewrite("public", "orders"),
            &[("orders", ", reads and writes go on")],
        ),
        case(
            "vacuum full",
            Alone,
            full(remedy::rewrite("public", "orders")),
            &[("orders", ", nothing goes on")],
        ),
        case(
            "widen a column",
            InTransaction,
            widen(&sequence("orders_id_seq", Some("orders"))),
            &[("orders", "on the table"), ("orders_id_seq", "on the sequence")],
        ),
        case(
            "widen a sequence",
            InTransaction,
            widen(&sequence("narrow", None)),
            &[("narrow", "on the sequence")],
        ),
        case(
            "next partition",
            InTransaction,
            remedy::next_partition("public", "events", "2026-01-02", "2026-01-03"),
            &[
                ("events", "on the parent"),
                ("events_rest", "on a DEFAULT partition"),
                ("customers", "on the tables that they point to"),
            ],
        ),
        case("end a session", InTransaction, remedy::end_session(sleeper, true), &[]),
        case("cancel a statement", InTransaction, remedy::end_session(sleeper, false), &[]),
        case("end a prepared transaction", Alone, remedy::end_prepared("left\u{202e}over"), &[]),
        case("drop a slot", InTransaction, remedy::drop_slot("old"), &[]),
        case("set", Alone, remedy::set("autovacuum", "on"), &[]),
    ]
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<()> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.with_context(|| sql.to_owned())?;
    Ok(())
}

/// Adds what a session holds or waits for now, of tables and sequences that were there before.
async fn look(watcher: &mut PgConnection, pid: i32, seen: &mut Seen) -> Result<()> {
    let rows = sqlx::query(
        "SELECT c.relname::text, l.mode FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation \
         WHERE l.locktype = 'relation' AND l.pid = $1 AND c.relnamespace = 'public'::regnamespace \
         AND c.relkind IN ('r', 'p', 'S')",
    )
    .bind(pid)
    .fetch_all(watcher)
    .await?;
    for row in rows {
        let (name, mode): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let place = MODES.iter().position(|known| *known == mode).context(mode)?;
        let strongest = seen.entry(name).or_insert(place);
        *strongest = place.max(*strongest);
    }
    Ok(())
}

async fn pid(connection: &mut PgConnection) -> Result<i32> {
    Ok(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?)
}

/// What a remedy asks for.
async fn watch(server: &Server, case: &Case) -> Result<Seen> {
    let mut watcher = server.connect("shop").await?;
    let mut worker = server.connect("shop").await?;
    let of_worker = pid(&mut worker).await?;
    run(&mut worker, "SET statement_timeout = '15s'").await?;
    let mut seen = Seen::new();
    if case.how == How::InTransaction {
        run(&mut worker, "BEGIN").await?;
        run(&mut worker, &case.remedy.sql).await?;
        look(&mut watcher, of_worker, &mut seen).await?;
        run(&mut worker, "ROLLBACK").await?;
        return Ok(seen);
    }
    let mut holder = server.connect("shop").await?;
    let holds = match case.locks.first() {
        Some((table, _)) => format!(
            "BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE; SAVEPOINT shut; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"
        ),
        None => "BEGIN; SAVEPOINT shut".to_owned(),
    };
    run(&mut holder, &holds).await?;
    let sql = case.remedy.sql.clone();
    let mut work = tokio::spawn(async move {
        // One by one, as psql sends them: sent together they would be one transaction.
        for statement in sql.split_inclusive(";\n") {
            run(&mut worker, statement).await?;
        }
        anyhow::Ok(())
    });
    // First the table can be read and written to and nothing more: what it asks for is seen, however short it
    // would hold it. Then the table is only written to, which those that wait for everybody (CONCURRENTLY) or for
    // the table (FULL) wait for.
    let mut looks = 0;
    while !work.is_finished() && looks < 3000 {
        looks += 1;
        look(&mut watcher, of_worker, &mut seen).await?;
        match looks {
            50 => run(&mut holder, "ROLLBACK TO shut").await?,
            100 => run(&mut holder, "ROLLBACK").await?,
            _ => tokio::time::sleep(Duration::from_millis(if looks < 100 { 5 } else { 1 })).await,
        }
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), &mut work).await.context("it does not end")?;
    ended??;
    Ok(seen)
}

on_each_major! { [pg12 12, pg18 18]
    async fn the_stated_lock_is_the_lock_that_is_taken(major: Major) -> Result<()> {
        let server = Server::builder(major).setting("max_prepared_transactions", 2).start().await?;
        server.create_database("shop").await?;
        for sql in SETUP {
            server.exec("shop", sql).await?;
        }
        // The literal with codes names the same transaction.
        server.exec("shop", "BEGIN; INSERT INTO kept VALUES (7); PREPARE TRANSACTION 'left\u{202e}over'").await?;
        let mut sleeper = server.connect("shop").await?;
        let sleeps = pid(&mut sleeper).await?;
        for case in cases(sleeps) {
            let what = case.what;
            let seen = watch(&server, &case).await.context(what)?;
            for (relation, called) in case.locks {
                let place = *seen.get(*relation).with_context(|| format!("{what}: no lock on {relation}: {seen:?}"))?;
                let mode = in_words(MODES[place]);
                let stated = if called.starts_with(',') { format!("{mode}{called}") } else { format!("{mode} {called}") };
                ensure!(case.remedy.lock.contains(&stated), "{what} takes {stated}; it states: {}", case.remedy.lock);
                // SHARE UPDATE EXCLUSIVE ends as EXCLUSIVE does.
                let longer = MODES.iter().map(|m| in_words(m)).filter(|m| *m != mode && m.ends_with(&mode));
                for other in longer {
                    let other = stated.replacen(&mode, &other, 1);
                    ensure!(!case.remedy.lock.contains(&other), "{what} takes {stated}; it states: {}", case.remedy.lock);
                }
            }
            let stated = |name: &str| case.locks.iter().any(|(relation, _)| *relation == name);
            let partition = |name: &str| name.starts_with("events_p");
            let unsaid: Vec<_> = seen.iter().filter(|(n, p)| **p > HARMLESS && !stated(n) && !partition(n)).collect();
            ensure!(unsaid.is_empty(), "{what} also takes {unsaid:?}; it states: {}", case.remedy.lock);
            ensure!(!case.locks.is_empty() || case.remedy.lock.starts_with("none"), "{what}: {}", case.remedy.lock);
        }
        Ok(())
    }
}
