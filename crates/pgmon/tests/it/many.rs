//! Two hundred databases in one process.

use crate::agent::Agent;
use crate::page::Page;
use anyhow::Result;
use pgmon_testkit::{Server, StopMode, Tier, on_each_major};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SERVERS: usize = 4;
const ENTRIES: usize = 50;

/// Entries share databases, five of each server: what costs is what is watched.
const DATABASES: usize = 5;

const HOT_PATH: Duration = Duration::from_secs(5);

const SOON: Duration = Duration::from_secs(90);

/// Values of a family by entry, of those of one server.
fn of<'p>(page: &'p Page, family: &'p str, server: usize) -> impl Iterator<Item = (&'p str, f64)> {
    let prefix = format!("s{server}-");
    let all = page.all(family).filter_map(|s| Some((s.label("db")?, s.value)));
    all.filter(move |(db, _)| db.starts_with(&prefix))
}

fn all_are(page: &Page, family: &str, server: usize, value: f64) -> bool {
    of(page, family, server).filter(|(_, v)| *v == value).count() == ENTRIES
}

/// Rounds of the hot path by entry.
fn rounds(page: &Page, server: usize) -> BTreeMap<String, f64> {
    let all = page.all("pgmon_scrape_duration_seconds_count").filter(|s| s.label("loop") == Some("hot_path"));
    let prefix = format!("s{server}-");
    let of_server = all.filter_map(|s| Some((s.label("db")?.to_owned(), s.value)));
    of_server.filter(|(db, _)| db.starts_with(&prefix)).collect()
}

on_each_major! { [pg18 18]
    async fn dead_servers_delay_none_of_two_hundred_databases(major: Major) -> Result<()> {
        let mut servers = Vec::new();
        let mut entries = Vec::new();
        for s in 0..SERVERS {
            let server = Server::start(major).await?;
            for d in 0..DATABASES {
                server.create_database(&format!("d{d}")).await?;
            }
            let password = server.create_monitor("pgmon", Tier::T1).await?;
            for e in 0..ENTRIES {
                let dsn = server.dsn_as("pgmon", &password, &format!("d{}", e % DATABASES));
                entries.push(format!("{{name: s{s}-{e}, dsn: '{dsn}'}}"));
            }
            servers.push(server);
        }
        let [good, better, paused, stopped] = &servers[..] else { unreachable!() };
        stopped.stop(StopMode::Fast).await?;
        let agent = Agent::start(&[
            ("PGMON_DATABASES", &format!("[{}]", entries.join(", "))),
            ("PGMON_SAMPLE_INTERVALS_HOT_PATH", "5s"),
            ("PGMON_SAMPLE_INTERVALS_WORKLOAD", "30s"),
            ("PGMON_SAMPLE_INTERVALS_STORAGE", "300s"),
            ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", &ENTRIES.to_string()),
            ("PGMON_SAMPLE_INTERVALS_HOURLY", "300s"),
        ]);
        agent.wait("those that are there are up, the others are not", SOON, |p| {
            (0..3).all(|s| all_are(p, "pg_up", s, 1.0)) && all_are(p, "pg_up", 3, 0.0)
        });
        agent.wait("all loops have run", SOON, |p| (0..3).all(|s| all_are(p, "pg_scrape_success", s, 1.0)));

        paused.pause()?;
        agent.wait("what failed three times is quarantined", SOON, |p| {
            (2..4).all(|s| all_are(p, "pgmon_quarantined", s, 1.0) && all_are(p, "pg_scrape_success", s, 0.0))
        });
        let before = agent.page();
        let watched = Instant::now();
        std::thread::sleep(6 * HOT_PATH);
        let page = agent.page();
        for s in 0..2 {
            let (was, is) = (rounds(&before, s), rounds(&page, s));
            assert_eq!((was.len(), is.len()), (ENTRIES, ENTRIES));
            // Each keeps its ticks, whatever becomes of the others; one may be under way.
            let due = (watched.elapsed().as_secs_f64() / HOT_PATH.as_secs_f64()).floor() - 2.0;
            for (db, count) in &was {
                assert!(is[db] - count >= due, "{db}: {} rounds, {due} were due", is[db] - count);
            }
            assert!(all_are(&page, "pg_up", s, 1.0) && all_are(&page, "pg_scrape_success", s, 1.0));
            let late: Vec<_> = of(&page, "pgmon_missed_ticks_total", s).filter(|(_, v)| *v > 1.0).collect();
            assert!(late.is_empty(), "{late:?}");
        }
        // Probes have grown apart: two intervals, not one.
        let attempts = |p: &Page| of(p, "pgmon_connect_errors_total", 3).map(|(_, v)| v).sum::<f64>();
        let per_entry = (attempts(&page) - attempts(&before)) / ENTRIES as f64;
        assert!((1.0..=4.5).contains(&per_entry), "{per_entry} attempts in six intervals");

        let back = Instant::now();
        paused.resume()?;
        stopped.start_again().await?;
        agent.wait("a success ends the quarantine", SOON, |p| {
            (0..4).all(|s| all_are(p, "pg_up", s, 1.0) && all_are(p, "pgmon_quarantined", s, 0.0))
        });
        assert!(back.elapsed() < 6 * HOT_PATH, "back after {:?}", back.elapsed());
        // Connections to a server are capped, however many entries it has.
        for server in [good, better, paused, stopped] {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgmon'";
            let connections: i64 = server.query("postgres", sql).await?;
            assert!(connections <= ENTRIES as i64, "{connections} connections");
        }
        Ok(())
    }
}
