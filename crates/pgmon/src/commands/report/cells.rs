//! Values as people read them, by the name of their column.

use pgmon_views::{Figure, Level, Unit, words};
use serde_json::Value;
use std::borrow::Cow;

/// What stands for a value that is not known, or not there.
pub const NONE: &str = "-";

/// A level's sign; it never stands without its word.
pub const fn sign(level: Level) -> &'static str {
    match level {
        Level::Ok => "\u{2713}",
        Level::Unknown => "?",
        Level::Warn => "\u{25b2}",
        Level::Crit => "\u{25a0}",
    }
}

/// A level's word.
pub const fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Unknown => "unknown",
        Level::Warn => "warning",
        Level::Crit => "critical",
    }
}

/// A level by its name in JSON.
pub fn level(name: &str) -> Option<Level> {
    Some(match name {
        "ok" => Level::Ok,
        "unknown" => Level::Unknown,
        "warn" => Level::Warn,
        "crit" => Level::Crit,
        _ => return None,
    })
}

/// A text on one line that does nothing: names and SQL come from the database.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(words::is_active) {
        return Cow::Borrowed(text);
    }
    let safe = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if words::is_active(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(safe).collect())
}

/// The same with its lines.
pub fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The head of a column: its name without the unit, which is with the values.
pub fn head(column: &str) -> String {
    let known = match column {
        "usename" => "user",
        "datname" => "database",
        "application_name" => "application",
        "client_addr" => "client",
        "seconds" => "for",
        "state_seconds" => "in state for",
        "bytes" => "size",
        "ratio" => "share",
        "seconds_until_protection" => "until protection",
        "is_invalid" => "invalid",
        "is_unused" => "unused",
        "is_duplicate" => "duplicate",
        "is_prefix" => "prefix of another",
        "mean_ms" => "mean",
        "mean_ms_since_reset" => "mean since reset",
        "schema_name" => "schema",
        "table_name" => "table",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let ends = ["_seconds_ago", "_age_seconds", "_seconds", "_bytes", "_ratio", "_ms"];
    let short = ends.iter().find_map(|end| column.strip_suffix(end)).unwrap_or(column);
    let short =
        short.replace("bytes_per_", "per_").replace("_per_second", " per s").replace("_per_day", " per day");
    let suffix = match column {
        c if c.ends_with("_seconds_ago") => " ago",
        c if c.ends_with("_age_seconds") => " age",
        c if c.ends_with("_bytes_per_second") || c == "bytes_per_second" => "",
        _ => "",
    };
    format!("{}{suffix}", short.replace('_', " "))
}

/// Whether a column's values stand at its right end.
pub fn is_number(value: &Value) -> bool {
    value.is_number()
}

/// Whether a column holds prose or SQL, which may be cut.
pub fn is_prose(column: &str) -> bool {
    matches!(
        column,
        "query"
            | "text"
            | "sentence"
            | "hint"
            | "message"
            | "effects"
            | "effect"
            | "sql"
            | "remedy"
            | "reason"
            | "degraded"
            | "not_measured"
            | "collectors"
            | "blind"
            | "right"
    )
}

/// A value.
pub fn cell(column: &str, value: &Value) -> String {
    match value {
        Value::Null => NONE.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => match level(text).filter(|_| column == "level") {
            Some(level) => format!("{} {}", sign(level), word(level)),
            None if is_time(column) => time(text),
            None => line(text).into_owned(),
        },
        Value::Number(number) => match number.as_f64() {
            Some(n) => self::number(column, n, number),
            None => number.to_string(),
        },
        Value::Array(list) if list.is_empty() => NONE.to_owned(),
        Value::Array(list) => list.iter().map(|v| cell(column, v)).collect::<Vec<_>>().join(", "),
        Value::Object(_) => NONE.to_owned(),
    }
}

fn is_time(column: &str) -> bool {
    column.ends_with("_at") || column == "at" || column == "stats_reset" || column == "since"
}

/// A time to the second, in UTC.
fn time(text: &str) -> String {
    text.parse::<jiff::Timestamp>().map_or_else(|_| line(text).into_owned(), moment)
}

/// The same.
pub fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn number(column: &str, n: f64, exact: &serde_json::Number) -> String {
    let has = |part: &str| column.contains(part);
    if has("bytes") {
        let per = match column {
            c if c.ends_with("_per_second") => "/s",
            c if c.ends_with("_per_day") => "/day",
            _ => "",
        };
        return words::bytes(n) + per;
    }
    if column.ends_with("_per_second") || column.ends_with("_per_call") {
        return words::count(n);
    }
    if column.ends_with("_ms") || has("_ms_") {
        return milliseconds(n);
    }
    if has("seconds") {
        return seconds(n);
    }
    if column.ends_with("ratio") || column.ends_with("share") || column.ends_with("_share_since_reset") {
        return words::percent(n);
    }
    if has("pressure") {
        return format!("{n:.2}");
    }
    if column.ends_with("pid") || column.ends_with("oid") || has("port") || has("timeline") {
        return exact.to_string();
    }
    words::count(n)
}

/// Latencies are often far below a millisecond.
fn seconds(n: f64) -> String {
    if n == 0.0 {
        "0 s".to_owned()
    } else if n.abs() < 0.01 {
        milliseconds(n * 1000.0)
    } else {
        words::seconds(n)
    }
}

fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 {
        words::seconds(ms / 1000.0)
    } else if ms >= 10.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{ms:.2} ms")
    }
}

