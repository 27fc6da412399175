//! What pages say of trouble.

use super::{SOON, rows, watched};
use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{Server, StopMode, Tier, on_each_major, workload};
use serde_json::{Value, json};
use std::time::Duration;

fn level(answer: &Value) -> &str {
    answer["data"]["verdict"]["level"].as_str().unwrap()
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_chain_of_locks_appears_with_its_root(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let agent = Agent::start(&[("PGMON_DSN", &dsn), ("PGMON_ALERTS_BLOCKED_WARN_S", "0")]);
        agent.wait_for_all_loops();
        let good = agent.api("/api/v1/locks");
        assert_eq!((level(&good), rows(&good, "tree").len()), ("ok", 0));
        assert_eq!(good["data"]["panels"]["tree"]["empty"], "Nobody waits for a lock.");
        let chain = workload::lock_chain(&server, "shop", 3).await?;
        let found = agent.wait_api("the chain", "/api/v1/locks", |a| rows(a, "tree").len() == 4);
        let tree = rows(&found, "tree");
        let pids: Vec<_> = tree.iter().map(|n| n["pid"].clone()).collect();
        assert_eq!(json!(pids), json!(chain.pids()), "the root first, then each below the one before");
        assert_eq!(json!(tree.iter().map(|n| &n["depth"]).collect::<Vec<_>>()), json!([0, 1, 2, 3]));
        let root = &tree[0];
        assert_eq!((&root["parent"], &root["blocked_count"], &root["state"]), (&Value::Null, &json!(3), &json!("idle in transaction")));
        assert_eq!((&tree[1]["parent"], &tree[1]["relation"]), (&root["id"], &json!("public.lock_chain")));
        assert!(root["remedy"]["sql"].as_str().unwrap().contains(&format!("pg_terminate_backend({})", chain.pids()[0])));
        let problem = &found["data"]["problems"][0];
        assert_eq!((level(&found), &problem["page"]), ("warn", &json!("locks")));
        assert!(problem["evidence"].as_str().unwrap().contains("blocks 3 sessions"), "{problem:#}");
        // The overview and the list of databases say so as well. (These servers run without fsync, which is worse.)
        let says_so = |a: &Value| a["data"]["problems"].as_array().unwrap().iter().any(|p| p["id"] == problem["id"]);
        let overview = agent.wait_api("the overview", "/api/v1/overview", says_so);
        let first = &overview["data"]["problems"][0];
        assert_eq!((&first["id"], level(&overview)), (&json!("setting:fsync"), "crit"), "the worst first");
        let fleet = agent.api("/api/v1/targets");
        assert_eq!(fleet["data"]["targets"][0]["blocked_sessions"], json!(3.0));
        chain.stop().await?;
        agent.wait_api("nobody waits", "/api/v1/locks", |a| rows(a, "tree").is_empty());
        Ok(())
    }
}

