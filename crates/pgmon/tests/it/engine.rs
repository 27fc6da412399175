//! What the drivers do when servers, roles and connections change under them, on a clock that the test moves.

use crate::rig::{Rig, clock};
use anyhow::Result;
use pgmon_collect::poller::timer::{ManualClock, Timer};
use pgmon_core::clock::Clock;
use pgmon_core::snapshot::{Loop, Outcome, Snapshot, Up};
use pgmon_testkit::{Fault, PgBouncer, Proxy, Server, Tier, on_each_major};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const S: fn(u64) -> Duration = Duration::from_secs;

fn down(up: &Up) -> &str {
    if let Up::Down { reason } = up { reason } else { "" }
}

on_each_major! { [pg14 14, pg18 18]
    async fn who_remains_takes_over_what_belongs_to_the_server(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let ways = [Proxy::start(server.port())?, Proxy::start(server.port())?];
        let entry = |n: usize| format!("{{name: e{n}, dsn: '{}'}}", ways[n].dsn_as("pgmon", &password, "postgres"));
        let rig = Rig::with(&[("PGMON_DATABASES", &format!("[{}, {}]", entry(0), entry(1)))]).await;
        let leads = |n: usize| {
            let good = |name| rig.collector(n, name).is_some_and(|c| c.good.is_some() && c.outcome == Outcome::Ok);
            // The fast loops' figures and the hourly ones.
            rig.snapshot(n).leads && good("connections") && good("wraparound")
        };
        rig.until("one leads", 2, || leads(0) != leads(1)).await;
        let mut leader = usize::from(leads(1));
        for _ in 0..2 {
            let other = 1 - leader;
            assert!(rig.collector(other, "connections").is_none(), "only one collects it");
            ways[leader].set(Fault::Refuse).await?;
            let took = rig.until("the other leads", 45, || leads(other)).await;
            assert!(took <= 35, "two hot_path intervals: {took} s");
            let gone = rig.snapshot(leader);
            assert!(!gone.leads && down(&gone.up).starts_with("cannot connect"), "{:?}", gone.up);
            ways[leader].set(Fault::Pass).await?;
            rig.until("it is back and follows", 45, || rig.snapshot(leader).up.is_up()).await;
            rig.advance(S(15)).await;
            assert!(leads(other) && !rig.snapshot(leader).leads);
            leader = other;
        }
        Ok(())
    }
}

on_each_major! { [pg13 13, pg18 18]
    async fn a_second_change_of_server_within_a_minute_is_not_followed_at_once(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        // Behind a pooler our connection outlives the server's process.
        let pooler = PgBouncer::builder(&server).user("pgmon", &password).start().await?;
        let dsn = pooler.dsn_as("pgmon", &password, "postgres");
        let rig = Rig::with(&[("PGMON_DATABASES", &format!("[{{dsn: '{dsn}', pooled: true}}]"))]).await;
        assert!(rig.snapshot(0).up.is_up());
        server.restart().await?;
        rig.until("it was connected again", 20, || rig.snapshot(0).connects == 2).await;
        assert!(rig.snapshot(0).up.is_up(), "at once");
        server.restart().await?;
        rig.until("it is left alone", 20, || !rig.snapshot(0).up.is_up()).await;
        assert_eq!((down(&rig.snapshot(0).up), rig.snapshot(0).connects), ("another server answers", 2));
        let pause = rig.until("it is up again", 20, || rig.snapshot(0).up.is_up()).await;
        assert!(pause >= 14 && rig.snapshot(0).connects == 3, "{pause} s");
        Ok(())
    }
}

/// A timer that panics once, at its first use after it was told to.
struct Stumbling {
    clock: Arc<ManualClock>,
    stumble: AtomicBool,
}

impl Clock for Stumbling {
    fn mono(&self) -> Duration {
        assert!(!self.stumble.swap(false, Ordering::SeqCst), "the clock stumbles");
        self.clock.mono()
    }

    fn wall(&self) -> jiff::Timestamp {
        self.clock.wall()
    }
}

impl Timer for Stumbling {
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.clock.sleep_until(at)
    }
}

on_each_major! { [pg17 17]
    async fn a_panic_while_connecting_does_not_end_the_driver(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let clock = clock();
        let timer = Arc::new(Stumbling { clock: clock.clone(), stumble: AtomicBool::new(false) });
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let (rig, ready) = Rig::prepare(&[("PGMON_DSN", &dsn)], clock, timer.clone());
        timer.stumble.store(true, Ordering::SeqCst);
        rig.run(ready);
        rig.settle().await;
        assert!(!timer.stumble.load(Ordering::SeqCst), "it has panicked");
        let snapshot = rig.snapshot(0);
        assert!(snapshot.up.is_up() && snapshot.of(Loop::HotPath).success, "{:?}", snapshot.up);
        assert_eq!(snapshot.connects, 2, "the first connection was given up");
        Ok(())
    }
}

