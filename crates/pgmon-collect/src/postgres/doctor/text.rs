//! The report for people: 80 columns, no colours.

use super::{Diagnosis, Report, Status};
use crate::postgres::psql::in_comment;
use crate::postgres::wording;
use std::fmt::Write as _;

/// Columns of a line.
const WIDTH: usize = 80;

impl Status {
    /// The word that a line begins with.
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

impl Report {
    /// The report with its block of SQL.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for diagnosis in &self.databases {
            database(&mut out, diagnosis);
            out.push('\n');
        }
        let sql = self.sql();
        if !sql.is_empty() {
            let _ = writeln!(out, "To mend it, paste into psql:\n\n{sql}");
        }
        let count = |status: Status| self.databases.iter().filter(|d| d.worst() == status).count();
        let _ = writeln!(
            out,
            "{}: {} well, {} with warnings, {} failed",
            wording::count(self.databases.len(), "database"),
            count(Status::Ok),
            count(Status::Warn),
            count(Status::Fail)
        );
        out
    }
}

fn database(out: &mut String, d: &Diagnosis) {
    let _ = write!(out, "{}/{}", d.cluster, d.db);
    if let Some(found) = &d.found {
        let (role, database) = (in_comment(&found.role), in_comment(&found.database));
        let _ = write!(out, "  PostgreSQL {}, role {role}, database {database}", found.version);
    }
    if d.discovered {
        out.push_str(", discovered");
    }
    out.push('\n');
    // Of what was discovered only what is amiss: there may be many.
    let checks = || d.checks.iter().filter(|c| !d.discovered || c.status > Status::Ok);
    if d.discovered && checks().next().is_none() {
        let _ = writeln!(out, "  {}", Status::Ok.word().trim_end());
    }
    // Aligned to the longest name, but a long one must not push all details to the right.
    let longest = checks().map(|c| c.name.chars().count()).max().unwrap_or(0).min(28);
    let indent = 2 + 4 + 2 + longest + 2;
    for check in checks() {
        let name = &check.name;
        let _ = write!(out, "  {}  {name:<longest$}  ", check.status.word());
        if name.chars().count() > longest {
            let _ = write!(out, "\n{:indent$}", "");
        }
        let mut first = true;
        for line in check.detail.lines() {
            if !first {
                let _ = write!(out, "{:indent$}", "");
            }
            // The lines after the first one are items.
            wrap(out, if first { "" } else { "- " }, line, indent);
            first = false;
        }
        for what in &check.disables {
            let _ = write!(out, "{:indent$}", "");
            wrap(out, "- not seen: ", what, indent);
        }
    }
}

/// Writes words up to the width, further lines indented; `out` already is at the column `indent`.
fn wrap(out: &mut String, head: &str, text: &str, indent: usize) {
    let hang = if head.is_empty() { 0 } else { 2 };
    let mut column = indent + head.chars().count();
    out.push_str(head);
    let mut fresh = true;
    for word in text.split_whitespace() {
        let word = &in_comment(word);
        let length = word.chars().count();
        if !fresh && column + 1 + length > WIDTH {
            let _ = write!(out, "\n{:1$}", "", indent + hang);
            column = indent + hang;
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        fresh = false;
    }
    out.push('\n');
}
