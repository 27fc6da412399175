//! The audit in words and in SQL.

use super::{Audit, Right, RightKind, Truncated, Via, Warning};
use crate::postgres::facts::Facts;
use crate::postgres::quote_ident;
use pgmon_core::snapshot::Blind;
use std::fmt;

impl RightKind {
    /// In words, for one of them.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Attribute => "role attribute",
            Self::PredefinedRole => "predefined role",
            Self::RoleAdmin => "role",
            Self::Ownership | Self::OwnershipElsewhere => "object",
            Self::Table => "table",
            Self::Column => "columns of table",
            Self::Sequence => "sequence",
            Self::Schema => "schema",
            Self::Database => "database",
            Self::Tablespace => "tablespace",
            Self::SecurityDefiner => "SECURITY DEFINER function",
            Self::AdminFunction | Self::StatisticsReset => "function",
            Self::LargeObject => "large object",
            Self::ForeignServer => "foreign server",
            Self::ForeignDataWrapper => "foreign-data wrapper",
            Self::UserMapping => "user mapping for foreign server",
            Self::DefaultPrivileges => "default privileges for",
            Self::Parameter => "parameter",
        }
    }

    /// The word of GRANT and REVOKE; `None` where it is not granted on an object.
    const fn keyword(self) -> Option<&'static str> {
        Some(match self {
            Self::Table | Self::Column => "TABLE",
            Self::Sequence => "SEQUENCE",
            Self::Schema => "SCHEMA",
            Self::Database => "DATABASE",
            Self::Tablespace => "TABLESPACE",
            Self::SecurityDefiner | Self::AdminFunction | Self::StatisticsReset => "ROUTINE",
            Self::LargeObject => "LARGE OBJECT",
            Self::ForeignServer => "FOREIGN SERVER",
            Self::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            Self::Parameter => "PARAMETER",
            Self::Attribute
            | Self::PredefinedRole
            | Self::RoleAdmin
            | Self::Ownership
            | Self::OwnershipElsewhere
            | Self::UserMapping
            | Self::DefaultPrivileges => return None,
        })
    }
}

/// What takes a granted right from `grantee` (already quoted, or PUBLIC).
///
/// `detail` is what default privileges are about (`TABLES`).
pub(super) fn revoke(kind: RightKind, object: &str, what: &str, detail: &str, grantee: &str) -> String {
    match kind {
        RightKind::UserMapping => format!("DROP USER MAPPING IF EXISTS FOR {grantee} SERVER {object};"),
        RightKind::DefaultPrivileges => {
            format!("ALTER DEFAULT PRIVILEGES FOR {object} REVOKE {what} ON {detail} FROM {grantee};")
        }
        kind => match kind.keyword() {
            Some(keyword) => format!("REVOKE {what} ON {keyword} {object} FROM {grantee};"),
            None => format!("REVOKE {object} FROM {grantee};"),
        },
    }
}

impl fmt::Display for Via {
    /// What follows the right in a sentence: nothing, `, through PUBLIC`, `, through role "app"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => Ok(()),
            Self::Public => f.write_str(", through PUBLIC"),
            Self::Role(role) => write!(f, ", through role {}", quote_ident(role)),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, object, via, what } = self;
        match kind {
            RightKind::Attribute => write!(f, "is {what}{via}"),
            RightKind::PredefinedRole => write!(f, "is a member of {object} ({what}){via}"),
            RightKind::RoleAdmin => write!(f, "may make others members of role {object}{via}"),
            RightKind::Ownership => write!(f, "owns {object}{via}"),
            RightKind::OwnershipElsewhere => write!(f, "owns {what} in database {object}{via}"),
            RightKind::SecurityDefiner => {
                write!(f, "may run SECURITY DEFINER function {object} {what}{via}")
            }
            RightKind::UserMapping => write!(f, "has a login on foreign server {object}{via}"),
            RightKind::DefaultPrivileges => {
                write!(f, "will have {what} that {object} creates{via}")
            }
            kind => write!(f, "has {what} on {} {object}{via}", kind.words()),
        }
    }
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let via = if self.public { Via::Public } else { Via::Direct };
        write!(f, "and {} more of the kind: {}{via}", self.more, self.kind.words())
    }
}

impl Audit {
    /// What the entry is refused for, a line each; where there are many of a kind, the last one counts them.
    pub fn rights_text(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (i, right) in self.refused.iter().enumerate() {
            lines.push(right.to_string());
            let last_of_kind = self.refused.get(i + 1).is_none_or(|next| next.kind != right.kind);
            if let Some(more) = self.truncated.iter().find(|t| !t.public && t.kind == right.kind)
                && last_of_kind
            {
                lines.push(more.to_string());
            }
        }
        lines
    }

    /// The warnings as readers of a snapshot see them.
    pub fn warnings(&self, _facts: &Facts) -> Vec<Blind> {
        let blind = |w: &Warning| Blind {
            collector: "audit".into(),
            needs: "REVOKE".into(),
            effect: format!("{} {}", self.role, w.right),
            remedy: Some(w.revoke_sql.clone()),
        };
        self.warnings.iter().map(blind).collect()
    }
}
