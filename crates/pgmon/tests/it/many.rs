//! Two hundred databases in one process.

use crate::rig::{self, Rig};
use anyhow::Result;
use pgmon_core::clock::Clock as _;
use pgmon_core::snapshot::{Loop, Snapshot, Up};
use pgmon_testkit::{Server, StopMode, Tier, on_each_major};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Entries of the server that works, of the one that hangs and of the one that is gone.
const ENTRIES: [usize; 3] = [50, 50, 100];

const GOOD: Range<usize> = 0..50;
const HANGS: Range<usize> = 50..100;
const GONE: Range<usize> = 100..200;
const BAD: Range<usize> = 50..200;

/// Entries share databases, five of each server.
const DATABASES: usize = 5;

const HOT_PATH: Duration = Duration::from_secs(15);

fn of(rig: &Rig, entries: Range<usize>) -> Vec<Arc<Snapshot>> {
    entries.map(|entry| rig.snapshot(entry)).collect()
}

fn rounds(snapshot: &Snapshot) -> u64 {
    snapshot.of(Loop::HotPath).rounds
}

/// Waits for real, without moving the clock: the machine may be busy. Time that passed on the clock while
/// a statement runs would count as the statement's.
async fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !is_so() {
        assert!(Instant::now() < deadline, "not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

on_each_major! { [pg18 18]
    async fn dead_servers_delay_none_of_two_hundred_databases(major: Major) -> Result<()> {
        let mut servers = Vec::new();
        let mut entries = Vec::new();
        for (s, count) in ENTRIES.into_iter().enumerate() {
            let server = Server::builder(major).setting("max_connections", 150).start().await?;
            for d in 0..DATABASES {
                server.create_database(&format!("d{d}")).await?;
            }
            let password = server.create_monitor("pgmon", Tier::T0).await?;
            for e in 0..count {
                let dsn = server.dsn_as("pgmon", &password, &format!("d{}", e % DATABASES));
                entries.push(format!("{{name: s{s}-{e}, dsn: '{dsn}'}}"));
            }
            servers.push(server);
        }
        servers[1].pause()?;
        servers[2].stop(StopMode::Fast).await?;
        let clock = rig::clock();
        let env = [
            ("PGMON_DATABASES", format!("[{}]", entries.join(", "))),
            ("PGMON_LIMITS_CONNECTIONS_PER_SERVER", "100".to_owned()),
            // It counts by the true clock: long enough for a hundred logins at once on a busy machine.
            ("PGMON_TIMEOUTS_CONNECT_MS", "8000".to_owned()),
        ];
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (rig, ready) = Rig::prepare(&env, clock.clone(), clock);
        rig.run(ready);
        let is_down = |s: &Arc<Snapshot>| matches!(s.up, Up::Down { .. });
        wait("those that are there are read, the others are down", || {
            of(&rig, GOOD).iter().all(|s| s.loops.iter().all(|l| l.ended_mono.is_some() && l.success))
                && of(&rig, GONE).iter().all(is_down)
                && rig.sleep(GOOD)
        })
        .await;

        assert!(of(&rig, HANGS).iter().all(|s| s.up == Up::Pending || is_down(s)));
        let start = of(&rig, GOOD);
        let begun = rig.clock.mono();
        for _ in 0..12 {
            let due: Vec<u64> = of(&rig, GOOD).iter().map(|s| rounds(s) + 1).collect();
            rig.clock.advance(HOT_PATH);
            // Nobody waits here for the ones that hang; their time limits are longer than what this takes.
            wait("the next round of each", || {
                rig.sleep(GOOD) && of(&rig, GOOD).iter().zip(&due).all(|(s, due)| rounds(s) >= *due)
            })
            .await;
        }
        let passed = (rig.clock.mono() - begun).as_secs() / HOT_PATH.as_secs();
        for (before, now) in start.iter().zip(of(&rig, GOOD)) {
            assert!(now.up == Up::Up && now.loops.iter().all(|l| l.success), "{}: {:?}", now.db, now.loops);
            assert!(rounds(&now) - rounds(before) >= passed, "{}: {} of {passed}", now.db, rounds(&now) - rounds(before));
            let missed: u64 = now.loops.iter().map(|l| l.missed).sum();
            assert_eq!((missed, now.connects), (0, 1), "{}", now.db);
        }
        // Probes have grown apart: 12 intervals have passed, and each takes two by now.
        for s in of(&rig, GONE) {
            assert!((4..=10).contains(&s.connect_errors), "{}: {} attempts", s.db, s.connect_errors);
        }

        let quarantined = |s: &Arc<Snapshot>| is_down(s) && s.quarantined_until.is_some();
        let deadline = Instant::now() + Duration::from_secs(300);
        while !of(&rig, BAD).iter().all(quarantined) {
            assert!(Instant::now() < deadline, "what does not answer is quarantined");
            // An attempt that hangs ends by the true clock, the next one begins by ours.
            tokio::time::sleep(Duration::from_millis(500)).await;
            rig.clock.advance(HOT_PATH);
        }

        servers[1].resume()?;
        servers[2].start_again().await?;
        // Attempts that were under way end, well or not, and their pauses begin, before the clock goes on.
        wait("attempts under way have ended", || rig.sleep(BAD)).await;
        let mut seconds = 0;
        let back = |s: &Arc<Snapshot>| s.up == Up::Up && s.quarantined_until.is_none();
        while !of(&rig, BAD).iter().all(back) {
            let late: Vec<_> = of(&rig, BAD).into_iter().filter(|s| !back(s)).map(|s| (s.db.clone(), s.up.clone())).collect();
            assert!(seconds < 33, "two intervals and a tenth have passed: {} are missing: {:?}", late.len(), late.first());
            seconds += 3;
            rig.clock.advance(Duration::from_secs(3));
            wait("probes that are due", || rig.sleep(BAD)).await;
        }
        let sql = "SELECT count(*) <= 100 FROM pg_stat_activity WHERE usename = 'pgmon'";
        for server in &servers {
            server.wait_until("postgres", sql).await?;
        }
        Ok(())
    }
}
