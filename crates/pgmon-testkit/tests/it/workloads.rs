//! Each workload shows in the views that pgmon reads.

use pgmon_testkit::{Server, on_each_major, workload};

on_each_major! {
    async fn lock_chain_is_as_deep_as_asked(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let chain = workload::lock_chain(&server, "postgres", 3).await?;
        for pair in chain.pids().windows(2) {
            let blockers: Vec<i32> =
                server.query("postgres", &format!("SELECT pg_blocking_pids({})", pair[1])).await?;
            assert_eq!(blockers, [pair[0]]);
        }
        chain.stop().await?;
        let left: i64 = server
            .query("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^chain'")
            .await?;
        assert_eq!(left, 0);
        Ok(())
    }
}

on_each_major! {
    async fn ddl_queue_stands_behind_the_alter(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let queue = workload::ddl_queue(&server, "postgres").await?;
        let &[reader_1, reader_2, alter, select] = queue.pids() else { anyhow::bail!("not four sessions") };
        for (pid, expected) in [(alter, vec![reader_1, reader_2]), (select, vec![alter])] {
            let mut blockers: Vec<i32> =
                server.query("postgres", &format!("SELECT pg_blocking_pids({pid})")).await?;
            blockers.sort_unstable();
            let mut expected = expected;
            expected.sort_unstable();
            assert_eq!(blockers, expected);
        }
        queue.stop().await
    }
}

on_each_major! {
    async fn prepared_transaction_blocks_without_a_pid(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major).setting("max_prepared_transactions", 10).start().await?;
        let blocker = workload::prepared_xact_blocker(&server, "postgres").await?;
        let waiting = blocker.pids()[0];
        let blockers: Vec<i32> =
            server.query("postgres", &format!("SELECT pg_blocking_pids({waiting})")).await?;
        assert_eq!(blockers, [0]);
        blocker.stop().await?;
        assert_eq!(server.query::<i64>("postgres", "SELECT count(*) FROM pg_prepared_xacts").await?, 0);
        Ok(())
    }
}

on_each_major! {
    async fn sessions_are_in_the_state_they_are_named_for(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let long = workload::long_transaction(&server, "postgres").await?;
        let idle = workload::idle_in_transaction(&server, "postgres").await?;
        let exclusive = workload::access_exclusive(&server, "postgres", "locked table").await?;
        let many = workload::connections(&server, "postgres", 20).await?;
        let activity = "FROM pg_stat_activity WHERE pid =";
        for (pid, shown) in [
            (long.pids()[0], "state = 'active' AND backend_xmin IS NOT NULL"),
            (idle.pids()[0], "state = 'idle in transaction' AND backend_xid IS NOT NULL"),
            (exclusive.pids()[0], "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND mode = 'AccessExclusiveLock' AND granted)"),
            (many.pids()[19], "state = 'idle'"),
        ] {
            let sql = format!("SELECT {shown} {} {pid}", activity.replace("activity", "activity a"));
            server.wait_until("postgres", &sql).await?;
        }
        drop(many);
        server.wait_until("postgres", "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name ~ '^connection-'").await
    }
}

on_each_major! {
    async fn churn_is_counted(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.create_extension("postgres", "pgstattuple").await?;
        workload::bloat(&server, "postgres", "bloat").await?;
        let free: f64 = server.query("postgres", "SELECT approx_free_percent FROM pgstattuple_approx('bloat')").await?;
        assert!((55.0..75.0).contains(&free), "{free}");
        workload::dead_tuples(&server, "postgres", "dead", 2000).await?;
        workload::temp_spill(&server, "postgres").await?;
        let before: String = server.query("postgres", "SELECT pg_current_wal_lsn()::text").await?;
        workload::wal_burst(&server, "postgres", 5).await?;
        let sql = format!("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')::float8");
        let written: f64 = server.query("postgres", &sql).await?;
        assert!(written >= 5.0 * 1024.0 * 1024.0, "{written}");
        Ok(())
    }
}

on_each_major! {
    async fn objects_are_there(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        workload::partitions(&server, "postgres").await?;
        for (table, partitions) in workload::PARTITIONED {
            let sql = format!("SELECT count(*) FROM pg_inherits WHERE inhparent = 'part.{table}'::regclass");
            assert_eq!(server.query::<i64>("postgres", &sql).await?, partitions, "{table}");
        }
        let names = workload::hostile_names(&server, "postgres").await?;
        let tables: Vec<String> = server
            .query("postgres", "SELECT array_agg(relname::text) FROM pg_stat_user_tables WHERE schemaname = relname")
            .await?;
        for name in &names {
            assert!(tables.contains(name), "{name}");
        }
        workload::unused_index(&server, "postgres").await?;
        workload::duplicate_index(&server, "postgres").await?;
        workload::invalid_index(&server, "postgres").await?;
        workload::sequence_nearly_exhausted(&server, "postgres", "nearly", 100).await?;
        for sql in [
            "SELECT idx_scan = 0 FROM pg_stat_user_indexes WHERE indexrelname = 'unused_index_n'",
            "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = 'invalid_index_n'::regclass",
            "SELECT max_value - last_value = 100 FROM pg_sequences WHERE sequencename = 'nearly'",
            "SELECT count(*) = 1 FROM pg_index a JOIN pg_index b USING (indrelid, indkey) WHERE a.indexrelid < b.indexrelid",
        ] {
            assert!(server.query::<bool>("postgres", sql).await?, "{sql}");
        }
        Ok(())
    }
}

on_each_major! {
    [pg12 12, pg18 18] async fn many_tables_are_made_quickly(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        workload::many_tables(&server, "postgres", 2000, 3000).await?;
        for (kind, expected) in [("r", 2000), ("i", 3000)] {
            let sql = format!("SELECT count(*) FROM pg_class WHERE relkind = '{kind}' AND relnamespace = 'many'::regnamespace");
            assert_eq!(server.query::<i64>("postgres", &sql).await?, expected);
        }
        Ok(())
    }
}

on_each_major! {
    async fn pgbench_commits(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.create_database("bench").await?;
        let bench = workload::pgbench(&server, "bench", 1, 2, 50).await?;
        server.wait_until("bench", "SELECT count(*) > 10 FROM pgbench_history").await?;
        bench.stop().await
    }
}
