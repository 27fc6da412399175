//! `pgmon doctor`: is each configured database watched as it should be, and what would help?

mod clusters;

use crate::cli::Format;
use crate::exit::Code;
use anyhow::Context as _;
use pgmon_collect::postgres::audit::Audit;
use pgmon_collect::postgres::collectors;
use pgmon_collect::postgres::connect::Route;
use pgmon_collect::postgres::doctor::{Diagnosis, Examiner, Neighbour, Report, Subject, neighbours};
use pgmon_collect::postgres::facts::Facts;
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::session::{Guard, QueryError, Session};
use pgmon_collect::services;
use pgmon_config::{Entry, Loaded};
use pgmon_core::clock::{Clock as _, SystemClock};
use pgmon_core::service::ServiceSnapshot;
use pgmon_secrets::{Keyring, Logins};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

/// A statement of the doctor's may take this long: nobody waits for a page meanwhile.
const LIMIT: Duration = Duration::from_secs(15);

/// Looks at one database after the other and prints what it found.
pub fn run(loaded: Loaded, format: Format) -> anyhow::Result<Code> {
    let (report, services, managed) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime could not be started")?
        .block_on(async {
            (examine(&loaded).await, check_services(&loaded).await, clusters::check(&loaded).await)
        });
    match format {
        Format::Text => {
            // Without a database there is no report of any.
            if !loaded.entries.is_empty() {
                print!("{}", report.text());
            }
            print!("{}{}", services_text(&services), clusters::text(&managed));
        }
        Format::Json => {
            let mut json = report.json();
            json["services"] = services.iter().map(service_json).collect();
            json["clusters"] = clusters::json(&managed);
            println!("{}", serde_json::to_string_pretty(&json)?);
        }
    }
    let failed = services.iter().any(|s| s.state.is_ok() == Some(false)) || clusters::failed(&managed);
    Ok(match report.exit_code() {
        0 if failed => Code::Failed,
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
        let doctor = Doctor { plan: &plan, entry, logins: keyring.logins(&entry.connect), clock: &clock };
        match doctor.entry(&subject).await {
            Ok(found) => report.databases.extend(found),
            Err(error) => report.databases.push(Diagnosis::unreachable(&subject, &error)),
        }
        tracing::debug!(db = entry.db, took = ?clock.mono().saturating_sub(started), "examined");
    }
    report
}

/// Checks all services once, some at a time.
async fn check_services(loaded: &Loaded) -> Vec<ServiceSnapshot> {
    const AT_ONCE: usize = 32;
    let clock = SystemClock::new();
    let keyring = Keyring::new(&loaded.config.secrets, &super::environment(), Arc::new(clock.clone()));
    let mut checked = Vec::new();
    for some in loaded.services.chunks(AT_ONCE) {
        let checks = some.iter().map(|spec| services::examine(spec, &keyring, &clock));
        checked.extend(futures::future::join_all(checks).await);
    }
    checked
}

fn services_text(services: &[ServiceSnapshot]) -> String {
    let mut out = String::new();
    for s in services {
        let word = match s.state.is_ok() {
            Some(true) if s.warnings.is_empty() => "ok",
            Some(true) => "WARN",
            _ => "FAIL",
        };
        let took = s.duration.unwrap_or_default().as_secs_f64() * 1e3;
        out.push_str(&format!("service {} ({}, {}): {word}, {took:.1} ms\n", s.name, s.kind, s.target));
        let said = s.state.reason().into_iter().chain(s.warnings.iter().map(String::as_str));
        said.for_each(|text| out.push_str(&format!("  {text}\n")));
    }
    out
}

fn service_json(s: &ServiceSnapshot) -> serde_json::Value {
    serde_json::json!({
        "name": s.name,
        "type": s.kind,
        "target": s.target,
        "ok": s.state.is_ok(),
        "reason": s.state.reason(),
        "warnings": s.warnings,
        "version": s.version,
        "duration_seconds": s.duration.map(|took| took.as_secs_f64()),
    })
}

/// Looks at what belongs to one entry.
struct Doctor<'a> {
    plan: &'a Plan,
    entry: &'a Entry,
    logins: Arc<dyn Logins>,
    clock: &'a SystemClock,
}

impl Doctor<'_> {
    /// The findings on the entry's database, and on those that it discovers.
    async fn entry(&self, subject: &Subject) -> Result<Vec<Diagnosis>, QueryError> {
        let route = Route::new(&self.entry.connect, self.logins.clone());
        let (mut own, mut session, facts) = self.examine(&route, subject).await?;
        if !self.entry.discover {
            session.close().await;
            return Ok(vec![own]);
        }
        let listed = neighbours(&mut session, &facts, LIMIT).await;
        // One connection at a time, as the role's CONNECTION LIMIT may be low.
        session.close().await;
        let mut others = Vec::new();
        match listed {
            _ if own.refused => own.not_discovered("the role is refused"),
            Err(error) => own.not_discovered(&error.to_string()),
            Ok(listed) => {
                for neighbour in listed {
                    others.push(self.other(&own, &route, subject, &neighbour).await);
                }
                own.summarize(&others);
            }
        }
        others.insert(0, own);
        Ok(others)
    }

    /// The findings on another database of the same server.
    async fn other(&self, own: &Diagnosis, route: &Route, subject: &Subject, other: &Neighbour) -> Diagnosis {
        if !other.may_connect {
            return Diagnosis::closed(own, &other.name);
        }
        let subject = subject.discovered();
        match self.examine(&route.to_database(&other.name), &subject).await {
            Ok((diagnosis, session, _)) => {
                session.close().await;
                diagnosis
            }
            Err(error) => Diagnosis::unreachable_there(own, &other.name, &subject, &error),
        }
    }

    async fn examine(
        &self,
        route: &Route,
        subject: &Subject,
    ) -> Result<(Diagnosis, Session, Arc<Facts>), QueryError> {
        let guard = Guard { lock_timeout: self.plan.lock_timeout, pooled: self.entry.pooled };
        let mut session = route.connect(guard, self.plan.connect_timeout).await?;
        let facts = Arc::new(Facts::read(&mut session, LIMIT).await?);
        let audit = Audit::read(&mut session, &facts, LIMIT).await?;
        let examiner = Examiner {
            collectors: collectors::ALL,
            settings: self.plan.settings.clone(),
            limit: LIMIT,
            clock: self.clock,
        };
        let diagnosis = examiner.examine(&mut session, &facts, &audit, subject).await?;
        Ok((diagnosis, session, facts))
    }
}
