//! The same choices for each kind of entry: a primary, its standby, one behind PgBouncer, and a large one.

use super::{check, json as parsed, rows, watched};
use crate::agent::Agent;
use anyhow::Result;
use flate2::read::GzDecoder;
use pgmon_testkit::{PgBouncer, Server, Tier, on_each_major, workload};
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::Duration;

/// The paths with panels.
fn pages() -> impl Iterator<Item = &'static str> {
    let others = ["/targets", "/collectors/", "/sql/", "/history", "/openapi.json"];
    crate::api::PATHS.into_iter().filter(move |path| !others.iter().any(|other| path.contains(other)))
}

/// Starts an agent that looks once and then rests, and waits until all entries have been looked at.
fn once(databases: &str, names: &[&str]) -> Agent {
    let rest = ["HOT_PATH", "WORKLOAD", "STORAGE", "HOURLY"].map(|l| format!("PGMON_SAMPLE_INTERVALS_{l}"));
    let mut env: Vec<(&str, &str)> = rest.iter().map(|name| (name.as_str(), "1h")).collect();
    env.extend([("PGMON_DATABASES", databases), ("PGMON_CLUSTER", "c")]);
    let agent = Agent::start(&env);
    for name in names {
        let ran = |a: &Value| {
            let loops = a["data"]["panels"]["loops"]["rows"].as_array();
            loops.is_some_and(|l| l.len() == 4 && l.iter().all(|l| l["rounds"].as_u64() >= Some(1)))
        };
        agent.wait_api("its loops", &format!("/api/v1/collectors?db={name}"), ran);
    }
    agent
}

/// Everything that can be chosen of one panel of a page that has not changed since.
fn panel(agent: &Agent, page: &str, name: &str, all: &Value) {
    let path = format!("{page}&panel={name}");
    let all = all["data"]["panels"][name].clone();
    let alone = agent.api(&path);
    assert_eq!(alone["data"]["panels"].as_object().unwrap().len(), 1, "{path}");
    let csv = agent.get_with(&path, "Accept: text/csv\r\n");
    assert_eq!(agent.get(&format!("{path}&sort=nope")).status, 400, "{path}: rows or not");
    let Some(rows) = all["rows"].as_array() else {
        assert_eq!(csv.status, 503, "{path}: nothing is known, which is not the same as no rows");
        return;
    };
    assert_eq!((csv.status, csv.header("content-type")), (200, Some("text/csv; charset=utf-8")), "{path}");
    let text = csv.text();
    let head: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    assert!(!head[0].is_empty(), "{path}: {text}");
    if let Some(Value::Object(first)) = rows.first() {
        assert_eq!(
            head,
            first.keys().map(String::as_str).collect::<Vec<_>>(),
            "{path}: columns and their order"
        );
    }
    let few = agent.api(&format!("{path}&limit=1&sort={}", head[0]));
    assert_eq!(few["data"]["panels"][name]["rows"].as_array().unwrap().len(), rows.len().min(1), "{path}");
    let none = agent.get_with(&format!("{path}&q=%01nothing"), "Accept: text/csv\r\n").text();
    assert_eq!((none.lines().count(), none.lines().next()), (1, text.lines().next()), "{path}");
}

