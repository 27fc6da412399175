//! Versions of PostgreSQL and of its extensions.

use std::fmt;

/// A server's version as `server_version_num` gives it (`180004` is 18.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PgVersion(u32);

impl PgVersion {
    /// The oldest major that pgmon's SQL is written for and tested on.
    pub const OLDEST_MAJOR: u16 = 12;
    /// The newest major that pgmon's SQL is tested on; newer servers get its SQL.
    pub const NEWEST_MAJOR: u16 = 18;

    /// From `server_version_num`.
    pub const fn from_num(num: u32) -> Self {
        Self(num)
    }

    /// The version number as the server gives it.
    pub const fn num(self) -> u32 {
        self.0
    }

    /// The major version: 12, 13, ... 18.
    pub fn major(self) -> u16 {
        u16::try_from(self.0 / 10_000).unwrap_or(u16::MAX)
    }

    /// The minor version: 4 in 18.4.
    pub const fn minor(self) -> u32 {
        self.0 % 10_000
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

/// An extension's version: `1.10` is (1, 10), so that it sorts after `1.9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ExtVersion(pub u16, pub u16);

impl ExtVersion {
    /// Reads `1.10`, `1.10.2` or `2`; anything after the second number is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let major = parts.next()?.trim().parse().ok()?;
        let minor = match parts.next() {
            Some(p) => {
                let digits: String = p.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().unwrap_or(0)
            }
            None => 0,
        };
        Some(Self(major, minor))
    }
}

impl fmt::Display for ExtVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_servers_write_them() {
        let v = PgVersion::from_num(180_004);
        assert_eq!((v.major(), v.minor()), (18, 4));
        assert_eq!(v.to_string(), "18.4");
        assert!(PgVersion::from_num(120_022) < v);
    }

    #[test]
    fn extension_versions_sort_by_number_not_by_text() {
        let ten = ExtVersion::parse("1.10").unwrap();
        let nine = ExtVersion::parse("1.9").unwrap();
        assert!(ten > nine);
        assert_eq!(ExtVersion::parse("2.0devel"), Some(ExtVersion(2, 0)));
        assert_eq!(ExtVersion::parse("3"), Some(ExtVersion(3, 0)));
        assert_eq!(ExtVersion::parse("x"), None);
    }
}
