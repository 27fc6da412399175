//! Servers: start, stop, faults, replacement.

use std::time::Duration;

use pgmon_testkit::{Major, Server, StopMode, Tier, on_each_major};
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);

on_each_major! {
    async fn starts_and_says_its_version(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major).statements().start().await?;
        let version: String = server.query("postgres", "SHOW server_version").await?;
        assert!(version.starts_with(&format!("{major}.")), "{version}");
        server.create_extension("postgres", "pg_stat_statements").await?;
        server.query::<i64>("postgres", "SELECT count(*) FROM pg_stat_statements").await?;
        Ok(())
    }
}

on_each_major! {
    async fn stops_in_each_way_and_starts_again(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let port = server.port();
        server.exec("postgres", "CREATE TABLE kept ()").await?;
        for mode in [StopMode::Smart, StopMode::Fast, StopMode::Immediate] {
            server.stop(mode).await?;
            assert!(server.connect("postgres").await.is_err());
            server.start_again().await?;
        }
        server.kill().await?;
        assert!(server.connect("postgres").await.is_err());
        server.start_again().await?;
        server.restart().await?;
        assert_eq!(server.port(), port);
        assert_eq!(server.query::<i64>("postgres", "SELECT count(*) FROM kept").await?, 0);
        Ok(())
    }
}

on_each_major! {
    async fn pauses_and_resumes(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let mut open = server.connect("postgres").await?;
        server.pause()?;
        assert!(timeout(SECOND / 5, server.connect("postgres")).await.is_err());
        assert!(timeout(SECOND / 5, sqlx::query("SELECT 1").execute(&mut open)).await.is_err());
        server.resume()?;
        assert_eq!(server.query::<i32>("postgres", "SELECT 1").await?, 1);
        // Dropped while it is paused, it ends all the same.
        server.pause()?;
        Ok(())
    }
}

on_each_major! {
    async fn monitors_see_what_their_tier_allows(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        server.create_database("shop").await?;
        let before = "CREATE SCHEMA app; CREATE TABLE app.a (id int); CREATE SEQUENCE app.s";
        server.exec("shop", before).await?;
        let t0 = server.create_monitor("monitor0", Tier::T0).await?;
        let t1 = server.create_monitor("monitor 1", Tier::T1).await?;
        server.exec("shop", "CREATE TABLE app.later (id int)").await?;
        server.revoke_create_on_public("shop").await?;
        for (user, password, sees) in [("monitor0", t0, false), ("monitor 1", t1, true)] {
            use sqlx::Connection as _;
            let mut monitor = sqlx::PgConnection::connect(&server.dsn_as(user, &password, "shop")).await?;
            for sql in ["SELECT * FROM app.a", "SELECT * FROM app.later", "SELECT last_value FROM app.s"] {
                let read = sqlx::query(sql).fetch_all(&mut monitor).await;
                assert_eq!(read.is_ok(), sees, "{user}: {sql}");
            }
            sqlx::query("SELECT * FROM pg_ls_waldir()").fetch_all(&mut monitor).await?;
            assert!(sqlx::query("CREATE TABLE public.own ()").execute(&mut monitor).await.is_err());
        }
        Ok(())
    }
}

on_each_major! {
    async fn counts_the_cpu_time_of_a_backend(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let mut backend = server.connect("postgres").await?;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut backend).await?;
        let before = server.backend_cpu(pid)?;
        sqlx::query("SELECT count(*) FROM generate_series(1, 200000)").execute(&mut backend).await?;
        assert!(server.backend_cpu(pid)? > before + 1_000_000);
        Ok(())
    }
}

on_each_major! {
    async fn settings_take_effect(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major).setting("cluster_name", r"it's \ 1").start().await?;
        assert_eq!(server.query::<String>("postgres", "SHOW cluster_name").await?, r"it's \ 1");
        server.set("work_mem", "5MB").await?;
        server.wait_until("postgres", "SELECT current_setting('work_mem') = '5MB'").await
    }
}

#[test]
fn another_version_takes_the_same_port() -> anyhow::Result<()> {
    pgmon_testkit::run(Major::OLDEST, async |oldest| {
        let mut server = Server::builder(oldest).setting("max_connections", 42).start().await?;
        let dsn = server.dsn("postgres");
        server.replace_with(Major::NEWEST).await?;
        assert_eq!(server.dsn("postgres"), dsn);
        assert_eq!(server.query::<String>("postgres", "SHOW max_connections").await?, "42");
        let version: i32 =
            server.query("postgres", "SELECT current_setting('server_version_num')::int").await?;
        assert_eq!(version / 10_000, i32::from(Major::NEWEST.0));
        Ok(())
    })
}

#[test]
fn nothing_is_left_behind() -> anyhow::Result<()> {
    pgmon_testkit::run(Major::NEWEST, async |newest| {
        let server = Server::start(newest).await?;
        let (dir, pid) = (server.socket_dir().to_owned(), server.pid().unwrap_or_default());
        assert!(dir.exists());
        server.pause()?;
        drop(server);
        assert!(!dir.exists());
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        Ok(())
    })
}
