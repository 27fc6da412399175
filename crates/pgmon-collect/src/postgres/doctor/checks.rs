//! From what was seen to findings.

use super::examine::Subject;
use super::{Check, RemedyScope, Status};
use crate::postgres::audit::{Audit, Via};
use crate::postgres::collector::{Floor, Need, Registered};
use crate::postgres::facts::Facts;
use crate::postgres::quote_ident;
use crate::postgres::session::QueryError;
use crate::postgres::setup_sql::read_schemas;
use pgmon_config::SslMode;
use pgmon_core::snapshot::Blind;
use pgmon_core::version::{ExtVersion, PgVersion};
use std::collections::{BTreeMap, BTreeSet};

/// What collectors name that only work on a primary.
const PRIMARY: &str = "primary";

/// What the doctor read besides facts and audit.
pub(super) struct Seen {
    /// Extensions that collectors use, and the version that the server has to offer.
    pub(super) extensions: BTreeMap<&'static str, Option<String>>,
    /// Other sessions, and how many hide their query.
    pub(super) others: Option<(i64, i64)>,
    /// The state of pg_stat_statements, where it is installed.
    pub(super) statements: Option<Result<Statements, QueryError>>,
    /// What collectors could not see.
    pub(super) blind: Vec<Blind>,
    /// Collectors that failed, and why.
    pub(super) failed: Vec<(&'static str, String)>,
    /// How many collectors ran.
    pub(super) ran: usize,
    /// How many have no figures on this version.
    pub(super) unsupported: usize,
}

/// How full pg_stat_statements is.
pub(super) struct Statements {
    pub(super) entries: i64,
    pub(super) evictions: Option<i64>,
    pub(super) counted_seconds: Option<f64>,
}

/// The extensions that collectors use, and two that every database should have.
pub(super) fn extensions(collectors: &[Registered]) -> BTreeSet<&'static str> {
    let needs = collectors.iter().flat_map(|c| c.spec.needs).filter_map(|n| match n {
        Need::Extension(name) => Some(*name),
        _ => None,
    });
    // A further extension is another way to the same figures.
    let floors = collectors.iter().filter_map(|c| match c.spec.queries.first()?.floor {
        Floor::Ext(name, _) => Some(name),
        Floor::Pg(_) => None,
    });
    needs.chain(floors).chain(["pg_stat_statements", "pgstattuple"]).collect()
}

/// All findings, in the order in which a DBA would look at them.
pub(super) fn all(
    facts: &Facts,
    audit: &Audit,
    subject: &Subject,
    collectors: &[Registered],
    seen: &Seen,
) -> Vec<Check> {
    let mut blind = seen.blind_by_need();
    let mut checks = vec![ok("connect", subject.address.clone())];
    if !subject.discovered {
        checks.extend([tls(facts, subject), version(facts)]);
        if facts.in_recovery {
            checks.push(ok("standby", "a standby: SQL that mends is to be run on its primary"));
        }
    }
    checks.extend(audit_checks(audit, facts, subject));
    let not_monitor = take(&mut blind, Need::Monitor);
    if !subject.discovered {
        checks.push(monitor(facts, not_monitor));
    }
    let not_read = take(&mut blind, Need::ReadAllData);
    // Granted once for all databases where there is such a role.
    if !subject.discovered || facts.version.major() < 14 {
        checks.push(read_all_data(facts, not_read));
    }
    for (name, available) in &seen.extensions {
        checks.push(extension(facts, name, available.as_deref(), take(&mut blind, Need::Extension(name))));
    }
    if !subject.discovered {
        let statements_disabled = take(&mut blind, Need::Preloaded("pg_stat_statements"));
        checks.push(preloaded(facts, seen, statements_disabled));
        checks.extend(query_text(facts, seen));
        checks.extend(settings(facts));
        checks.extend(statements(facts, seen));
    }
    checks.push(collectors_check(collectors, seen, audit.can_write() && subject.enforce_read_only));
    // No fault of a standby's, and nothing that it could be mended with.
    if facts.in_recovery
        && let disables @ [_, ..] = take_lines(&mut blind, PRIMARY).as_slice()
    {
        let detail = "a standby: what only a primary knows is to be seen there";
        checks.push(ok(PRIMARY, detail).disables(disables.to_vec()));
    }
    for (needs, missed) in blind {
        // It may be one of several ways (`extension x or pg_y`): a check above then says how.
        if let Some(check) = checks.iter_mut().find(|c| c.status > Status::Ok && stands_for(&c.name, needs)) {
            check.disables.extend(lines(&missed));
            continue;
        }
        let mut check = Check::new(needs, Status::Warn, "missing").disables(lines(&missed));
        if let Some(sql) = missed.iter().find_map(|b| b.remedy.clone()) {
            check = check.remedy(RemedyScope::Database, sql);
        }
        checks.push(check);
    }
    checks
}

