use super::content::{Built, Database, Head, Part, Unseen};
use super::terminal::Style;
use super::{Renderer, chosen, content, html, json, text};
use crate::cli::ReportFormat;
use jiff::Timestamp;
use pgmon_views::fleet::{Fleet, Target};
use pgmon_views::{
    Answer, Executed, Figure, Level, Need, PageName, Problem, Remedy, Role, TargetRef, Unit, UpState, Verdict,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

const AT: &str = "2026-01-01T10:00:00Z";
const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J\u{202e}\"'&";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn target(db: &str, level: Level) -> Target {
    Target {
        cluster: "shop".into(),
        db: db.into(),
        level,
        sentence: "Sessions are blocked: pid 4711 blocks 1 session.".into(),
        crit: 1,
        warn: 0,
        up: UpState::Up,
        reason: None,
        since: at(),
        role: Role::Primary,
        version: Some("18.4".into()),
        datname: Some(db.into()),
        visited: Vec::new(),
        server: None,
        system_identifier: None,
        started_at: None,
        age_seconds: Some(1.0),
        transactions_per_second: Some(12.5),
        connections: Some(7.0),
        max_connections: Some(100.0),
        connections_ratio: None,
        longest_transaction_seconds: None,
        blocked_sessions: None,
        replication_lag_seconds: None,
        wraparound_ratio: None,
        size_bytes: None,
        cache_hit_ratio: None,
        transactions_history: None,
        connections_history: None,
    }
}

fn head(dbs: &[&str]) -> Head {
    let targets = dbs.iter().map(|db| target(db, Level::Crit)).collect();
    let mut fleet = Fleet::new(targets, "0.0.0", None);
    fleet.pgmon_version = "0.0.0";
    Head { at: at(), answer: Answer::plain(at(), fleet), several: dbs.len() > 1 }
}

fn problem() -> Problem {
    Problem {
        id: "blocking:4711".into(),
        level: Level::Crit,
        title: "Sessions are blocked".into(),
        since: Some("2026-01-01T09:57:00Z".parse().unwrap()),
        evidence: format!(
            "pid 4711 ({HOSTILE}) blocks 1 session, for up to 3 min and is idle in transaction"
        ),
        object: Some("4711".into()),
        page: PageName::Locks,
        remedy: Some(Remedy {
            sql: "-- ends the session\nSELECT pg_terminate_backend(4711);".into(),
            lock: "none".into(),
            risk: "Its transaction is rolled back.".into(),
        }),
    }
}

fn built(name: &'static str, title: &'static str, panels: Value) -> Built {
    let verdict = Verdict { level: Level::Crit, sentence: "Sessions are blocked.".into() };
    Built {
        name,
        title,
        verdict,
        problems: vec![problem()],
        figures: vec![
            Figure::new("connections", "Connections", Unit::Count, Some(81.0))
                .of(Some(100.0))
                .judged(80.0, 95.0),
            Figure::new("lag", "Greatest lag", Unit::Seconds, None),
        ],
        executed: vec![Executed {
            collector: "locks".into(),
            datname: None,
            sql: "SELECT 1 < 2 -- </code></pre><b>".into(),
            pg_major: 18,
            started_at: at(),
            duration_ms: 1.25,
            rows: 2,
        }],
        answer: json!({"state": "ok", "data": {"panels": panels}}),
    }
}

fn panels() -> Value {
    let node = |pid: i32, depth: i32, level: &str| {
        json!({
            "depth": depth, "pid": pid, "level": level, "state": "idle in transaction", "blocked_count": 1 - depth,
            "wait_seconds": depth * 180, "relation": HOSTILE, "application_name": "app",
            "query": "UPDATE \"orders\" SET a = ?", "remedy": if depth == 0 { json!(problem().remedy) } else { Value::Null },
        })
    };
    json!({
        "tree": {
            "title": "Who blocks whom", "state": "degraded", "reason": "needs pg_monitor",
            "note": "Only what the role sees.", "stats_reset_age_seconds": 7200.0, "empty": "Nobody waits.",
            "rows": [node(4711, 0, "crit"), node(4712, 1, "ok")],
        },
        "modes": {"title": "Locks by mode", "state": "ok", "empty": "No lock is held.", "rows": []},
        "new": {"title": "A panel that is not known here", "state": "error", "reason": "it failed", "rows": null},
        "many": {"title": "Many rows", "state": "ok", "rows": (0..300).map(|n| json!({"n": n, "size_bytes": n * 1024})).collect::<Vec<_>>()},
    })
}

fn database(db: &str) -> Database {
    Database {
        target: TargetRef {
            cluster: "shop".into(),
            db: db.into(),
            datname: Some(db.into()),
            datnames: Vec::new(),
            up: UpState::Up,
            reason: None,
            since: at(),
            role: Role::Primary,
            version: Some("18.4".into()),
            started_at: Some("2025-12-24T00:00:00Z".parse().unwrap()),
        },
        level: Level::Crit,
        verdict: Verdict {
            level: Level::Crit,
            sentence: "Sessions are blocked: pid 4711 blocks 1 session.".into(),
        },
        missing: vec!["the loop hourly".into()],
        needs: Unseen::together(["connections", "locks"].map(|collector| Need {
            needs: "pg_monitor".into(),
            effect: "other roles' queries".into(),
            remedy: Some("GRANT pg_monitor TO \"pgmon\";".into()),
            collector: collector.into(),
        })),
        parts: vec![
            Part {
                datname: None,
                pages: vec![built("overview", "Overview", json!({})), built("locks", "Locks", panels())],
            },
            Part { datname: Some(HOSTILE.into()), pages: vec![built("bloat", "Bloat", json!({}))] },
        ],
        queries: Map::from_iter([(
            "query:orders".to_owned(),
            json!({"state": "ok", "data": {"tables": [{"columns": [{"name": "status"}, {"name": "value"}], "rows": [["open", 3]]}]}}),
        )]),
    }
}

fn rendered(mut renderer: Box<dyn Renderer>, dbs: &[&str]) -> String {
    for db in dbs {
        renderer.database(&database(db)).unwrap();
    }
    // The version changes with every release.
    renderer.finish().unwrap().replace(crate::cli::VERSION, "0.0.0")
}

const PLAIN: Style = Style { width: 100, colours: false };

#[test]
fn text() {
    let text = rendered(Box::new(text::Text::new(&head(&["orders"]), PLAIN)), &["orders"]);
    insta::assert_snapshot!("text", text);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "nothing that moves a cursor");
}

