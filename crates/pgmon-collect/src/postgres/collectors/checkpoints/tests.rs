use super::Checkpoints;
use crate::postgres::collector::single;
use crate::postgres::testing::{Probe, on_all_majors};
use pgmon_testkit::{Server, workload};

#[test]
fn one_family_over_all_versions() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("checkpoint_timeout", "1h").start().await.unwrap();
        let password = server.create_role("stranger").await.unwrap();
        let dsn = server.dsn_as("stranger", &password, "postgres");
        let mut probe = Probe::new(&dsn, single::<Checkpoints>()).await;

        let before = probe.round().await;
        workload::wal_burst(&server, "postgres", 4).await.unwrap();
        let written = probe.round().await;
        let redo =
            |r: &crate::postgres::testing::Round| r.value("pg_checkpoint_redo_lag_bytes", &[]).unwrap();
        // The last megabyte may still be in the WAL buffers.
        assert!(redo(&written) >= redo(&before) + 3e6);

        let view = if major.0 >= 17 {
            "num_requested FROM pg_stat_checkpointer"
        } else {
            "checkpoints_req FROM pg_stat_bgwriter"
        };
        let requested: i64 = server.query("postgres", &format!("SELECT {view}")).await.unwrap();
        assert_eq!(written.value("pg_checkpoints_requested_total", &[]), Some(requested as f64));
        server.exec("postgres", "CHECKPOINT").await.unwrap();
        // The checkpointer reports when it is done with it.
        let (column, from) = view.split_once(' ').unwrap();
        let counted = format!("SELECT {column} > {requested} {from}");
        server.wait_until("postgres", &counted).await.unwrap();
        let after = probe.round().await;
        assert_eq!(after.value("pg_checkpoints_requested_total", &[]), Some(requested as f64 + 1.0));
        assert!(redo(&after) < redo(&written));
        // What the probe has not seen does not count, as on a server that is new to pgmon.
        assert_eq!(before.data[0]["recent_requested"], serde_json::Value::Null);
        assert_eq!(
            (&after.data[0]["recent_requested"], &after.data[0]["recent_timed"]),
            (&1.into(), &0.into())
        );
        let truth: f64 = server
            .query(
                "postgres",
                "SELECT extract(epoch FROM checkpoint_time)::float8 FROM pg_control_checkpoint()",
            )
            .await
            .unwrap();
        assert_eq!(after.value("pg_last_checkpoint_timestamp_seconds", &[]), Some(truth));
        assert!(after.value("pg_last_checkpoint_age_seconds", &[]).unwrap() < 60.0);
        assert_eq!(after.value("pg_timeline_id", &[]), Some(1.0));
        for everywhere in [
            "pg_checkpoints_timed_total",
            "pg_checkpoint_write_seconds_total",
            "pg_checkpoint_sync_seconds_total",
            "pg_checkpoint_buffers_written_total",
            "pg_bgwriter_buffers_clean_total",
            "pg_bgwriter_maxwritten_clean_total",
            "pg_buffers_alloc_total",
        ] {
            assert!(after.value(everywhere, &[]).is_some(), "{everywhere}");
        }
        for (family, versions) in [
            ("pg_checkpoints_done_total", 18..99),
            ("pg_checkpoint_slru_written_total", 18..99),
            ("pg_restartpoints_timed_total", 17..99),
            ("pg_restartpoints_requested_total", 17..99),
            ("pg_restartpoints_done_total", 17..99),
            ("pg_buffers_backend_total", 12..17),
            ("pg_buffers_backend_fsync_total", 12..17),
        ] {
            assert_eq!(after.value(family, &[]).is_some(), versions.contains(&major.0), "{family}");
        }

        let target = if major.0 >= 17 { "checkpointer" } else { "bgwriter" };
        server.exec("postgres", &format!("SELECT pg_stat_reset_shared('{target}')")).await.unwrap();
        let low = format!("SELECT {column} = 0 {from}");
        server.wait_until("postgres", &low).await.unwrap();
        let reset = probe.round().await;
        assert_eq!(reset.value("pg_checkpoints_requested_total", &[]), Some(0.0));
        assert_eq!(reset.data[0]["recent_requested"], serde_json::Value::Null);
        assert_ne!(reset.data[0]["checkpointer_stats_reset"], after.data[0]["checkpointer_stats_reset"]);
    });
}
