//! `/api/v1`: what it answers, and that this is what its description says.

mod choices;
mod everywhere;
mod trouble;

use crate::agent::{Agent, Answer};
use anyhow::Result;
use pgmon_testkit::{Major, Server, Tier, on_each_major, workload};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const SOON: Duration = Duration::from_secs(20);

/// What can be asked for without further knowledge, if one database is watched.
pub const PATHS: [&str; 21] = [
    "/api/v1/targets",
    "/api/v1/overview",
    "/api/v1/activity",
    "/api/v1/locks",
    "/api/v1/autovacuum",
    "/api/v1/top-queries",
    "/api/v1/storage",
    "/api/v1/indexes",
    "/api/v1/bloat",
    "/api/v1/partitions",
    "/api/v1/replication",
    "/api/v1/wraparound",
    "/api/v1/wal",
    "/api/v1/io",
    "/api/v1/settings",
    "/api/v1/collectors",
    "/api/v1/collectors/tables",
    "/api/v1/sql/statements",
    "/api/v1/history",
    "/api/v1/history/pg_connections",
    "/api/v1/openapi.json",
];

/// A server with tables, statements and a database `shop`, and who watches it.
pub async fn watched(major: Major) -> Result<(Server, String)> {
    let server = Server::builder(major).statements().setting("max_prepared_transactions", 5).start().await?;
    server.create_database("shop").await?;
    server.create_extension("shop", "pg_stat_statements").await?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    let dsn = server.dsn_as("pgmon", &password, "shop");
    Ok((server, dsn))
}

impl Agent {
    /// An answer of the API that is good.
    pub fn api(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Waits until an answer is as wanted.
    pub fn wait_api(&self, what: &str, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let answer = self.api(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "not within {SOON:?}: {what}\n{answer:#}\nlog:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

/// The rows of a panel.
pub fn rows<'v>(answer: &'v Value, panel: &str) -> &'v Vec<Value> {
    let rows = answer["data"]["panels"][panel]["rows"].as_array();
    rows.unwrap_or_else(|| panic!("no rows in {panel}: {:#}", answer["data"]["panels"][panel]))
}

/// Checks an answer against the schema that the description gives for its path.
pub fn check(document: &Value, path: &str, answer: &Value) {
    let path = path.replace("/collectors/tables", "/collectors/{name}");
    let path = path.replace("/sql/statements", "/sql/{collector}");
    let path = path.replace("/history/pg_connections", "/history/{metric}");
    let schema =
        &document["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path} is not described");
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&root).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|e| format!("{}: {e}", e.instance_path())).take(5).collect();
    assert!(errors.is_empty(), "{path}: {errors:#?}");
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn every_answer_is_as_described(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        workload::partitions(&server, "shop").await?;
        workload::unused_index(&server, "shop").await?;
        workload::duplicate_index(&server, "shop").await?;
        let chain = workload::lock_chain(&server, "shop", 2).await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        // The second round brings rates.
        agent.wait_api("rates", "/api/v1/overview", |a| a["data"]["figures"][0]["value"].is_number());
        let document = agent.api("/api/v1/openapi.json");
        for path in PATHS.iter().filter(|p| !p.ends_with("openapi.json")) {
            let answer = agent.api(path);
            check(&document, path, &answer);
            for figure in answer["data"]["figures"].as_array().into_iter().flatten() {
                let metric = figure["history"]["metric"].as_str();
                assert!(metric.is_none_or(pgmon_collect::postgres::collectors::has_family), "{path}: {figure:#}");
            }
            let panels = answer["data"]["panels"].as_object().into_iter().flatten();
            for (name, panel) in panels {
                let state = panel["state"].as_str().unwrap();
                let known = ["ok", "degraded", "unsupported"].contains(&state);
                assert!(known && (panel["rows"].is_array() || state != "ok"), "{path} {name}: {panel:#}");
                for collector in panel["collectors"].as_array().unwrap() {
                    let executed = answer["executed"].as_array().unwrap();
                    let ran = executed.iter().any(|e| e["collector"] == *collector);
                    assert!(ran || panel["rows"].is_null(), "{path} {name}: nothing ran for {collector}");
                }
            }
        }
        let sql = agent.api("/api/v1/locks")["executed"].clone();
        assert!(sql[0]["sql"].as_str().unwrap().contains("pg_locks") && sql[0]["pg_major"] == major.0, "{sql:#}");
        let indexes = agent.api("/api/v1/indexes");
        for index in rows(&indexes, "indexes") {
            let drops = index["remedy"]["sql"].as_str().is_some_and(|sql| sql.contains("DROP INDEX"));
            let kept = !index["kept_for"].as_array().unwrap().is_empty();
            assert!(!(drops && kept), "{index:#}");
        }
        let drops = |sql: &str| sql.lines().any(|line| line.starts_with("DROP INDEX CONCURRENTLY"));
        assert!(rows(&indexes, "findings").iter().any(|i| i["remedy"]["sql"].as_str().is_some_and(drops)));
        chain.stop().await
    }
}

on_each_major! { [pg14 14, pg18 18]
    async fn a_statement_and_the_past_of_figures(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        server.exec("shop", "CREATE TABLE orders AS SELECT generate_series(1, 100) AS id").await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        server.exec("shop", "SELECT count(*) FROM orders WHERE id > 4711").await?;
        let found = agent.wait_api("the statement", "/api/v1/top-queries?q=FROM%20orders", |a| {
            a["data"]["panels"]["statements"]["rows"].as_array().is_some_and(|r| !r.is_empty())
        });
        let row = &rows(&found, "statements")[0];
        assert!(row["text"].as_str().unwrap().contains("id > $1") && !found.to_string().contains("4711"));
        let id = row["queryid"].as_str().unwrap();
        let one = agent.api(&format!("/api/v1/statements/{id}"));
        assert_eq!(rows(&one, "statement")[0]["queryid"], id, "also beyond 2^53");
        assert_eq!(one["data"]["figures"][4]["history"]["labels"]["queryid"], id);
        let past = agent.wait_api("its past", &format!("/api/v1/history/pg_stmt_calls_total?queryid={id}&rate=false"), |a| {
            !a["data"]["series"].as_array().unwrap().is_empty()
        });
        assert_eq!((&past["data"]["kind"], &past["data"]["rate"]), (&json!("counter"), &json!(false)));
        let last = past["data"]["series"][0]["mean"].as_array().unwrap().last().unwrap().clone();
        assert!(last.as_f64().unwrap() >= 1.0, "{past:#}");
        assert_eq!(agent.get("/api/v1/statements/1").status, 404);
        assert_eq!(agent.get("/api/v1/statements/x").status, 400);

        let past = agent.api("/api/v1/history/pg_connections?from=-30&step=1");
        let (times, mean) = (&past["data"]["unix_seconds"], &past["data"]["series"][0]["mean"]);
        assert_eq!(times.as_array().unwrap().len(), 30);
        assert_eq!(mean.as_array().unwrap().len(), 30);
        assert!(mean[29].as_f64().unwrap() >= 1.0 && past["data"]["help"].is_string(), "{past:#}");
        // Before pgmon came, nothing is known.
        let before = agent.api("/api/v1/history/pg_connections?from=-3600&to=-1800");
        assert!(before["data"]["series"].as_array().unwrap().is_empty());
        let sparks = agent.api("/api/v1/targets?sparklines=true");
        let line = sparks["data"]["targets"][0]["connections_history"].as_array().unwrap();
        assert!(line.len() == 30 && line[29].is_number(), "{line:?}");
        Ok(())
    }
}