on_each_major! { [pg13 13, pg18 18]
    async fn a_stopped_database_keeps_its_rows_with_their_age_and_is_down(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        agent.wait_api("it is good", "/api/v1/activity", |a| a["state"] == "ok");
        server.pause()?;
        agent.wait_api("stale, before anybody knows why", "/api/v1/activity", |a| a["state"] == "stale");
        server.resume()?;
        agent.wait_api("it is good again", "/api/v1/activity", |a| a["state"] == "ok");
        server.stop(StopMode::Fast).await?;
        let down = agent.wait_api("down", "/api/v1/activity", |a| a["data"]["target"]["up"] == "down");
        assert_eq!((&down["state"], level(&down)), (&json!("stale"), "crit"));
        let sentence = down["data"]["verdict"]["sentence"].as_str().unwrap();
        assert!(sentence.starts_with("The database is down: "), "{sentence}");
        assert!(!rows(&down, "groups").is_empty(), "what was last known of the whole server stays");
        assert!(!down["executed"].as_array().unwrap().is_empty());
        let age = down["age_seconds"].as_f64().unwrap();
        std::thread::sleep(Duration::from_millis(2500));
        let later = agent.api("/api/v1/activity");
        assert!(later["age_seconds"].as_f64().unwrap() >= age + 2.0, "it grows old");
        for path in crate::api::PATHS {
            assert_eq!(agent.get(path).status, 200, "{path}");
        }
        let fleet = agent.api("/api/v1/targets");
        assert_eq!((level(&fleet), &fleet["data"]["targets"][0]["crit"]), ("crit", &json!(1)));
        server.start_again().await?;
        agent.wait_api("it is back", "/api/v1/activity", |a| a["state"] == "ok" && a["data"]["target"]["up"] == "up");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg16 16]
    async fn a_missing_grant_is_named_and_nothing_is_called_good(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("shop").await?;
        let password = server.create_role("bare").await?;
        server.revoke_create_on_public("shop").await?;
        let agent = Agent::watch(&server.dsn_as("bare", &password, "shop"));
        agent.wait_for_all_loops();
        let activity = agent.api("/api/v1/activity");
        assert_eq!((&activity["state"], level(&activity)), (&json!("degraded"), "unknown"));
        let need = &activity["needs"][0];
        assert_eq!((&need["needs"], &need["remedy"]), (&json!("pg_monitor"), &json!("GRANT pg_monitor TO \"bare\";")));
        assert!(activity["data"]["figures"][0]["value"].is_null(), "unknown, not 0");
        let queries = agent.api("/api/v1/top-queries");
        assert_eq!(queries["data"]["panels"]["statements"]["state"], "degraded");
        assert!(queries["data"]["panels"]["statements"]["rows"].is_null());
        let collectors = agent.api("/api/v1/collectors");
        let grant = rows(&collectors, "grants").iter().find(|g| g["needs"] == "pg_monitor").unwrap();
        assert_eq!((&grant["met"], &grant["remedy"]), (&json!(false), &json!("GRANT pg_monitor TO \"bare\";")));
        assert!(grant["collectors"].as_array().unwrap().iter().any(|c| c == "statements"), "{grant:#}");
        server.exec("shop", "GRANT pg_monitor TO bare").await?;
        // What was granted is looked at every hour, and with each connection.
        server.exec("shop", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bare'").await?;
        agent.wait_api("the grant is seen", "/api/v1/activity", |a| a["state"] == "ok" && level(a) == "ok");
        Ok(())
    }
}

/// A problem of a page.
fn problem<'v>(answer: &'v Value, id: &str) -> Option<&'v Value> {
    answer["data"]["problems"].as_array().unwrap().iter().find(|p| p["id"] == id)
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_table_that_autovacuum_does_not_come_to_is_named(major: Major) -> Result<()> {
        let server = Server::builder(major).setting("autovacuum_naptime", "1d").start().await?;
        server.create_database("shop").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        // The launcher looks at a database once right after the start.
        server.exec("shop", "CREATE TABLE orders WITH (autovacuum_vacuum_scale_factor = 0.01) AS SELECT generate_series(1, 10000) AS id").await?;
        server.exec("shop", "VACUUM orders").await?;
        let dsn = server.dsn_as("pgmon", &password, "shop");
        let agent = Agent::start(&[("PGMON_DSN", &dsn), ("PGMON_ALERTS_AUTOVAC_STARVATION_WARN_HOURS", "0")]);
        agent.wait_for_all_loops();
        let id = "autovacuum_starvation";
        // Before 15 statistics arrive when they like: until then it is unknown.
        let good = agent.wait_api("it was vacuumed just now", "/api/v1/autovacuum", |a| level(a) == "ok");
        assert_eq!(problem(&good, id), None);
        server.exec("shop", "DELETE FROM orders WHERE id <= 300").await?;
        let found = agent.wait_api("it waits", "/api/v1/autovacuum", |a| problem(a, id).is_some());
        let problem = problem(&found, id).unwrap();
        assert_eq!((level(&found), &problem["object"]), ("warn", &json!("public.orders")));
        assert!(problem["evidence"].as_str().unwrap().contains("2.0 times what brings a vacuum"), "{problem:#}");
        assert!(problem["remedy"]["sql"].as_str().unwrap().starts_with("VACUUM"), "{problem:#}");
        let figure = found["data"]["figures"].as_array().unwrap().iter().find(|f| f["id"] == "starved").unwrap();
        assert_eq!((&figure["level"], &figure["thresholds"]["warn"], &figure["thresholds"]["crit"]), (&json!("warn"), &json!(0.0), &json!(43200.0)));
        server.exec("shop", "VACUUM orders").await?;
        agent.wait_api("it is vacuumed", "/api/v1/autovacuum", |a| level(a) == "ok");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_standby_without_a_slot_that_goes_away_is_named_until_it_is_back(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let standby = server.replica("standby1").await?;
        standby.wait_caught_up().await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        let id = "gone:standby1";
        agent.wait_api("it streams", "/api/v1/replication", |a| rows(a, "replicas").len() == 1 && level(a) == "ok");
        standby.stop(StopMode::Fast).await?;
        let found = agent.wait_api("it is gone", "/api/v1/replication", |a| problem(a, id).is_some());
        let evidence = problem(&found, id).unwrap()["evidence"].as_str().unwrap();
        assert!(evidence.starts_with("standby1 (127.0.0.1) streamed from this server until "), "{evidence}");
        assert_eq!((level(&found), rows(&found, "replicas").len()), ("warn", 0));
        assert_eq!(found["data"]["figures"][0]["value"], json!(0.0), "it is not counted");
        standby.start_again().await?;
        agent.wait_api("it is back", "/api/v1/replication", |a| problem(a, id).is_none() && rows(a, "replicas").len() == 1);
        Ok(())
    }
}

