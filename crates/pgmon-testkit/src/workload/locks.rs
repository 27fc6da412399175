//! Sessions that wait for one another.

use anyhow::Result;

use super::Workload;
use crate::{Server, quote_ident};

/// A chain of row locks: the first of [`Workload::pids`] is idle in transaction and holds a row,
/// each of the `waiting` others holds a row of its own and waits for the one before it.
pub async fn lock_chain(server: &Server, database: &str, waiting: u16) -> Result<Workload> {
    let setup = "CREATE TABLE IF NOT EXISTS lock_chain (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); \
                 INSERT INTO lock_chain SELECT generate_series(0, 1000) ON CONFLICT DO NOTHING";
    server.exec(database, setup).await?;
    let mut workload = Workload::new(server, database);
    workload.hold("chain-0", "BEGIN; UPDATE lock_chain SET n = n + 1 WHERE id = 0").await?;
    for id in 1..=waiting {
        let own = format!("BEGIN; UPDATE lock_chain SET n = n + 1 WHERE id = {id}");
        let of_other = format!("UPDATE lock_chain SET n = n + 1 WHERE id = {}", id - 1);
        workload.run_blocked(&format!("chain-{id}"), &own, &of_other).await?;
    }
    Ok(workload)
}

/// A queue behind DDL: two readers (idle in transaction), an ALTER TABLE that waits for them, and
/// a SELECT that waits for the ALTER. The four of [`Workload::pids`], in this order.
pub async fn ddl_queue(server: &Server, database: &str) -> Result<Workload> {
    let setup =
        "CREATE TABLE IF NOT EXISTS ddl_queue (id int); ALTER TABLE ddl_queue DROP COLUMN IF EXISTS added";
    server.exec(database, setup).await?;
    let mut workload = Workload::new(server, database);
    for reader in ["reader-1", "reader-2"] {
        workload.hold(reader, "BEGIN; SELECT count(*) FROM ddl_queue").await?;
    }
    workload.run_blocked("alter", "SELECT 1", "ALTER TABLE ddl_queue ADD COLUMN added int").await?;
    workload.run_blocked("select", "SELECT 1", "SELECT count(*) FROM ddl_queue").await?;
    Ok(workload)
}

/// A prepared transaction that holds a row lock, and a session that waits for it.
///
/// The server needs `max_prepared_transactions` > 0. A drop leaves the prepared transaction there.
pub async fn prepared_xact_blocker(server: &Server, database: &str) -> Result<Workload> {
    let setup = "CREATE TABLE IF NOT EXISTS prepared_xact (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); \
                 INSERT INTO prepared_xact VALUES (1) ON CONFLICT DO NOTHING";
    server.exec(database, setup).await?;
    let take = "UPDATE prepared_xact SET n = n + 1 WHERE id = 1";
    let gid = format!("pgmon-testkit-{}", fastrand::u32(..));
    let mut workload = Workload::new(server, database);
    server.exec(database, &format!("BEGIN; {take}; PREPARE TRANSACTION '{gid}'")).await?;
    workload.undo.push(format!("ROLLBACK PREPARED '{gid}'"));
    workload.run_blocked("waits-for-prepared", "SELECT 1", take).await?;
    Ok(workload)
}

/// A session that is idle in transaction and holds ACCESS EXCLUSIVE on a table of `public`, which
/// is created if it is not there.
pub async fn access_exclusive(server: &Server, database: &str, table: &str) -> Result<Workload> {
    let table = quote_ident(table);
    server.exec(database, &format!("CREATE TABLE IF NOT EXISTS public.{table} (id int)")).await?;
    let mut workload = Workload::new(server, database);
    let lock = format!("BEGIN; LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE");
    workload.hold("access-exclusive", &lock).await?;
    Ok(workload)
}
