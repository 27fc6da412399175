//! Reads the rights from the catalogs.

use super::remedy::Remedy;
use super::text::revoke;
use super::{Audit, Right, RightKind, Truncated, Via, Warning};
use crate::postgres::collector::{Query, Statement, pg};
use crate::postgres::facts::Facts;
use crate::postgres::quote_ident;
use crate::postgres::session::{QueryError, Session};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Row as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rights of a kind that are listed where the entry is refused: enough to know what is meant.
const LISTED: i64 = 5;
/// Rights of a kind that are listed where each has a REVOKE to run.
const LISTED_PUBLIC: i64 = 50;

const ROLES: &[Query] = &[pg(12, include_str!("roles/pg12.sql")), pg(16, include_str!("roles/pg16.sql"))];
const RELATIONS: &[Query] = &[pg(12, include_str!("relations/pg12.sql"))];
const OBJECTS: &[Query] = &[pg(12, include_str!("objects/pg12.sql"))];
const FUNCTIONS: &[Query] = &[pg(12, include_str!("functions/pg12.sql"))];
const OWNED: &[Query] = &[pg(12, include_str!("owned/pg12.sql"))];
const PARAMETERS: &[Query] = &[pg(15, include_str!("parameters/pg15.sql"))];

const NAMES: &[Query] = &[pg(12, include_str!("names/pg12.sql"))];

/// The statements of the audit, for `pgmon sql`: heading and texts.
pub const STATEMENTS: &[(&str, &[Query])] = &[
    ("roles", ROLES),
    ("owned", OWNED),
    ("relations", RELATIONS),
    ("objects", OBJECTS),
    ("functions", FUNCTIONS),
    ("parameters", PARAMETERS),
    ("names", NAMES),
];

/// A role whose rights ours can use.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Role {
    oid: Oid,
    pub(super) name: String,
    pub(super) own: bool,
    /// Whether SET ROLE leads there, which brings its attributes; else it is only inherited from.
    pub(super) assumable: bool,
    pub(super) superuser: bool,
    pub(super) createdb: bool,
    pub(super) createrole: bool,
    pub(super) replication: bool,
    pub(super) bypassrls: bool,
    /// The roles among ours through which we are a member.
    pub(super) members: Vec<String>,
    /// Those of them that may make others members.
    pub(super) admins: Vec<String>,
    /// Grants of this role by others than the bootstrap superuser (from 16 on): to whom,
    granted_to: Vec<String>,
    /// and by whom, in the same order.
    granted_by: Vec<String>,
}

impl Role {
    /// Who granted this role to `member`; `None` where a REVOKE need not name them.
    pub(super) fn grantors(&self, member: &str) -> Vec<Option<&str>> {
        let pairs = self.granted_to.iter().zip(&self.granted_by);
        let named = pairs.filter(|(to, _)| *to == member).map(|(_, by)| Some(by.as_str()));
        // What the bootstrap superuser granted is not listed: without a name it is revoked, or nothing.
        std::iter::once(None).chain(named).collect()
    }

    /// Whether it is one of PostgreSQL's own that a monitoring role may have.
    pub(super) fn reads_only(&self) -> bool {
        self.name.starts_with("pg_") && !matches!(predefined(&self.name), Predefined::Writes(_))
    }

    /// Whether it is one of PostgreSQL's own with which one can write.
    pub(super) fn writes(&self) -> bool {
        self.name.starts_with("pg_") && matches!(predefined(&self.name), Predefined::Writes(_))
    }
}

/// A granted right on an object.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Granted {
    kind: String,
    pub(super) object: String,
    /// Columns of a table, the owner of a function, what default privileges are about, a number of objects.
    detail: Option<String>,
    grantee: Oid,
    pub(super) privileges: Vec<String>,
    pub(super) grantable: bool,
    /// How many rights of this kind there are, of PUBLIC or not.
    total: i64,
}

impl Granted {
    /// What it is about; `None` for a kind that the texts beside us do not return, so that it cannot come.
    pub(super) fn kind(&self) -> Option<RightKind> {
        kind(&self.kind)
    }

    /// Columns, an owner, or what default privileges are about.
    pub(super) fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or_default()
    }

    /// Whether everybody has it.
    pub(super) fn is_public(&self) -> bool {
        self.grantee == Oid(0)
    }

    /// Whether the entry is refused for it: rights on what is to be created are none yet, and a reset
    /// of statistics destroys no data.
    pub(super) fn refuses(&self) -> bool {
        let warns = [Some(RightKind::DefaultPrivileges), Some(RightKind::StatisticsReset)];
        !self.is_public() && !warns.contains(&self.kind())
    }

    /// The role that holds it.
    pub(super) fn holder<'r>(&self, roles: &'r [Role]) -> Option<&'r Role> {
        roles.iter().find(|r| r.oid == self.grantee)
    }

    /// Some of its privileges as GRANT and REVOKE write them.
    pub(super) fn listed<'p>(&self, privileges: impl Iterator<Item = &'p String>) -> String {
        let columns = self.kind() == Some(RightKind::Column);
        let of_column = |p: &String| if columns { format!("{p} ({})", self.detail()) } else { p.clone() };
        privileges.map(of_column).collect::<Vec<_>>().join(", ")
    }
}

