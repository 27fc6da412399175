//! `pgmon agent`: watches and serves.

mod files;
mod reload;
mod roster;

use crate::exit::Code;
use crate::logging::{self, Levels};
use anyhow::Context as _;
use pgmon_collect::clusters;
use pgmon_collect::history::Recorder;
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::Timer;
use pgmon_collect::services;
use pgmon_config::{Entry, LoadOptions, Loaded, Places, SslMode};
use pgmon_core::clock::SystemClock;
use pgmon_core::snapshot::Up;
use pgmon_http::reload::ReloadRequest;
use pgmon_http::{Access, App, server};
use reload::{Cause, Reading, Reloader};
use roster::Roster;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How long a stop may take before what is left is cut off.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// Runs until SIGINT or SIGTERM, or until every role turned out to be able to write. The configuration is
/// read again as `options` say.
pub fn run(loaded: Loaded, options: LoadOptions) -> anyhow::Result<Code> {
    let levels = logging::init(&loaded.config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("pgmon")
        .enable_all()
        .build()
        .context("the async runtime could not be started")?;
    let code = runtime.block_on(watch_and_serve(loaded, options, levels));
    // A name that is being looked up blocks a thread for as long as the resolver likes.
    runtime.shutdown_timeout(Duration::from_millis(300));
    code
}

/// Wishes to reload that may wait; more are told that one is under way.
const RELOADS_WAITING: usize = 4;

/// What the agent waits for.
enum Event {
    Stop,
    Reload(Cause, Option<ReloadRequest>),
    Read(Box<reload::Outcome>),
    AllRefused(String),
    DriverEnded(String),
    CheckEnded(String),
    ServerEnded(Result<std::io::Result<()>, tokio::task::JoinError>),
}

async fn watch_and_serve(mut loaded: Loaded, options: LoadOptions, levels: Levels) -> anyhow::Result<Code> {
    let access = match Access::build(&loaded.config.http) {
        Ok(access) => access,
        Err(error) => {
            for fault in error.into_faults() {
                eprintln!("error: {}", loaded.places.locate(fault));
            }
            return Ok(Code::Usage);
        }
    };
    // They take memory, and are for faults alone.
    loaded.places = Places::default();
    let bind = loaded.config.http.bind.clone();
    let listener = TcpListener::bind(&bind).await.with_context(|| {
        format!("cannot listen on {bind} (http.bind, --bind, PGMON_HTTP_BIND): is another pgmon running?")
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    warn_of_open_doors(&loaded.entries, &address, &access);
    let metrics = match &loaded.config.http.metrics_bind {
        Some(bind) => Some(TcpListener::bind(bind).await.with_context(|| {
            format!("cannot listen on {bind} (http.metrics_bind, PGMON_HTTP_METRICS_BIND): is another program there?")
        })?),
        None => None,
    };
    if let Some(address) = metrics.as_ref().and_then(|listener| listener.local_addr().ok()) {
        tracing::info!(%address, "serves metrics alone");
        warn_of_open_doors(&[], &address, &access);
    }

    let timer: Arc<dyn Timer> = Arc::new(SystemClock::new());
    let fleet = Arc::new(Fleet::new(Vec::new()));
    let mut roster = Roster::new(&loaded.config, fleet.clone(), timer.clone(), options.env.clone());
    let (stop, stopped) = watch::channel(false);
    // Who reads that pgmon starts may send a signal: SIGHUP must not end it then.
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be handled")?;
    tracing::info!(version = crate::cli::VERSION, databases = loaded.entries.len(), services = loaded.services.len(), clusters = loaded.clusters.len(), listen = %address, "pgmon starts");
    let (requests, mut requested) = mpsc::channel(RELOADS_WAITING);
    let look = reload::look(&loaded.config);
    let mut app = App::new(fleet.clone(), timer.clone(), crate::cli::VERSION, look, access, address);
    app.reload = Some(requests);
    app.set_queries(loaded.config.shown_queries());
    app.set_rules(&loaded.config);
    let app = Arc::new(app);
    let secrets = &loaded.config.secrets;
    let checked = app.services.clone();
    let mut services =
        services::Roster::new(app.services.clone(), timer.clone(), secrets, options.env.clone());
    let mut clusters =
        clusters::Roster::new(app.clusters.clone(), fleet.clone(), timer.clone(), options.env.clone());
    let mut reloader = Reloader::new(options, &loaded, levels, app.clone());
    let kept = loaded.config.history.clone();
    services.apply(loaded.services, &loaded.config.secrets);
    clusters.apply(&loaded.config, &loaded.clusters, &loaded.entries);
    roster.apply(&loaded.config, loaded.entries);
    let recorder = Recorder::new(fleet.clone(), timer.clone(), kept).with_services(checked.clone());
    let recorder = tokio::spawn(recorder.run(stopped.clone()));
    let mut server = tokio::spawn(server::serve(listener, metrics, app, stopped));

    let mut refused = pin!(all_refused(&fleet));
    // One at a time; whoever wishes for another one meanwhile waits. What else there is to do does not.
    let mut reading: Option<Reading> = None;
    let code = loop {
        let idle = reading.is_none();
        let event = tokio::select! {
            _ = terminate.recv() => Event::Stop,
            _ = interrupt.recv() => Event::Stop,
            read = reload::done(&mut reading, &*timer) => Event::Read(Box::new(read)),
            _ = hangup.recv(), if idle => Event::Reload(Cause::Signal, None),
            Some(request) = requested.recv(), if idle => Event::Reload(Cause::Request, Some(request)),
            () = reloader.changed(&*timer), if idle => Event::Reload(Cause::File, None),
            // Where there are services to check or managers to ask, there is something left to do.
            refusals = &mut refused, if checked.is_empty() && !clusters.asks_managers() => Event::AllRefused(refusals),
            how = roster.ended() => Event::DriverEnded(how),
            how = services.ended() => Event::CheckEnded(how),
            served = &mut server => Event::ServerEnded(served),
        };
        match event {
            Event::Stop => break Code::Ok,
            Event::Reload(cause, request) => reading = reloader.begin(cause, request, &*timer),
            Event::Read(outcome) => reloader.finish(*outcome, &mut roster, &mut services, &mut clusters),
            Event::AllRefused(refusals) => {
                eprintln!(
                    "pgmon: every configured role can write; pgmon only runs with roles that cannot:\n{refusals}"
                );
                eprintln!("(security.read_only_enforce: false turns this check off)");
                break Code::Refused;
            }
            Event::DriverEnded(how) => {
                // A driver only ends when it is told to; without it a database would be watched no more.
                tracing::error!("a database's driver ended {how}");
                break Code::Failed;
            }
            Event::CheckEnded(how) => {
                tracing::error!("a service's task ended {how}");
                break Code::Failed;
            }
            Event::ServerEnded(served) => {
                served.context("the HTTP server ended")?.context("the HTTP server failed")?;
                break Code::Failed;
            }
        }
    };
    tracing::info!("pgmon stops");
    // Nobody is left to hear it only if everything has ended already.
    let _ = stop.send(true);
    let rest = async {
        services.stop().await;
        clusters.stop().await;
        roster.stop().await;
        // It writes the history, if it is to be kept.
        let _ = recorder.await;
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

fn warn_of_open_doors(entries: &[Entry], address: &std::net::SocketAddr, access: &Access) {
    for entry in entries {
        let (cluster, db) = (&entry.cluster, &entry.db);
        if entry.connect.is_remote() && entry.connect.effective_sslmode() == SslMode::Disable {
            tracing::warn!(
                %cluster, %db,
                "sslmode=disable to a remote host: passwords and figures cross the network in clear text"
            );
        }
    }
    if !address.ip().is_loopback() && !access.asks_who_it_is() {
        tracing::warn!(
            %address,
            "listening beyond loopback without authentication: anybody who reaches it can read /metrics (set http.auth)"
        );
    } else if !address.ip().is_loopback() && !access.encrypts() {
        tracing::warn!(
            %address,
            "listening beyond loopback without TLS: keys and passwords cross the network in clear text (set http.tls, or put a proxy with TLS in front)"
        );
    }
}
