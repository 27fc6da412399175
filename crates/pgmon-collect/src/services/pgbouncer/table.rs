//! What PgBouncer's console shows, read by the names of its columns: every version adds some.

use std::collections::{BTreeMap, HashMap};

/// Databases that are shown of a pooler, the busiest first.
const DATABASES: usize = 100;

/// The longest name of a database that is taken (bytes): PgBouncer's own limit. It becomes a label.
const LONGEST_NAME: usize = 128;

/// An answer to `SHOW`.
#[derive(Debug, Default, Clone)]
pub(super) struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Texts; a NULL is none.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A column's text in a row.
    pub fn text<'t>(&self, row: &'t [Option<String>], name: &str) -> Option<&'t str> {
        row.get(self.column(name)?)?.as_deref()
    }

    /// A column's number in a row.
    pub fn number(&self, row: &[Option<String>], name: &str) -> Option<f64> {
        self.text(row, name)?.parse::<f64>().ok().filter(|n| n.is_finite())
    }

    /// `SHOW LISTS`: names and numbers.
    pub fn list(&self) -> HashMap<&str, f64> {
        self.rows.iter().filter_map(|row| item(row)).collect()
    }

    /// A column by database: added up, or the greatest, over what there is of each (`SHOW POOLS` has a row for each
    /// user, and users are no labels).
    pub fn by_database(&self, name: &str, fold: fn(f64, f64) -> f64) -> BTreeMap<&str, f64> {
        let mut out = BTreeMap::new();
        for row in &self.rows {
            // In `SHOW DATABASES` the pooler's name of a database is `name`.
            let database = self.text(row, "database").filter(|_| self.column("name").is_none());
            let database = database.or_else(|| self.text(row, "name"));
            let database = database.filter(|name| is_name(name));
            let (Some(database), Some(value)) = (database, self.number(row, name)) else { continue };
            out.entry(database).and_modify(|sum| *sum = fold(*sum, value)).or_insert(value);
        }
        out
    }
}

fn item(row: &[Option<String>]) -> Option<(&str, f64)> {
    let value: f64 = row.get(1)?.as_deref()?.parse().ok()?;
    Some((row.first()?.as_deref()?, value)).filter(|_| value.is_finite())
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control)
}

/// The databases to show: all, or those with the most clients.
pub(super) fn shown(clients: &BTreeMap<&str, f64>) -> Vec<String> {
    let mut all: Vec<(&str, f64)> = clients.iter().map(|(name, n)| (*name, *n)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all.truncate(DATABASES);
    all.into_iter().map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], rows: &[&[&str]]) -> Table {
        let text = |text: &&str| (*text != "NULL").then(|| (*text).to_owned());
        Table {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: rows.iter().map(|row| row.iter().map(text).collect()).collect(),
        }
    }

    #[test]
    fn pools_of_several_users_are_added_up_and_waits_are_not() {
        let pools = table(
            &["database", "user", "cl_active", "maxwait", "new_one"],
            &[
                &["shop", "a", "2", "7", "x"],
                &["shop", "b", "3", "1", "x"],
                &["other", "a", "1", "NULL", "x"],
            ],
        );
        assert_eq!(pools.by_database("cl_active", |a, b| a + b), [("other", 1.0), ("shop", 5.0)].into());
        assert_eq!(pools.by_database("maxwait", f64::max), [("shop", 7.0)].into());
        assert!(pools.by_database("gone", f64::max).is_empty(), "a version without the column has no figure");
        let databases = table(&["name", "host", "database", "paused"], &[&["alias", "h", "shop", "1"]]);
        assert_eq!(databases.by_database("paused", f64::max), [("alias", 1.0)].into());
        let odd = table(&["database", "cl_active"], &[&["a\nb", "1"], &[&"x".repeat(129), "1"], &["", "1"]]);
        assert!(odd.by_database("cl_active", |a, b| a + b).is_empty(), "no pooler has such names");
        let lists = table(&["list", "items"], &[&["databases", "2"], &["x", "NULL"], &["y", "inf"]]);
        assert_eq!(lists.list(), [("databases", 2.0)].into());
    }

    #[test]
    fn the_busiest_databases_are_shown() {
        let names: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
        let clients = names.iter().enumerate().map(|(n, name)| (name.as_str(), n as f64)).collect();
        let shown = shown(&clients);
        assert_eq!((shown.len(), shown[0].as_str(), shown[99].as_str()), (DATABASES, "d149", "d050"));
    }
}
