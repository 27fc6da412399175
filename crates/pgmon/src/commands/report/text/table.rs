//! Columns that stand below each other, within a width.

use super::super::cells;
use super::super::terminal::Style;
use pgmon_views::Level;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// No column but the one with prose is wider.
const WIDEST: usize = 40;

/// Prose gets so much at least.
const PROSE: usize = 20;

/// Spaces between columns.
const GAP: usize = 2;

/// Rows as they are shown.
pub struct Table {
    columns: Vec<Column>,
    levels: Vec<Option<Level>>,
}

struct Column {
    head: String,
    cells: Vec<String>,
    right: bool,
    prose: bool,
    width: usize,
}

impl Table {
    /// As many columns as fit, in their order.
    pub fn new(names: &[String], rows: &[Value], width: usize) -> Self {
        let mut left = width;
        let mut columns: Vec<Column> = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if rows.iter().any(|row| row.get(name).is_some_and(Value::is_object)) {
                continue;
            }
            let column = Column::new(
                name,
                rows,
                place == 0 || (place == 1 && names.first().is_some_and(|n| n == "level")),
            );
            let gap = if columns.is_empty() { 0 } else { GAP };
            if column.width + gap <= left {
                left -= column.width + gap;
                columns.push(column);
            }
        }
        // What is left goes to what is cut, in the columns' order.
        for column in &mut columns {
            let wanted = column.natural().saturating_sub(column.width).min(left);
            let wanted = if column.prose { wanted } else { 0 };
            column.width += wanted;
            left -= wanted;
        }
        let level = |row: &Value| row.get("level").and_then(Value::as_str).and_then(cells::level);
        Self { columns, levels: rows.iter().map(level).collect() }
    }

    /// The head, and a line for each row.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let head = self.line(|column| &column.head, |text| text);
        let mut lines = vec![style.dim(&head)];
        for (row, level) in self.levels.iter().enumerate() {
            let cell =
                |column: &'_ Column| column.cells.get(row).map_or(cells::NONE, String::as_str).to_owned();
            let texts: Vec<String> = self.columns.iter().map(cell).collect();
            let mut line = String::new();
            for (place, (column, text)) in self.columns.iter().zip(&texts).enumerate() {
                let padded = column.pad(text, place + 1 == self.columns.len());
                match level {
                    Some(level) if column.head == "level" => line.push_str(&style.level(*level, &padded)),
                    _ => line.push_str(&padded),
                }
            }
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    fn line<'c>(&'c self, of: impl Fn(&'c Column) -> &'c str, then: impl Fn(String) -> String) -> String {
        let mut line = String::new();
        for (place, column) in self.columns.iter().enumerate() {
            line.push_str(&column.pad(of(column), place + 1 == self.columns.len()));
        }
        then(line.trim_end().to_owned())
    }
}

impl Column {
    fn new(name: &str, rows: &[Value], leads: bool) -> Self {
        let values: Vec<&Value> = rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)).collect();
        let indent = |row: &Value| row.get("depth").and_then(Value::as_u64).filter(|_| leads).unwrap_or(0);
        let cells: Vec<String> = values
            .iter()
            .zip(rows)
            .map(|(value, row)| {
                let indent = "  ".repeat(usize::try_from(indent(row).min(10)).unwrap_or(0));
                format!("{indent}{}", cells::cell(name, value))
            })
            .collect();
        let is_tree = rows.iter().any(|row| row.get("depth").is_some());
        let right = !(leads && is_tree)
            && values.iter().any(|v| cells::is_number(v))
            && values.iter().all(|v| v.is_null() || cells::is_number(v));
        let prose = cells::is_prose(name);
        let mut column = Self { head: cells::head(name), cells, right, prose, width: 0 };
        column.width = column.natural().min(if prose { PROSE } else { WIDEST });
        column
    }

    /// The width of its widest cell.
    fn natural(&self) -> usize {
        self.cells.iter().map(|cell| cell.width()).max().unwrap_or(0).max(self.head.width())
    }

    fn pad(&self, text: &str, is_last: bool) -> String {
        let text = cut(text, self.width);
        let space = " ".repeat(self.width.saturating_sub(text.width()));
        let gap = " ".repeat(if is_last { 0 } else { GAP });
        if self.right { format!("{space}{text}{gap}") } else { format!("{text}{space}{gap}") }
    }
}

/// The beginning of a text that is too wide.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('\u{2026}');
    out
}

/// Prose in lines of a width; a word that is wider stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PLAIN: Style = Style { width: 100, colours: false };

    fn lines(width: usize) -> Vec<String> {
        let rows = [
            json!({"level": "crit", "name": "a", "size_bytes": 1024, "query": "SELECT something that is rather long"}),
            json!({"level": "ok", "name": "größe 表", "size_bytes": null, "query": null}),
        ];
        let names = ["level", "name", "size_bytes", "query"].map(str::to_owned);
        Table::new(&names, &rows, width).lines(PLAIN)
    }

    #[test]
    fn columns_stand_below_each_other_and_prose_takes_what_is_left() {
        assert_eq!(
            lines(60),
            [
                "level       name         size  query",
                "\u{25a0} critical  a         1.0 KiB  SELECT something that is rat\u{2026}",
                "\u{2713} ok        größe 表        -  -",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        assert_eq!(lines(25), ["level       name", "\u{25a0} critical  a", "\u{2713} ok        größe 表"]);
        assert!(lines(60).iter().all(|line| line.width() <= 60));
    }

    #[test]
    fn prose_is_wrapped_between_words() {
        assert_eq!(wrap("one two  three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("a_word_that_is_wider b", 5), ["a_word_that_is_wider", "b"]);
        assert!(wrap("", 10).is_empty());
    }
}
