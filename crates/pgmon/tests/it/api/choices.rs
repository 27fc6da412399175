//! What can be chosen: databases, panels, rows, formats; and what is answered to what cannot.

use super::{json as parsed, rows, watched};
use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major, workload};
use serde_json::{Value, json};

on_each_major! { [pg13 13, pg18 18]
    async fn with_several_databases_one_is_chosen(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        for name in ["shop", "other"] {
            server.create_database(name).await?;
            server.exec(name, &format!("CREATE TABLE of_{name} AS SELECT generate_series(1, 10) AS id")).await?;
        }
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = |name: &str| server.dsn_as("pgmon", &password, name);
        let databases = format!("[{{dsn: '{}', discover: true}}, {{dsn: '{}'}}, {{dsn: 'postgres://x@127.0.0.1:1/gone'}}]", dsn("shop"), dsn("other"));
        let agent = Agent::start(&[("PGMON_DATABASES", &databases), ("PGMON_CLUSTER", "c")]);
        let none = agent.get("/api/v1/overview");
        assert_eq!(none.status, 400);
        let names: Vec<_> = parsed(&none)["databases"].as_array().unwrap().iter().map(|d| d["db"].clone()).collect();
        assert_eq!((json!(names), parsed(&none)["databases"][0]["cluster"].clone()), (json!(["shop", "other", "gone"]), json!("c")));
        assert_eq!(agent.get("/api/v1/overview?db=nope").status, 404);
        // What belongs to the server is shown for each of its entries.
        for db in ["shop", "other"] {
            let page = agent.wait_api("connections", &format!("/api/v1/activity?cluster=c&db={db}"), |a| a["state"] == "ok");
            assert_eq!(page["data"]["target"]["db"], db);
            assert!(page["data"]["figures"][0]["value"].as_f64().unwrap() >= 1.0);
        }
        let tables = |name: &str, datname: &str| format!("/api/v1/autovacuum?db={name}{datname}&panel=tables");
        let own = agent.wait_api("its tables", &tables("shop", ""), |a| a["data"]["panels"]["tables"]["rows"].is_array());
        assert!(rows(&own, "tables").iter().any(|t| t["name"] == "of_shop"));
        let visited = agent.wait_api("the visit", "/api/v1/targets", |a| {
            a["data"]["targets"].as_array().unwrap().iter().any(|t| t["visited"].as_array().unwrap().contains(&json!("other")))
        });
        assert_eq!((&visited["data"]["counts"]["all"], &visited["data"]["targets"][0]["db"]), (&json!(3), &json!("gone")), "the worst first");
        let other = agent.wait_api("its tables", &tables("shop", "&datname=other"), |a| a["data"]["panels"]["tables"]["rows"].is_array());
        assert!(rows(&other, "tables").iter().any(|t| t["name"] == "of_other"));
        assert_eq!(other["data"]["target"]["datname"], "other");
        assert!(other["executed"].as_array().unwrap().iter().any(|e| e["datname"] == "other"));
        assert_eq!(agent.get(&tables("shop", "&datname=nope")).status, 404);
        let sorted = agent.api("/api/v1/targets?sort=db&limit=2&q=o");
        let names: Vec<_> = sorted["data"]["targets"].as_array().unwrap().iter().map(|t| t["db"].clone()).collect();
        assert_eq!(json!(names), json!(["gone", "other"]));
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn rows_are_sorted_cut_and_handed_out_as_csv(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        workload::hostile_names(&server, "shop").await?;
        server.exec("shop", "CREATE TABLE \"=cmd|' /C calc'!A0\" AS SELECT generate_series(1, 5) AS id; ANALYZE").await?;
        let agent = Agent::watch(&dsn);
        agent.wait_for_all_loops();
        let all = agent.api("/api/v1/storage?panel=tables");
        assert_eq!(all["data"]["panels"].as_object().unwrap().len(), 1);
        let few = agent.api("/api/v1/storage?panel=tables&sort=name&order=desc&limit=2");
        let name = |i: usize| rows(&few, "tables")[i]["name"].as_str().unwrap().to_lowercase();
        assert!(rows(&few, "tables").len() == 2 && name(0) >= name(1));
        let csv = agent.get_with("/api/v1/storage?panel=tables", "Accept: text/csv\r\n");
        assert_eq!((csv.status, csv.header("content-type")), (200, Some("text/csv; charset=utf-8")));
        assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"pgmon-tables.csv\""));
        assert!(csv.text().contains("\"'=cmd|' /C calc'!A0\""), "{}", csv.text());
        let generic = agent.get_with("/api/v1/collectors/relations", "Accept: text/csv\r\n");
        assert!(generic.text().starts_with("oid,schema,name,relation,") && generic.text().contains("\"'=cmd"));
        assert!(agent.get_with("/api/v1/targets", "Accept: text/csv\r\n").text().starts_with("cluster,db,level,"));
        for (path, code) in [
            ("/api/v1/storage?limt=2", 400),
            ("/api/v1/storage?limit=0", 400),
            ("/api/v1/storage?sort=name", 400),
            ("/api/v1/storage?panel=nope", 404),
            ("/api/v1/storage?panel=tables&sort=nope", 400),
            ("/api/v1/storage?panel=tables&order=up", 400),
            ("/api/v1/collectors/nope", 404),
            ("/api/v1/sql/nope", 404),
            ("/api/v1/history/pg_connections?from=yesterday", 400),
            ("/api/v1/history/nope", 404),
            ("/api/v1/storage?db=shop&db=other", 400),
            ("/api/v1/nope", 404),
        ] {
            let answer = agent.get(path);
            assert_eq!(answer.status, code, "{path}");
            assert!(parsed(&answer)["error"].is_string() && parsed(&answer)["hint"].is_string(), "{path}");
        }
        // What is filtered away leaves the head, and a wrong name is wrong all the same.
        let full = agent.get_with("/api/v1/indexes?panel=findings", "Accept: text/csv\r\n").text();
        let none = agent.get_with("/api/v1/indexes?panel=findings&q=nobody", "Accept: text/csv\r\n").text();
        assert_eq!((none.lines().count(), none.lines().next()), (1, full.lines().next()), "{none}");
        assert_eq!(agent.get("/api/v1/indexes?panel=findings&q=nobody&sort=nope").status, 400);
        let levels = agent.api("/api/v1/collectors?panel=loops&sort=level&order=asc");
        let severity = |row: &Value| ["ok", "unknown", "warn", "crit"].iter().position(|l| row["level"] == *l).unwrap();
        assert!(rows(&levels, "loops").iter().map(severity).is_sorted(), "{levels:#}");
        // What there is a past of, and what somebody perhaps meant.
        let known = agent.api("/api/v1/history?q=pg_connections&sort=metric");
        let first = &known["data"]["metrics"][0];
        assert_eq!((&first["metric"], &first["kind"], first["help"].is_string()), (&json!("pg_connections"), &json!("gauge"), true), "{known:#}");
        assert!(first["series"].as_u64() >= Some(1), "{first:#}");
        let csv = agent.get_with("/api/v1/history", "Accept: text/csv\r\n").text();
        assert!(csv.starts_with("metric,kind,help,labels,series\r\n") && csv.contains("pg_up,gauge,"), "{csv}");
        let near = parsed(&agent.get("/api/v1/history/pg_conections"));
        assert!(near["hint"].as_str().unwrap().contains("pg_connections"), "{near}");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn what_has_not_changed_is_not_sent_again(major: Major) -> Result<()> {
        let (_server, dsn) = watched(major).await?;
        let rest = ["HOT_PATH", "WORKLOAD", "STORAGE", "HOURLY"].map(|l| format!("PGMON_SAMPLE_INTERVALS_{l}"));
        let mut env: Vec<(&str, &str)> = rest.iter().map(|name| (name.as_str(), "1h")).collect();
        env.push(("PGMON_DSN", &dsn));
        let agent = Agent::start(&env);
        agent.wait_for_all_loops();
        for path in ["/api/v1/overview", "/api/v1/settings?panel=all&limit=3", "/api/v1/targets", "/api/v1/collectors/wal"] {
            let first = agent.get(path);
            let tag = first.header("etag").unwrap().replace("w/", "W/");
            let head = format!("If-None-Match: \"x\", {tag}\r\n");
            let again = agent.get_with(path, &head);
            assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, first.header("etag")), "{path}");
            assert_eq!(agent.get_with(path, "If-None-Match: \"x\"\r\n").status, 200);
            // Without a tag the ages are right to a second.
            std::thread::sleep(std::time::Duration::from_millis(1500));
            let later = agent.get(path);
            assert_eq!(later.header("etag"), first.header("etag"), "{path}");
            assert_ne!(parsed(&later)["as_of"], parsed(&first)["as_of"]);
        }
        // Who takes gzip gets it, whoever asked first.
        assert_eq!(agent.get("/api/v1/settings").header("content-encoding"), None);
        let packed = agent.get_with("/api/v1/settings", "Accept-Encoding: gzip\r\n");
        assert_eq!((packed.header("content-encoding"), &packed.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
        let packed = agent.get_with("/api/v1/wal", "Accept-Encoding: gzip\r\n");
        assert_eq!((packed.header("content-encoding"), &packed.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
        assert_eq!(agent.get("/api/v1/wal").header("content-encoding"), None);
        Ok(())
    }
}
