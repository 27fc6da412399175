//! What `INFO` says, as fields by name.

use std::collections::HashMap;

/// Fields at most: a server with hundreds of modules and databases has fewer.
const FIELDS: usize = 4_000;

/// `INFO`, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Info<'t>(HashMap<&'t str, &'t str>);

impl<'t> Info<'t> {
    /// Reads a text of lines `name:value`; what else there is is left out.
    pub fn parse(text: &'t str) -> Self {
        let fields =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
        Self(fields.take(FIELDS).map(|(name, value)| (name.trim(), value.trim())).collect())
    }

    /// A field's text.
    pub fn text(&self, name: &str) -> Option<&'t str> {
        self.0.get(name).copied()
    }

    /// A field's number; what is none is absent.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse::<f64>().ok().filter(|n| n.is_finite())
    }

    /// Parts of the fields `{prefix}{number}`, in the order of their numbers: `db0:keys=1,expires=0`.
    pub fn numbered(&self, prefix: &str) -> Vec<(u32, HashMap<&'t str, &'t str>)> {
        let number = |name: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
        let of = |(name, value): (&&str, &&'t str)| {
            let parts = value.split(',').filter_map(|part| part.split_once('='));
            Some((number(name)?, parts.collect()))
        };
        let mut found: Vec<_> = self.0.iter().filter_map(of).collect();
        found.sort_by_key(|(number, _)| *number);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_found_by_name_and_what_is_no_number_is_absent() {
        let info = Info::parse(
            "# Server\r\nredis_version:7.0.15\r\nuptime:-nan\r\nx:1e3\r\n\r\n# Keyspace\r\n\
             db10:keys=2,expires=1,avg_ttl=0\r\ndb2:keys=7,expires=0\r\ndbx:keys=1\r\nexecutable:/usr/bin:x\r\n",
        );
        assert_eq!(info.text("redis_version"), Some("7.0.15"));
        assert_eq!(info.text("executable"), Some("/usr/bin:x"));
        assert_eq!(
            (info.number("uptime"), info.number("x"), info.number("redis_version")),
            (None, Some(1e3), None)
        );
        let dbs: Vec<_> = info.numbered("db").iter().map(|(n, parts)| (*n, parts["keys"])).collect();
        assert_eq!(dbs, [(2, "7"), (10, "2")]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "(.|\r\n|:|db[0-9]{0,11}|=|,){0,80}") {
            let info = Info::parse(&text);
            prop_assert!(info.numbered("db").len() <= FIELDS);
        }
    }
}
