//! `pgmon agent`: watches and serves.

use crate::exit::Code;
use crate::logging;
use anyhow::Context as _;
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::permits::Permits;
use pgmon_collect::poller::timer::Timer;
use pgmon_collect::postgres::driver::{Driver, Shared};
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::roamer::Roamer;
use pgmon_config::{Entry, Loaded, SslMode};
use pgmon_core::clock::SystemClock;
use pgmon_core::snapshot::Up;
use pgmon_http::exposition::Look;
use pgmon_http::pages::Pages;
use pgmon_http::server::{self, App};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long a stop may take before what is left is cut off.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// Runs until SIGINT or SIGTERM, or until every role turned out to be able to write.
pub fn run(loaded: Loaded) -> anyhow::Result<Code> {
    logging::init(&loaded.config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("pgmon")
        .enable_all()
        .build()
        .context("the async runtime could not be started")?;
    let code = runtime.block_on(watch_and_serve(loaded));
    // A name that is being looked up blocks a thread for as long as the resolver likes.
    runtime.shutdown_timeout(Duration::from_millis(300));
    code
}

async fn watch_and_serve(loaded: Loaded) -> anyhow::Result<Code> {
    let Loaded { config, entries, .. } = loaded;
    let bind = config.http.bind.clone();
    let listener = TcpListener::bind(&bind).await.with_context(|| {
        format!("cannot listen on {bind} (http.bind, --bind, PGMON_HTTP_BIND): is another pgmon running?")
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    warn_of_open_doors(&entries, &address);

    let plan = Plan::new(&config);
    let look =
        Look { version: crate::cli::VERSION, hide_postgres_defaults: config.ui.hide_postgres_defaults };
    let timer: Arc<dyn Timer> = Arc::new(SystemClock::new());
    let fleet = Arc::new(Fleet::new(entries.iter().map(|e| plan.pending(&e.cluster, &e.db)).collect()));
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared {
        permits: Arc::new(Permits::new(plan.connections_per_server)),
        plan,
        fleet: fleet.clone(),
        timer: timer.clone(),
        stop: stopped.clone(),
    });
    tracing::info!(version = crate::cli::VERSION, databases = entries.len(), listen = %address, "pgmon starts");
    let mut drivers = tokio::task::JoinSet::new();
    for (index, entry) in entries.into_iter().enumerate() {
        if let Some(cell) = fleet.cells().get(index).filter(|_| entry.discover) {
            drivers.spawn(Roamer::new(shared.clone(), entry.clone(), cell.clone()).run());
        }
        drivers.spawn(Driver::new(shared.clone(), entry, index).run());
    }
    let app = Arc::new(App {
        pages: Pages::new(fleet.clone(), timer.clone(), look),
        fleet: fleet.clone(),
        timer,
        version: crate::cli::VERSION,
    });
    let mut server = tokio::spawn(server::serve(listener, app, stopped));

    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let code = tokio::select! {
        _ = terminate.recv() => Code::Ok,
        _ = interrupt.recv() => Code::Ok,
        refusals = all_refused(&fleet) => {
            eprintln!("pgmon: every configured role can write; pgmon only runs with roles that cannot:\n{refusals}");
            eprintln!("(security.read_only_enforce: false turns this check off)");
            Code::Refused
        }
        Some(ended) = drivers.join_next() => {
            // A driver only ends when it is told to; without it a database would be watched no more.
            tracing::error!("a database's driver ended: {ended:?}");
            Code::Failed
        }
        served = &mut server => {
            served.context("the HTTP server ended")?.context("the HTTP server failed")?;
            Code::Failed
        }
    };
    tracing::info!("pgmon stops");
    // Nobody is left to hear it only if everything has ended already.
    let _ = stop.send(true);
    let rest = async {
        while drivers.join_next().await.is_some() {}
        if !server.is_finished() {
            let _ = server.await;
        }
    };
    if tokio::time::timeout(STOP_WITHIN, rest).await.is_err() {
        tracing::warn!("open requests were cut off");
    }
    Ok(code)
}

/// Waits until each database has been tried and every one refused; returns what to say.
async fn all_refused(fleet: &Fleet) -> String {
    let mut version = fleet.subscribe();
    loop {
        let snapshots: Vec<_> = fleet.cells().iter().map(|c| c.snapshot()).collect();
        let mut text = String::new();
        for s in &snapshots {
            if let Up::Refused { rights, remedy } = &s.up {
                text.push_str(&format!("\n{}/{} can:\n", s.cluster, s.db));
                for right in rights {
                    text.push_str(&format!("  - {right}\n"));
                }
                text.push_str(&format!("To mend it, paste into psql:\n{remedy}\n"));
            }
        }
        if !snapshots.is_empty() && snapshots.iter().all(|s| matches!(s.up, Up::Refused { .. })) {
            return text;
        }
        if version.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn warn_of_open_doors(entries: &[Entry], address: &std::net::SocketAddr) {
    for entry in entries {
        let (cluster, db) = (&entry.cluster, &entry.db);
        if entry.connect.is_remote() && entry.connect.effective_sslmode() == SslMode::Disable {
            tracing::warn!(
                %cluster, %db,
                "sslmode=disable to a remote host: passwords and figures cross the network in clear text"
            );
        }
    }
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond loopback without authentication: anybody who reaches it can read /metrics");
    }
}
