//! Streaming replication as two watched servers show it.

use super::Rig;
use anyhow::Result;

#[tokio::test]
async fn nothing_is_watched_and_nothing_is_shown() -> Result<()> {
    // The drivers are tested with the agent; here nobody watches anything yet.
    let rig = Rig::new(
        "databases:\n- {name: a, dsn: 'postgres://u@127.0.0.1:1/d'}\nclusters:\n- {type: streaming, interval: 1s}\n",
    );
    let soon = rig.timer.mono() + std::time::Duration::from_millis(300);
    rig.timer.sleep_until(soon).await;
    assert!(rig.clusters.snapshots().is_empty() && rig.fleet.cells().is_empty());
    rig.stop().await;
    Ok(())
}