fn ok(name: &str, detail: impl Into<String>) -> Check {
    Check::new(name, Status::Ok, detail)
}

/// What collectors miss for want of `need`; each is reported once.
fn take(blind: &mut BTreeMap<&str, Vec<&Blind>>, need: Need) -> Vec<String> {
    take_lines(blind, &need.label())
}

fn take_lines(blind: &mut BTreeMap<&str, Vec<&Blind>>, needs: &str) -> Vec<String> {
    blind.remove(needs).map_or_else(Vec::new, |missed| lines(&missed))
}

/// Whether mending a check meets a need as well.
fn stands_for(check: &str, needs: &str) -> bool {
    let of_monitor = ["pg_read_all_stats", "pg_read_all_settings", "pg_stat_scan_tables"];
    needs.contains(check) || (check == "pg_monitor" && of_monitor.iter().any(|r| needs.contains(r)))
}

fn lines(missed: &[&Blind]) -> Vec<String> {
    let unique: BTreeSet<String> = missed.iter().map(|b| format!("{}: {}", b.collector, b.effect)).collect();
    unique.into_iter().collect()
}

fn tls(facts: &Facts, subject: &Subject) -> Check {
    let mode = subject.sslmode.as_str();
    match (facts.tls, subject.remote) {
        (true, true) if subject.sslmode != SslMode::VerifyFull => Check::new(
            "tls",
            Status::Warn,
            format!(
                "encrypted, but sslmode={mode} does not check that it is the right server: use verify-full"
            ),
        ),
        (true, _) => ok("tls", format!("encrypted, sslmode={mode}")),
        (false, true) => Check::new(
            "tls",
            Status::Warn,
            format!("NOT encrypted (sslmode={mode}), over a network: use sslmode=verify-full"),
        ),
        (false, false) => ok("tls", "not encrypted, on this machine"),
    }
}

fn version(facts: &Facts) -> Check {
    let (major, oldest, newest) = (facts.version.major(), PgVersion::OLDEST_MAJOR, PgVersion::NEWEST_MAJOR);
    let text = format!("PostgreSQL {}", facts.version_text);
    if major < oldest {
        Check::new("version", Status::Fail, format!("{text} is too old: pgmon needs {oldest} or newer"))
    } else if major > newest {
        let detail = format!("{text} is newer than this pgmon was tested on ({newest})");
        Check::new("version", Status::Warn, detail)
    } else {
        ok("version", text)
    }
}

fn audit_checks(audit: &Audit, facts: &Facts, subject: &Subject) -> Vec<Check> {
    let mut checks = Vec::new();
    let role = quote_ident(&audit.role);
    if audit.can_write() {
        let status = if subject.enforce_read_only { Status::Fail } else { Status::Warn };
        let why = if subject.enforce_read_only { "and is refused" } else { "(read_only_enforce is off)" };
        let detail = format!("{role} can write {why}: it\n{}", audit.rights_text().join("\n"));
        let (scope, sql) = match audit.new_role() {
            Some(_) => (RemedyScope::Role, audit.remedy_sql(facts)),
            None => (RemedyScope::Database, audit.takes_sql(facts).trim_end().to_owned()),
        };
        checks.push(Check::new("write audit", status, detail).remedy(scope, sql));
    } else {
        checks.push(ok("write audit", format!("{role} has no right to write")));
    }
    let (public, own): (Vec<_>, Vec<_>) = audit.warnings.iter().partition(|w| w.right.via == Via::Public);
    for (warnings, scope) in [(public, RemedyScope::Shared), (own, RemedyScope::Database)] {
        if warnings.is_empty() {
            continue;
        }
        let rights: Vec<String> = warnings.iter().map(|w| w.right.to_string()).collect();
        let revokes: Vec<&str> = warnings.iter().map(|w| w.revoke_sql.as_str()).collect();
        let name = if scope == RemedyScope::Shared { "public rights" } else { "needless rights" };
        let detail = format!("{role}\n{}", rights.join("\n"));
        checks.push(Check::new(name, Status::Warn, detail).remedy(scope, revokes.join("\n")));
    }
    checks
}