/// A figure's value.
pub fn figure(figure: &Figure) -> String {
    let Some(value) = figure.value else { return "unknown".to_owned() };
    let shown = |value: f64| match figure.unit {
        Unit::Count | Unit::Transactions => words::count(value),
        Unit::Ratio => words::percent(value),
        Unit::Seconds => seconds(value),
        Unit::Milliseconds => milliseconds(value),
        Unit::Bytes => words::bytes(value),
        Unit::BytesPerSecond => format!("{}/s", words::bytes(value)),
        Unit::PerSecond => format!("{}/s", words::count(value)),
    };
    match figure.of {
        Some(of) => format!("{} of {}", shown(value), shown(of)),
        None => shown(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_by_the_name_of_their_column() {
        let all = [
            ("table_bytes", json!(4_194_304), "4.0 MiB"),
            ("growth_bytes_per_day", json!(2048), "2.0 KiB/day"),
            ("transaction_seconds", json!(200), "3 min 20 s"),
            ("mean_ms", json!(0.123), "0.12 ms"),
            ("latency_seconds", json!(0.000_4), "0.40 ms"),
            ("wait_seconds", json!(0), "0 s"),
            ("hit_ratio", json!(0.5), "50 %"),
            ("pid", json!(4_194_304), "4194304"),
            ("dead_tuples", json!(4_200_000), "4.2 million"),
            ("level", json!("crit"), "\u{25a0} critical"),
            ("last_at", json!("2026-01-01T10:00:00.123456Z"), "2026-01-01 10:00:00 UTC"),
            ("active", json!(false), "no"),
            ("hint", json!(null), "-"),
            ("columns", json!(["a", "b"]), "a, b"),
        ];
        for (column, value, wanted) in all {
            assert_eq!(cell(column, &value), wanted, "{column}");
        }
    }

    #[test]
    fn heads_have_no_units() {
        let all =
            ["table_bytes", "last_vacuum_seconds_ago", "reply_age_seconds", "calls_per_second", "usename"];
        assert_eq!(all.map(head), ["table", "last vacuum ago", "reply age", "calls per s", "user"]);
        assert_eq!(head("growth_bytes_per_day"), "growth per day");
    }

    #[test]
    fn no_text_moves_the_cursor_or_turns_direction() {
        assert_eq!(line("a\x1b[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c d");
        assert_eq!(lines("a\x07\nb"), "a\u{fffd}\nb");
    }
}
