//! More databases than connections to their server.

use crate::agent::{Agent, INTERVAL};
use crate::page::Page;
use crate::rig::{Rig, clock};
use anyhow::Result;
use pgmon_core::clock::Clock as _;
use pgmon_core::snapshot::{Snapshot, Up};
use pgmon_http::health;
use pgmon_testkit::{Fault, Proxy, Server, Tier, on_each_major};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

/// The hot path's rounds of each entry.
fn rounds(page: &Page, entries: usize) -> Vec<f64> {
    let of = |n: usize| {
        let n = format!("e{n}");
        let labels = [("db", n.as_str()), ("loop", "hot_path")];
        page.value("pgmon_scrape_duration_seconds_count", &labels).unwrap_or(0.0)
    };
    (0..entries).map(of).collect()
}

on_each_major! { [pg18 18]
    async fn more_entries_than_connections_all_get_their_turn(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let mut entries = Vec::new();
        for n in 0..5 {
            server.create_database(&format!("db{n}")).await?;
            let dsn = server.dsn_as("pgmon", &password, &format!("db{n}"));
            // Two names of one server.
            let dsn = if n % 2 == 0 { dsn } else { dsn.replace("127.0.0.1", "localhost") };
            entries.push(format!("{{name: e{n}, dsn: '{dsn}'}}"));
        }
        let databases = format!("[{}]", entries.join(", "));
        let agent = Agent::start(&[("PGMON_DATABASES", &databases), ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", "2")]);
        let page = agent.wait("all have begun", SOON, |p| rounds(p, 5).iter().all(|r| *r >= 1.0));
        let before = rounds(&page, 5);
        let (mut samples, mut over) = (0, 0);
        let deadline = Instant::now() + 8 * INTERVAL;
        while Instant::now() < deadline {
            let open: i64 = server
                .query("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgmon'")
                .await?;
            // A session that was given up may take a moment to end, and is seen beside its successor.
            assert!(open <= 4, "{open} connections");
            samples += 1;
            over += i32::from(open > 2);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(over * 4 < samples, "more than two connections in {over} of {samples} looks");
        // On a busy machine a page may be some seconds old.
        let page = agent.wait("each had four turns in eight intervals", SOON / 2, |p| {
            rounds(p, 5).iter().zip(&before).all(|(now, before)| now - before >= 4.0)
        });
        assert!(page.all("pg_up").all(|s| s.value == 1.0), "{}", page.text);
        Ok(())
    }
}

on_each_major! { [pg17 17]
    async fn an_entry_that_is_never_done_gives_way_after_an_interval(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        // Each statement takes four round trips: a round of the hot path does not fit into its interval.
        let way = Proxy::start(server.port())?;
        way.set(Fault::Delay(Duration::from_millis(25))).await?;
        let dsn = way.dsn_as("pgmon", &password, "postgres");
        let databases = format!("[{{name: e0, dsn: '{dsn}'}}, {{name: e1, dsn: '{dsn}'}}]");
        let agent = Agent::start(&[
            ("PGMON_DATABASES", &databases),
            ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", "1"),
            ("PGMON_TIMEOUTS_CONNECT_MS", "10000"),
        ]);
        agent.wait("both go on", 2 * SOON, |p| rounds(p, 2).iter().all(|r| *r >= 3.0));
        Ok(())
    }
}

on_each_major! { [pg16 16]
    async fn who_waits_for_a_connection_says_so(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let clock = clock();
        let env = [
            ("PGMON_DSN", &*server.dsn_as("pgmon", &password, "postgres")),
            ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", "1"),
        ];
        let (rig, ready) = Rig::prepare(&env, clock.clone(), clock);
        let taken = rig.permits.acquire(&format!("localhost:{}", server.port())).await;
        rig.run(ready);
        rig.settle().await;
        rig.advance(Duration::from_secs(14)).await;
        assert_eq!(rig.snapshot(0).up, Up::Pending, "not before an interval has passed");
        rig.clock.advance(Duration::from_secs(1));
        rig.wait("it is told", || matches!(rig.snapshot(0).up, Up::Down { .. })).await;
        let health = health::judge(&rig.fleet, rig.clock.mono(), "test");
        let why = &health.reasons[0];
        assert!(why.contains("waiting for a connection: limits.connections_per_server=1"), "{why}");
        drop(taken);
        rig.settle().await;
        assert!(rig.snapshot(0).up.is_up());
        assert_eq!(rig.snapshot(0).connect_errors, 0, "it has not failed");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn who_takes_turns_forgets_its_failures_once_all_is_well(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let way = Proxy::start(server.port())?;
        let dsn = way.dsn_as("pgmon", &password, "postgres");
        let databases = format!("[{{name: e0, dsn: '{dsn}'}}, {{name: e1, dsn: '{dsn}'}}]");
        let rig =
            Rig::with(&[("PGMON_DATABASES", &databases), ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", "1")]).await;
        let all = |is_so: &dyn Fn(&Snapshot) -> bool| (0..2).all(|n| is_so(&rig.snapshot(n)));
        let is_up = |s: &Snapshot| s.up.is_up();
        rig.until("both are up", 60, || all(&is_up)).await;
        way.set(Fault::Refuse).await?;
        rig.until("both are quarantined", 180, || all(&|s| s.quarantined_until.is_some())).await;
        way.set(Fault::Pass).await?;
        rig.until("both are up again", 120, || all(&is_up)).await;
        let connects = rig.snapshot(0).connects;
        for _ in 0..12 {
            rig.advance(Duration::from_secs(15)).await;
        }
        assert!(rig.snapshot(0).connects >= connects + 4, "they take turns");
        way.set(Fault::Refuse).await?;
        for n in 0..2 {
            rig.until("it is down", 60, || !rig.snapshot(n).up.is_up()).await;
            assert_eq!(rig.snapshot(n).quarantined_until, None, "the first failure in a row");
        }
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn who_takes_turns_is_not_audited_at_every_turn(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_extension("postgres", "pg_stat_statements").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let databases = format!("[{{name: e0, dsn: '{dsn}'}}, {{name: e1, dsn: '{dsn}'}}]");
        let rig =
            Rig::with(&[("PGMON_DATABASES", &databases), ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", "1")]).await;
        rig.until("both have begun", 60, || (0..2).all(|n| rig.snapshot(n).up.is_up())).await;
        let connects = || (0..2).map(|n| rig.snapshot(n).connects).sum::<u64>();
        // The facts' first statement and the audit's.
        let learned = async || -> Result<(i64, i64)> {
            let calls = |what: &str| {
                format!(
                    "SELECT COALESCE(sum(s.calls), 0)::int8 FROM pg_stat_statements AS s JOIN pg_roles AS r ON r.oid = s.userid WHERE r.rolname = 'pgmon' AND s.query LIKE '%{what}%'"
                )
            };
            Ok((
                server.query("postgres", &calls("AS reads_all_tables")).await?,
                server.query("postgres", &calls("WITH RECURSIVE reach")).await?,
            ))
        };
        let (before, turns) = (learned().await?, connects());
        assert!(before.0 >= 2 && before.1 >= 2, "{before:?}");
        for _ in 0..8 {
            rig.advance(Duration::from_secs(15)).await;
        }
        assert!(connects() >= turns + 4, "they take turns: {turns}, {}", connects());
        assert_eq!(learned().await?, before, "it is the same server, role and database");
        Ok(())
    }
}