fn monitor(facts: &Facts, disables: Vec<String>) -> Check {
    let detail = match (facts.has(Need::Monitor), facts.has(Need::WalDirectory)) {
        (true, true) => return ok("pg_monitor", "granted"),
        (true, false) => "not granted, only pg_read_all_stats: the WAL directory is hidden",
        (false, _) => "not granted: other sessions and most statistics are hidden",
    };
    Check::new("pg_monitor", Status::Warn, detail)
        .disables(disables)
        .remedy(RemedyScope::Role, Need::Monitor.remedy(facts))
}

fn read_all_data(facts: &Facts, disables: Vec<String>) -> Check {
    if facts.has(Need::ReadAllData) {
        return ok("pg_read_all_data", "all tables can be read (tier T1)");
    }
    // Before 14 there is no such role, and what it stands for is granted schema by schema.
    let sql =
        if facts.version.major() >= 14 { Need::ReadAllData.remedy(facts) } else { read_schemas(&facts.role) };
    Check::new(
        "pg_read_all_data",
        Status::Warn,
        "not granted (tier T0): how full sequences are, column statistics and plans are hidden",
    )
    .disables(disables)
    .remedy(RemedyScope::Optional, sql.trim())
}

fn extension(facts: &Facts, name: &'static str, available: Option<&str>, disables: Vec<String>) -> Check {
    let title = format!("extension {name}");
    let Some(installed) = facts.extensions.get(name) else {
        return match available {
            Some(_) => {
                Check::new(title, Status::Warn, "not installed in this database").disables(disables).remedy(
                    RemedyScope::Database,
                    format!("CREATE EXTENSION IF NOT EXISTS {};", quote_ident(name)),
                )
            }
            None => Check::new(title, Status::Warn, "the server does not have it: install its package first")
                .disables(disables),
        };
    };
    let text = format!("{} in schema {}", installed.version, quote_ident(&installed.schema));
    match available.and_then(ExtVersion::parse) {
        Some(newer) if newer > installed.version => {
            Check::new(title, Status::Warn, format!("{text}: outdated, the server has {newer}"))
                .disables(disables)
                .remedy(RemedyScope::Database, format!("ALTER EXTENSION {} UPDATE;", quote_ident(name)))
        }
        _ => Check { disables, ..ok(&title, text) },
    }
}

fn preloaded(facts: &Facts, seen: &Seen, disables: Vec<String>) -> Check {
    let name = "preload";
    let library = "pg_stat_statements";
    // The setting is hidden from plain roles; the extension itself knows.
    let works = match &seen.statements {
        Some(Ok(_)) => Some(true),
        Some(Err(e)) if e.sqlstate() == Some("55000") => Some(false),
        _ => facts.preloaded(library),
    };
    match works {
        Some(true) => ok(name, format!("{library} is in shared_preload_libraries")),
        None => ok(name, "shared_preload_libraries is hidden from this role"),
        Some(false) => {
            Check::new(name, Status::Warn, format!("{library} is not in shared_preload_libraries"))
                .disables(disables)
                .remedy(RemedyScope::Shared, Need::Preloaded(library).remedy(facts))
        }
    }
}

