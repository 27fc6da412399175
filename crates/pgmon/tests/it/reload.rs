//! A new configuration takes the place of the old one while pgmon runs.

use crate::agent::{Agent, pgmon};
use crate::rig::Rig;
use anyhow::Result;
use pgmon_collect::postgres::plan::Plan;
use pgmon_config::{Config, LoadOptions};
use pgmon_testkit::{Major, Server, Tier, on_each_major};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// Fast loops; the tests' files begin with it.
pub const FAST: &str = "cluster: c\n\
    http: {bind: '127.0.0.1:0'}\n\
    sample_intervals: {hot_path: 1s, workload: 2s, storage: 3s, hourly: 4s}\n";

/// A directory with a configuration, and an agent that watches by it.
pub struct Configured {
    pub directory: tempfile::TempDir,
    pub agent: Agent,
}

impl Configured {
    pub fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("pgmon.yaml"), text).unwrap();
        let agent = run(&directory.path().join("pgmon.yaml"), &[]);
        Self { directory, agent }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, text: &str) {
        std::fs::write(self.path("pgmon.yaml"), text).unwrap();
    }

    /// Sends SIGHUP and waits until the configuration has been read.
    pub fn reload(&self) {
        let before = self.said("configuration reloaded") + self.said("configuration not reloaded");
        self.agent.signal("HUP");
        self.until(|| self.said("configuration reloaded") + self.said("configuration not reloaded") > before);
    }

    pub fn said(&self, text: &str) -> usize {
        self.agent.log().matches(text).count()
    }

    pub fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !is_so() {
            assert!(Instant::now() < deadline, "{}", self.agent.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An agent with this file.
pub fn run(config: &Path, env: &[(&str, &str)]) -> Agent {
    let mut command = pgmon();
    command.arg("--config").arg(config);
    for (name, value) in env {
        command.env(name, value);
    }
    Agent::spawn(command)
}

/// A server with these databases and the password of its role `pgmon`.
async fn server(major: Major, databases: &[&str]) -> Result<(Server, String)> {
    let server = Server::builder(major).start().await?;
    for database in databases {
        server.create_database(database).await?;
    }
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    Ok((server, password))
}

fn entries(server: &Server, password: &str, databases: &[&str]) -> String {
    let mut text = String::from("databases:\n");
    for database in databases {
        writeln!(text, "- {{name: {database}, dsn: '{}'}}", server.dsn_as("pgmon", password, database))
            .unwrap();
    }
    text
}

async fn backend(server: &Server, database: &str) -> Result<i32> {
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE usename = 'pgmon' AND datname = '{database}'");
    server.query("postgres", &sql).await
}

fn up(page: &crate::page::Page, db: &str) -> Option<f64> {
    page.value("pg_up", &[("db", db)])
}

on_each_major! { [pg13 13, pg18 18]
    async fn databases_come_go_and_change_while_another_keeps_its_backend(major: Major) -> Result<()> {
        let (server, password) = server(major, &["a", "b", "c", "d"]).await?;
        let config = Configured::start(&format!("{FAST}{}", entries(&server, &password, &["a", "b", "d"])));
        config.agent.wait("all are up", SOON, |p| ["a", "b", "d"].iter().all(|db| up(p, db) == Some(1.0)));
        let page = config.agent.wait_for_all_loops();
        let since = page.value("pgmon_config_last_reload_success_timestamp_seconds", &[]).unwrap();
        assert_eq!(page.value("pgmon_config_last_reload_successful", &[]), Some(1.0));
        let (kept, changed) = (backend(&server, "a").await?, backend(&server, "d").await?);
        let rounds = page.value("pgmon_scrape_duration_seconds_count", &[("db", "a"), ("loop", "hot_path")]).unwrap();

        // b leaves, c comes, d goes another way, and all run at other intervals.
        let text = format!("{FAST}{}", entries(&server, &password, &["a", "c", "d"]));
        let text = text.replace("workload: 2s", "workload: 5s").replace("/d'", "/d?sslmode=disable'");
        config.write(&text);
        config.reload();
        let page = config.agent.page();
        assert!(page.samples.iter().all(|s| s.label("db") != Some("b")), "b is gone at once\n{}", page.text);
        let interval = |loop_name| page.value("pgmon_loop_interval_seconds", &[("db", "a"), ("loop", loop_name)]);
        assert_eq!(interval("hot_path"), Some(1.0));
        assert!(page.value("pgmon_config_last_reload_success_timestamp_seconds", &[]).unwrap() > since);
        let page = config.agent.wait("c and d are up", SOON, |p| up(p, "c") == Some(1.0) && up(p, "d") == Some(1.0));
        assert_eq!(page.value("pgmon_loop_interval_seconds", &[("db", "a"), ("loop", "workload")]), Some(5.0));
        assert_eq!(backend(&server, "a").await?, kept);
        assert_ne!(backend(&server, "d").await?, changed);
        server.wait_until("postgres", "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'b'").await?;
        let after = page.value("pgmon_scrape_duration_seconds_count", &[("db", "a"), ("loop", "hot_path")]).unwrap();
        assert!(after >= rounds, "its counts go on: {rounds}, {after}");
        let log = config.agent.log();
        let line = log.lines().find(|l| l.contains("configuration reloaded")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line)?;
        assert_eq!(line["added"], "c/c");
        assert_eq!(line["removed"], "c/b");
        assert_eq!(line["changed"], "c/d (sslmode)");
        assert_eq!(line["settings"], "sample_intervals");
        assert_eq!(line["cause"], "SIGHUP");
        assert!(!log.contains(&password), "{log}");

        // What cannot change is said, to who asked for it as well.
        config.write(&text.replace("127.0.0.1:0", "127.0.0.1:1"));
        let answer = config.agent.post("/-/reload", "", "");
        assert_eq!((answer.status, answer.text().trim_end()), (200, "configuration reloaded: nothing changed; needs a restart: http.bind"));
        assert!(config.agent.log().contains("only in force after a restart: http.bind"), "{}", config.agent.log());
        assert_eq!(config.agent.get("/metrics").status, 200);
        // Access and labels can.
        let key = "0123456789abcdef0123456789abcdef";
        let auth = format!("http: {{auth: {{api_keys: [{key}]}}, ");
        config.write(&format!("default_labels: {{site: here}}\n{}", text.replace("http: {", &auth)));
        let answer = config.agent.post("/-/reload", "", "");
        assert_eq!((answer.status, answer.text().trim_end()), (200, "configuration reloaded: settings: http, default_labels"));
        assert_eq!(config.agent.get("/metrics").status, 403);
        let answer = config.agent.get_with("/metrics", &format!("Authorization: Bearer {key}\r\n"));
        assert!(answer.status == 200 && answer.text().contains("site=\"here\""), "{}", answer.text());
        assert!(!config.agent.log().contains(key));
        assert_eq!(backend(&server, "a").await?, kept);
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_bad_file_keeps_the_last_good_configuration_until_it_is_mended(major: Major) -> Result<()> {
        let (server, password) = server(major, &["a", "b"]).await?;
        let good = format!("{FAST}{}", entries(&server, &password, &["a"]));
        let config = Configured::start(&good);
        let page = config.agent.wait("up", SOON, |p| up(p, "a") == Some(1.0));
        let pid = backend(&server, "a").await?;
        let since = page.value("pgmon_config_last_reload_success_timestamp_seconds", &[]);

        // Nobody sends a signal here: the file is seen to have changed.
        config.write(&format!("{FAST}limits: {{top_querys: 1}}\ntimeouts: {{connect_ms: -1}}\n{}", entries(&server, &password, &["b"])));
        let page = config.agent.wait("not successful", SOON, |p| {
            p.value("pgmon_config_last_reload_successful", &[]) == Some(0.0)
        });
        assert_eq!(page.value("pgmon_config_last_reload_success_timestamp_seconds", &[]), since);
        assert!(up(&page, "a") == Some(1.0) && up(&page, "b").is_none());
        let log = config.agent.log();
        for fault in ["limits.top_querys: unknown key; did you mean top_queries?", "timeouts.connect_ms: must be at least 1"] {
            assert!(log.contains(fault), "{log}");
        }
        assert!(!log.contains(&password), "{log}");
        let health = config.agent.get("/healthz");
        assert!(health.status == 200 && health.text().contains("top_querys"), "{}", health.text());
        assert!(health.text().contains("degraded"), "{}", health.text());
        let answer = config.agent.post("/-/reload", "", "");
        assert_eq!(answer.status, 500);
        assert!(answer.text().contains("pgmon.yaml:4:") && answer.text().contains("top_querys"), "{}", answer.text());

        config.write(&good);
        let page = config.agent.wait("successful", SOON, |p| {
            p.value("pgmon_config_last_reload_successful", &[]) == Some(1.0)
        });
        assert_ne!(page.value("pgmon_config_last_reload_success_timestamp_seconds", &[]), since);
        assert!(!config.agent.get("/healthz").text().contains("top_querys"));
        assert_eq!(backend(&server, "a").await?, pid);
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_config_map_that_is_swapped_is_read_and_so_is_a_secret_in_it(major: Major) -> Result<()> {
        use std::os::unix::fs::symlink;
        let (server, password) = server(major, &["a", "b"]).await?;
        let directory = tempfile::tempdir()?;
        let path = |name: &str| directory.path().join(name);
        // As the kubelet lays a volume out, and swaps it.
        let fill = |version: &str, databases: &[&str], dsn: &str| {
            std::fs::create_dir(path(version)).unwrap();
            let text = format!("{FAST}dsn_file: dsn\n{}", entries(&server, &password, databases));
            std::fs::write(path(version).join("pgmon.yaml"), text).unwrap();
            std::fs::write(path(version).join("dsn"), dsn).unwrap();
            symlink(version, path("..data_tmp")).unwrap();
            std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
        };
        fill("..v1", &["a"], &server.dsn_as("pgmon", &password, "postgres"));
        symlink("..data/pgmon.yaml", path("pgmon.yaml"))?;
        symlink("..data/dsn", path("dsn"))?;
        let agent = run(&path("pgmon.yaml"), &[]);
        agent.wait("up", SOON, |p| up(p, "a") == Some(1.0) && up(p, "postgres") == Some(1.0));
        let kept = backend(&server, "a").await?;
        fill("..v2", &["a", "b"], &server.dsn_as("pgmon", &password, "template1"));
        std::fs::remove_dir_all(path("..v1"))?;
        agent.wait("the new ones are up", SOON, |p| {
            up(p, "b") == Some(1.0) && up(p, "template1") == Some(1.0) && up(p, "postgres").is_none()
        });
        assert_eq!(backend(&server, "a").await?, kept);
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_hundred_reloads_under_scraping_fail_no_scrape(major: Major) -> Result<()> {
        let (server, password) = server(major, &["a", "b"]).await?;
        let one = format!("{FAST}{}", entries(&server, &password, &["a"]));
        let two = format!("{FAST}limits: {{top_queries: 7}}\n{}", entries(&server, &password, &["a", "b"]));
        let config = Arc::new(Configured::start(&one));
        config.agent.wait("up", SOON, |p| up(p, "a") == Some(1.0));
        let pid = backend(&server, "a").await?;
        let (done, scrapes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let scrapers: Vec<_> = (0..4)
            .map(|_| {
                let (config, done, scrapes) = (config.clone(), done.clone(), scrapes.clone());
                std::thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let answer = config.agent.get("/metrics");
                        assert_eq!(answer.status, 200);
                        // Read by the rules of the format, each series once.
                        let page = crate::page::Page::parse(&answer.text());
                        assert_eq!(up(&page, "a"), Some(1.0), "{}", page.text);
                        scrapes.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for n in 0..100 {
            config.write(if n % 2 == 0 { &two } else { &one });
            config.reload();
        }
        done.store(true, Ordering::Relaxed);
        for scraper in scrapers {
            scraper.join().unwrap();
        }
        assert!(config.said("configuration reloaded") >= 100);
        assert!(scrapes.load(Ordering::Relaxed) > 200, "{scrapes:?}");
        assert_eq!(backend(&server, "a").await?, pid, "one connection through all of them");
        let page = config.agent.page();
        assert_eq!(page.value("pgmon_connects_total", &[("db", "a")]), Some(1.0));
        assert_eq!(page.value("pgmon_connect_errors_total", &[("db", "a")]), Some(0.0));
        assert!(up(&page, "b").is_none());
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn limits_and_intervals_reach_a_running_driver(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        server
            .exec("postgres", "CREATE TABLE one (); CREATE TABLE two (); CREATE TABLE three (); ANALYZE")
            .await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let rig = Rig::start(&dsn).await;
        let relations = || {
            let state = rig.collector(0, "relations").and_then(|c| c.good);
            let families = state.iter().flat_map(|good| &good.families);
            families.filter(|f| f.desc.name() == "pg_relation_size_bytes").map(|f| f.samples.len()).sum::<usize>()
        };
        assert_eq!(relations(), 3);
        let rounds = |l: pgmon_core::snapshot::Loop| rig.snapshot(0).of(l).rounds;
        let plan = |env: &[(&str, &str)]| {
            let env = env.iter().copied().chain([("PGMON_DSN", &*dsn)]);
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let options = LoadOptions { env, default_paths: Vec::new(), ..LoadOptions::default() };
            Arc::new(Plan::new(&Config::load(&options).unwrap().config))
        };

        rig.plans.send_replace(plan(&[("PGMON_LIMITS_TOP_RELATIONS", "1"), ("PGMON_SAMPLE_INTERVALS_STORAGE", "20s")]));
        rig.wait("the new interval is known", || {
            rig.snapshot(0).of(pgmon_core::snapshot::Loop::Storage).interval == Duration::from_secs(20)
        })
        .await;
        assert_eq!(relations(), 3, "what was found stays until the next round");
        let before = rounds(pgmon_core::snapshot::Loop::Storage);
        rig.until("a round with the new limit", 25, || relations() == 1).await;
        assert!(rounds(pgmon_core::snapshot::Loop::Storage) > before);
        assert_eq!(rig.snapshot(0).connects, 1, "on the same connection");

        // The role is looked at again when that begins to matter.
        server.exec("postgres", "GRANT CREATE ON SCHEMA public TO pgmon").await?;
        rig.plans.send_replace(plan(&[("PGMON_SECURITY_READ_ONLY_ENFORCE", "false")]));
        rig.settle().await;
        assert!(rig.snapshot(0).up.is_up());
        rig.plans.send_replace(plan(&[]));
        rig.wait("refused", || matches!(rig.snapshot(0).up, pgmon_core::snapshot::Up::Refused { .. })).await;
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn visited_databases_follow_the_queries_without_waiting_for_their_turn(major: Major) -> Result<()> {
        let (server, password) = server(major, &["a", "b"]).await?;
        let of = |queries: &str| {
            let slow = FAST.replace("storage: 3s, hourly: 4s", "storage: 1h, hourly: 2h");
            let dsn = server.dsn_as("pgmon", &password, "a");
            format!("{slow}databases: [{{name: a, dsn: '{dsn}', discover: true}}]\nqueries:\n{queries}")
        };
        let config = Configured::start(&of(
            "- {name: gone, help: G., query: SELECT 1}\n- {name: stays, help: S., query: SELECT 1}\n\
             - {name: morph, help: M., labels: [x], query: \"SELECT 'old' AS x, 1 AS v\"}\n",
        ));
        let of_b = |page: &crate::page::Page, name: &str| page.value(name, &[("datname", "b")]);
        config.agent.wait("both are seen", SOON, |p| {
            ["gone", "stays", "morph"].iter().all(|name| of_b(p, name) == Some(1.0))
        });
        config.write(&of(
            "- {name: stays, help: S., query: SELECT 5}\n- {name: fresh, help: F., query: SELECT 6}\n\
             - {name: morph, help: M., labels: [y, z], query: \"SELECT 'new' AS y, 'z' AS z, 2 AS v\"}\n",
        ));
        config.reload();
        let page = config.agent.wait("the new ones are there", SOON, |p| {
            of_b(p, "stays") == Some(5.0) && of_b(p, "fresh") == Some(6.0) && of_b(p, "morph") == Some(2.0)
        });
        assert_eq!(of_b(&page, "gone"), None, "{}", page.text);
        assert!(!page.text.contains("y=\"old\""), "{}", page.text);
        Ok(())
    }
}
