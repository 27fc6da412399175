//! What our role and the server's settings let us see.

use super::EXTENSION;
use crate::postgres::collector::Need;
use crate::postgres::facts::Facts;
use crate::postgres::session::QueryError;

/// The user whose entries are left out: our own, as watching takes six statements for each of ours, which
/// would be most of what a quiet database does. A superuser's are not ours alone.
pub fn own_userid(facts: &Facts) -> Option<i64> {
    (!facts.superuser).then_some(facts.role_oid)
}

/// The setting that keeps statements from being counted, if there is one, and what would change that.
pub fn uncounted(facts: &Facts) -> Option<(&'static str, &'static str)> {
    let is = |name: &str, value: &str| facts.settings.get(name).is_some_and(|(v, _)| v == value);
    if is("pg_stat_statements.track", "none") {
        let remedy = "ALTER SYSTEM SET pg_stat_statements.track = 'top'; SELECT pg_reload_conf();";
        return Some(("pg_stat_statements.track", remedy));
    }
    // From 14 on the library counts only what has a query id. Not `auto`: that the library wants them is
    // settled at the server's start, and forgotten if the setting is off then.
    let remedy = "ALTER SYSTEM SET compute_query_id = 'on'; SELECT pg_reload_conf();";
    is("compute_query_id", "off").then_some(("compute_query_id", remedy))
}

/// What is missing, if that is why the server refused.
pub fn missing(error: &QueryError) -> Option<Need> {
    match error.sqlstate()? {
        // The library was not loaded at the server's start.
        "55000" => Some(Need::Preloaded(EXTENSION)),
        // The extension was dropped since we looked.
        "42883" | "42P01" => Some(Need::Extension(EXTENSION)),
        _ => None,
    }
}