fn query_text(facts: &Facts, seen: &Seen) -> Option<Check> {
    let (others, hidden) = seen.others?;
    let size = facts.setting("track_activity_query_size");
    let size = size
        .map_or_else(String::new, |s| format!(", the first {s} bytes of each (track_activity_query_size)"));
    Some(match (others, hidden) {
        (0, _) => ok("query text", "there is no other session to look at"),
        (_, 0) => ok("query text", format!("other sessions' queries are visible{size}")),
        _ => {
            let sessions = if others == 1 { "session is" } else { "sessions are" };
            let detail = format!("{hidden} of {others} other {sessions} hidden");
            Check::new("query text", Status::Warn, detail)
                .remedy(RemedyScope::Role, Need::Monitor.remedy(facts))
        }
    })
}

/// Settings that blind collectors or make figures useless.
fn settings(facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut want_on = |name: &'static str, lost: &str| {
        if facts.setting_on(name) == Some(false) {
            checks.push(Check::new(name, Status::Warn, format!("off: {lost}")).remedy(
                RemedyScope::Shared,
                format!("ALTER SYSTEM SET {name} = on;\nSELECT pg_reload_conf();"),
            ));
        }
    };
    want_on("track_activities", "sessions do not say what they run: states, waits and ages are unknown");
    want_on("track_counts", "no table statistics, and autovacuum does not work");
    want_on("track_io_timing", "the time that reads and writes take is unknown");
    let text = |name: &str| facts.settings.get(name).map(|(value, _)| value.as_str());
    let statements = facts.extensions.contains_key("pg_stat_statements");
    if statements && text("pg_stat_statements.track") == Some("none") {
        checks.push(
            Check::new("pg_stat_statements.track", Status::Warn, "none: no statement is counted").remedy(
                RemedyScope::Shared,
                "ALTER SYSTEM SET pg_stat_statements.track = 'top';\nSELECT pg_reload_conf();",
            ),
        );
    }
    if statements && text("compute_query_id") == Some("off") {
        checks.push(
            Check::new("compute_query_id", Status::Warn, "off: pg_stat_statements counts nothing").remedy(
                RemedyScope::Shared,
                "ALTER SYSTEM SET compute_query_id = 'auto';\nSELECT pg_reload_conf();",
            ),
        );
    }
    if checks.is_empty() {
        checks.push(ok("settings", "nothing that pgmon reads is switched off"));
    }
    checks
}

fn statements(facts: &Facts, seen: &Seen) -> Option<Check> {
    let name = "pg_stat_statements.max";
    let state = match seen.statements.as_ref()? {
        Ok(state) => state,
        // Not preloaded: said already.
        Err(e) if e.sqlstate() == Some("55000") => return None,
        Err(e) => return Some(Check::new("pg_stat_statements", Status::Warn, e.to_string())),
    };
    let max = facts.setting(name)?;
    let text = format!("{} of {max} entries used", state.entries);
    // Each eviction takes the least used 5 %: about once an hour, statements stay for a day.
    let per_hour = match (state.evictions, state.counted_seconds) {
        (Some(evictions), Some(seconds)) => evictions as f64 * 3600.0 / seconds.max(3600.0),
        _ => 0.0,
    };
    Some(if per_hour >= 1.0 {
        let detail = format!("{text}, evicted {per_hour:.0} times an hour: figures by statement have gaps");
        Check::new(name, Status::Warn, detail).remedy(
            RemedyScope::Shared,
            format!("ALTER SYSTEM SET {name} = {}; -- needs a restart", (max * 2.0).max(10_000.0)),
        )
    } else {
        ok(name, text)
    })
}

fn collectors_check(collectors: &[Registered], seen: &Seen, refused: bool) -> Check {
    let name = "collectors";
    if refused {
        return ok(name, "none was run with this role");
    }
    let mut text = format!("{} of {} ran", seen.ran, collectors.len());
    if seen.unsupported > 0 {
        let have = if seen.unsupported == 1 { "has" } else { "have" };
        text.push_str(&format!("; {} {have} nothing to read on this version", seen.unsupported));
    }
    if seen.failed.is_empty() {
        return ok(name, text);
    }
    let failures: Vec<String> = seen.failed.iter().map(|(name, e)| format!("{name}: {e}")).collect();
    Check::new(name, Status::Warn, format!("{text}; these failed:\n{}", failures.join("\n")))
}
