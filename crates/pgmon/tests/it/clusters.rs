//! Clusters, as a running pgmon shows them.

mod streaming;

use crate::agent::{Agent, pgmon};
use crate::promtool::objections;
use crate::reload::Configured;
use anyhow::Result;
use pgmon_testkit::{Major, Patroni, Server, Tier, ZooKeeper};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);
const HTTP: &str = "cluster: c\nhttp: {bind: '127.0.0.1:0'}\n";
const SHARD: [(&str, &str); 1] = [("shard", "1.moray.test")];

/// Gauges that are called so in the document that defines them: `docs/metrics.md` says so.
const EXCEPTIONS: [&str; 3] =
    ["manatee_cluster_errors_total", "manatee_cluster_peers_total", "manatee_cluster_warnings_total"];

/// The clusters of an answer of the API.
fn clusters(agent: &Agent, query: &str) -> Vec<Value> {
    let answer = agent.get(&format!("/api/v1/clusters{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    answer["data"]["clusters"].as_array().unwrap().clone()
}

/// Waits until the first cluster is so.
fn until(agent: &Agent, query: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + SOON;
    loop {
        let found = clusters(agent, query);
        if let Some(cluster) = found.first().filter(|cluster| is(cluster)) {
            return cluster.clone();
        }
        assert!(Instant::now() < deadline, "not so: {what}\n{found:#?}\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The codes of what is wrong.
fn codes(cluster: &Value) -> Vec<&str> {
    let issues = cluster["cluster"]["issues"].as_array();
    issues.into_iter().flatten().filter_map(|issue| issue["code"].as_str()).collect()
}

fn peer(server: &Server) -> Value {
    let port = server.port();
    json!({
        "id": format!("127.0.0.1:{port}:12345"), "ip": "127.0.0.1",
        "pgUrl": format!("tcp://postgres@127.0.0.1:{port}/postgres"), "zoneId": format!("{port}-cd27"),
    })
}

/// Whether the doctor is content with this configuration, and what it says.
fn doctor(config: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgmon.yaml");
    std::fs::write(&file, config).unwrap();
    let output = pgmon().arg("--config").arg(&file).arg("doctor").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_and_a_patroni_cluster_are_shown_and_follow_the_configuration() -> Result<()> {
    let (zookeeper, primary) = tokio::try_join!(ZooKeeper::start(), Server::start(Major(15)))?;
    let password = primary.create_monitor("pgmon", Tier::T0).await?;
    let sync = primary.replica("sync").await?;
    primary.set("synchronous_standby_names", "sync").await?;
    let waits = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
    primary.wait_until("postgres", waits).await?;
    let state = |generation: i64| {
        json!({"generation": generation, "primary": peer(&primary), "sync": peer(&sync), "async": [],
               "deposed": [], "initWal": "0/3000000", "freeze": null})
        .to_string()
    };
    zookeeper.put("/manatee/1.moray.test/state", &state(41)).await?;
    zookeeper.put("/manatee/2.moray.test/state", &state(7)).await?;
    let patroni = Patroni::start(&zookeeper, 2).await?;
    let urls = patroni.urls().iter().map(|url| format!("'{url}'")).collect::<Vec<_>>().join(", ");
    let shard = |n: u8| {
        format!(
            "- {{type: manatee, zookeeper: '127.0.0.1:{}', shard: {n}.moray.test, interval: 1s, session_timeout: 4s, \
             postgres: {{user: pgmon, password: '{password}', sslmode: disable}}}}\n",
            zookeeper.port()
        )
    };
    let both = format!("{HTTP}clusters:\n{}- {{type: patroni, urls: [{urls}], interval: 1s}}\n", shard(1));
    let config = Configured::start(&both);
    let agent = &config.agent;

    // On the page.
    let replicas_id = format!("127.0.0.1:{}:12345", sync.port());
    let of_sync = [SHARD[0], ("peer", replicas_id.as_str()), ("role", "sync")];
    let of_patroni = [("manager", "patroni"), ("cluster", patroni.scope())];
    let page = agent.wait("both are known", SOON, |page| {
        page.value("manatee_peer_replication_lag_seconds", &of_sync) == Some(0.0)
            && page.value("manatee_peer_replication_state", &of_sync) == Some(1.0)
            && page.value("pg_cluster_leaders", &of_patroni) == Some(1.0)
            && page.value("pg_cluster_timelines", &of_patroni) == Some(1.0)
    });
    for (name, value) in [
        ("manatee_cluster_generation", 41.0),
        ("manatee_cluster_peers_total", 2.0),
        ("manatee_cluster_errors_total", 0.0),
        ("manatee_cluster_warnings_total", 1.0),
        ("manatee_cluster_frozen", 0.0),
        ("manatee_cluster_singleton", 0.0),
    ] {
        assert_eq!(page.value(name, &SHARD), Some(value), "{name}\n{}", page.text);
    }
    let up = |manager: &str, n: f64| {
        page.all("pg_cluster_up").any(|s| s.label("manager") == Some(manager) && s.value == n)
    };
    assert!(up("manatee", 1.0) && up("patroni", 1.0), "{}", page.text);
    let mut objected: Vec<_> = objections(&page.text)?.into_iter().map(|(name, _)| name).collect();
    objected.sort();
    objected.dedup();
    assert_eq!(objected, EXCEPTIONS, "promtool");

    // By the API.
    let all = clusters(agent, "");
    assert_eq!(all.len(), 2);
    let of_shard =
        until(agent, "?name=1.moray.test", "the sync is known", |c| c["hops"][0]["state"] == "streaming");
    assert_eq!(of_shard["level"], "warn");
    assert_eq!(codes(&of_shard), ["no_async"]);
    assert_eq!(of_shard["verdict"], "cluster has no async peers.");
    assert_eq!(of_shard["hops"][0]["to"], replicas_id.as_str());
    // What it is made of is asked for by itself.
    assert!(of_shard.get("evidence").is_none(), "{of_shard:#}");
    let one = agent.get("/api/v1/clusters/1.moray.test");
    let one: Value = serde_json::from_str(&one.text())?;
    let of_shard = &one["data"];
    assert_eq!(of_shard["level"], "warn", "{one:#}");
    assert_eq!(
        of_shard["evidence"][1]["text"].as_str().map(|s| s.contains("\"generation\":41")),
        Some(true),
        "{of_shard:#}"
    );
    let said = agent.get("/api/v1/clusters").text();
    assert!(!said.contains(&password) && !agent.log().contains(&password), "a password is told");
    let of_patroni = clusters(agent, "?manager=patroni");
    assert_eq!(of_patroni[0]["name"], patroni.scope());
    assert_eq!(of_patroni[0]["cluster"]["leader"], patroni.leader().await?.as_str());
    assert_eq!(agent.get("/api/v1/clusters?name=nobody").status, 404);
    assert_eq!(agent.get("/api/v1/clusters?manager=x").status, 400);
    assert_eq!(agent.get("/api/v1/clusters?colour=x").status, 400);
    assert_eq!(agent.get("/api/v1/clusters/nobody").status, 404);
    assert_eq!(agent.get("/api/v1/clusters/1.moray.test?manager=patroni").status, 404);
    assert_eq!(clusters(agent, "?limit=1").len(), 1);
    assert_eq!(clusters(agent, "?q=1.MORAY").len(), 1);
    assert_eq!(clusters(agent, "?sort=name&order=desc").len(), 2);
    let csv = agent.get_with("/api/v1/clusters", "Accept: text/csv\r\n").text();
    assert!(csv.starts_with("manager,name,source,level,") && csv.contains("manatee,1.moray.test,"), "{csv}");

    // The doctor asks as the agent does.
    let (ok, told) = doctor(&both);
    assert!(ok && told.contains("cluster 1.moray.test (manatee, "), "{told}");
    assert!(told.contains("): WARN\n  cluster has no async peers.\n"), "{told}");
    assert!(told.contains("(patroni, ") && told.contains("): ok\n") && !told.contains(&password), "{told}");
    let (ok, told) = doctor(&both.replace("shard: 1.moray.test", "shard: 3.moray.test"));
    assert!(!ok && told.contains("there is no state at"), "{told}");

    // What has not changed is not sent again; clusters are asked every second, so that it may have.
    let deadline = Instant::now() + SOON;
    loop {
        let tag = agent.get("/api/v1/clusters").header("etag").unwrap().replace("w/", "W/");
        let again = agent.get_with("/api/v1/clusters", &format!("If-None-Match: {tag}\r\n"));
        if again.status == 304 {
            assert!(again.body.is_empty());
            break;
        }
        assert!(Instant::now() < deadline, "never 304");
    }
    let stale = agent.get("/api/v1/clusters").header("etag").unwrap().replace("w/", "W/");

    // Another generation is on the page within two seconds.
    zookeeper.put("/manatee/1.moray.test/state", &state(42)).await?;
    let written = Instant::now();
    agent.wait("generation 42", SOON, |page| page.value("manatee_cluster_generation", &SHARD) == Some(42.0));
    assert!(written.elapsed() < Duration::from_secs(2), "{:?}", written.elapsed());
    assert_eq!(agent.get_with("/api/v1/clusters", &format!("If-None-Match: {stale}\r\n")).status, 200);

    // Patroni's goes, another shard comes, and the first one goes on as it was.
    let reads = |page: &crate::page::Page, cluster: &str| {
        page.all("pg_cluster_state_timestamp_seconds").any(|s| s.label("cluster") == Some(cluster))
    };
    config.write(&format!("{HTTP}clusters:\n{}{}", shard(1), shard(2)));
    config.reload();
    let page = agent.wait("the second shard", SOON, |page| {
        page.value("manatee_cluster_generation", &[("shard", "2.moray.test")]) == Some(7.0)
    });
    assert!(reads(&page, "1.moray.test") && !reads(&page, patroni.scope()), "{}", page.text);
    assert_eq!(config.said("\"clusters_begun\":1"), 1, "{}", agent.log());
    config.write(&format!("{HTTP}clusters:\n{}", shard(1)));
    config.reload();
    let page = agent.page();
    assert_eq!(page.value("manatee_cluster_generation", &[("shard", "2.moray.test")]), None);
    assert_eq!(page.value("manatee_cluster_generation", &SHARD), Some(42.0));

    // A ZooKeeper that is gone is told, and what was read last stays for a while.
    let mut zookeeper = zookeeper;
    zookeeper.kill();
    let page = agent.wait("it is noticed", SOON, |page| page.value("pg_cluster_up", &[]) == Some(0.0));
    assert_eq!(page.value("manatee_cluster_generation", &SHARD), Some(42.0));
    let lost = until(agent, "", "it is out of date", |c| c["state"] == "stale");
    assert!(lost["verdict"].as_str().unwrap().starts_with("Out of date ("), "{lost:#}");
    Ok(())
}

#[test]
fn the_doctor_is_not_content_with_an_ensemble_that_it_cannot_reach() {
    // Nothing listens there, and no shard is named: they are to be found.
    let (ok, told) = doctor(&format!(
        "{HTTP}clusters:\n- {{type: manatee, zookeeper: '127.0.0.1:1', timeout: 1s, postgres: {{user: u}}}}\n"
    ));
    assert!(!ok, "{told}");
    assert!(
        told.contains("cluster 127.0.0.1:1/manatee (manatee, zookeeper 127.0.0.1:1/manatee): FAIL\n"),
        "{told}"
    );
    assert!(told.contains("no ZooKeeper server can be reached"), "{told}");
}

#[test]
fn check_config_lists_clusters_and_tells_what_is_wrong_with_one() {
    let check = |clusters: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pgmon.yaml");
        std::fs::write(&file, format!("cluster: c\nclusters:\n{clusters}")).unwrap();
        let output = pgmon().arg("--config").arg(&file).arg("check-config").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = check(
        "- {type: manatee, zookeeper: 'zk1:2181', name: moray, shard: 1.moray, postgres: {user: pgmon}}\n\
         - {type: patroni, urls: ['https://db1:8008']}\n",
    );
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "clusters of manatee, as moray  zookeeper zk1:2181, shards /manatee/1.moray, peers as pgmon  every 10s, within 5s",
        "clusters of patroni  https://db1:8008/  every 10s, within 5s",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let (code, said) = check("- {type: patroni, urls: ['https://u:secretword@db1:8008']}\n");
    assert!(code == Some(2) && said.contains("clusters") && !said.contains("secretword"), "{code:?} {said}");
    let (code, said) = check("- {type: patroni, zookeeper: 'zk1:2181', urls: ['http://db1:8008']}\n");
    assert!(code == Some(2) && said.contains("zookeeper"), "{code:?} {said}");
}
