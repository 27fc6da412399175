//! `docs/metrics.md` is written from the code: `UPDATE_DOCS=1 script/test documentation` writes it anew.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_collect::postgres::collector::{Floor, Scope, Spec};
use pgmon_collect::postgres::collectors;
use pgmon_collect::services::families as services;
use pgmon_core::metric::{Desc, Kind};
use pgmon_core::snapshot::Loop;
use pgmon_http::{exposition, process, telemetry};
use pgmon_testkit::{Server, Tier, on_each_major};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const HEAD: &str = "\
# Metrics

This page is written from the code by a test (`UPDATE_DOCS=1 script/test documentation`). Do not edit it.

- Every family carries the labels `cluster` and `db`, except those of the process itself and of
  services. They are not repeated below. With `discover: true`, figures of scope *database* carry `datname` as well.
- A figure that is unknown is absent. It is never 0. `pgmon_blind` says what is missing and what it needs.
- Figures of scope *server* are collected once per server and shown under each of its entries. Figures of
  scope *database* are collected in the entry's database and, with `discover: true`, in the server's others
  (there no more often than the `storage` loop). Figures of scope *entry* are of the entry's own database alone.
- A counter ends in `_total`. `promtool check metrics` objects to some names, which stay: `manatee_cluster_*_total` are gauges (so the document that defines them names them), `pg_blocked_sessions_total` is
  a gauge (so the document that defines it names it), and `pg_locks_count` is no histogram (so postgres_exporter
  and its dashboards name it). Custom queries are named by whoever writes them.
- All values of a database leave the page when it has not answered for three `hot_path` intervals.
";

const OF_SERVICES: &str = "
## Services

What is configured under `services` ([services.md](services.md)). These families carry `service`, and the labels that
the configuration gives the service, in the place of `cluster` and `db`. What a service did not say in its last check
is absent. A service of type `tcp` has no families of its own.

";

fn page() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n## pgmon and its connection to a database\n\n");
    table(&mut out, exposition::OF_A_DATABASE);
    out.push_str("\n## The process\n\n");
    let process: Vec<&Desc> = exposition::OF_THE_PROCESS.iter().chain(process::FAMILIES).copied().collect();
    table(&mut out, &process);
    out.push_str("\n## The listener\n\n");
    table(&mut out, telemetry::FAMILIES);
    out.push_str(OF_SERVICES);
    table(&mut out, services::OF_EACH);
    for (kind, families) in services::OF_TYPES {
        let _ = writeln!(out, "\n### Of type `{kind}`\n");
        table(&mut out, families);
    }
    out.push_str("\n## Clusters\n\nOf `clusters` in the configuration: [clusters.md](clusters.md).\n\n");
    table(&mut out, pgmon_core::cluster::FAMILIES);
    for in_loop in Loop::ALL {
        let _ = writeln!(out, "\n## Loop `{in_loop}`");
        for registered in collectors::ALL.iter().filter(|r| r.spec.in_loop == in_loop) {
            collector(&mut out, registered.spec);
        }
    }
    out
}

fn collector(out: &mut String, spec: &Spec) {
    let _ = writeln!(out, "\n### {} (`{}`)\n", spec.title, spec.name);
    let scope = match spec.scope {
        Scope::Server => "server",
        Scope::Database => "database",
        Scope::Entry => "entry",
    };
    let _ = write!(out, "Scope: {scope}.");
    let floors: Vec<Floor> = spec.queries.iter().map(|q| q.floor).collect();
    match floors.first() {
        Some(Floor::Pg(12)) | None => {}
        Some(Floor::Pg(major)) => {
            let _ = write!(out, " From PostgreSQL {major} on.");
        }
        Some(Floor::Ext(name, _)) => {
            let _ = write!(out, " From the extension `{name}`.");
        }
    }
    let mut needs: Vec<String> = spec.needs.iter().map(|n| format!("`{}`", n.label())).collect();
    needs.dedup();
    if !needs.is_empty() {
        let _ = write!(out, " Needs {}; not seen without it: {}.", needs.join(", "), spec.blind_effect);
    }
    out.push_str("\n\n");
    table(out, spec.families);
}

fn table(out: &mut String, families: &[&Desc]) {
    if families.is_empty() {
        out.push_str("No metrics: rows only.\n");
        return;
    }
    out.push_str("| name | type | labels | what it is |\n|---|---|---|---|\n");
    for family in families {
        let labels: Vec<String> = family.labels.iter().map(|l| format!("`{l}`")).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            family.name,
            kind(family.kind),
            labels.join(", "),
            family.help.replace('|', "\\|")
        );
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let now = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, now).unwrap();
        return;
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    let differs = there.lines().zip(now.lines()).find(|(a, b)| a != b);
    assert!(
        there == now,
        "docs/metrics.md is not what the code says ({differs:?}): run UPDATE_DOCS=1 script/test documentation"
    );
}

on_each_major! { [pg12 12, pg18 18]
    async fn every_family_of_a_page_is_documented(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_extension("postgres", "pg_stat_statements").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let agent = Agent::watch(&server.dsn_as("pgmon", &password, "postgres"));
        let page = agent.wait_for_all_loops();
        let collected = collectors::ALL.iter().flat_map(|r| r.spec.families);
        let documented: BTreeSet<&str> = exposition::OF_A_DATABASE
            .iter()
            .chain(exposition::OF_THE_PROCESS)
            .chain(process::FAMILIES)
            .chain(telemetry::FAMILIES)
            .chain(collected)
            .map(|d| d.name)
            .chain(services::all().map(|d| d.name))
            .collect();
        for line in page.text.lines() {
            let Some(rest) = line.strip_prefix("# TYPE ") else { continue };
            let name = rest.split(' ').next().unwrap_or_default();
            assert!(documented.contains(name), "{name} is on the page, but in no list of families");
        }
        Ok(())
    }
}
