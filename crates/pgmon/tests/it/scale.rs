//! Many relations, many databases, names of every kind.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major, workload};
use std::collections::BTreeSet;
use std::time::Duration;

on_each_major! { [pg12 12, pg18 18]
    async fn two_thousand_tables_and_ten_databases_fit_the_budgets(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("shop").await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        workload::many_tables(&server, "shop", 2000, 3000).await?;
        for i in 1..10 {
            let name = format!("db{i}");
            server.create_database(&name).await?;
            server.exec(&name, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100); ANALYZE").await?;
        }
        server.create_database("closed").await?;
        server.exec("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "shop");
        let agent = Agent::start(&[("PGMON_DATABASES", &format!("[{{dsn: '{dsn}', discover: true}}]"))]);
        agent.wait_for_all_loops();
        let page = agent.wait("all databases were visited", Duration::from_secs(30), |p| {
            let seen: BTreeSet<_> = p.all("pg_table_dead_tuples").filter_map(|s| s.label("datname")).collect();
            seen.len() == 10 || p.all("pg_relation_size_bytes").filter_map(|s| s.label("datname")).collect::<BTreeSet<_>>().len() == 10
        });
        for name in ["hot_path", "workload", "storage", "hourly"] {
            assert_eq!(page.value("pgmon_loop_degraded", &[("loop", name)]), Some(0.0), "{name}: {}", agent.log());
            assert_eq!(page.value("pgmon_errors_total", &[("loop", name)]), Some(0.0), "{name}: {}", agent.log());
        }
        // A database that cannot be looked at is told of, with what would help.
        assert!(page.all("pgmon_blind").any(|s| s.label("collector") == Some("discover") && s.label("needs") == Some("CONNECT")));
        assert!(agent.get("/healthz").text().contains("GRANT CONNECT ON DATABASE \\\"closed\\\" TO"), "{}", agent.get("/healthz").text());
        // Bounded: Top-N, not every table.
        assert!(page.all("pg_relation_size_bytes").filter(|s| s.label("datname") == Some("shop")).count() <= 100);
        let connections: i64 =
            server.query("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgmon'").await?;
        assert!(connections <= 2, "{connections} connections");
        Ok(())
    }
}

on_each_major! { [pg13 13, pg18 18]
    async fn figures_of_each_database_carry_its_name_and_others_never_do(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        for name in ["shop", "stock"] {
            server.create_database(name).await?;
            server.exec(name, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)").await?;
            server.exec(name, "ANALYZE t").await?;
            server.exec(name, "VACUUM t").await?;
        }
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "shop");
        let agent = Agent::start(&[("PGMON_DATABASES", &format!("[{{dsn: '{dsn}', discover: true}}]"))]);
        let seen = |p: &crate::page::Page, family, datname| {
            p.all(family).any(|s| s.label("datname") == Some(datname) && s.label("relation") == Some("public.t"))
        };
        let families = ["pg_table_last_analyze_seconds", "pg_table_last_vacuum_seconds", "pg_relation_size_bytes"];
        let page = agent.wait("both databases' tables", Duration::from_secs(30), |p| {
            families.iter().all(|f| ["shop", "stock"].iter().all(|d| seen(p, f, d)))
        });
        // A family is told apart by database in all of its samples or in none.
        let mut labelled = std::collections::BTreeMap::<&str, BTreeSet<bool>>::new();
        for sample in &page.samples {
            labelled.entry(&sample.name).or_default().insert(sample.label("datname").is_some());
        }
        let mixed: Vec<_> = labelled.iter().filter(|(_, with)| with.len() > 1).collect();
        assert!(mixed.is_empty(), "{mixed:?}");
        // They stay from one visit to the next, and longer than the loop's own three intervals.
        for _ in 0..40 {
            std::thread::sleep(Duration::from_millis(200));
            let page = agent.page();
            assert!(seen(&page, families[0], "stock"), "{}", page.text);
        }
        Ok(())
    }
}

on_each_major! {
    async fn hostile_names_give_a_page_that_can_be_read(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("sh\"op\n'x").await?;
        server.create_extension("sh\"op\n'x", "pg_stat_statements").await?;
        let names = workload::hostile_names(&server, "sh\"op\n'x").await?;
        server.exec("sh\"op\n'x", "ANALYZE").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let agent = Agent::watch(&server.dsn_as("pgmon", &password, "sh\"op\n'x"));
        // Reading the page checks that it is well-formed and that no series appears twice.
        let page = agent.wait_for_all_loops();
        let shown = page.all("pg_relation_size_bytes").filter(|s| s.label("relkind") == Some("table")).count();
        assert!(shown >= names.len().min(40), "{shown} of {}", names.len());
        for l in ["hot_path", "workload", "storage", "hourly"] {
            assert_eq!(page.value("pgmon_errors_total", &[("loop", l)]), Some(0.0), "{}", agent.log());
        }
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn entries_of_one_server_share_what_belongs_to_the_server(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.create_database("a").await?;
        server.create_database("b").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let entry = |db| format!("{{dsn: '{}'}}", server.dsn_as("pgmon", &password, db));
        let agent = Agent::start(&[("PGMON_DATABASES", &format!("[{}, {}]", entry("a"), entry("b")))]);
        let page = agent.wait("both have the server's figures", Duration::from_secs(20), |p| {
            ["a", "b"].iter().all(|db| p.all("pg_max_connections").any(|s| s.label("db") == Some(db)))
        });
        assert_eq!(page.all("pgmon_collector_success").filter(|s| s.label("collector") == Some("connections")).count(), 1);
        Ok(())
    }
}

on_each_major! { [pg17 17]
    async fn a_loop_over_its_budget_is_degraded_and_runs_less_often(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        workload::many_tables(&server, "shop", 2000, 3000).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "shop");
        let agent = Agent::start(&[("PGMON_DSN", &dsn), ("PGMON_BUDGETS_STORAGE", "10ms")]);
        let page = agent.wait("storage is degraded", Duration::from_secs(20), |p| {
            p.value("pgmon_loop_degraded", &[("loop", "storage")]) == Some(1.0)
        });
        for other in ["hot_path", "workload"] {
            assert_eq!(page.value("pgmon_loop_degraded", &[("loop", other)]), Some(0.0), "{other}");
        }
        let health = agent.get("/healthz");
        assert_eq!(health.status, 200);
        assert!(health.text().contains("storage is degraded"), "{}", health.text());
        assert!(agent.log().contains("degraded"), "{}", agent.log());
        agent.wait("a collector runs less often", Duration::from_secs(20), |_| {
            agent.get("/healthz").text().contains("runs every")
        });
        Ok(())
    }
}
