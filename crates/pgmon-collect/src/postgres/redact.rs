//! SQL text without its literals.

/// What stands in a literal's place.
const HIDDEN: char = '?';

/// Replaces every literal in `sql` by `?` and leaves comments out; names, keywords and `$n` stay.
///
/// The server itself replaces literals in what `pg_stat_statements` shows, but not in all utility
/// statements (`CREATE ROLE ... PASSWORD '...'`), and never in `pg_stat_activity`. The text may be cut
/// at its end. Where it can be read in two ways, everything from there on is left out.
pub fn redact(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let (text, after) = match c {
            '\'' => (None, after_string(rest, false)),
            '"' => split(rest, after_quoted(rest)),
            '$' => dollar(rest),
            '-' if rest.starts_with("--") => {
                blank(&mut out);
                rest = rest.find(['\n', '\r']).map_or("", |end| rest.split_at(end).1);
                continue;
            }
            '/' if rest.starts_with("/*") => {
                blank(&mut out);
                rest = after_comment(rest);
                continue;
            }
            '0'..='9' => (None, Some(rest.trim_start_matches(is_part_of_number))),
            c if is_name_start(c) => name_or_string(rest),
            c => split(rest, rest.strip_prefix(c)),
        };
        match text {
            Some(text) => out.push_str(text),
            None => out.push(HIDDEN),
        }
        // Nothing more can be told apart from a literal.
        let Some(after) = after else { break };
        rest = after;
    }
    out.truncate(out.trim_end().len());
    let start = out.len() - out.trim_start().len();
    out.drain(..start);
    out
}

type Token<'a> = (Option<&'a str>, Option<&'a str>);

/// What stands before `after`, to be shown, and `after` itself.
fn split<'a>(rest: &'a str, after: Option<&'a str>) -> Token<'a> {
    let end = rest.len() - after.map_or(0, str::len);
    (rest.get(..end), Some(after.unwrap_or("")))
}

fn blank(out: &mut String) {
    if out.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
        out.push(' ');
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_part_of_name(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '$'
}

fn is_part_of_number(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// A name, a keyword, or the letter before a string: `E'...'`, `B'...'`, `X'...'`, `N'...'`, `U&'...'`.
fn name_or_string(rest: &str) -> Token<'_> {
    let after = rest.trim_start_matches(is_part_of_name);
    let (shown, _) = split(rest, Some(after));
    let name = shown.unwrap_or("");
    if after.starts_with('\'') && matches!(name, "e" | "E" | "b" | "B" | "x" | "X" | "n" | "N") {
        return (None, after_string(after, name.eq_ignore_ascii_case("e")));
    }
    if after.starts_with("&'") && name.eq_ignore_ascii_case("u") {
        return (None, after.strip_prefix('&').and_then(|a| after_string(a, false)));
    }
    (shown, Some(after))
}

/// `$1`, or a string between `$tag$`s.
fn dollar(rest: &str) -> Token<'_> {
    let body = rest.strip_prefix('$').unwrap_or(rest);
    if body.starts_with(|c: char| c.is_ascii_digit()) {
        return split(rest, Some(body.trim_start_matches(|c: char| c.is_ascii_digit())));
    }
    let after_tag = body.trim_start_matches(|c| is_part_of_name(c) && c != '$');
    let Some(content) = after_tag.strip_prefix('$') else {
        // A tag that was cut, or a dollar that means nothing.
        return if after_tag.is_empty() { (None, None) } else { split(rest, Some(body)) };
    };
    let tag = rest.get(..rest.len() - content.len()).unwrap_or("$$");
    (None, content.split_once(tag).map(|(_, after)| after))
}

/// What follows the string that begins here; `None` if its end is not to be found for certain.
fn after_string(rest: &str, escapes: bool) -> Option<&str> {
    let mut chars = rest.char_indices().skip(1).peekable();
    let mut backslash = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => {
                chars.next();
            }
            '\'' => {
                let doubled = chars.next_if(|(_, c)| *c == '\'').is_some();
                // With standard_conforming_strings off, the string would not end here, or end here.
                if backslash {
                    return None;
                }
                if doubled {
                    continue;
                }
                let after = rest.get(at + 1..)?;
                // A string goes on after a line break; the second part escapes like the first.
                let next = after.trim_start();
                let gap = after.len() - next.len();
                if next.starts_with('\'') && after.get(..gap).is_some_and(|g| g.contains(['\n', '\r'])) {
                    return after_string(next, escapes);
                }
                return Some(after);
            }
            _ => {}
        }
        backslash = c == '\\' && !escapes;
    }
    None
}

