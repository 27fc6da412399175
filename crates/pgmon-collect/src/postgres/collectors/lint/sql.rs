//! A small lexer and the rules that every statement of pgmon keeps.

use std::collections::BTreeSet;

/// Functions and views of extensions: unqualified, because an extension may be in any schema; the
/// `search_path` names it.
const OF_EXTENSIONS: &[&str] = &[
    "pg_stat_statements",
    "pg_stat_statements_info",
    "pg_stat_monitor",
    "pgstattuple",
    "pgstattuple_approx",
    "pgstatindex",
    "pgstatginindex",
    "pgstathashindex",
    "pg_freespace",
    "pg_visibility_map_summary",
    "pg_buffercache_summary",
    "pg_buffercache_usage_counts",
    "histogram",
    "get_histogram_timings",
];

/// Words that a parenthesis may follow without being a function.
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "coalesce",
    "cube",
    "distinct",
    "else",
    "except",
    "exists",
    "explain",
    "extract",
    "filter",
    "from",
    "greatest",
    "group",
    "grouping",
    "having",
    "in",
    "intersect",
    "is",
    "join",
    "lateral",
    "least",
    "like",
    "limit",
    "materialized",
    "not",
    "nullif",
    "offset",
    "on",
    "only",
    "operator",
    "or",
    "over",
    "overlay",
    "partition",
    "position",
    "rollup",
    "row",
    "rows",
    "select",
    "sets",
    "some",
    "substring",
    "then",
    "trim",
    "union",
    "using",
    "values",
    "when",
    "where",
    "within",
];

/// What writes, waits, notifies, burns a transaction id or reaches elsewhere, also in READ ONLY.
const FORBIDDEN: &[&str] = &[
    "dblink",
    "dblink_exec",
    "lo_create",
    "lo_creat",
    "lo_import",
    "lo_from_bytea",
    "lo_put",
    "lo_unlink",
    "nextval",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_xact_lock",
    "pg_cancel_backend",
    "pg_current_xact_id",
    "pg_logical_emit_message",
    "pg_notify",
    "pg_reload_conf",
    "pg_sleep",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_try_advisory_lock",
    "set_config",
    "setval",
    "txid_current",
];

/// Words that change data or objects, wherever they stand.
const WRITES: &[&str] = &[
    "alter", "copy", "create", "delete", "drop", "grant", "insert", "listen", "lock", "merge", "notify",
    "revoke", "truncate", "vacuum",
];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// Words in lower case, quoted names as they are with their quotes, `'` for a literal, else one character.
    text: String,
    line: usize,
    word: bool,
}

/// Words, names and punctuation, without comments; what is in literals is dropped.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let chars: Vec<char> = sql.chars().collect();
    let mut out = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let c = chars[i];
        let from = i;
        let start = line;
        if c == '-' && chars.get(i + 1) == Some(&'-') {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
            continue;
        } else if c == '/' && chars.get(i + 1) == Some(&'*') {
            while i < chars.len() && !(chars[i] == '*' && chars.get(i + 1) == Some(&'/')) {
                line += usize::from(chars[i] == '\n');
                i += 1;
            }
            i += 2;
            continue;
        } else if c == '\'' || c == '"' {
            i += 1;
            while i < chars.len() && chars[i] != c {
                line += usize::from(chars[i] == '\n');
                i += 1;
            }
            i += 1;
            let text = if c == '"' { chars[from..i.min(chars.len())].iter().collect() } else { "'".into() };
            out.push(Token { text, line: start, word: c == '"' });
            continue;
        } else if c.is_alphabetic() || c == '_' {
            while i < chars.len() && (chars[i].is_alphanumeric() || chars[i] == '_' || chars[i] == '$') {
                i += 1;
            }
            let text: String = chars[from..i].iter().collect();
            out.push(Token { text: text.to_lowercase(), line, word: true });
            continue;
        } else if c.is_ascii_digit() {
            while i < chars.len() && (chars[i].is_alphanumeric() || chars[i] == '.') {
                i += 1;
            }
            out.push(Token { text: "0".into(), line, word: false });
            continue;
        } else if !c.is_whitespace() {
            out.push(Token { text: c.to_string(), line, word: false });
        }
        line += usize::from(c == '\n');
        i += 1;
    }
    out
}

