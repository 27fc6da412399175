//! The one block of SQL that mends all findings.

use super::{Diagnosis, RemedyScope, Report, Status};
use crate::postgres::audit::new_role_sql;
use crate::postgres::psql::{commented, in_comment, in_database, is_printable};
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Report {
    /// SQL for psql, by server and database; empty if there is nothing to mend.
    ///
    /// What touches more than pgmon (settings, rights of PUBLIC), and what lets the role read more than
    /// it must, is printed as comments. From a role
    /// that is refused it takes what that can write with; where it cannot, it makes a new role.
    pub fn sql(&self) -> String {
        let mut servers: BTreeMap<&str, Vec<&Diagnosis>> = BTreeMap::new();
        for d in self.databases.iter().filter(|d| d.found.is_some()) {
            // By identity where it is known, so that two names of one server are one.
            let identity = d.found.as_ref().and_then(|f| f.system_identifier.as_deref());
            servers.entry(identity.unwrap_or(&d.address)).or_default().push(d);
        }
        let mut out = String::new();
        for group in servers.values() {
            let block = server(group);
            if block.is_empty() {
                continue;
            }
            if !out.is_empty() {
                out.push('\n');
            }
            let address = group.first().map_or("", |d| d.address.as_str());
            let standby = group.iter().any(|d| d.found.as_ref().is_some_and(|f| f.standby));
            let place = if standby { "the primary of " } else { "" };
            let _ = writeln!(out, "-- As a superuser on {place}{}:", in_comment(address));
            out.push_str(&block);
        }
        out
    }
}

/// What stands above rights that let the role read more.
const OPTIONAL: &str = "\
-- If you like: the role may then read every table, and pgmon sees how full sequences are, statistics
-- of columns, bloat by statistics, and plans:
";

fn server(group: &[&Diagnosis]) -> String {
    let mut out = String::new();
    let mut written: Vec<(Option<&str>, &str)> = Vec::new();
    // Where nothing but another role helps, GRANTs to the old one would be to no end.
    let replaced =
        |d: &Diagnosis| group.iter().any(|o| o.refused && o.new_role.is_some() && role(o) == role(d));
    let (anew, kept): (Vec<&Diagnosis>, Vec<&Diagnosis>) = group.iter().copied().partition(|d| replaced(d));
    let name = anew.iter().find_map(|d| d.new_role.as_deref());
    if let Some((found, name)) = anew.first().and_then(|d| d.found.as_ref()).zip(name) {
        let mut databases: Vec<String> =
            anew.iter().filter_map(|d| d.found.as_ref()).map(|f| f.database.clone()).collect();
        databases.sort();
        databases.dedup();
        out.push_str(&new_role_sql(found.version.major(), name, &databases));
        out.push('\n');
    }
    for d in &kept {
        for sql in remedies(d, RemedyScope::Role) {
            if !written.contains(&(None, sql)) {
                written.push((None, sql));
                // It may be about the database, whose name is not to be pasted then.
                if database(d).is_none_or(is_printable) {
                    let _ = writeln!(out, "{sql}");
                } else {
                    out.push_str(&commented(sql));
                }
            }
        }
    }
    type Named<'t> = Vec<(Option<&'t str>, &'t str)>;
    let (mut shared, mut optional): (Named<'_>, Named<'_>) = Default::default();
    for d in group {
        let database = database(d);
        let mut here = String::new();
        if !replaced(d) {
            for sql in remedies(d, RemedyScope::Database) {
                // The same GRANT may be asked for by several; one may be of the role, and a database may
                // be both an entry and discovered by another one.
                if written.contains(&(None, sql)) || written.contains(&(database, sql)) {
                    continue;
                }
                written.push((database, sql));
                let _ = writeln!(here, "{sql}");
            }
            for sql in remedies(d, RemedyScope::Optional) {
                // A membership is the server's, all else is granted in each database.
                let place = database.filter(|_| !is_membership(sql));
                if !optional.contains(&(place, sql)) {
                    optional.push((place, sql));
                }
            }
        }
        match database {
            Some(database) if !here.is_empty() => out.push_str(&in_database(database, &here)),
            _ => out.push_str(&here),
        }
        for sql in remedies(d, RemedyScope::Shared) {
            if shared.iter().any(|(_, s)| *s == sql) && !sql.starts_with("REVOKE") {
                continue;
            }
            shared.push((database.filter(|_| sql.starts_with("REVOKE")), sql));
        }
    }
    if !optional.is_empty() {
        out.push_str(OPTIONAL);
        for (database, sql) in optional {
            out.push_str(&commented(&database.map_or_else(|| sql.to_owned(), |d| in_database(d, sql))));
        }
    }
    if !shared.is_empty() {
        let _ = writeln!(out, "-- These touch more than pgmon; think first:");
        for (database, sql) in shared {
            let sql: Vec<&str> = sql.lines().map(|line| line.trim_start_matches("-- ")).collect();
            let sql = sql.join("\n");
            out.push_str(&commented(&database.map_or_else(|| sql.clone(), |d| in_database(d, &sql))));
        }
    }
    out
}

/// Whether it makes the role a member of another one.
fn is_membership(sql: &str) -> bool {
    sql.starts_with("GRANT pg_") && !sql.contains('\n')
}

fn database(d: &Diagnosis) -> Option<&str> {
    d.found.as_ref().map(|f| f.database.as_str())
}

fn role(d: &Diagnosis) -> Option<&str> {
    d.found.as_ref().map(|f| f.role.as_str())
}

/// What mends the findings of one database within a scope.
fn remedies(d: &Diagnosis, scope: RemedyScope) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for check in d.checks.iter().filter(|c| c.status > Status::Ok) {
        if let Some(remedy) = check.remedy.as_ref().filter(|r| r.scope == scope)
            && !found.contains(&remedy.sql.as_str())
        {
            found.push(&remedy.sql);
        }
    }
    found
}