/// What follows the quoted name that begins here.
fn after_quoted(rest: &str) -> Option<&str> {
    rest.strip_prefix('"')?.split_once('"').map(|(_, after)| after)
}

/// What follows the comment that begins here; comments nest.
fn after_comment(rest: &str) -> &str {
    let mut depth = 0u32;
    let mut at = rest;
    loop {
        if let Some(after) = at.strip_prefix("/*") {
            depth += 1;
            at = after;
        } else if let Some(after) = at.strip_prefix("*/") {
            depth -= 1;
            at = after;
            if depth == 0 {
                return at;
            }
        } else {
            let mut chars = at.chars();
            if chars.next().is_none() {
                return "";
            }
            at = chars.as_str();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_parameters_stay_and_literals_go() {
        for (sql, redacted) in [
            ("SELECT $1 FROM t1 WHERE a1$b = 5 AND b = 'x''y'", "SELECT $1 FROM t1 WHERE a1$b = ? AND b = ?"),
            ("CREATE ROLE \"R 1\" LOGIN PASSWORD 's3cret'", "CREATE ROLE \"R 1\" LOGIN PASSWORD ?"),
            (
                "ALTER ROLE r PASSWORD E'a\\'b' VALID UNTIL '2030-01-01'",
                "ALTER ROLE r PASSWORD ? VALID UNTIL ?",
            ),
            ("select U&'\\0441', x'ff', B'01', N'n', u&\"id\"", "select ?, ?, ?, ?, u&\"id\""),
            ("DO $$ begin raise 'x'; end $$", "DO ?"),
            ("DO $a_1$ x $$ y $a_1$; select 1", "DO ?; select ?"),
            ("select 1.5e10, 0xFF, 1_000, -.5, a[3], \"x\"\"1\"", "select ?, ?, ?, -.?, a[?], \"x\"\"1\""),
            ("/* app='x' /* nested */ */ select 1 -- secret\n from t", "select ? \n from t"),
            ("select/**/a", "select a"),
            ("select 'a'\n  'b', E'a'\n'b\\'c', d", "select ?, ?, d"),
            ("SELECT größe FROM \"naïve\" WHERE ü2 = 'ü'", "SELECT größe FROM \"naïve\" WHERE ü2 = ?"),
            ("select a ? 'b', c->>'d', e::int4, f%2", "select a ? ?, c->>?, e::int4, f%?"),
            ("", ""),
        ] {
            assert_eq!(redact(sql), redacted, "{sql}");
        }
    }

    #[test]
    fn what_is_cut_or_ambiguous_hides_the_rest() {
        for (sql, redacted) in [
            ("alter role r password 'sec", "alter role r password ?"),
            ("select E'sec\\", "select ?"),
            ("do $$ sec", "do ?"),
            ("do $ta", "do ?"),
            ("select 1 /* sec", "select ?"),
            ("select \"nam", "select \"nam"),
            // How this goes on depends on standard_conforming_strings.
            ("select 'a\\', 'sec', 'b'", "select ?"),
            ("select 'a\\'' || sec", "select ?"),
        ] {
            assert_eq!(redact(sql), redacted, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_shows(
            // Nothing that begins a string or a comment, which the filling could end.
            before in "[a-z0-9 (,=;/-]{0,12}",
            filling in "[a-z0-9 \"$/*-]{0,6}",
            cut in 0usize..80,
        ) {
            for literal in [
                format!("'{filling}SECRET{filling}'"),
                format!("E'{filling}\\'SECRET\\n{filling}'"),
                format!("$q_${filling}'SECRET{filling}$q_$"),
                format!("/*{}SECRET*/", filling.replace(['*', '/'], "")),
                "9SECRET".to_owned(),
            ] {
                // A literal must not be glued to what stands before it, nor lie in a comment.
                let sql = format!("{before} {literal} {filling}");
                let sql = sql.chars().take(cut).collect::<String>();
                let shown = redact(&sql);
                prop_assert!(!shown.contains("SECR"), "{sql} -> {shown}");
            }
        }

        #[test]
        fn anything_is_taken(sql in ".{0,60}") {
            redact(&sql);
        }
    }
}
