//! A busy database to look at: the newest server with a shop in it, its traffic and a replica. Beside the
//! shop lies the disc golf club of `examples/disc-golf`.
//!
//! Prints one line of JSON when it is ready. SIGINT, SIGTERM or the end of a pipe on standard
//! input stop everything and remove it.

mod traffic;

use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;

use anyhow::{Context, Result};
use pgmon_testkit::{Major, Server, Tier};
use tokio::signal::unix::{Signal, SignalKind, signal};

const COURSES: &str = include_str!("../../../../../examples/disc-golf/courses.sql");

#[tokio::main]
async fn main() -> Result<()> {
    // From the beginning: a signal during the start must not leave a server behind.
    let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        result = demo() => result,
        () = end(signals) => Ok(()),
    }
}

/// Runs until it is dropped.
async fn demo() -> Result<()> {
    let server = Server::builder(Major::NEWEST)
        .statements()
        .setting("track_io_timing", "on")
        .setting("max_prepared_transactions", 10)
        .setting("shared_buffers", "64MB")
        // Every table has been vacuumed and analyzed soon after the start.
        .setting("autovacuum_naptime", "5s")
        .setting("cluster_name", "demo")
        .on_disk()
        .start()
        .await?;
    server.create_database("shop").await?;
    server.create_database("disc_golf").await?;
    for database in ["shop", "disc_golf"] {
        for extension in ["pg_stat_statements", "pgstattuple"] {
            server.create_extension(database, extension).await?;
        }
        server.revoke_create_on_public(database).await?;
    }
    server.exec("shop", include_str!("shop.sql")).await.context("cannot fill the shop")?;
    let password = server.create_monitor("pgmon", Tier::T1).await?;
    server.exec("disc_golf", COURSES).await.context("cannot fill the disc golf club")?;
    let replica = server.replica("replica1").slot().await?;

    let ready = serde_json::json!({
        "dsn": server.dsn_as("pgmon", &password, "shop"),
        "disc_golf_dsn": server.dsn_as("pgmon", &password, "disc_golf"),
        "admin_dsn": server.dsn("shop"),
        "port": server.port(),
        "replica_dsn": replica.dsn_as("pgmon", &password, "shop"),
        "replica_port": replica.port(),
        "version": server.query::<String>("shop", "SHOW server_version").await?,
    });
    let server = Arc::new(server);
    let _traffic = traffic::start(&server);
    println!("{ready}");
    std::future::pending().await
}

async fn end((mut interrupt, mut terminate): (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = input_closed() => {}
    }
}

/// Only a pipe says something by its end: a job in the background of a shell has /dev/null there.
async fn input_closed() {
    let is_pipe = std::fs::metadata("/dev/stdin").is_ok_and(|metadata| metadata.file_type().is_fifo());
    if !is_pipe {
        return std::future::pending().await;
    }
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for one of its own at the end.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 1024];
        while matches!(input.read(&mut buffer), Ok(1..)) {}
        let _ = closed.send(());
    });
    let _ = is_closed.await;
}