/// What membership in a predefined role means.
enum Predefined {
    Reads,
    Writes(&'static str),
    Warns(&'static str),
}

/// PostgreSQL's own roles. Membership in `pg_database_owner` is no row of its own: it comes with the
/// ownership of the database.
fn predefined(name: &str) -> Predefined {
    match name {
        "pg_monitor"
        | "pg_read_all_settings"
        | "pg_read_all_stats"
        | "pg_stat_scan_tables"
        | "pg_read_all_data"
        | "pg_use_reserved_connections"
        | "pg_database_owner" => Predefined::Reads,
        "pg_write_all_data" => Predefined::Writes("INSERT, UPDATE and DELETE on all tables"),
        "pg_write_server_files" => Predefined::Writes("writes files on the server"),
        "pg_execute_server_program" => Predefined::Writes("runs programs on the server"),
        "pg_signal_backend" | "pg_signal_autovacuum_worker" => {
            Predefined::Writes("cancels and terminates others")
        }
        "pg_checkpoint" => Predefined::Writes("runs CHECKPOINT"),
        "pg_create_subscription" => Predefined::Writes("creates subscriptions"),
        "pg_maintain" => Predefined::Writes("VACUUM, REINDEX, LOCK TABLE and the like on all tables"),
        "pg_read_server_files" => Predefined::Warns("reads any file on the server"),
        _ => Predefined::Warns("a role that this version of pgmon does not know"),
    }
}

impl Audit {
    /// Reads the audit through a session, within `limit` for each of its statements.
    pub async fn read(session: &mut Session, facts: &Facts, limit: Duration) -> Result<Self, QueryError> {
        let mut audit = Self { role: facts.role.clone(), ..Self::default() };
        let mut roles: Vec<Role> = Vec::new();
        let sql = facts.pick(ROLES).ok_or_else(|| QueryError::protocol("unsupported version"))?;
        session.run(Statement::plain(sql).once(), limit, collect(&mut roles)).await?;
        // Rights are listed in this order: first those that are taken away one by one (see `remedy`).
        roles.sort_by_key(|r| (!r.own, !r.reads_only()));
        audit.add_roles(&roles);
        let mut all: Vec<Granted> = Vec::new();
        let oids: Vec<Oid> = roles.iter().map(|r| r.oid).collect();
        // A superuser may do everything: its grants tell nothing more.
        let superuser = roles.iter().any(|r| r.superuser);
        for (name, queries) in STATEMENTS.iter().filter(|_| !superuser) {
            let Some(sql) = facts.pick(queries) else { continue };
            if ["roles", "names"].contains(name) {
                continue;
            }
            let args = arguments(&oids, *name != "owned").map_err(|e| QueryError::Decode(e.to_string()))?;
            let mut granted: Vec<Granted> = Vec::new();
            session.run(Statement::with(sql, args).once(), limit, collect(&mut granted)).await?;
            audit.add_granted(&roles, &granted);
            all.append(&mut granted);
        }
        if audit.can_write() {
            let sql = facts.pick(NAMES).ok_or_else(|| QueryError::protocol("unsupported version"))?;
            let mut taken = vec![facts.role.clone()];
            let read = |row: PgRow| {
                taken.push(row.try_get("name")?);
                Ok(())
            };
            session.run(Statement::plain(sql).once(), limit, read).await?;
            audit.remedy = Remedy::new(&audit, &roles, &all, &taken);
        }
        Ok(audit)
    }

    fn add_roles(&mut self, roles: &[Role]) {
        for role in roles {
            let via = if role.own { Via::Direct } else { Via::Role(role.name.clone()) };
            let attributes = [
                // Not inherited as such, but the ownership of everything that a superuser made is.
                (role.superuser, "SUPERUSER"),
                (role.createdb && role.assumable, "CREATEDB"),
                (role.createrole && role.assumable, "CREATEROLE"),
                (role.replication && role.assumable, "REPLICATION"),
                (role.bypassrls && role.assumable, "BYPASSRLS"),
            ];
            for (_, what) in attributes.into_iter().filter(|(has, _)| *has) {
                self.refused.push(Right {
                    kind: RightKind::Attribute,
                    object: quote_ident(&role.name),
                    via: via.clone(),
                    what: what.into(),
                });
            }
            let is_own = |name: &String| roles.iter().any(|r| r.own && r.name == *name);
            let through = |members: &[String]| match members.iter().find(|m| is_own(m)) {
                Some(_) => Via::Direct,
                None => Via::Role(members.first().cloned().unwrap_or_default()),
            };
            if role.name.starts_with("pg_") && !role.members.is_empty() {
                let right = |what: &str| Right {
                    kind: RightKind::PredefinedRole,
                    object: role.name.clone(),
                    via: through(&role.members),
                    what: what.into(),
                };
                match predefined(&role.name) {
                    // pg_monitor is itself a member of what it consists of.
                    Predefined::Reads => {}
                    Predefined::Writes(what) => self.refused.push(right(what)),
                    Predefined::Warns(what) => {
                        let right = right(what);
                        let revoke = |m: &String| format!("REVOKE {} FROM {};", role.name, quote_ident(m));
                        let revoke_sql = role.members.iter().map(revoke).collect::<Vec<_>>().join("\n");
                        self.warnings.push(Warning { right, revoke_sql });
                    }
                }
            }
            if !role.admins.is_empty() {
                self.refused.push(Right {
                    kind: RightKind::RoleAdmin,
                    object: quote_ident(&role.name),
                    via: through(&role.admins),
                    what: "ADMIN OPTION".into(),
                });
            }
        }
        self.refused.sort_by_key(|r| r.kind);
    }

    fn add_granted(&mut self, roles: &[Role], granted: &[Granted]) {
        // Listed and total of each kind, of PUBLIC's and of the others.
        let mut counts: BTreeMap<(RightKind, bool), (i64, i64)> = BTreeMap::new();
        for g in granted {
            let Some(kind) = g.kind() else { continue };
            let public = g.is_public();
            let count = counts.entry((kind, public)).or_default();
            *count = (count.0 + 1, g.total);
            let role = g.holder(roles);
            let via = match role {
                _ if public => Via::Public,
                Some(role) if role.own => Via::Direct,
                Some(role) => Via::Role(role.name.clone()),
                None => Via::Role(format!("{}", g.grantee.0)),
            };
            let detail = g.detail();
            let privileges = || g.listed(g.privileges.iter());
            let what = match kind {
                RightKind::SecurityDefiner => format!("as {detail}"),
                RightKind::OwnershipElsewhere => {
                    if detail == "1" {
                        "1 object".into()
                    } else {
                        format!("{detail} objects")
                    }
                }
                RightKind::DefaultPrivileges => format!("{} ON {detail}", privileges()),
                _ if g.grantable => format!("{} WITH GRANT OPTION", privileges()),
                _ => privileges(),
            };
            let right = Right { kind, object: g.object.clone(), via, what };
            if !g.refuses() {
                let grantee = role.map_or_else(|| "PUBLIC".into(), |r| quote_ident(&r.name));
                let revoke_sql = revoke(kind, &right.object, &privileges(), detail, &grantee);
                self.warnings.push(Warning { right, revoke_sql });
            } else {
                self.refused.push(right);
            }
        }
        for ((kind, public), (listed, total)) in counts {
            if let Ok(more @ 1..) = u64::try_from(total - listed) {
                self.truncated.push(Truncated { kind, public, more });
            }
        }
    }
}

/// Decodes rows into a list.
fn collect<T>(into: &mut Vec<T>) -> impl FnMut(PgRow) -> Result<(), sqlx::Error> + Send
where
    T: for<'r> sqlx::FromRow<'r, PgRow> + Send,
{
    |row| {
        into.push(T::from_row(&row)?);
        Ok(())
    }
}

fn arguments(oids: &[Oid], with_public: bool) -> Result<PgArguments, sqlx::error::BoxDynError> {
    let mut args = PgArguments::default();
    args.add(oids)?;
    args.add(LISTED)?;
    if with_public {
        args.add(LISTED_PUBLIC)?;
    }
    Ok(args)
}

fn kind(name: &str) -> Option<RightKind> {
    Some(match name {
        "ownership" => RightKind::Ownership,
        "ownership_elsewhere" => RightKind::OwnershipElsewhere,
        "table" => RightKind::Table,
        "column" => RightKind::Column,
        "sequence" => RightKind::Sequence,
        "schema" => RightKind::Schema,
        "database" => RightKind::Database,
        "tablespace" => RightKind::Tablespace,
        "security_definer" => RightKind::SecurityDefiner,
        "admin_function" => RightKind::AdminFunction,
        "statistics_reset" => RightKind::StatisticsReset,
        "large_object" => RightKind::LargeObject,
        "foreign_server" => RightKind::ForeignServer,
        "foreign_data_wrapper" => RightKind::ForeignDataWrapper,
        "user_mapping" => RightKind::UserMapping,
        "default_privileges" => RightKind::DefaultPrivileges,
        "parameter" => RightKind::Parameter,
        _ => return None,
    })
}
