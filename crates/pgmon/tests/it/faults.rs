//! What may happen to a monitored server, and what pgmon makes of it.

use crate::agent::{Agent, INTERVAL};
use anyhow::Result;
use pgmon_testkit::{Major, Server, StopMode, Tier, on_each_major, workload};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

async fn watched(major: Major) -> Result<(Server, String)> {
    let server = Server::builder(major).statements().setting("max_prepared_transactions", 5).start().await?;
    server.create_database("shop").await?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    let dsn = server.dsn_as("pgmon", &password, "shop");
    Ok((server, dsn))
}

fn up(page: &crate::page::Page) -> Option<f64> {
    page.value("pg_up", &[])
}

async fn backends(server: &Server) -> Result<i64> {
    server.query("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgmon'").await
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_database_that_is_down_at_the_start_is_found_when_it_comes(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        server.stop(StopMode::Fast).await?;
        let agent = Agent::watch(&dsn);
        let page = agent.wait("it is down", SOON, |p| up(p) == Some(0.0));
        assert!(!page.has("pg_connections") && !page.has("pg_info"), "{}", page.text);
        let health = agent.get("/healthz");
        assert_eq!(health.status, 503, "every database is down");
        assert!(health.text().contains("cannot connect"), "nothing was connected: {}", health.text());
        std::thread::sleep(3 * INTERVAL);
        assert_eq!(agent.log().matches("down: ").count(), 1, "told once, not at each attempt:\n{}", agent.log());
        server.start_again().await?;
        agent.wait("it is up within two intervals", 2 * INTERVAL + Duration::from_secs(2), |p| up(p) == Some(1.0));
        agent.wait_for_all_loops();
        Ok(())
    }
}

on_each_major! { [pg14 14, pg18 18]
    async fn a_stopped_server_loses_its_values_and_gets_one_connection_back(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let agent = Agent::watch(&dsn);
        agent.wait("figures", SOON, |p| p.has("pg_connections"));
        server.pause()?;
        let stopped = Instant::now();
        agent.wait("its values are gone", SOON, |p| !p.has("pg_connections") && up(p) == Some(0.0));
        // Three intervals after their round, which was at most one before the stop, and a little later on a
        // busy machine.
        assert!(stopped.elapsed() >= 3 * INTERVAL / 2, "values outlive a short stall");
        assert_eq!(agent.get("/livez").status, 200);
        server.resume()?;
        agent.wait("it is back", SOON, |p| up(p) == Some(1.0) && p.has("pg_connections"));
        // What waited in the stopped server's queue is gone once the server has noticed.
        server.wait_until("postgres", "SELECT count(*) <= 1 FROM pg_stat_activity WHERE usename = 'pgmon'").await?;
        Ok(())
    }
}