#[test]
fn colours_are_added_and_nothing_else() {
    let colours = Style { colours: true, ..PLAIN };
    let coloured = rendered(Box::new(text::Text::new(&head(&["orders"]), colours)), &["orders"]);
    let plain = rendered(Box::new(text::Text::new(&head(&["orders"]), PLAIN)), &["orders"]);
    let mut stripped = coloured.clone();
    for code in
        ["\u{1b}[1;31m", "\u{1b}[32m", "\u{1b}[36m", "\u{1b}[33m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"]
    {
        stripped = stripped.replace(code, "");
    }
    assert!(coloured.contains("\u{1b}[1;31m\u{25a0} CRITICAL"));
    let trimmed = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&stripped), trimmed(&plain));
}

#[test]
fn html() {
    let html = rendered(Box::new(html::Html::new(&head(&["orders"]))), &["orders"]);
    // The style has no part in what is said.
    let (begin, rest) = html.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let body = format!("{begin}{rest}").replace("<tr>", "\n<tr>").replace("><h", ">\n<h");
    let many = body.find("aria-label=\"Many rows\"").unwrap();
    let (end, _) = body[many..].match_indices("\n<tr>").nth(3).unwrap();
    let after = body[many..].find("</tbody>").unwrap();
    insta::assert_snapshot!("html", format!("{}\n[more rows]{}", &body[..many + end], &body[many + after..]));
    assert!(body.contains("And 100 more rows."), "200 are shown");
    // Names and SQL are text, and nothing is loaded or run.
    for active in [
        "<script",
        "</code></pre><b>",
        "\u{1b}",
        "\u{202e}",
        "http:",
        "https:",
        "url(",
        "@import",
        " on",
        "style=",
    ] {
        assert!(!html.contains(active) || active == " on", "{active} in the page");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn several_databases_are_summed_up_first_and_have_places_of_their_own() {
    let dbs = ["billing", "orders"];
    let html = rendered(Box::new(html::Html::new(&head(&dbs))), &dbs);
    let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    for link in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&link), "{link} leads nowhere");
    }
    let text = rendered(Box::new(text::Text::new(&head(&dbs), PLAIN)), &dbs);
    assert!(text.contains("  Of 2 databases: 2 critical. shop/billing: Sessions are blocked"), "{text}");
}

