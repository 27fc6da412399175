//! Sessions that are simply there.

use anyhow::Result;

use super::Workload;
use crate::Server;

/// A transaction that holds a snapshot (and so the xmin horizon) and is at work on a statement.
pub async fn long_transaction(server: &Server, database: &str) -> Result<Workload> {
    let mut workload = Workload::new(server, database);
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class";
    workload.run("long-transaction", begin, "SELECT pg_sleep(3600)").await?;
    Ok(workload)
}

/// A session that has written something and then left its transaction open.
pub async fn idle_in_transaction(server: &Server, database: &str) -> Result<Workload> {
    let mut workload = Workload::new(server, database);
    let begin = "BEGIN; CREATE TABLE idle_in_transaction (id int)";
    workload.hold("idle-in-transaction", begin).await?;
    Ok(workload)
}

/// A number of idle connections.
pub async fn connections(server: &Server, database: &str, count: u16) -> Result<Workload> {
    let mut workload = Workload::new(server, database);
    for number in 0..count {
        workload.hold(&format!("connection-{number}"), "SELECT 1").await?;
    }
    Ok(workload)
}
