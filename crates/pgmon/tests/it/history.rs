//! The history over a restart of the real binary.

use crate::agent::Agent;
use crate::rig::Rig;
use anyhow::Result;
use pgmon_collect::history::Recorder;
use pgmon_collect::poller::timer::ManualClock;
use pgmon_core::history::{Curve, Id, Point, Query};
use pgmon_testkit::{Server, Tier, on_each_major};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Ends an agent as an operator does.
fn stop(mut agent: Agent) -> String {
    agent.signal("TERM");
    let status = agent.wait_exit(Duration::from_secs(10));
    assert!(status.success(), "{status}:\n{}", agent.log());
    agent.log()
}

/// What a series of the kept history did, read as pgmon reads it at its start.
async fn kept(dsn: &str, directory: &Path, name: &str) -> Curve {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::now()));
    let (rig, _) = Rig::prepare(&[("PGMON_DSN", dsn)], clock.clone(), clock.clone());
    let (_stop, stopped) = watch::channel(true);
    let config = pgmon_config::History { path: directory.to_owned(), ..Default::default() };
    Recorder::new(rig.fleet.clone(), clock.clone(), config).run(stopped).await;
    let snapshot = rig.snapshot(0);
    let id = Id { cluster: snapshot.cluster.clone(), db: snapshot.db.clone() };
    let query = Query { name, matchers: &[], from: 0, to: i64::MAX / 4, points: usize::MAX, series: 1 };
    let mut answer = rig.fleet.history().range(&rig.fleet, &*clock, &id, &query).unwrap();
    assert_eq!(answer.curves.len(), 1, "{name}");
    answer.curves.remove(0)
}

on_each_major! { [pg18 18]
    async fn the_history_outlives_a_restart_with_a_gap(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("history");
        let env = [("PGMON_DSN", dsn.as_str()), ("PGMON_HISTORY_PATH", path.to_str().unwrap())];

        let first = Agent::start(&env);
        first.wait_for_all_loops();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let series = first.page().value("pgmon_history_series", &[]);
        let log = stop(first);
        assert!(!log.contains("the history was read") && !log.contains("ERROR"), "{log}");
        let once = kept(&dsn, &path, "pg_connections").await;
        assert!(once.points.len() >= 2 && once.ends_in_gap, "{once:?}");
        assert!(once.points.iter().all(|p| !p.after_gap), "{once:?}");

        tokio::time::sleep(Duration::from_secs(3)).await;
        let second = Agent::start(&env);
        second.wait("what was kept is there", Duration::from_secs(10), |page| {
            page.value("pgmon_history_series", &[]) >= series
        });
        second.wait_for_all_loops();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(second.log().contains("the history was read"), "{}", second.log());
        // Another process may not take the file away from it.
        let third = Agent::start(&env);
        third.wait("the other one's directory", Duration::from_secs(5), |_| {
            third.get("/healthz").text().contains("another pgmon uses this directory")
        });
        stop(third);
        stop(second);

        let both = kept(&dsn, &path, "pg_connections").await;
        // Times are kept on the monotonic clock: seen from another process they may be rounded the other way.
        let near = |a: i64, b: i64| (a - b).abs() <= 1;
        for (now, then) in both.points.iter().zip(&once.points) {
            assert!(near(now.at, then.at), "{now:?} was {then:?}");
            assert_eq!(Point { at: then.at, ..*now }, *then, "nothing is lost");
        }
        assert!(both.points.len() > once.points.len(), "{both:?}");
        let gaps: Vec<_> = both.points.windows(2).filter(|p| p[1].after_gap).collect();
        assert_eq!(gaps.len(), 1, "{both:?}");
        assert!(gaps[0][1].at - gaps[0][0].at >= 3000 && near(gaps[0][0].at, once.points.last().unwrap().at));
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_history_that_cannot_be_read_or_written_does_not_stop_pgmon(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let directory = tempfile::tempdir()?;
        let (file, path) = (directory.path().join("a file"), directory.path().join("history"));
        std::fs::write(&file, "x")?;
        let under_a_file = file.join("history");
        let agent =
            Agent::start(&[("PGMON_DSN", dsn.as_str()), ("PGMON_HISTORY_PATH", under_a_file.to_str().unwrap())]);
        agent.wait_for_all_loops();
        let health = agent.get("/healthz");
        assert_eq!(health.status, 200);
        assert!(health.text().contains("history: it is not kept over a restart: "), "{}", health.text());
        stop(agent);

        std::fs::create_dir(&path)?;
        std::fs::write(path.join("history.pgmon"), "not ours")?;
        let agent = Agent::start(&[("PGMON_DSN", dsn.as_str()), ("PGMON_HISTORY_PATH", path.to_str().unwrap())]);
        agent.wait_for_all_loops();
        let log = stop(agent);
        assert!(log.contains("it is not a history of pgmon") && log.contains("set aside"), "{log}");
        let aside = std::fs::read_dir(&path)?.filter_map(|e| e.ok()?.file_name().into_string().ok());
        let aside: Vec<_> = aside.filter(|name| name.contains("unreadable")).collect();
        assert_eq!(aside.len(), 1);
        assert_eq!(std::fs::read_to_string(path.join(&aside[0]))?, "not ours");
        assert!(!kept(&dsn, &path, "pg_up").await.points.is_empty());
        Ok(())
    }
}