on_each_major! { [pg13 13, pg17 17]
    async fn a_killed_server_is_found_again_by_the_same_process(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        let pid = agent.pid();
        server.kill().await?;
        agent.wait("it is down", SOON, |p| up(p) == Some(0.0));
        server.start_again().await?;
        agent.wait("it is up within two intervals", 2 * INTERVAL + Duration::from_secs(2), |p| up(p) == Some(1.0));
        assert_eq!(agent.pid(), pid);
        agent.wait_for_all_loops();
        assert_eq!(backends(&server).await?, 1, "one kept connection");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn a_promoted_standby_changes_its_role_within_two_intervals(major: Major) -> Result<()> {
        let (primary, _) = watched(major).await?;
        let password = primary.create_role("watcher").await?;
        primary.exec("postgres", "GRANT pg_monitor TO watcher").await?;
        let replica = primary.replica("r1").await?;
        replica.wait_caught_up().await?;
        let agent = Agent::watch(&replica.dsn_as("watcher", &password, "shop"));
        agent.wait("a standby", SOON, |p| p.value("pg_in_recovery", &[]) == Some(1.0));
        agent.wait_for_all_loops();
        replica.promote().await?;
        agent.wait("a primary", 2 * INTERVAL + Duration::from_secs(1), |p| p.value("pg_in_recovery", &[]) == Some(0.0));
        agent.wait_for_all_loops();
        Ok(())
    }
}

on_each_major! { [pg14 14]
    async fn a_server_of_another_version_in_its_place_is_read_as_what_it_is(major: Major) -> Result<()> {
        let (mut server, _) = watched(major).await?;
        server.exec("postgres", "CREATE ROLE w LOGIN PASSWORD 'w1'; GRANT pg_monitor TO w").await?;
        let agent = Agent::watch(&server.dsn_as("w", "w1", "postgres"));
        agent.wait("14", SOON, |p| p.value("pg_info", &[("major", "14")]) == Some(1.0));
        agent.wait_for_all_loops();
        server.replace_with(Major(18)).await?;
        server.exec("postgres", "CREATE ROLE w LOGIN PASSWORD 'w1'; GRANT pg_monitor TO w").await?;
        let page = agent.wait("18", SOON, |p| p.value("pg_info", &[("major", "18")]) == Some(1.0));
        assert_eq!(page.all("pg_info").count(), 1);
        let page = agent.wait_for_all_loops();
        for sample in &page.samples {
            let rate = sample.name.ends_with("_per_second") || sample.name == "pg_tps" || sample.name == "pg_qps";
            assert!(!rate || sample.value >= 0.0, "{sample:?}");
        }
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_server_without_free_connections_is_asked_once_an_interval(major: Major) -> Result<()> {
        let server = Server::builder(major).setting("max_connections", 12).setting("max_wal_senders", 2).start().await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let crowd = workload::connections(&server, "postgres", 9).await?;
        let agent = Agent::watch(&server.dsn_as("pgmon", &password, "postgres"));
        agent.wait("it is down", SOON, |p| up(p) == Some(0.0));
        let before = agent.page().value("pgmon_connect_errors_total", &[]).unwrap();
        std::thread::sleep(5 * INTERVAL);
        let after = agent.page().value("pgmon_connect_errors_total", &[]).unwrap();
        assert!(after > before && after - before <= 6.0, "{} attempts in five intervals", after - before);
        let reason = agent.get("/healthz").text();
        assert!(reason.contains("53300") || reason.contains("too many clients") || reason.contains("slots"), "{reason}");
        crowd.stop().await?;
        agent.wait("it is up", SOON, |p| up(p) == Some(1.0));
        Ok(())
    }
}

on_each_major! {
    async fn ddl_on_the_largest_table_costs_only_that_table(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        server
            .exec(
                "shop",
                "CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 1000);
                 CREATE TABLE large (id int PRIMARY KEY, pad text);
                 INSERT INTO large SELECT i, repeat('x', 200) FROM generate_series(1, 50000) AS i; ANALYZE",
            )
            .await?;
        let ddl = workload::access_exclusive(&server, "shop", "large").await?;
        let agent = Agent::watch(&dsn);
        let page = agent.wait_for_all_loops();
        let size = |p: &crate::page::Page, relation| {
            p.all("pg_relation_size_bytes").any(|s| s.label("relation") == Some(relation))
        };
        assert!(size(&page, "public.small") && !size(&page, "public.large"), "{}", page.text);
        assert_eq!(page.value("pgmon_errors_total", &[("loop", "storage")]), Some(0.0));
        ddl.stop().await?;
        agent.wait("the large table is back", SOON, |p| size(p, "public.large"));
        Ok(())
    }
}

on_each_major! {
    async fn a_lock_wait_is_seen_and_breaks_nothing(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        let chain = workload::lock_chain(&server, "shop", 3).await?;
        let page = agent.wait("three wait", SOON, |p| p.value("pg_blocked_sessions_total", &[]) == Some(3.0));
        assert!(page.value("pg_longest_blocked_seconds", &[]).unwrap() >= 0.0);
        assert_eq!(page.value("pgmon_errors_total", &[("loop", "hot_path")]), Some(0.0));
        chain.stop().await?;
        agent.wait("nobody waits", SOON, |p| p.value("pg_blocked_sessions_total", &[]) == Some(0.0));
        Ok(())
    }
}

on_each_major! { [pg12 12, pg14 14, pg18 18]
    async fn a_statistics_reset_between_rounds_gives_no_negative_rate(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        let load = workload::pgbench(&server, "shop", 1, 2, 50).await?;
        let agent = Agent::watch(&dsn);
        agent.wait("rates", SOON, |p| p.has("pg_tps") && p.has("pg_qps"));
        server
            .exec("shop", "SELECT pg_stat_reset(); SELECT pg_stat_reset_shared('bgwriter'); SELECT pg_stat_statements_reset()")
            .await?;
        let deadline = Instant::now() + 6 * INTERVAL;
        while Instant::now() < deadline {
            let page = agent.page();
            for sample in &page.samples {
                let rate = sample.name.ends_with("_per_second") || sample.name == "pg_tps" || sample.name == "pg_qps";
                assert!(!rate || sample.value >= 0.0, "{sample:?}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        agent.wait("rates again", SOON, |p| p.has("pg_tps") && p.has("pg_qps"));
        load.stop().await?;
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn one_dead_database_delays_no_other(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let (other, other_dsn) = watched(major).await?;
        let databases = format!("[{{name: good, dsn: '{dsn}'}}, {{name: bad, dsn: '{other_dsn}'}}]");
        let agent = Agent::start(&[("PGMON_DATABASES", &databases)]);
        agent.wait("both are up", SOON, |p| p.all("pg_up").filter(|s| s.value == 1.0).count() == 2);
        other.pause()?;
        agent.wait("one is down", SOON, |p| p.value("pg_up", &[("db", "bad")]) == Some(0.0));
        let rounds = |p: &crate::page::Page| {
            p.value("pgmon_scrape_duration_seconds_count", &[("db", "good"), ("loop", "hot_path")]).unwrap()
        };
        let before = rounds(&agent.page());
        std::thread::sleep(5 * INTERVAL);
        let page = agent.page();
        assert!(rounds(&page) - before >= 4.0, "{} rounds in five intervals", rounds(&page) - before);
        assert_eq!(page.value("pg_up", &[("db", "good")]), Some(1.0));
        assert_eq!(agent.get("/healthz").status, 200, "an orchestrator must not restart pgmon for a dead database");
        assert!(agent.get("/healthz").text().contains("\"degraded\""));
        other.resume()?;
        drop(server);
        Ok(())
    }
}
