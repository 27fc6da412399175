//! `pgmon report`: one look at real servers.

use crate::agent::pgmon;
use anyhow::{Context as _, Result};
use pgmon_testkit::{Major, Server, StopMode, Tier, on_each_major, workload};
use serde_json::Value;
use std::process::{Command, Output};

/// A server with a database `shop`, and a DSN of a role that sees all of it.
async fn watched(major: Major) -> Result<(Server, String)> {
    // The test servers are fast, and not safe.
    let server = Server::builder(major).statements().setting("fsync", "on").start().await?;
    server.create_database("shop").await?;
    server.create_extension("shop", "pg_stat_statements").await?;
    server
        .exec("shop", "CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 1000) AS n; ANALYZE")
        .await?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    for name in server.databases().await? {
        server.revoke_create_on_public(&name).await?;
    }
    let dsn = server.dsn_as("pgmon", &password, "shop");
    Ok((server, dsn))
}

fn report(dsn: &str, args: &[&str]) -> Command {
    let mut command = pgmon();
    command.arg("report").args(args).env("PGMON_DSN", dsn);
    command
}

fn run(mut command: Command) -> Result<(Option<i32>, String, String)> {
    let Output { status, stdout, stderr } = command.output()?;
    Ok((status.code(), String::from_utf8(stdout)?, String::from_utf8(stderr)?))
}

fn json(command: Command) -> Result<(Option<i32>, Value)> {
    let (code, out, err) = run(command)?;
    Ok((code, serde_json::from_str(&out).with_context(|| format!("{err}\n{out}"))?))
}

