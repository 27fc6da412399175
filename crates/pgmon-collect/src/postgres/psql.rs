//! Text for psql that names cannot break out of.
//!
//! Any role with CREATEDB picks the name of a database, and a superuser pastes what is printed here:
//! psql ends a meta-command and a `--` comment at a line break, whatever is quoted, and takes a
//! database's name with `=` or `://` in it for connection parameters.

use super::quote_ident;

/// `sql`, to be run in `database`; as a comment where psql cannot be told to connect to that.
pub(crate) fn in_database(database: &str, sql: &str) -> String {
    match connect(database) {
        Some(connect) => format!("{connect}\n{sql}"),
        None => format!(
            "-- The name of database {} has a line break or another control character in it:\n\
             -- connect to it by hand (see \\l), then run this there:\n{}",
            in_comment(&quote_ident(database)),
            commented(sql)
        ),
    }
}

/// The meta-command that connects to `database`; `None` if its name cannot stand in one.
pub(crate) fn connect(database: &str) -> Option<String> {
    if !is_printable(database) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    Some(if database.chars().all(plain) {
        format!("\\connect {}", quote_ident(database))
    } else {
        let value = database.replace('\\', "\\\\").replace('\'', "\\'");
        format!("\\connect -reuse-previous=on {}", quote_ident(&format!("dbname='{value}'")))
    })
}

/// Whether nothing in a name can end a line, or act on a terminal that it is pasted into.
pub(crate) fn is_printable(name: &str) -> bool {
    !name.chars().any(breaks)
}

/// Lines as comments. A line break within a name begins a further one.
pub(crate) fn commented(sql: &str) -> String {
    // psql ends a comment at a carriage return as well.
    let lines = sql.trim_end().split(['\n', '\r']);
    lines.map(|line| format!("--   {}", in_comment(line)).trim_end().to_owned() + "\n").collect()
}

/// Text that stays in its comment's line, and does nothing to a terminal.
pub(crate) fn in_comment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if breaks(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Control characters, and what else some programs end a line at.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_where_they_are_put() {
        assert_eq!(connect("shop_2.x").unwrap(), "\\connect \"shop_2.x\"");
        assert_eq!(connect("host=evil").unwrap(), "\\connect -reuse-previous=on \"dbname='host=evil'\"");
        assert_eq!(connect(r#"a'b\c"d"#).unwrap(), r#"\connect -reuse-previous=on "dbname='a\'b\\c""d'""#);
        for name in ["a\nb", "a\rb", "a\u{3}b", "a\u{1b}[201~b"] {
            assert_eq!(connect(name), None, "{name:?}");
            let text = in_database(name, "SELECT 1;\nSELECT 'a\rb';");
            assert!(text.split(['\n', '\r']).all(|l| l.is_empty() || l.starts_with("--")), "{text}");
        }
    }
}
