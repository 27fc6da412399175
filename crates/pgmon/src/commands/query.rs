//! `pgmon query test`: runs the queries of a file once.

use crate::exit::Code;
use anyhow::Context as _;
use pgmon_collect::postgres::audit::Audit;
use pgmon_collect::postgres::connect::Route;
use pgmon_collect::postgres::custom::{Custom, Defaults, Definition, Place, QuerySet};
use pgmon_collect::postgres::facts::Facts;
use pgmon_collect::postgres::plan::Plan;
use pgmon_collect::postgres::session::{Guard, QueryError};
use pgmon_config::{Entry, Loaded};
use pgmon_core::clock::{Clock as _, SystemClock};
use pgmon_core::metric::{Family, FamilyDesc, Sample};
use pgmon_core::snapshot::{CollectorState, Outcome};
use pgmon_core::text::{Format, Writer};
use pgmon_secrets::Keyring;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// What is asked before the queries themselves may take this long.
const LIMIT: Duration = Duration::from_secs(15);

/// What became of the whole.
#[derive(Default)]
struct Verdict {
    failed: bool,
    /// Databases whose role can write.
    refused: usize,
}

/// A database's results.
struct Results {
    cluster: String,
    db: String,
    states: Vec<CollectorState>,
}

/// Runs each query once in each database, prints the page and says what failed.
pub fn test(loaded: &Loaded) -> anyhow::Result<Code> {
    let set = super::queries(&loaded.config);
    for refused in &set.refused {
        eprintln!("refused: {}: query {}: {}", refused.at, refused.name, refused.reason);
    }
    let places = places(loaded);
    let mut verdict = Verdict { failed: !set.refused.is_empty(), refused: 0 };
    let results = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime could not be started")?
        .block_on(run(loaded, &set, &places, &mut verdict));
    let page = page(&results);
    match std::io::stdout().write_all(page.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(error).context("standard output");
        }
        _ => {}
    }
    Ok(if verdict.refused > 0 && verdict.refused == loaded.entries.len() {
        Code::Refused
    } else if verdict.failed {
        Code::Failed
    } else {
        Code::Ok
    })
}

/// Where each query was read, by its name.
fn places(loaded: &Loaded) -> BTreeMap<&str, String> {
    loaded.config.queries.iter().rev().map(|query| (query.name.as_str(), query.at.to_string())).collect()
}

async fn run(
    loaded: &Loaded,
    set: &QuerySet,
    places: &BTreeMap<&str, String>,
    verdict: &mut Verdict,
) -> Vec<Results> {
    let plan = Plan::new(&loaded.config);
    let clock = SystemClock::new();
    let keyring = Keyring::new(&loaded.config.secrets, &super::environment(), Arc::new(clock.clone()));
    let mut all = Vec::new();
    for entry in &loaded.entries {
        let mut states = Vec::new();
        let who = format!("{}/{}", entry.cluster, entry.db);
        let mut done = |definition: &Definition, state: &CollectorState| {
            verdict.failed |= tell(&who, places, definition, state);
            states.push(state.clone());
        };
        let route = Route::new(&entry.connect, keyring.logins(&entry.connect));
        match one(&plan, entry, &route, set, &clock, &mut done).await {
            Ok(Ok(left_out)) => {
                for definition in left_out {
                    eprintln!(
                        "{who}: query {} does not run here (databases, min_version, max_version)",
                        definition.name
                    );
                }
                if entry.discover {
                    eprintln!("{who}: the server's other databases are not visited by this test");
                }
            }
            Ok(Err(rights)) => {
                eprintln!("{who}: refused, its role can write: {}", rights.join("; "));
                (verdict.failed, verdict.refused) = (true, verdict.refused + 1);
            }
            Err(error) => {
                eprintln!("{who}: {error}");
                verdict.failed = true;
            }
        }
        all.push(Results { cluster: entry.cluster.clone(), db: entry.db.clone(), states });
    }
    all
}

/// Runs the queries in one database. What the role can write comes back if that is why none was run, else
/// the queries that do not apply.
async fn one(
    plan: &Plan,
    entry: &Entry,
    route: &Route,
    set: &QuerySet,
    clock: &SystemClock,
    done: impl FnMut(&Definition, &CollectorState),
) -> Result<Result<Vec<Arc<Definition>>, Vec<String>>, QueryError> {
    let guard = Guard { lock_timeout: plan.lock_timeout, pooled: entry.pooled };
    let mut session = route.connect(guard, plan.connect_timeout).await?;
    let facts = Facts::read(&mut session, LIMIT).await?;
    let audit = Audit::read(&mut session, &facts, LIMIT).await?;
    if audit.can_write() && plan.enforce_read_only {
        session.close().await;
        return Ok(Err(audit.rights_text()));
    }
    let place = Place {
        cluster: entry.cluster.as_str().into(),
        db: entry.db.as_str().into(),
        discover: entry.discover,
        visited: false,
    };
    let limits = Defaults { longest: plan.longest_statement(), rhythm: None };
    let mut custom = Custom::new(place, set, limits);
    custom.set_facts(Arc::new(facts), true, clock.mono());
    custom.run_all(&mut session, clock, done).await?;
    session.close().await;
    Ok(Ok(custom.left_out().cloned().collect()))
}

/// Says what somebody should know of a query's run, and whether it failed.
fn tell(who: &str, places: &BTreeMap<&str, String>, definition: &Definition, state: &CollectorState) -> bool {
    let at = places.get(&*definition.name).map_or("", String::as_str);
    let say = |what: &str| eprintln!("{who}: {at}: query {}: {what}", definition.name);
    match &state.outcome {
        // Said once for all databases.
        Outcome::Failed { .. } if definition.refusal.is_some() => true,
        Outcome::Failed { message, .. } => {
            say(message);
            true
        }
        _ => {
            if state.good.as_ref().is_none_or(|good| good.families.is_empty()) {
                say("no samples (no rows, or no value in them)");
            }
            if let Some(note) = state.custom.as_ref().and_then(|custom| custom.note.as_deref()) {
                say(note);
            }
            false
        }
    }
}

/// A page of all results.
fn page(results: &[Results]) -> String {
    type Lines<'r> = Vec<(Vec<(&'r str, &'r str)>, &'r Sample)>;
    let mut families: BTreeMap<&str, (&FamilyDesc, Lines<'_>)> = BTreeMap::new();
    for of_one in results {
        for state in &of_one.states {
            let mut before = vec![("cluster", of_one.cluster.as_str()), ("db", of_one.db.as_str())];
            before.extend(state.datname.as_deref().map(|name| ("datname", name)));
            let good: &[Family] = state.good.as_ref().map_or(&[], |good| &good.families);
            for family in good {
                let (_, lines) =
                    families.entry(family.desc.name()).or_insert_with(|| (&family.desc, Vec::new()));
                lines.extend(family.samples.iter().map(|sample| (before.clone(), sample)));
            }
        }
    }
    let mut writer = Writer::new(Format::Text, 4096);
    for (desc, lines) in families.into_values() {
        writer.family(desc, lines);
    }
    writer.finish()
}
