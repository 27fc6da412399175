//! The write audit: what could our role write, if it were asked to?
//!
//! pgmon runs everything in READ ONLY transactions; the audit proves that nothing else could happen
//! even if it did not. It follows every chain of memberships (SET ROLE needs no INHERIT) and reads
//! the grants themselves rather than `has_*_privilege`, so that it can tell what our role was given
//! from what everybody has through PUBLIC:
//!
//! * a right held directly or through a role **refuses** the entry;
//! * a right held only through PUBLIC (CREATE on `public` before 15, SECURITY DEFINER functions)
//!   **warns**, with the REVOKE to run.
//!
//! Not reported, because every role has it and nothing sensible takes it away: TEMP on databases,
//! `lo_create()` (before 16 even in READ ONLY transactions), `pg_logical_emit_message()`, NOTIFY,
//! advisory locks, and using up transaction ids. Against these stands that pgmon sends nothing but the
//! statements that `pgmon sql` prints, and custom queries under a deny-list. `dblink()` is not
//! reported either: a plain role can use it only with a password for some other role.
//!
//! The grants looked at are those of the server and of the connected database; ownership is known of
//! all databases.

mod read;
mod remedy;
#[cfg(test)]
mod tests;
mod text;

pub use read::STATEMENTS;
use remedy::Remedy;
pub use remedy::new_role_sql;

use serde::Serialize;

/// How a right is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By our role itself.
    Direct,
    /// By everybody.
    Public,
    /// By a role that ours is a member of, directly or along a chain.
    Role(String),
}

/// What a right is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RightKind {
    /// An attribute of a role: SUPERUSER, CREATEDB, CREATEROLE, REPLICATION, BYPASSRLS.
    Attribute,
    /// Membership in one of PostgreSQL's own roles.
    PredefinedRole,
    /// The right to make others members of a role.
    RoleAdmin,
    /// Ownership of an object of this database or of the server.
    Ownership,
    /// Ownership of objects in another database; they have no names here.
    OwnershipElsewhere,
    /// A table, view or foreign table.
    Table,
    /// Some columns of one.
    Column,
    /// A sequence.
    Sequence,
    /// A schema.
    Schema,
    /// A database.
    Database,
    /// A tablespace.
    Tablespace,
    /// A function that runs with another role's rights.
    SecurityDefiner,
    /// A function that acts on the server and that only superusers may call by default.
    AdminFunction,
    /// A function that resets statistics.
    StatisticsReset,
    /// A large object.
    LargeObject,
    /// A foreign server.
    ForeignServer,
    /// A foreign-data wrapper.
    ForeignDataWrapper,
    /// A login on a foreign server.
    UserMapping,
    /// Rights on whatever a role creates from now on.
    DefaultPrivileges,
    /// A server parameter (15 and later).
    Parameter,
}

/// A right to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Right {
    /// What it is about.
    pub kind: RightKind,
    /// The object's name as SQL writes it: qualified, and quoted where it must be.
    pub object: String,
    /// How it is held.
    pub via: Via,
    /// What it allows: `INSERT, UPDATE`, `owner`, `SUPERUSER`.
    pub what: String,
}

/// A right that does not refuse the entry but should be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The right.
    pub right: Right,
    /// What a superuser runs, in this database, to take it away.
    pub revoke_sql: String,
}

/// There are more rights of a kind than were listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Truncated {
    /// The kind.
    pub kind: RightKind,
    /// Whether they are held through PUBLIC.
    pub public: bool,
    /// How many were left out.
    pub more: u64,
}

/// What our role could write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The role that was looked at.
    pub role: String,
    /// Rights for which the entry is refused.
    pub refused: Vec<Right>,
    /// Rights to be taken away, for which it is not refused.
    pub warnings: Vec<Warning>,
    /// What was left out of the two lists.
    pub truncated: Vec<Truncated>,
    /// What helps, if the entry is refused.
    #[serde(skip)]
    remedy: Remedy,
}

/// What follows from an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The role has no right to write of its own.
    ReadOnly,
    /// It has: the entry is refused unless `security.read_only_enforce` is off.
    CanWrite,
}

impl Audit {
    /// What follows.
    pub fn verdict(&self) -> Verdict {
        if self.refused.is_empty() { Verdict::ReadOnly } else { Verdict::CanWrite }
    }

    /// Whether the entry is to be refused.
    pub fn can_write(&self) -> bool {
        self.verdict() == Verdict::CanWrite
    }
}