on_each_major! { [pg14 14, pg18 18]
    async fn what_can_be_chosen_is_the_same_for_a_standby_and_behind_pgbouncer(major: Major) -> Result<()> {
        let (server, _) = watched(major).await?;
        server.exec("shop", "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id; ANALYZE").await?;
        let password = server.create_monitor("looker", Tier::T1).await?;
        let standby = server.replica("standby").await?;
        standby.wait_caught_up().await?;
        let pooler = PgBouncer::builder(&server).user("looker", &password).start().await?;
        let databases = format!(
            "[{{name: primary, dsn: '{}'}}, {{name: standby, dsn: '{}'}}, {{name: pooled, pooled: true, dsn: '{}'}}]",
            server.dsn_as("looker", &password, "shop"),
            standby.dsn_as("looker", &password, "shop"),
            pooler.dsn_as("looker", &password, "shop"),
        );
        let names = ["primary", "standby", "pooled"];
        let agent = once(&databases, &names);
        let document = agent.api("/api/v1/openapi.json");
        let mut tags = std::collections::BTreeSet::new();
        for name in names {
            for path in pages() {
                let page = format!("{path}?cluster=c&db={name}");
                let first = agent.get(&page);
                let answer = parsed(&first);
                assert_eq!((first.status, &answer["data"]["target"]["db"]), (200, &json!(name)), "{page}");
                check(&document, path, &answer);
                let role = if name == "standby" { "standby" } else { "primary" };
                assert_eq!(answer["data"]["target"]["role"], role, "{page}");
                // Asked again it is the same answer, in whatever form it is wanted.
                let tag = first.header("etag").unwrap().replace("w/", "W/");
                assert!(tags.insert(tag.clone()), "{page}: two answers have the tag {tag}");
                if path != "/api/v1/collectors" {
                    let again = agent.get_with(&page, &format!("If-None-Match: {tag}\r\n"));
                    assert_eq!((again.status, again.body.len()), (304, 0), "{page}");
                }
                let packed = agent.get_with(&page, "Accept-Encoding: gzip\r\n");
                assert_eq!(packed.header("content-encoding"), (first.body.len() >= 1400).then_some("gzip"), "{page}");
                if packed.header("content-encoding").is_some() {
                    let mut text = String::new();
                    GzDecoder::new(&*packed.body).read_to_string(&mut text)?;
                    assert_eq!(serde_json::from_str::<Value>(&text)?["data"]["target"]["db"], name);
                }
                for name in answer["data"]["panels"].as_object().unwrap().keys() {
                    panel(&agent, &page, name, &answer);
                }
            }
            let tables = agent.api(&format!("/api/v1/storage?db={name}&panel=tables&q=orders&limit=5"));
            assert_eq!(rows(&tables, "tables")[0]["name"], "orders", "{name}");
            let one = agent.get_with(&format!("/api/v1/collectors/relations?db={name}&q=orders"), "Accept: text/csv\r\n");
            assert!(one.text().starts_with("oid,schema,name,relation,") && one.text().contains(",orders,"), "{name}");
            let past = agent.api(&format!("/api/v1/history/pg_connections?db={name}&from=-60"));
            assert!(!past["data"]["series"].as_array().unwrap().is_empty(), "{name}: {past:#}");
        }
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn two_thousand_tables_are_answered_whole_and_bounded(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("shop").await?;
        server.create_extension("shop", "pg_stat_statements").await?;
        workload::many_tables(&server, "shop", 2000, 2000).await?;
        server.exec("shop", "ANALYZE").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "shop");
        let agent = once(&format!("[{{name: shop, dsn: '{dsn}'}}]"), &["shop"]);
        let document = agent.api("/api/v1/openapi.json");
        for path in crate::api::PATHS.iter().filter(|p| !p.ends_with("openapi.json")) {
            let answer = agent.get(path);
            assert_eq!(answer.status, 200, "{path}");
            // A browser can hold it.
            assert!(answer.body.len() < 2 << 20, "{path}: {} bytes", answer.body.len());
            check(&document, path, &parsed(&answer));
            assert!(parsed(&answer)["age_seconds"].as_f64().is_none_or(|age| age < 60.0), "{path}");
        }
        let page = "/api/v1/storage?db=shop";
        let all = agent.api(page);
        panel(&agent, page, "tables", &all);
        let tables = rows(&all, "tables");
        assert!((50..500).contains(&tables.len()), "{} tables", tables.len());
        let sorted = agent.api(&format!("{page}&panel=tables&sort=name&order=desc&limit=3"));
        let mut names: Vec<&str> = tables.iter().map(|t| t["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        let got: Vec<&str> = rows(&sorted, "tables").iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(got, names.into_iter().rev().take(3).collect::<Vec<_>>());
        let csv = agent.get_with(&format!("{page}&panel=tables"), "Accept: text/csv\r\n").text();
        assert_eq!(csv.lines().count(), tables.len() + 1);
        // Somebody who asks for all of it at once, again and again, is answered.
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            assert_eq!(agent.get(page).status, 200);
        }
        Ok(())
    }
}
