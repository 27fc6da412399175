//! What helps a role that is refused.
//!
//! Where every right can be taken away by name, that is the remedy: attributes, grants, memberships.
//! A superuser and an owner keep what they are, and of thousands of grants only a few were listed:
//! then it is a new role.

use super::read::{Granted, Role};
use super::text::revoke;
use super::{Audit, RightKind};
use crate::postgres::facts::Facts;
use crate::postgres::psql::{in_comment, in_database};
use crate::postgres::quote_ident;
use crate::postgres::setup_sql::{Tier, setup_sql};
use std::collections::BTreeSet;

/// The first names for a new role.
const NAMES: [&str; 3] = ["pgmon", "pgmon_monitor", "pgmon_reader"];

/// What helps a role that is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Remedy {
    /// What takes all rights away; `None`: only a new role helps.
    takes: Option<Vec<String>>,
    /// A role is among what is taken away through which reading may have been granted.
    regrant: bool,
    /// A name that no role of the server has.
    free_name: String,
}

impl Remedy {
    pub(super) fn new(audit: &Audit, roles: &[Role], granted: &[Granted], taken: &[String]) -> Self {
        let mut taking = Taking::new(roles);
        let complete = taking.collect(audit, granted).is_some();
        let (takes, regrant) = taking.statements();
        Self { takes: complete.then_some(takes), regrant, free_name: free_name(taken) }
    }
}

impl Audit {
    /// The name for a new role, if that alone helps a role that can write.
    pub fn new_role(&self) -> Option<&str> {
        (self.can_write() && self.remedy.takes.is_none()).then_some(self.remedy.free_name.as_str())
    }

    /// The SQL for psql that helps a role that can write: it takes away what the role can write with,
    /// or it creates another role, and then leaves the refused one alone.
    pub fn remedy_sql(&self, facts: &Facts) -> String {
        let database = &facts.database;
        match &self.remedy.takes {
            Some(_) => in_database(database, &self.takes_sql(facts)),
            None => {
                new_role_sql(facts.version.major(), &self.remedy.free_name, std::slice::from_ref(database))
            }
        }
    }

    /// What takes the rights away, to be run in the database that was looked at; empty if only a new
    /// role helps. Running it again does no harm.
    pub fn takes_sql(&self, facts: &Facts) -> String {
        let Some(takes) = &self.remedy.takes else { return String::new() };
        let name = quote_ident(&self.role);
        let mut sql = format!(
            "-- Takes from {role} what it can write with. If more than pgmon logs in as {role}, leave it as\n\
             -- it is, and make a role that is pgmon's alone: pgmon setup-sql --role {free}\n",
            role = in_comment(&name),
            free = self.remedy.free_name,
        );
        for statement in takes {
            sql.push_str(statement);
            sql.push('\n');
        }
        if self.remedy.regrant {
            // It may have been granted through a role that was just taken away.
            sql.push_str(&format!("GRANT pg_monitor TO {name};\n"));
            if facts.read_all_data && facts.version.major() >= 14 {
                sql.push_str(&format!("GRANT pg_read_all_data TO {name};\n"));
            }
        }
        sql
    }
}

/// The SQL that creates a role for some databases, where none that was configured is right.
pub fn new_role_sql(major: u16, name: &str, databases: &[String]) -> String {
    let mut sql = setup_sql(Some(major), name, databases, Tier::T0);
    sql.push_str(&format!("-- Then let pgmon connect as {}.\n", in_comment(&quote_ident(name))));
    sql
}

/// A name for a new role that is none of `taken`.
fn free_name(taken: &[String]) -> String {
    let numbered = (2..).map(|n: u32| format!("pgmon_{n}"));
    let mut names = NAMES.into_iter().map(str::to_owned).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// Gathers what is to be taken away.
struct Taking<'r> {
    roles: &'r [Role],
    /// Roles that ours remains, or remains a member of: itself, and PostgreSQL's own that only read.
    kept: BTreeSet<&'r str>,
    /// Roles whose rights ours must not reach.
    barred: BTreeSet<&'r str>,
    /// Single rights.
    single: Vec<String>,
}

impl<'r> Taking<'r> {
    fn new(roles: &'r [Role]) -> Self {
        let mut kept: BTreeSet<&str> = roles.iter().filter(|r| r.own).map(|r| r.name.as_str()).collect();
        loop {
            let known = kept.len();
            for role in roles.iter().filter(|r| r.reads_only()) {
                if role.members.iter().any(|m| kept.contains(m.as_str())) {
                    kept.insert(&role.name);
                }
            }
            if kept.len() == known {
                return Self { roles, kept, barred: BTreeSet::new(), single: Vec::new() };
            }
        }
    }

