//! Figures as people read them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A duration: `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "unknown".into();
    }
    let minus = if seconds <= -1.0 { "-" } else { "" };
    let s = seconds.abs();
    if s < 1.0 {
        return format!("{:.0} ms", s * 1000.0);
    }
    let parts = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")];
    let first = parts.iter().position(|(unit, _)| s >= *unit).unwrap_or(3);
    let mut out = String::from(minus);
    let mut rest = s.round();
    for (unit, name) in parts.iter().skip(first).take(2) {
        let whole = (rest / unit).floor();
        rest -= whole * unit;
        if whole > 0.0 {
            let space = if out.len() > minus.len() { " " } else { "" };
            let _ = write!(out, "{space}{whole:.0} {name}");
        }
    }
    out
}

/// A size: `512 B`, `4.0 MiB`.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    if unit == 0 { format!("{value:.0} {name}") } else { format!("{value:.1} {name}") }
}

/// A share of 1: `83 %`, `0.4 %`.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    // Not all is not 100 %.
    if (99.5..100.0).contains(&percent) {
        return format!("{:.1} %", (percent * 10.0).floor() / 10.0);
    }
    if percent != 0.0 && percent.abs() < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A count: `412`, `3.2 million`.
pub fn count(count: f64) -> String {
    let magnitude = count.abs();
    if magnitude >= 1e9 {
        format!("{:.1} billion", count / 1e9)
    } else if magnitude >= 1e6 {
        format!("{:.1} million", count / 1e6)
    } else if magnitude >= 10.0 || count.fract() == 0.0 {
        format!("{count:.0}")
    } else {
        format!("{count:.1}")
    }
}

/// `1 table`, `2 tables`.
pub fn counted(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// The verb that goes with a number: `1 ... is`, `2 ... are`.
pub fn is_or_are(n: f64) -> &'static str {
    if count(n) == "1" { "is" } else { "are" }
}

/// Whether a character changes what stands around it and is not seen itself: it moves a cursor, turns the
/// direction of text, or has no width.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// A name for people: on one line, and looking like nothing that it is not, whatever is in it.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_active(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// How a text begins, on one line and within so many characters.
pub fn beginning(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = inert(&words).chars().take(most + 1).collect();
    if shown.chars().count() > most {
        shown = shown.chars().take(most.saturating_sub(1)).collect();
        shown.truncate(shown.trim_end().len());
        shown.push('\u{2026}');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        let all = [0.25, 45.0, 200.0, 3600.0, 7500.0, 356_400.0, -90.0].map(seconds);
        assert_eq!(all, ["250 ms", "45 s", "3 min 20 s", "1 h", "2 h 5 min", "4 d 3 h", "-1 min 30 s"]);
        assert_eq!([0.0, 1023.0, 4_194_304.0, -2048.0].map(bytes), ["0 B", "1023 B", "4.0 MiB", "-2.0 KiB"]);
        assert_eq!([0.0, 0.004, 0.834, 1.2].map(percent), ["0 %", "0.4 %", "83 %", "120 %"]);
        assert_eq!([0.9975, 0.999_99, 1.0].map(percent), ["99.7 %", "99.9 %", "100 %"]);
        assert_eq!([0.5, 12.0, 3_210_000.0, 1.5e9].map(count), ["0.5", "12", "3.2 million", "1.5 billion"]);
    }
    #[test]
    fn no_name_looks_like_another_one() {
        assert_eq!(inert("rtl\u{202e}gnp.exe\u{202c}"), "rtl\\u{202e}gnp.exe\\u{202c}");
        let hidden = "\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{202a}\u{2060}\u{2066}\u{2069}\u{feff}\u{1b}\n";
        assert!(inert(hidden).is_ascii());
        assert_eq!(
            inert("gr\u{f6}\u{df}e \u{5e9}\u{5dc}"),
            "gr\u{f6}\u{df}e \u{5e9}\u{5dc}",
            "what is seen stays"
        );
    }

    #[test]
    fn a_statement_is_known_by_how_it_begins() {
        assert_eq!(beginning("SELECT a\n   FROM\tt", 60), "SELECT a FROM t");
        assert_eq!(beginning("SELECT aaaa FROM t", 12), "SELECT aaaa\u{2026}");
        assert_eq!(beginning("SELECT aaaa", 11), "SELECT aaaa");
    }
}