on_each_major! { [pg12 12, pg14 14, pg18 18]
    async fn no_literal_of_a_statement_leaves_the_process(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let secret = format!("zqCanary{}", std::process::id());
        server.exec("shop", "CREATE TABLE people (id int PRIMARY KEY, name text)").await?;
        server.exec("shop", &format!("INSERT INTO people VALUES (1, '{secret}'); SELECT * FROM people WHERE name = E'{secret}'")).await?;
        // One that holds a lock, and one that waits for it, both with the literal in their text.
        let write = format!("UPDATE people SET name = $q${secret}$q$ || U&'{secret}' WHERE id = 1");
        let mut holder = server.connect("shop").await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; /* {secret} */ {write}"))).execute(&mut holder).await?;
        let mut waiter = server.connect("shop").await?;
        let waits = write.clone();
        let task = tokio::spawn(async move {
            sqlx::raw_sql(sqlx::AssertSqlSafe(waits)).execute(&mut waiter).await.map(|_| ())
        });
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        let blocked = agent.wait_api("it waits", "/api/v1/locks", |a| !rows(a, "tree").is_empty());
        let tree = rows(&blocked, "tree");
        for node in tree {
            assert!(node["query"].as_str().unwrap().contains("UPDATE people SET name = ?"), "{node:#}");
        }
        // Transactions are listed from 10 s on.
        let old = agent.wait_api("it is old", "/api/v1/activity", |a| !rows(a, "sessions").is_empty());
        assert!(rows(&old, "sessions")[0]["query"].as_str().unwrap().contains("UPDATE people"));
        let more = ["/api/v1/collectors/locks", "/api/v1/collectors/connections", "/api/v1/collectors/statements", "/metrics", "/healthz"];
        for path in crate::api::PATHS.iter().chain(&more) {
            let text = agent.get(path).text();
            assert!(!text.contains(&secret), "{path} shows it");
        }
        assert!(!agent.log().contains(&secret));
        drop(holder);
        let _ = tokio::time::timeout(SOON, task).await;
        Ok(())
    }
}