#[test]
fn of_what_could_not_be_read_the_one_thing_is_said() {
    let unread = |up: UpState, reason: Option<&str>, sentence: &str| {
        let mut database = database("orders");
        (database.target.up, database.target.reason) = (up, reason.map(str::to_owned));
        database.verdict.sentence = sentence.to_owned();
        database.missing.clear();
        let head = head(&["orders"]);
        let renderers: [Box<dyn Renderer>; 2] =
            [Box::new(text::Text::new(&head, PLAIN)), Box::new(html::Html::new(&head))];
        renderers.map(|mut renderer| {
            renderer.database(&database).unwrap();
            renderer.finish().unwrap()
        })
    };
    for report in unread(UpState::Down, Some("refused"), "The database is down: refused") {
        assert_eq!(report.matches("refused").count(), 1, "{report}");
        assert!(report.contains("pgmon doctor"), "{report}");
        for page in ["Locks by mode", "Problems", "Figures", "not known", "unknown"] {
            assert!(!report.split("</style>").last().unwrap().contains(page), "{page}: {report}");
        }
    }
    let [text, _] = unread(UpState::Refused, Some("its role can write: INSERT"), "Nothing is read with it.");
    assert!(text.contains("its role can write: INSERT"), "{text}");
}

#[test]
fn json_has_the_answers_as_they_are() {
    let dbs = ["billing", "orders"];
    let text = rendered(Box::new(json::Json::new(&head(&dbs)).unwrap()), &dbs);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["fleet"]["data"]["counts"]["crit"], 2);
    let one = &report["databases"][1];
    assert_eq!((&one["db"], &one["level"]), (&json!("orders"), &json!("crit")));
    assert_eq!(one["pages"]["locks"]["data"]["panels"]["many"]["rows"].as_array().unwrap().len(), 300);
    assert_eq!(
        (&one["visited"][0]["datname"], &one["missing"][0]),
        (&json!(HOSTILE), &json!("the loop hourly"))
    );
}

#[test]
fn a_table_of_a_query_has_its_columns() {
    let (tables, state) = content::query(&database("orders").queries["query:orders"]);
    assert_eq!(
        tables,
        [(vec!["status".to_owned(), "value".to_owned()], vec![json!({"status": "open", "value": 3})])]
    );
    assert_eq!(state, None);
}

#[test]
fn databases_are_chosen_by_name() {
    let yaml = "databases:\n- {cluster: a, name: x, dsn: 'postgres://u@h/x'}\n- {cluster: b, name: x, dsn: 'postgres://u@h/x'}\n- {cluster: b, name: y, dsn: 'postgres://u@h/y'}\n";
    let options = pgmon_config::LoadOptions::default();
    let entries = || pgmon_config::Config::load_text("pgmon.yaml".as_ref(), yaml, &options).unwrap().entries;
    let choose = |cluster: Option<&str>, dbs: &[&str]| {
        let options = super::Options {
            format: ReportFormat::Text,
            cluster: cluster.map(str::to_owned),
            dbs: dbs.iter().map(|db| (*db).to_owned()).collect(),
            output: None,
            watch: Duration::ZERO,
            timeout: None,
        };
        chosen(entries(), &options)
            .map(|all| all.iter().map(|e| format!("{}/{}", e.cluster, e.db)).collect::<Vec<_>>())
    };
    assert_eq!(choose(None, &[]).unwrap(), ["a/x", "b/x", "b/y"]);
    assert_eq!(choose(None, &["x"]).unwrap(), ["a/x", "b/x"]);
    assert_eq!(choose(None, &["b/x", "y"]).unwrap(), ["b/x", "b/y"]);
    assert_eq!(choose(Some("b"), &["x"]).unwrap(), ["b/x"]);
    assert!(choose(None, &["x", "z"]).unwrap_err().contains("a/x, b/x, b/y"));
    assert!(choose(Some("c"), &[]).is_err());
}
