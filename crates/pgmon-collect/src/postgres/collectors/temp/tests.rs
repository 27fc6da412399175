use super::*;
use crate::postgres::collector::single;
use crate::postgres::testing::Probe;
use pgmon_testkit::{Server, Tier, on_each_major, workload};

fn row(temp_files: i64, temp_bytes: i64, stats_reset: f64) -> Row {
    Row { temp_files, temp_bytes, stats_reset: Some(stats_reset) }
}

#[test]
fn a_rate_is_known_only_while_the_counters_go_on() {
    let second = Duration::from_secs(1);
    let before = row(3, 1000, 7.0);
    assert_eq!(rate(&before, &row(4, 5000, 7.0), 2 * second), Some(2000.0));
    assert_eq!(rate(&before, &before, second), Some(0.0));
    assert_eq!(
        rate(&before, &row(4, 5000, 8.0), second),
        None,
        "reset in between, already past the old value"
    );
    assert_eq!(rate(&before, &row(0, 10, 7.0), second), None, "gone down");
    assert_eq!(rate(&before, &row(2, 5000, 7.0), second), None, "fewer files");
    assert_eq!(rate(&before, &row(4, i64::MIN, 7.0), second), None, "wrapped");
    assert_eq!(rate(&before, &row(4, 5000, 7.0), Duration::ZERO), None);
    let unused = Row { temp_files: 0, temp_bytes: 0, stats_reset: None };
    assert_eq!(
        rate(&unused, &row(4, 5000, 7.0), second),
        Some(5000.0),
        "statistics begin with the first use"
    );
}

on_each_major! {
    async fn a_spill_shows_in_the_database_where_it_happened(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        // No grant at all is needed.
        let password = server.create_role("plain").await?;
        let mut shop = Probe::new(&server.dsn_as("plain", &password, "shop"), single::<Temp>()).await;
        let first = shop.round().await;
        assert_eq!(first.samples("pg_temp_bytes_per_second"), []);
        workload::temp_spill(&server, "shop").await?;
        let mut truth = 0;
        // Up to 14 the statistics arrive with a delay.
        for _ in 0..100 {
            let sql = "SELECT temp_bytes FROM pg_stat_database WHERE datname = 'shop'";
            truth = server.query::<i64>("postgres", sql).await?;
            if truth > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let spilled = shop.round().await;
        let bytes = spilled.value("pg_temp_bytes_total", &[]).unwrap_or_default();
        assert!(bytes > 0.0 && bytes == truth as f64, "{bytes} {truth}");
        assert!(spilled.value("pg_temp_files_total", &[]) >= Some(1.0));
        assert!(spilled.value("pg_temp_bytes_per_second", &[]) > Some(0.0));
        server.exec("shop", "SELECT pg_stat_reset()").await?;
        server.wait_until("shop", "SELECT temp_bytes = 0 FROM pg_stat_database WHERE datname = 'shop'").await?;
        let reset = shop.round().await;
        assert_eq!(reset.value("pg_temp_bytes_total", &[]), Some(0.0));
        assert_eq!(reset.samples("pg_temp_bytes_per_second"), []);

        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let mut other = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), single::<Temp>()).await;
        assert_eq!(other.round().await.value("pg_temp_bytes_total", &[]), Some(0.0));
        Ok(())
    }
}