/// The parenthesis that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len()
}

/// Names of WITH queries: `name AS (` or `name (columns) AS (`.
fn with_names(tokens: &[Token]) -> BTreeSet<&str> {
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let begins = |i: usize| text(i) == "as" && matches!(text(i + 1), "(" | "materialized" | "not");
    let named = |i: usize| begins(i + 1) || (text(i + 1) == "(" && begins(closing(tokens, i + 1) + 1));
    (0..tokens.len()).filter(|i| tokens[*i].word && named(*i)).map(|i| tokens[i].text.as_str()).collect()
}

/// What is wrong with a statement, each with its line.
pub(super) fn problems(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    let head = sql.lines().next().unwrap_or_default();
    if !head.starts_with("-- ") || head.len() < 20 {
        found.push("line 1: must be a comment (`-- ...`) that says what the statement returns".into());
    }
    let tokens = tokens(sql);
    if !matches!(tokens.first().map(|t| t.text.as_str()), Some("select" | "with" | "explain")) {
        found.push("must begin with SELECT, WITH or EXPLAIN after its comment".into());
    }
    let names = with_names(&tokens);
    stars_and_functions(&tokens, &names, &mut found);
    relations(&tokens, &names, &mut found);
    found
}

fn stars_and_functions(tokens: &[Token], with_names: &BTreeSet<&str>, found: &mut Vec<String>) {
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map_or("", |i| tokens[i].text.as_str());
        let after = tokens.get(i + 1).map_or("", |t| t.text.as_str());
        let (text, line) = (token.text.as_str(), token.line);
        match text {
            // All columns of a WITH query are those that we named there.
            "*" if before == "." && i >= 2 && with_names.contains(tokens[i - 2].text.as_str()) => {}
            "*" if matches!(before, "select" | "distinct" | "all" | "," | ".") => {
                found.push(format!(
                    "line {line}: name the columns instead of `*`: a new version may add some"
                ));
            }
            ";" => found.push(format!("line {line}: `;`: one file is one statement, without a semicolon")),
            _ if WRITES.contains(&text) && token.word && !matches!(before, "." | "as") && after != "." => {
                found.push(format!("line {line}: `{text}`: pgmon only reads"));
            }
            _ => {}
        }
        if !token.word || after != "(" {
            continue;
        }
        if FORBIDDEN.contains(&text) {
            found.push(format!("line {line}: {text}() must never run on a monitored server"));
        }
        // An alias with columns (`AS x (a, b)`, `unnest(...) x(a)`), a type with a length, a WITH query.
        let names_something = matches!(before, "." | "as" | ":" | ")") || with_names.contains(text);
        let known = KEYWORDS.contains(&text) || OF_EXTENSIONS.contains(&text);
        if !names_something && !known {
            found.push(format!(
                "line {line}: {text}( is not qualified: write pg_catalog.{text}(, or add it to OF_EXTENSIONS or KEYWORDS in collectors/lint/sql.rs"
            ));
        }
    }
}

