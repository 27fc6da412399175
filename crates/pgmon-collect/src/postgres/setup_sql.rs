//! The SQL that creates the monitoring role: what `pgmon setup-sql` prints.
//!
//! It can be run again at any time. It never holds a password: `\password` asks for one and sends it
//! hashed, so that it appears neither in a shell's history nor in the server's log.

use super::psql::{in_comment, in_database};
use super::{quote_ident, quote_literal};
use std::fmt::Write as _;

/// What the role may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Tier {
    /// `pg_monitor`: all statistics, no table's contents.
    T0,
    /// Reading all data as well, which statistics of columns, sequences and plans need.
    T1,
}

/// A part of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The database that it is to be run in; `None`: any.
    pub database: Option<String>,
    /// Plain SQL, as it can be sent in one message.
    pub sql: String,
}

/// The script for psql: the sections, with `\connect` between them.
///
/// `major` leaves out what that version has not; without it the script finds out by itself.
/// With no databases, the second part is to be run in each.
pub fn setup_sql(major: Option<u16>, role: &str, databases: &[String], tier: Tier) -> String {
    let mut out = String::new();
    for section in sections(major, role, databases, tier) {
        match &section.database {
            Some(database) => {
                out.push('\n');
                out.push_str(&in_database(database, &section.sql));
            }
            None => out.push_str(&section.sql),
        }
    }
    out
}

/// The parts of the script: the role, then what each database needs.
pub fn sections(major: Option<u16>, role: &str, databases: &[String], tier: Tier) -> Vec<Section> {
    let mut sections = vec![Section { database: None, sql: server(major, role, databases.len(), tier) }];
    if databases.is_empty() {
        let sql =
            format!("\n-- The rest: once in each database that is watched.\n{}", database(major, role, tier));
        sections.push(Section { database: None, sql });
    }
    sections.extend(databases.iter().map(|name| {
        let connect = format!(
            "-- Needed only where PUBLIC may not connect.\nGRANT CONNECT ON DATABASE {} TO {};\n",
            quote_ident(name),
            quote_ident(role)
        );
        Section { database: Some(name.clone()), sql: connect + &database(major, role, tier) }
    }));
    sections
}

fn server(major: Option<u16>, role: &str, databases: usize, tier: Tier) -> String {
    let (name, literal) = (quote_ident(role), quote_literal(role));
    let tag = tag(role);
    // A kept connection per entry and a roaming one, twice while one agent replaces another, and a doctor.
    let connections = 2 * databases.max(1) + 3;
    let mut sql = format!(
        "-- A role for pgmon that reads statistics and can write nothing. Run as a superuser, on the
-- primary (a standby receives it from there); running it again does no harm.
DO ${tag}$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal}) THEN
    -- The limit is there so that no fault of ours uses up the server's connections; raise it with
    -- ALTER ROLE for more agents or databases.
    CREATE ROLE {name} LOGIN CONNECTION LIMIT {connections};
  END IF;
END
${tag}$;

-- The password, asked for by psql and sent hashed:
--   \\password {name_in_comment}

-- All statistics views, settings, and other sessions' activity.
GRANT pg_monitor TO {name};
",
        name_in_comment = in_comment(&name),
    );
    match (tier, major) {
        (Tier::T0, Some(14..)) | (Tier::T0, None) => {
            let _ = write!(
                sql,
                "
-- Not granted (tier T0). With it pgmon also sees how full sequences are, bloat by statistics, and
-- plans; it can then read every table (14 and later):
--   GRANT pg_read_all_data TO {};
",
                in_comment(&name)
            );
        }
        (Tier::T1, Some(14..)) => {
            let _ = write!(
                sql,
                "
-- Tier T1: reads all tables, for how full sequences are, bloat by statistics, and plans.
GRANT pg_read_all_data TO {name};
"
            );
        }
        (Tier::T1, None) => {
            let _ = write!(
                sql,
                "
-- Tier T1: reads all tables, for how full sequences are, bloat by statistics, and plans.
-- Before 14 there is no such role: the databases' parts grant it schema by schema.
DO ${tag}$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pg_read_all_data') THEN
    GRANT pg_read_all_data TO {name};
  END IF;
END
${tag}$;
"
            );
        }
        (_, Some(_)) => {}
    }
    sql.push_str(
        "
-- For figures by statement, in postgresql.conf, keeping what is there already (SHOW
-- shared_preload_libraries), then restart the server:
--   shared_preload_libraries = 'pg_stat_statements'
-- For the time that reads and writes take (needs a reload only):
--   track_io_timing = on
",
    );
    sql
}

fn database(major: Option<u16>, role: &str, tier: Tier) -> String {
    let tag = tag(role);
    let mut sql = String::new();
    for (extension, what) in [
        ("pg_stat_statements", "Figures by statement; needs shared_preload_libraries."),
        ("pgstattuple", "Bloat as it is, instead of an estimate."),
    ] {
        let _ = write!(
            sql,
            "
-- {what}
DO ${tag}$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = '{extension}') THEN
    CREATE EXTENSION IF NOT EXISTS {extension};
  ELSE
    RAISE NOTICE 'the server has no extension {extension}: install the contrib package';
  END IF;
END
${tag}$;
"
        );
    }
    if tier == Tier::T1 && major.is_none_or(|m| m < 14) {
        sql.push_str(&read_schemas(role));
    }
    if major.is_none_or(|m| m < 15) {
        sql.push_str(
            "
-- Before 15 everybody may create tables in schema public; pgmon warns of it. Roles of yours may rely
-- on that: GRANT CREATE ON SCHEMA public to those first, then run
--   REVOKE CREATE ON SCHEMA public FROM PUBLIC;
",
        );
    }
    sql
}

/// Reading everything where there is no `pg_read_all_data`, also what is created later.
pub(crate) fn read_schemas(role: &str) -> String {
    let literal = quote_literal(role);
    let tag = tag(role);
    format!(
        "
-- Tier T1 before 14: SELECT on all tables and sequences, also on those that the present owners of
-- tables create later. Run it again after a schema or an owner was added.
DO ${tag}$
DECLARE
  s name;
  o name;
BEGIN
  IF pg_catalog.current_setting('server_version_num')::int >= 140000 THEN
    RETURN;
  END IF;
  FOR s IN SELECT nspname FROM pg_catalog.pg_namespace
            WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', s, {literal});
    EXECUTE pg_catalog.format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', s, {literal});
    EXECUTE pg_catalog.format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', s, {literal});
  END LOOP;
  FOR o IN SELECT DISTINCT r.rolname
             FROM pg_catalog.pg_class AS c
             JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'm')
              AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LOOP
    EXECUTE pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT USAGE ON SCHEMAS TO %I', o, {literal});
    EXECUTE pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON TABLES TO %I', o, {literal});
    EXECUTE pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON SEQUENCES TO %I', o, {literal});
  END LOOP;
END
${tag}$;
"
    )
}

/// A dollar quote's tag that the role's name cannot end.
fn tag(role: &str) -> String {
    let mut tag = String::from("setup");
    while role.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    tag
}

#[cfg(test)]
pub(crate) mod tests;
