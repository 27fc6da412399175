//! A lag as long as the document on Manatee has one.

use super::S;
use super::manatee::{Chain, id};
use anyhow::Result;
use std::time::Duration;

/// How late the last peer replays.
const DELAY: f64 = 125.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_125_s_behind_a_busy_primary_shows_as_125() -> Result<()> {
    let chain = Chain::start().await?;
    let rig = chain.rig();
    rig.until("all can be asked", |c| c.members.iter().all(|m| m.lag_seconds.is_some())).await?;
    let label = ["1.moray.test", &id(&chain.last), "async"];
    let lag = || rig.value("manatee_peer_replication_lag_seconds", &label);
    chain.last.set("recovery_min_apply_delay", &format!("{DELAY}s")).await?;
    let began = rig.timer.mono();
    let mut highest = 0.0_f64;
    loop {
        chain.primary.exec("postgres", "INSERT INTO t VALUES (1)").await?;
        let passed = (rig.timer.mono() - began).as_secs_f64();
        // It grows with the time, and no more than that.
        let now = lag().expect("a lag that is known");
        assert!((0.0..=passed.min(DELAY) + 5.0).contains(&now), "{now} after {passed}");
        highest = highest.max(now);
        if passed > DELAY + 8.0 {
            break;
        }
        let soon = rig.timer.mono() + Duration::from_millis(500);
        rig.timer.sleep_until(soon).await;
    }
    let now = lag().expect("a lag that is known");
    assert!((DELAY - 1.0..DELAY + 5.0).contains(&now), "{now}");
    assert!(highest < DELAY + 5.0, "{highest}");

    chain.last.set("recovery_min_apply_delay", "0").await?;
    rig.until("it has caught up", |c| c.members[2].lag_seconds == Some(0.0)).await?;
    // On a primary that writes nothing it stays so.
    let later = rig.timer.mono() + S(6);
    rig.timer.sleep_until(later).await;
    assert_eq!(lag(), Some(0.0));
    rig.stop().await;
    Ok(())
}