/// Checks an answer against the schema that the API's description has for its path.
fn check(document: &Value, path: &str, answer: &Value) {
    let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path} is not described");
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&root).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|e| format!("{}: {e}", e.instance_path())).take(5).collect();
    assert!(errors.is_empty(), "{path}: {errors:#?}");
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_healthy_database_is_reported_whole_with_rates(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let before: i64 = server.query("shop", "SELECT txid_snapshot_xmax(txid_current_snapshot())").await?;
        let (code, found) = json(report(&dsn, &["--format", "json", "--for", "2s"]))?;
        let one = &found["databases"][0];
        let problems = &one["pages"]["overview"]["data"]["problems"];
        assert_eq!(code, Some(0), "{problems:#} {:#}", one["missing"]);
        assert_eq!((&one["level"], &one["missing"]), (&serde_json::json!("ok"), &serde_json::json!([])));
        let document: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json"))?;
        check(&document, "/api/v1/targets", &found["fleet"]);
        let pages = one["pages"].as_object().context("no pages")?;
        let described = document["paths"].as_object().context("no paths")?;
        let pages_described = described.keys().filter(|path| {
            let schema = &document["paths"][*path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
            !path.contains('{') && schema["$ref"].as_str().is_some_and(|name| name.ends_with("PageAnswer"))
        });
        for path in pages_described {
            let name = path.trim_start_matches("/api/v1/");
            check(&document, path, pages.get(name).with_context(|| format!("{name} is not in the report"))?);
        }
        for (name, page) in pages {
            assert!(described.contains_key(&format!("/api/v1/{name}")), "{name} is no page");
            let state = page["state"].as_str().context("no state")?;
            assert!(["ok", "degraded"].contains(&state), "{name} is {state}: {}", page["reason"]);
            let ran = page["executed"].as_array().context("no list")?.len();
            assert!(ran > 0 || name == "collectors", "{name}: nothing ran");
        }
        // Before 15 the first statistics of a new database come late, and may count as a reset.
        let rate = &pages["overview"]["data"]["figures"][0]["value"];
        assert!(rate.is_number() || major.0 < 15, "a rate: {:#}", pages["overview"]["data"]["figures"]);
        for of_loop in pages["collectors"]["data"]["panels"]["loops"]["rows"].as_array().context("no loops")? {
            let wanted = if matches!(of_loop["loop"].as_str(), Some("hot_path" | "workload")) { 2 } else { 1 };
            assert!(of_loop["rounds"].as_u64() >= Some(wanted), "{of_loop:#}");
            assert_eq!((&of_loop["success"], &of_loop["late"]), (&Value::Bool(true), &Value::Bool(false)), "{of_loop:#}");
        }
        let after: i64 = server.query("shop", "SELECT txid_snapshot_xmax(txid_current_snapshot())").await?;
        assert_eq!(before, after, "no transaction id was used up");
        // Without a second round there is no rate, and it is at once.
        let (code, found) = json(report(&dsn, &["--format", "json", "--for", "0"]))?;
        let figures = &found["databases"][0]["pages"]["overview"]["data"]["figures"];
        assert_eq!((code, &figures[0]["value"]), (Some(0), &Value::Null), "{figures:#}");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_chain_of_locks_is_told_with_its_root_and_what_may_be_done(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let chain = workload::lock_chain(&server, "shop", 2).await?;
        server.wait_until("shop", "(SELECT max(now() - state_change) > '1 s' FROM pg_stat_activity WHERE wait_event_type = 'Lock')").await?;
        let with = |warn: &str, crit: &str, format: &str| {
            let mut command = report(&dsn, &["--for", "0", "--format", format]);
            command.env("PGMON_ALERTS_BLOCKED_WARN_S", warn).env("PGMON_ALERTS_BLOCKED_CRIT_S", crit);
            command
        };
        let (code, text, _) = run(with("1", "3600", "text"))?;
        assert_eq!(code, Some(1), "{text}");
        let root = chain.pids()[0];
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("WARNING Sessions are blocked") && words.contains("blocks 2 sessions"), "{text}");
        assert!(text.contains(&format!("pg_terminate_backend({root})")) && text.contains("Lock: ") && text.contains("Risk: "), "{text}");
        assert!(text.contains("public.lock_chain") && text.contains("locks: 3 rows in ") || text.contains("locks: 2 rows in "), "{text}");
        assert!(!text.contains('\u{1b}'), "no colours, as this is no terminal");
        assert!(text.lines().filter(|l| !l.contains("SELECT")).all(|l| l.chars().count() <= 110), "{text}");
        let (code, found) = json(with("0", "1", "json"))?;
        assert_eq!((code, &found["databases"][0]["level"]), (Some(2), &Value::from("crit")));
        let tree = &found["databases"][0]["pages"]["locks"]["data"]["panels"]["tree"]["rows"];
        assert_eq!(tree.as_array().map(Vec::len), Some(3), "{tree:#}");
        assert_eq!(tree[0]["pid"], root);
        chain.stop().await
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn what_the_role_does_not_see_is_named_with_its_grant(major: Major) -> Result<()> {
        let (server, _) = watched(major).await?;
        let password = server.create_role("bare").await?;
        let dsn = server.dsn_as("bare", &password, "shop");
        let (code, text, _) = run(report(&dsn, &["--for", "0"]))?;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("GRANT pg_monitor TO \"bare\";"), "{text}");
        let (code, html, _) = run(report(&dsn, &["--for", "0", "--format", "html"]))?;
        assert_eq!(code, Some(1));
        assert!(html.contains("GRANT pg_monitor TO &quot;bare&quot;;"), "{html}");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_database_that_is_down_is_no_report_and_beside_others_critical(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let down = Server::start(major).await?;
        let gone = down.dsn("postgres");
        down.stop(StopMode::Fast).await?;
        let (code, text, error) = run(report(&gone, &["--for", "0"]))?;
        assert_eq!(code, Some(3), "{text}");
        assert!(text.contains("The database is down") && error.contains("hint: `pgmon doctor`"), "{text}\n{error}");
        let mut both = pgmon();
        both.args(["report", "--for", "0", "--format", "json"]);
        both.env("PGMON_DATABASES", format!("[{{name: good, dsn: '{dsn}'}}, {{name: gone, dsn: '{gone}'}}]"));
        let (code, found) = json(both)?;
        assert_eq!(code, Some(2), "{:#}", found["fleet"]);
        let names: Vec<_> = found["databases"].as_array().context("none")?.iter().map(|d| (&d["db"], &d["level"])).collect();
        assert_eq!(names, [(&Value::from("gone"), &Value::from("crit")), (&Value::from("good"), &Value::from("ok"))], "the worst first");
        let superuser = server.dsn("shop");
        let (code, _, error) = run(report(&superuser, &["--for", "0"]))?;
        assert_eq!((code, error.contains("its role can write")), (Some(3), true), "{error}");
        Ok(())
    }
}

on_each_major! { [pg15 15, pg18 18]
    async fn a_start_after_a_crash_is_told_apart_from_one_after_a_clean_end(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        let overview = || {
            let (_, found) = json(report(&dsn, &["--for", "0", "--format", "json"]))?;
            let page = found["databases"][0]["pages"]["overview"]["data"].clone();
            let crashed = page["problems"].as_array().context("none")?.iter().any(|p| p["id"] == "crashed");
            let sentence = page["verdict"]["sentence"].as_str().context("none")?.to_owned();
            anyhow::Ok((crashed, sentence))
        };
        let (crashed, sentence) = overview()?;
        assert!(!crashed && sentence.contains("The server started "), "set up: {sentence}");
        server.restart().await?;
        let (crashed, sentence) = overview()?;
        assert!(!crashed && sentence.contains("The server started "), "restarted: {sentence}");
        server.kill().await?;
        server.start_again().await?;
        let (crashed, sentence) = overview()?;
        assert!(crashed && sentence.starts_with("The server started without a clean end before"), "{sentence}");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn hostile_names_are_inert(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        workload::hostile_names(&server, "shop").await?;
        server.exec("shop", "CREATE TABLE \"\u{1b}[2J\u{202e}x\" (n int)").await?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("report.html");
        let path = file.to_str().context("no text")?;
        let (code, out, error) = run(report(&dsn, &["--for", "0", "--format", "html", "-o", path]))?;
        assert!(matches!(code, Some(0 | 1)) && out.is_empty(), "{error}");
        let html = std::fs::read_to_string(&file)?;
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown");
        let scripts = html.matches("<script").count();
        assert_eq!((scripts, html.contains('\u{1b}'), html.contains('\u{202e}')), (0, false, false));
        assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"));
        let (_, text, _) = run(report(&dsn, &["--for", "0"]))?;
        assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}'), "{text}");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn other_databases_and_queries_of_ones_own_are_in_it(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        server.create_database("second").await?;
        server.exec("second", "CREATE TABLE only_here (n int)").await?;
        server.revoke_create_on_public("second").await?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("pgmon.yaml");
        let queries = "queries:\n- {name: orders, help: Orders., query: 'SELECT count(*) AS orders FROM orders', databases: [shop]}\n";
        std::fs::write(&file, format!("cluster: c\ndatabases:\n- {{name: shop, dsn: '{dsn}', discover: true}}\n{queries}"))?;
        let mut command = pgmon();
        command.args(["report", "--for", "0", "--format", "json", "--db", "c/shop", "--config"]).arg(&file);
        let (_, found) = json(command)?;
        let one = &found["databases"][0];
        assert_eq!(one["missing"], serde_json::json!([]));
        let visited: Vec<_> = one["visited"].as_array().context("none")?.iter().map(|v| &v["datname"]).collect();
        assert!(visited.contains(&&Value::from("second")), "{visited:?}");
        assert!(one["visited"].to_string().contains("only_here") && !one["pages"]["storage"].to_string().contains("only_here"));
        let table = &one["queries"]["query:orders"]["data"]["tables"][0];
        assert_eq!(table["rows"][0].as_array().and_then(|row| row.last()), Some(&serde_json::json!(1000.0)), "{table:#}");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn what_is_missing_when_the_time_is_up_is_named(major: Major) -> Result<()> {
        let (server, dsn) = watched(major).await?;
        server.pause()?;
        let (code, found) = json(report(&dsn, &["--for", "0", "--timeout", "1s", "--format", "json"]))?;
        server.resume()?;
        assert_eq!((code, &found["databases"][0]["missing"]), (Some(3), &serde_json::json!(["a connection"])));
        let (code, text, _) = run(report(&dsn, &["--for", "30s", "--timeout", "31s", "--db", "nope"]))?;
        assert_eq!((code, text.as_str()), (Some(3), ""));
        Ok(())
    }
}

#[test]
fn a_wrong_command_line_or_configuration_is_no_warning() {
    let code = |args: &[&str]| {
        run({
            let mut command = pgmon();
            command.args(args);
            command
        })
    };
    for args in [
        &["report", "--nope"][..],
        &["report", "--for", "100ms"],
        &["report", "--config", "/nonexistent/pgmon.yaml"],
        &["report"],
        &["report", "--dsn", "postgres://u@127.0.0.1:1/d", "-o", "/nonexistent/report.html"],
        &["report", "--dsn", "postgres://u@127.0.0.1:1/d", "--for", "5s", "--timeout", "5s"],
    ] {
        let (code, out, error) = code(args).unwrap();
        assert_eq!((code, out.as_str()), (Some(3), ""), "{args:?}: {error}");
        assert!(error.contains("error: "), "{args:?}: {error}");
    }
    let (code, help, _) = code(&["report", "--help"]).unwrap();
    assert!(
        code == Some(0) && help.contains("Exit codes:") && help.contains("--format html -o report.html"),
        "{help}"
    );
}
