//! `pgmon doctor`: is each configured database watched as it should be, and what would help?

use crate::cli::Format;
use crate::exit::Code;
use anyhow::Context as _;
use pgmon_collect::postgres::audit::Audit;
use pgmon_collect::postgres::collectors;
use pgmon_collect::postgres::connect::Route;
use pgmon_collect::postgres::doctor::{Diagnosis, Examiner, Report, Subject};
use pgmon_collect::postgres::facts::Facts;
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::session::{Guard, QueryError};
use pgmon_config::{Entry, Loaded};
use pgmon_core::clock::{Clock as _, SystemClock};
use pgmon_secrets::Keyring;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

/// A statement of the doctor's may take this long: nobody waits for a page meanwhile.
const LIMIT: Duration = Duration::from_secs(15);

/// Looks at one database after the other and prints what it found.
pub fn run(loaded: Loaded, format: Format) -> anyhow::Result<Code> {
    let report = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime could not be started")?
        .block_on(examine(&loaded));
    match format {
        Format::Text => print!("{}", report.text()),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report.json())?),
    }
    Ok(match report.exit_code() {
        0 => Code::Ok,
        3 => Code::Refused,
        _ => Code::Failed,
    })
}

async fn examine(loaded: &Loaded) -> Report {
    let plan = Plan::new(&loaded.config);
    let clock = SystemClock::new();
    let keyring = Keyring::new(&loaded.config.secrets, &super::environment(), Arc::new(clock.clone()));
    let progress = std::io::stderr().is_terminal();
    let mut report = Report::default();
    for (number, entry) in loaded.entries.iter().enumerate() {
        if progress {
            eprintln!(
                "[{}/{}] {}/{} at {}",
                number + 1,
                loaded.entries.len(),
                entry.cluster,
                entry.db,
                entry.connect
            );
        }
        let subject = Subject::new(&entry.cluster, &entry.db, &entry.connect, plan.enforce_read_only);
        let started = clock.mono();
        let diagnosis = match one(&plan, &keyring, entry, &subject, &clock).await {
            Ok(diagnosis) => diagnosis,
            Err(error) => Diagnosis::unreachable(&subject, &error),
        };
        tracing::debug!(db = entry.db, took = ?clock.mono().saturating_sub(started), "examined");
        report.databases.push(diagnosis);
    }
    report
}

async fn one(
    plan: &Plan,
    keyring: &Keyring,
    entry: &Entry,
    subject: &Subject,
    clock: &SystemClock,
) -> Result<Diagnosis, QueryError> {
    let guard = Guard { lock_timeout: plan.lock_timeout, pooled: entry.pooled };
    let mut session = Route::new(&entry.connect, keyring.logins(&entry.connect))
        .connect(guard, plan.connect_timeout)
        .await?;
    let facts = Arc::new(Facts::read(&mut session, LIMIT).await?);
    let audit = Audit::read(&mut session, &facts, LIMIT).await?;
    let examiner =
        Examiner { collectors: collectors::ALL, settings: plan.settings.clone(), limit: LIMIT, clock };
    let diagnosis = examiner.examine(&mut session, &facts, &audit, subject).await;
    session.close().await;
    diagnosis
}
