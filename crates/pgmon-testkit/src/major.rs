//! The major versions of PostgreSQL that the testkit has servers of.

use std::fmt;

/// A major version of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Major(pub u8);

impl Major {
    /// Every version, oldest first.
    pub const ALL: [Self; 7] = [Self(12), Self(13), Self(14), Self(15), Self(16), Self(17), Self(18)];
    /// The newest version: the one to take where the version does not matter.
    pub const NEWEST: Self = Self(18);
    /// The oldest version.
    pub const OLDEST: Self = Self(12);

    /// The versions to test: all, or those that `PGMON_TEST_VERSIONS=14,17` names.
    pub fn selected() -> Vec<Self> {
        Self::ALL.into_iter().filter(|major| major.is_selected()).collect()
    }

    /// False if `PGMON_TEST_VERSIONS` is set and does not name this version.
    pub fn is_selected(self) -> bool {
        match std::env::var("PGMON_TEST_VERSIONS") {
            Ok(list) if !list.trim().is_empty() => {
                list.split(',').any(|part| part.trim().parse() == Ok(self.0))
            }
            _ => true,
        }
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes one test of each major version, so that they run in parallel and fail on their own.
///
/// ```ignore
/// on_each_major! {
///     async fn counts_sessions(major: Major) -> anyhow::Result<()> {
///         let server = Server::start(major).await?;
///         Ok(())
///     }
/// }
/// // counts_sessions::pg12 ... counts_sessions::pg18
/// ```
///
/// For some versions only, a list of them comes first: `[pg12 12, pg18 18] async fn ...`.
#[macro_export]
macro_rules! on_each_major {
    (async $($rest:tt)+) => {
        $crate::on_each_major! {
            [pg12 12, pg13 13, pg14 14, pg15 15, pg16 16, pg17 17, pg18 18] async $($rest)+
        }
    };
    ([$($test:ident $version:literal),+] async fn $name:ident($major:ident: Major) -> $result:ty $body:block) => {
        mod $name {
            use super::*;

            async fn body($major: $crate::Major) -> $result $body

            $(#[test]
            fn $test() -> $result {
                $crate::run($crate::Major($version), body)
            })+
        }
    };
}
