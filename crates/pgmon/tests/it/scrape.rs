//! A scrape takes what is there.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major};
use std::collections::BTreeSet;
use std::time::Duration;

on_each_major! { [pg12 12, pg18 18]
    async fn answers_run_no_sql_and_open_no_connection(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().setting("pg_stat_statements.track_utility", "on").start().await?;
        server.create_extension("postgres", "pg_stat_statements").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        // After their first rounds the loops rest for half an hour at least.
        let rest = ["HOT_PATH", "WORKLOAD", "STORAGE", "HOURLY"].map(|l| format!("PGMON_SAMPLE_INTERVALS_{l}"));
        let mut env: Vec<(&str, &str)> = rest.iter().map(|name| (name.as_str(), "1h")).collect();
        env.push(("PGMON_DSN", &dsn));
        let agent = Agent::start(&env);
        agent.wait_for_all_loops();
        let backends = async || {
            server
                .query::<String>(
                    "postgres",
                    "SELECT string_agg(concat_ws(' ', pid, backend_start, xact_start, query_start, state_change), ',' ORDER BY pid) \
                     FROM pg_stat_activity WHERE usename = 'pgmon'",
                )
                .await
        };
        // Whatever was sent, as the server itself counts it.
        let statements = async || {
            server
                .query::<i64>(
                    "postgres",
                    "SELECT sum(calls)::int8 FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid \
                     WHERE r.rolname = 'pgmon'",
                )
                .await
        };
        let before = backends().await?;
        let sent = statements().await?;
        assert!(!before.contains(',') && sent > 10, "one connection: {before}; {sent} statements");
        // As often as pages that are open for an hour ask.
        let top = agent.api("/api/v1/top-queries?panel=statements&limit=1");
        let paths = every_path(top["data"]["panels"]["statements"]["rows"][0]["queryid"].as_str().unwrap());
        assert!(paths.len() > 20, "{paths:?}");
        for _ in 0..240 {
            for path in &paths {
                // No service or cluster is configured that could be asked for by its name.
                let is_named = ["/api/v1/services/", "/api/v1/clusters/"].iter().any(|p| path.starts_with(p));
                let wanted = if is_named { 404 } else { 200 };
                assert_eq!(agent.get(path).status, wanted, "{path}");
            }
        }
        for _ in 0..5 {
            for path in crate::api::PATHS {
                assert_eq!(agent.get(path).status, 200, "{path}");
            }
        }
        assert_eq!(backends().await?, before);
        assert_eq!(statements().await?, sent, "statements beyond the loops'");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn the_databases_of_postgres_itself_are_left_out_if_wanted(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let databases = format!("[{{dsn: '{}', discover: true}}]", server.dsn_as("pgmon", &password, "shop"));
        let families = ["pg_stat_database_xact_commit_total", "pg_database_size_bytes", "pg_table_dead_tuples"];
        // Something to visit in each of them.
        for name in ["shop", "postgres"] {
            server.exec(name, "CREATE TABLE t AS SELECT generate_series(1, 100) AS id").await?;
        }
        for (hide, defaults) in [("false", true), ("true", false)] {
            let agent =
                Agent::start(&[("PGMON_DATABASES", databases.as_str()), ("PGMON_UI_HIDE_POSTGRES_DEFAULTS", hide)]);
            let datnames = |p: &crate::page::Page, family| -> BTreeSet<String> {
                p.all(family).filter_map(|s| s.label("datname")).map(str::to_owned).collect()
            };
            // What the databases themselves show comes only with the first visits.
            let page = agent.wait("the figures", Duration::from_secs(30), |p| {
                let seen = |family, name| datnames(p, family).contains(name);
                families.iter().all(|f| seen(f, "shop"))
                    && seen("pg_database_xid_age", "shop")
                    && (!defaults || families.iter().all(|f| seen(f, "postgres")))
            });
            if !defaults {
                std::thread::sleep(Duration::from_secs(7));
            }
            for page in [page, agent.page()] {
                for family in families {
                    let names = datnames(&page, family);
                    assert_eq!(names.contains("postgres"), defaults, "{family} {names:?}");
                    assert!(defaults || !names.contains("template1"), "{family} {names:?}");
                }
                let all = ["postgres", "shop", "template0", "template1"].map(str::to_owned).into();
                assert_eq!(datnames(&page, "pg_database_xid_age"), all, "none may be out of sight");
            }
        }
        Ok(())
    }
}

/// Every path that reads something: those of the API by its document.
fn every_path(queryid: &str) -> Vec<String> {
    let document: serde_json::Value =
        serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    let api = document["paths"].as_object().unwrap().keys().map(|path| {
        path.replace("{queryid}", queryid)
            .replace("{metric}", "pg_connections")
            .replace("{collector}", "locks")
            .replace("{name}", "locks")
    });
    let others = ["/metrics", "/healthz", "/readyz", "/livez", "/configz", "/status", "/"].map(str::to_owned);
    api.chain(others).collect()
}