    /// `None` if there is something that cannot be taken away, or is not known by name.
    fn collect(&mut self, audit: &Audit, granted: &'r [Granted]) -> Option<()> {
        let mut own = self.roles.iter().filter(|r| r.own);
        // After ALTER ROLE ... SET role there are two, and what one lacks the other may have.
        let (Some(me), None) = (own.next(), own.next()) else { return None };
        if self.roles.iter().any(|r| r.superuser) {
            return None;
        }
        self.attributes(me);
        self.memberships();
        for g in granted.iter().filter(|g| g.refuses()) {
            let holder = g.holder(self.roles)?;
            let kind = g.kind()?;
            if !self.kept.contains(holder.name.as_str()) {
                self.barred.insert(&holder.name);
            } else if matches!(kind, RightKind::Ownership | RightKind::OwnershipElsewhere) {
                return None;
            } else {
                self.single.extend(revokes(kind, g, &quote_ident(&holder.name)));
            }
        }
        for t in audit.truncated.iter().filter(|t| !t.public) {
            // What kept roles hold is listed first: if others follow, none of it was left out.
            let listed = || granted.iter().filter(|g| g.refuses() && g.kind() == Some(t.kind));
            let is_kept =
                |g: &Granted| g.holder(self.roles).is_some_and(|r| self.kept.contains(r.name.as_str()));
            if listed().count() == 0 {
                continue;
            }
            if listed().all(is_kept) {
                return None;
            }
            // Any of the others may hold the rest.
            let others = self.roles.iter().map(|r| r.name.as_str()).filter(|name| !self.kept.contains(name));
            self.barred.extend(others.collect::<Vec<_>>());
        }
        Some(())
    }

    fn attributes(&mut self, me: &Role) {
        let own = [
            (me.createdb, "NOCREATEDB"),
            (me.createrole, "NOCREATEROLE"),
            (me.replication, "NOREPLICATION"),
            (me.bypassrls, "NOBYPASSRLS"),
        ];
        let words: Vec<&str> = own.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect();
        if !words.is_empty() {
            self.single.push(format!("ALTER ROLE {} {};", quote_ident(&me.name), words.join(" ")));
        }
    }

    fn memberships(&mut self) {
        for role in self.roles {
            let attributes = role.createdb || role.createrole || role.replication || role.bypassrls;
            if role.writes() || (!role.own && role.assumable && attributes) {
                self.barred.insert(&role.name);
            }
            for admin in &role.admins {
                if self.kept.contains(admin.as_str()) {
                    self.single.extend(revoke_role("ADMIN OPTION FOR ", role, admin));
                } else {
                    self.barred.insert(admin);
                }
            }
        }
    }

    /// The memberships of kept roles that lead to a barred one: member and role.
    fn cuts(&self) -> Vec<(&'r str, &'r Role)> {
        let others = self.roles.iter().filter(|r| !self.kept.contains(r.name.as_str()));
        let edges = others.flat_map(|role| role.members.iter().map(move |m| (m.as_str(), role)));
        edges
            .filter(|(member, role)| self.kept.contains(member) && self.leads_to_barred(&role.name))
            .collect()
    }

    fn leads_to_barred(&self, from: &'r str) -> bool {
        let mut reached = BTreeSet::from([from]);
        loop {
            let known = reached.len();
            for role in self.roles {
                if role.members.iter().any(|m| reached.contains(m.as_str())) {
                    reached.insert(&role.name);
                }
            }
            if reached.len() == known {
                return reached.iter().any(|name| self.barred.contains(name));
            }
        }
    }

    /// All statements, and whether one of them takes a role away that PostgreSQL does not know itself.
    fn statements(self) -> (Vec<String>, bool) {
        let cuts = self.cuts();
        let regrant = cuts.iter().any(|(_, role)| !role.writes());
        let mut statements = self.single;
        statements.extend(cuts.into_iter().flat_map(|(member, role)| revoke_role("", role, member)));
        (statements, regrant)
    }
}

/// What takes a role, or an option of its membership, from `member`, whoever granted it.
fn revoke_role(option: &str, role: &Role, member: &str) -> Vec<String> {
    let by = |grantor: Option<&str>| {
        grantor.map_or_else(String::new, |g| format!(" GRANTED BY {}", quote_ident(g)))
    };
    let revoke = |grantor| {
        format!("REVOKE {option}{} FROM {}{};", quote_ident(&role.name), quote_ident(member), by(grantor))
    };
    role.grantors(member).into_iter().map(revoke).collect()
}

/// What takes a granted right away; reading stays, without the right to pass it on.
fn revokes(kind: RightKind, g: &Granted, grantee: &str) -> Vec<String> {
    let reads = |p: &&String| {
        let schema = kind == RightKind::Schema && p.as_str() == "USAGE";
        schema || ["SELECT", "CONNECT", "TEMPORARY"].contains(&p.as_str())
    };
    let mut statements = Vec::new();
    let writes = g.listed(g.privileges.iter().filter(|p| !reads(p)));
    if !writes.is_empty() {
        statements.push(revoke(kind, &g.object, &writes, g.detail(), grantee));
    }
    let passed_on = g.listed(g.privileges.iter().filter(reads));
    if g.grantable && !passed_on.is_empty() {
        let what = format!("GRANT OPTION FOR {passed_on}");
        statements.push(revoke(kind, &g.object, &what, g.detail(), grantee));
    }
    statements
}
