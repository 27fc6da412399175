//! What stands between a server and its clients: replicas, poolers, broken networks.

use std::time::Duration;

use pgmon_testkit::{Fault, Major, PgBouncer, Proxy, Server, Tier, on_each_major};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

on_each_major! {
    async fn replica_streams_and_is_promoted(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.exec("postgres", "CREATE TABLE t AS SELECT 1 AS n").await?;
        let replica = server.replica("replica 1").await?;
        let shown = "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'replica 1' AND state = 'streaming'";
        server.wait_until("postgres", shown).await?;

        replica.pause_replay().await?;
        server.exec("postgres", "INSERT INTO t VALUES (2)").await?;
        replica.wait_until("postgres", "SELECT pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()").await?;
        replica.resume_replay().await?;
        replica.wait_caught_up().await?;
        assert_eq!(replica.query::<i64>("postgres", "SELECT count(*) FROM t").await?, 2);

        replica.break_link().await?;
        replica.wait_until("postgres", "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await?;
        server.exec("postgres", "INSERT INTO t VALUES (3)").await?;
        replica.restore_link().await?;
        replica.wait_caught_up().await?;
        assert_eq!(replica.query::<i64>("postgres", "SELECT count(*) FROM t").await?, 3);

        replica.promote().await?;
        replica.exec("postgres", "INSERT INTO t VALUES (4)").await?;
        assert_eq!(server.query::<i64>("postgres", "SELECT count(*) FROM t").await?, 3);
        Ok(())
    }
}

on_each_major! {
    async fn replica_holds_back_its_slot_and_the_horizon(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let replica = server.replica("held").slot().feedback().await?;
        server.wait_until("postgres", "SELECT active AND restart_lsn IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'held'").await?;
        server.wait_until("postgres", "SELECT xmin IS NOT NULL FROM pg_replication_slots").await?;
        drop(replica);
        server.wait_until("postgres", "SELECT NOT active FROM pg_replication_slots").await
    }
}

on_each_major! {
    async fn pgbouncer_passes_through(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let bouncer = PgBouncer::builder(&server).user("pgmon", &password).start().await?;
        // PgBouncer refuses the startup parameter that sqlx sends unless told not to.
        let options: PgConnectOptions = bouncer.dsn_as("pgmon", &password, "postgres").parse()?;
        assert!(PgConnection::connect_with(&options).await.is_err());
        let options = options.extra_float_digits(None);
        let pid = "SELECT pg_backend_pid()";
        let mut pids = Vec::new();
        for _ in 0..2 {
            let mut client = PgConnection::connect_with(&options).await?;
            let asked: i32 = sqlx::query_scalar(pid).persistent(false).fetch_one(&mut client).await?;
            pids.push(asked);
        }
        // One server connection serves both clients.
        assert_eq!(pids[0], pids[1]);
        assert!(PgConnection::connect_with(&options.password("wrong")).await.is_err());
        Ok(())
    }
}

#[test]
fn proxy_misbehaves_as_told() -> anyhow::Result<()> {
    pgmon_testkit::run(Major::NEWEST, async |newest| {
        let server = Server::start(newest).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let proxy = Proxy::start(server.port())?;
        let dsn = proxy.dsn_as("pgmon", &password, "postgres");
        let mut client = PgConnection::connect(&dsn).await?;
        let second = Duration::from_secs(1);

        proxy.set(Fault::Blackhole).await?;
        assert!(timeout(second / 4, PgConnection::connect(&dsn)).await.is_err());
        assert!(timeout(second / 4, sqlx::raw_sql("SELECT 1").execute(&mut client)).await.is_err());
        proxy.set(Fault::Pass).await?;
        let mut client = PgConnection::connect(&dsn).await?;

        proxy.set(Fault::Delay(second / 5)).await?;
        assert!(timeout(second / 5, client.ping()).await.is_err());
        proxy.set(Fault::Pass).await?;
        let mut client = PgConnection::connect(&dsn).await?;

        proxy.set(Fault::Refuse).await?;
        assert!(client.ping().await.is_err());
        let refused = PgConnection::connect(&dsn).await.err().map(|error| error.to_string());
        assert!(refused.as_ref().is_some_and(|error| error.contains("refused")), "{refused:?}");
        proxy.set(Fault::Pass).await?;
        PgConnection::connect(&dsn).await?;
        Ok(())
    })
}
