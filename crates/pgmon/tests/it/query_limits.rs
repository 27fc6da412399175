//! What a configured query's family over a limit does to the page, the log and `/healthz`.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

on_each_major! { [pg18 18]
    async fn a_query_over_the_limit_of_a_family_is_counted_and_its_label_named(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let queries = "[{name: fat, help: F., labels: [kind, number], interval: 1s, query: \
            \"SELECT 'k' AS kind, g AS number, 1 FROM generate_series(1, 700) g\"}, \
            {name: thin, help: T., query: SELECT 1}]";
        let agent = Agent::start(&[
            ("PGMON_DSN", &dsn),
            ("PGMON_LIMITS_SERIES_PER_FAMILY", "600"),
            ("PGMON_QUERIES", queries),
        ]);
        let page = agent.wait("two results were left out", SOON, |p| {
            p.has("thin") && p.value("pgmon_series_dropped_total", &[]) >= Some(1400.0)
        });
        assert!(!page.has("fat"));
        let health = agent.get("/healthz").text();
        assert!(health.contains("fat is left out") && health.contains("number"), "{health}");
        let told = agent.log().lines().filter(|l| l.contains("fat") && l.contains("left out")).count();
        assert_eq!(told, 1, "{}", agent.log());
        Ok(())
    }
}