on_each_major! { [pg16 16]
    async fn no_answer_in_a_slow_loop_ends_the_connection_and_costs_a_round(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let way = Proxy::start(server.port())?;
        let dsn = way.dsn_as("pgmon", &password, "postgres");
        // Only the storage loop is due within the first minute.
        let rig = Rig::with(&[
            ("PGMON_DSN", &dsn),
            ("PGMON_SAMPLE_INTERVALS_HOT_PATH", "10m"),
            ("PGMON_SAMPLE_INTERVALS_WORKLOAD", "10m"),
            ("PGMON_SAMPLE_INTERVALS_STORAGE", "1m"),
            ("PGMON_BUDGETS_STORAGE", "1s"),
        ])
        .await;
        let before = rig.snapshot(0);
        assert!(before.of(Loop::Storage).success);
        way.set(Fault::Blackhole).await?;
        rig.advance(S(60)).await;
        let snapshot = rig.snapshot(0);
        assert!(down(&snapshot.up).starts_with("no answer within"), "{:?}", snapshot.up);
        let storage = snapshot.of(Loop::Storage);
        assert_eq!((storage.success, storage.rounds, storage.errors), (false, before.of(Loop::Storage).rounds + 1, 1));
        assert_eq!(snapshot.of(Loop::HotPath).rounds, before.of(Loop::HotPath).rounds);
        // Its first statement was never sent: it is the server that did not answer, and no collector's failure.
        for name in ["tables", "indexes"] {
            let state = rig.collector(0, name).unwrap();
            let Outcome::Skipped { reason } = state.outcome else { panic!("{name} ran: {:?}", state.outcome) };
            assert!(reason.contains("given up") && state.errors == 0, "{name}: {reason}");
        }
        way.set(Fault::Pass).await?;
        rig.advance(S(11 * 60)).await;
        assert!(rig.snapshot(0).up.is_up() && rig.snapshot(0).of(Loop::Storage).success);
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_connection_that_died_while_idle_is_no_collectors_failure(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let query = "[{name: a, help: A., interval: 1m, query: SELECT 1}]";
        // Within the first minutes either the storage loop alone is due, or the query alone.
        for (storage, queries) in [("1m", "[]"), ("12h", query)] {
            let rig = Rig::with(&[
                ("PGMON_DSN", &dsn),
                ("PGMON_SAMPLE_INTERVALS_HOT_PATH", "10m"),
                ("PGMON_SAMPLE_INTERVALS_WORKLOAD", "12h"),
                ("PGMON_SAMPLE_INTERVALS_STORAGE", storage),
                ("PGMON_SAMPLE_INTERVALS_HOURLY", "12h"),
                ("PGMON_QUERIES", queries),
            ])
            .await;
            rig.until("the first rounds", 5, || rig.snapshot(0).loops.iter().all(|l| l.rounds > 0)).await;
            let before = rig.snapshot(0);
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pgmon'";
            server.exec("postgres", end).await?;
            rig.until("it is connected anew", 61, || rig.snapshot(0).connects == 2).await;
            rig.settle().await;
            let now = rig.snapshot(0);
            assert!(now.up.is_up(), "{:?}", now.up);
            for (before, now) in before.loops.iter().zip(&now.loops) {
                assert!(now.success && now.errors == before.errors, "{now:?}");
            }
            if storage == "1m" {
                assert_eq!(now.of(Loop::Storage).rounds, before.of(Loop::Storage).rounds + 1, "it has run after all");
            } else {
                let ran = |s: &Snapshot| s.collectors.iter().find_map(|c| c.custom.as_ref()?.last_mono);
                assert!(ran(&now) > ran(&before), "it has run after all");
            }
            for c in &now.collectors {
                assert!(c.errors == 0 && c.stride == 1, "{}: {:?}, {} errors", c.collector, c.outcome, c.errors);
            }
        }
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_pulse_that_fails_costs_a_round_and_only_several_the_connection(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let rig = Rig::start(&server.dsn_as("pgmon", &password, "postgres")).await;
        let function = "EXECUTE ON FUNCTION pg_catalog.pg_is_in_recovery()";
        server.exec("postgres", &format!("REVOKE {function} FROM PUBLIC")).await?;
        let failed = || !rig.snapshot(0).of(Loop::HotPath).success;
        rig.until("a round failed", 20, failed).await;
        let snapshot = rig.snapshot(0);
        assert_eq!((snapshot.up.is_up(), snapshot.connects, snapshot.of(Loop::HotPath).errors), (true, 1, 1));
        server.exec("postgres", &format!("GRANT {function} TO PUBLIC")).await?;
        rig.until("the next one did not", 20, || !failed()).await;
        assert_eq!(rig.snapshot(0).connects, 1, "on the same connection");
        server.exec("postgres", &format!("REVOKE {function} FROM PUBLIC")).await?;
        rig.until("it is down", 60, || !rig.snapshot(0).up.is_up()).await;
        let snapshot = rig.snapshot(0);
        assert!(down(&snapshot.up).contains("permission denied"), "{:?}", snapshot.up);
        assert!(snapshot.connects >= 2, "it was connected anew first");
        Ok(())
    }
}

on_each_major! { [pg12 12, pg18 18]
    async fn what_a_grant_or_an_extension_shows_comes_before_the_slow_loops_next_tick(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        let password = server.create_role("watcher").await?;
        let dsn = server.dsn_as("watcher", &password, "postgres");
        let rig = Rig::with(&[
            ("PGMON_DSN", &dsn),
            ("PGMON_SAMPLE_INTERVALS_WORKLOAD", "1h"),
            ("PGMON_SAMPLE_INTERVALS_STORAGE", "12h"),
        ])
        .await;
        let outcome = |name| rig.collector(0, name).map(|c| c.outcome);
        assert_eq!((outcome("wal_files"), outcome("statements")), (Some(Outcome::Blind), Some(Outcome::Blind)));
        server.exec("postgres", "GRANT pg_monitor TO watcher").await?;
        rig.until("the WAL's files are seen", 620, || outcome("wal_files") == Some(Outcome::Ok)).await;
        assert_eq!((rig.snapshot(0).of(Loop::Storage).rounds, rig.snapshot(0).connects), (2, 1));
        assert_eq!(outcome("statements"), Some(Outcome::Blind), "there is no extension yet");
        server.create_extension("postgres", "pg_stat_statements").await?;
        rig.until("statements are seen", 620, || outcome("statements") == Some(Outcome::Ok)).await;
        assert_eq!(rig.snapshot(0).of(Loop::Storage).rounds, 2, "nothing new for the storage loop");
        Ok(())
    }
}

on_each_major! { [pg15 15]
    async fn a_refused_role_is_asked_less_and_less_often(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let rig = Rig::start(&server.dsn("postgres")).await;
        assert!(matches!(rig.snapshot(0).up, Up::Refused { .. }));
        for _ in 0..120 {
            rig.advance(S(30)).await;
        }
        let connects = rig.snapshot(0).connects;
        assert!((9..=12).contains(&connects), "{connects} times in an hour");
        Ok(())
    }
}

on_each_major! { [pg14 14]
    async fn counters_of_visited_databases_are_counted_and_stay(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        for name in ["own", "wide", "open", "busy"] {
            server.create_database(name).await?;
        }
        for n in 0..30 {
            server.exec("wide", &format!("CREATE TABLE t{n} (id int)")).await?;
        }
        server.exec("open", "CREATE TABLE t (id int); GRANT INSERT ON t TO PUBLIC").await?;
        let password = server.create_monitor("pgmon", Tier::T1).await?;
        server.exec("open", "GRANT INSERT ON t TO pgmon").await?;
        server.exec("postgres", "ALTER DATABASE busy CONNECTION LIMIT 0").await?;
        let entry = format!("[{{dsn: '{}', discover: true}}]", server.dsn_as("pgmon", &password, "own"));
        let rig = Rig::with(&[("PGMON_DATABASES", &entry), ("PGMON_LIMITS_SERIES_PER_FAMILY", "20")]).await;
        let cell = &rig.fleet.cells()[0];
        let discover = || cell.totals().errors.get(&"discover".into()).copied().unwrap_or(0);
        rig.until("all were visited", 5, || discover() == 1 && cell.roamed().iter().any(|c| c.good.is_some())).await;
        let totals = cell.totals();
        assert!(totals.dropped > cell.snapshot().dropped, "{totals:?}");
        for name in ["wide", "open", "busy"] {
            server.exec("postgres", &format!("DROP DATABASE {name}")).await?;
        }
        let gone =
            || cell.roamed().iter().all(|c| !matches!(c.datname.as_deref(), Some("wide" | "open" | "busy")));
        rig.until("they are gone", 660, gone).await;
        assert!(cell.totals().dropped >= totals.dropped && discover() == 1, "{:?}", cell.totals());
        Ok(())
    }
}

on_each_major! { [pg14 14]
    async fn a_visited_database_that_the_role_can_write_in_is_named_and_counts_no_errors(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        for name in ["own", "open"] {
            server.create_database(name).await?;
        }
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        server.exec("open", "CREATE TABLE t (id int); GRANT INSERT ON t TO pgmon").await?;
        let entry = format!("[{{dsn: '{}', discover: true}}]", server.dsn_as("pgmon", &password, "own"));
        let rig = Rig::with(&[("PGMON_DATABASES", &entry), ("PGMON_SAMPLE_INTERVALS_STORAGE", "1m")]).await;
        let cell = &rig.fleet.cells()[0];
        let open = || cell.roamed().iter().find(|c| c.datname.as_deref() == Some("open")).cloned();
        rig.until("it was visited", 5, || open().is_some()).await;
        let first = open().unwrap();
        rig.until("three more tours", 240, || open().is_some_and(|c| c.at >= first.at + jiff::SignedDuration::from_secs(170)))
            .await;
        let state = open().unwrap();
        assert_eq!((state.outcome.clone(), state.errors), (Outcome::Blind, 0), "{state:?}");
        let blind = &state.blind[0];
        assert!(blind.needs == "REVOKE" && blind.effect.contains("database open: left alone"), "{blind:?}");
        assert!(blind.effect.contains("INSERT") && blind.remedy.is_some(), "{blind:?}");
        server.exec("open", "REVOKE INSERT ON t FROM pgmon").await?;
        rig.until("it is looked at", 70, || open().is_some_and(|c| c.outcome == Outcome::Ok)).await;
        Ok(())
    }
}

on_each_major! { [pg14 14, pg18 18]
    async fn a_right_refused_at_run_time_stays_reported_until_it_is_given_back(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let rig = Rig::start(&server.dsn_as("pgmon", &password, "postgres")).await;
        let settings = || rig.collector(0, "settings");
        let is_blind = || settings().is_some_and(|c| c.blind.iter().any(|b| b.needs == "privilege"));
        assert!(settings().is_some() && !is_blind());
        server.exec("postgres", "REVOKE SELECT ON pg_catalog.pg_db_role_setting FROM PUBLIC").await?;
        rig.until("the refusal is seen", 3700, is_blind).await;
        let connects = rig.snapshot(0).connects;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pgmon'";
        server.exec("postgres", end).await?;
        rig.until("it is connected anew", 60, || rig.snapshot(0).connects > connects).await;
        rig.settle().await;
        assert!(is_blind(), "nothing was granted: {:?}", settings());
        // It alone is tried again; the others of its loop keep their hour.
        let of_loop = || rig.snapshot(0).of(settings().unwrap().in_loop).rounds;
        let other = || rig.snapshot(0).collectors.iter().filter(|c| c.in_loop == Loop::Hourly).map(|c| c.at).min();
        rig.until("a round of its loop", 3700, { let n = of_loop(); move || of_loop() > n }).await;
        let (rounds, tried, others) = (of_loop(), settings().unwrap().at, other());
        rig.until("it is tried again", 1300, || settings().unwrap().at > tried).await;
        assert_eq!((of_loop(), rig.snapshot(0).connects), (rounds, connects + 1), "no whole round");
        assert!(is_blind() && other() == others, "others ran with it");
        server.exec("postgres", "GRANT SELECT ON pg_catalog.pg_db_role_setting TO PUBLIC").await?;
        rig.until("it sees again", 620, || settings().is_some_and(|c| c.outcome == Outcome::Ok)).await;
        assert!(!is_blind());
        Ok(())
    }
}

on_each_major! { [pg17 17]
    async fn a_leader_that_comes_back_keeps_its_slow_loops_ticks(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let way = Proxy::start(server.port())?;
        let rig = Rig::with(&[
            ("PGMON_DSN", &*way.dsn_as("pgmon", &password, "postgres")),
            ("PGMON_SAMPLE_INTERVALS_STORAGE", "12h"),
            ("PGMON_SAMPLE_INTERVALS_HOURLY", "12h"),
        ])
        .await;
        let rounds = || [Loop::Storage, Loop::Hourly].map(|l| rig.snapshot(0).of(l).rounds);
        assert_eq!(rounds(), [1, 1]);
        for _ in 0..3 {
            way.set(Fault::Refuse).await?;
            rig.until("it is down", 40, || !rig.snapshot(0).up.is_up()).await;
            assert!(!rig.snapshot(0).leads);
            way.set(Fault::Pass).await?;
            rig.until("it leads again", 60, || rig.snapshot(0).leads).await;
            rig.settle().await;
        }
        assert_eq!(rounds(), [1, 1], "nobody else led in between");
        assert!(rig.collector(0, "wraparound").is_some_and(|c| c.good.is_some()), "what it found is there again");
        Ok(())
    }
}