/// What stands after FROM, JOIN and the commas between: qualified, a WITH query, or of an extension.
fn relations(tokens: &[Token], with_names: &BTreeSet<&str>, found: &mut Vec<String>) {
    // Per parenthesis: whether we are within a FROM clause, and whether FROM means something else.
    let mut frames = vec![(false, false)];
    let mut expected = false;
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map_or("", |i| tokens[i].text.as_str());
        let after = tokens.get(i + 1).map_or("", |t| t.text.as_str());
        let text = token.text.as_str();
        let Some(frame) = frames.last_mut() else { return };
        match text {
            "(" => {
                let special = matches!(before, "extract" | "substring" | "trim" | "overlay" | "position");
                frames.push((false, special));
                expected = false;
            }
            ")" => {
                frames.pop();
                expected = false;
            }
            "from" if frame.1 || before == "distinct" => {}
            "from" => {
                frame.0 = true;
                expected = true;
            }
            "join" => expected = true,
            "," if frame.0 => expected = true,
            "where" | "group" | "order" | "having" | "limit" | "union" | "except" | "intersect"
            | "window" => {
                frame.0 = false;
            }
            "lateral" | "only" | "rows" if expected => {}
            _ if expected && token.word => {
                expected = false;
                let line = token.line;
                if after == "." {
                    if !matches!(text, "pg_catalog" | "information_schema") {
                        found.push(format!(
                            "line {line}: schema {text}: an extension's schema is not known beforehand"
                        ));
                    }
                } else if after != "(" && !with_names.contains(text) && !OF_EXTENSIONS.contains(&text) {
                    found.push(format!(
                        "line {line}: relation {text} is not qualified: write pg_catalog.{text}"
                    ));
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_rules_find_what_they_are_for() {
    let all = |sql: &str| problems(&format!("-- A comment that says it all.\n{sql}")).join("\n");
    for (sql, says) in [
        ("SELECT * FROM pg_catalog.pg_class", "name the columns"),
        ("SELECT c.* FROM pg_catalog.pg_class AS c", "name the columns"),
        ("SELECT pg_catalog.count(*) FROM pg_class", "relation pg_class is not qualified"),
        ("SELECT 1 FROM pg_catalog.pg_class AS c, pg_index AS i", "relation pg_index"),
        ("SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_index AS i ON true", "relation pg_index"),
        ("SELECT count(*) FROM pg_catalog.pg_class", "count( is not qualified"),
        ("SELECT 1 WHERE EXISTS (SELECT now())", "now( is not qualified"),
        ("SELECT 1 FROM public.pg_stat_statements", "schema public"),
        ("SELECT pg_catalog.txid_current()", "must never run"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("WITH x AS (DELETE FROM pg_catalog.pg_class) SELECT 1", "only reads"),
        ("UPDATE pg_catalog.pg_class SET relname = ''", "must begin with SELECT"),
    ] {
        assert!(all(sql).contains(says), "{sql}: {}", all(sql));
    }
    assert!(problems("SELECT 1").join("").contains("line 1"));
}

#[test]
fn the_rules_let_through_what_is_right() {
    let sql = r#"-- Everything that looks like a mistake and is none; one row.
/* SELECT * FROM t */
WITH RECURSIVE x (a, b) AS (SELECT 1, 2 UNION SELECT 3, 4),
     y AS MATERIALIZED (SELECT pg_catalog.count(*) AS n, 'FROM t, count(*)'::text AS "FROM pg_class(*)" FROM x)
SELECT y.*, EXTRACT(epoch FROM pg_catalog.now() - a.xact_start)::float8 AS age, 2 * x.a AS twice,
       x.a IS DISTINCT FROM x.b AS differs, COALESCE(x.a, 1) AS one, CAST(x.a AS numeric(10, 2)) AS price,
       pg_catalog.sum(x.b) FILTER (WHERE x.a > 1) OVER (PARTITION BY x.a) AS total,
       ARRAY(SELECT u.v FROM pg_catalog.unnest($1::text[]) AS u (v)) AS list
  FROM pg_catalog.pg_stat_activity AS a, y
 CROSS JOIN LATERAL pg_catalog.unnest(ARRAY[1]) AS w (i)
  JOIN x ON x.a = ANY ($1) AND x.b IN (1, 2)
  LEFT JOIN LATERAL (SELECT 1) AS z ON true
  JOIN pg_stat_statements(false) AS s ON true
 WHERE EXISTS (SELECT 1 FROM x)
 ORDER BY 1, 2
"#;
    assert_eq!(problems(sql), [""; 0]);
}
