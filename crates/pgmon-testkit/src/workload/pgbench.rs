//! Transactions of pgbench.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Workload;
use crate::{Server, place};

/// Fills a database with pgbench's tables and runs its transactions, `rate` a second.
pub async fn pgbench(
    server: &Server,
    database: &str,
    scale: u16,
    clients: u16,
    rate: u32,
) -> Result<Workload> {
    let program = place::program("pgbench").context("there is no pgbench: run script/bootstrap demo")?;
    let command = || {
        let mut command = Command::new(&program);
        command.env_remove("PGOPTIONS").args(["-h", &server.socket_dir().display().to_string()]);
        command.args(["-p", &server.port().to_string(), "-U", "postgres"]);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let mut init = tokio::process::Command::from(command());
    let output = init.args(["-i", "-q", "-s", &scale.to_string(), database]).output().await?;
    if !output.status.success() {
        bail!("pgbench -i: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut workload = Workload::new(server, database);
    let run = command()
        .args(["-n", "-c", &clients.to_string(), "-R", &rate.to_string(), "-T", "1000000", database])
        .stderr(Stdio::null())
        .spawn()?;
    workload.programs.push(run);
    let at_work =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'pgbench' AND state <> ''";
    server.wait_until(database, at_work).await?;
    Ok(workload)
}
