//! A scrape takes what is there.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major};

on_each_major! { [pg12 12, pg18 18]
    async fn answers_run_no_sql_and_open_no_connection(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
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
        let before = backends().await?;
        assert!(!before.contains(','), "one connection: {before}");
        for _ in 0..100 {
            for path in ["/metrics", "/healthz", "/readyz", "/livez", "/"] {
                assert_eq!(agent.get(path).status, 200, "{path}");
            }
        }
        assert_eq!(backends().await?, before);
        Ok(())
    }
}
