//! What becomes of an answer's rows: one panel, filtered, sorted, cut, or as CSV.

use super::columns::{self, Column};
use super::params::{Order, Rows};
use super::refusal::Refusal;
use super::{csv, near};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// The name of a list and its CSV, if that is what was asked for.
pub type Shaped = Result<Option<(String, String)>, Refusal>;

/// Rows that are objects, or lists in the order of the columns.
struct Table<'v> {
    columns: Vec<Column>,
    rows: &'v mut Vec<Value>,
}

impl Table<'_> {
    fn shape(&mut self, wanted: &Rows) -> Result<(), Refusal> {
        if let Some(q) = &wanted.q {
            self.rows.retain(|row| contains(row, q));
        }
        if let Some(sort) = &wanted.sort {
            let (place, column) = find(&self.columns, sort)?;
            let get = |row: &Value| -> Value {
                let value = match row {
                    Value::Object(row) => row.get(sort),
                    Value::Array(row) => row.get(place),
                    _ => None,
                };
                let rank = |all: &Vec<Value>| all.iter().position(|v| Some(v) == value);
                match &column.severity {
                    Some(all) => rank(all).map_or(Value::Null, Value::from),
                    None => value.cloned().unwrap_or_default(),
                }
            };
            let texts = self.rows.iter().map(&get).find(|v| !v.is_null()).is_some_and(|v| v.is_string());
            let order = wanted.order.unwrap_or(if texts { Order::Asc } else { Order::Desc });
            self.rows.sort_by_cached_key(|row| Key(get(row), order));
        }
        if let Some(limit) = wanted.limit {
            self.rows.truncate(limit);
        }
        Ok(())
    }

    fn into_csv(self) -> String {
        let Self { mut columns, rows } = self;
        columns.retain(|c| !c.optional || rows.iter().any(|row| row.get(&c.name).is_some()));
        let names: Vec<String> = columns.into_iter().map(|c| c.name).collect();
        let rows = std::mem::take(rows).into_iter().map(|row| match row {
            Value::Object(mut row) => {
                names.iter().map(|c| row.remove(c).unwrap_or_default()).collect::<Vec<Value>>()
            }
            Value::Array(row) => row,
            other => vec![other],
        });
        csv::write(&names, rows)
    }
}

/// The column to sort by, and its place.
fn find<'c>(columns: &'c [Column], sort: &str) -> Result<(usize, &'c Column), Refusal> {
    columns.iter().enumerate().find(|(_, c)| c.name == sort).ok_or_else(|| {
        let names = || columns.iter().map(|c| c.name.as_str());
        let known = format!("there are: {}", names().collect::<Vec<_>>().join(", "));
        let short: String = sort.chars().take(40).collect();
        Refusal::bad(format!("there is no column {short:?} to sort by"), near::hint(sort, names(), &known))
    })
}

/// A value to sort by: what is unknown comes last in either order.
#[derive(PartialEq)]
struct Key(Value, Order);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let known = match (&self.0, &other.0) {
            (Value::Null, Value::Null) => return Ordering::Equal,
            (Value::Null, _) => return Ordering::Greater,
            (_, Value::Null) => return Ordering::Less,
            (Value::Number(a), Value::Number(b)) => {
                a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0))
            }
            (Value::String(a), Value::String(b)) => a.to_lowercase().cmp(&b.to_lowercase()).then(a.cmp(b)),
            (a, b) => a.to_string().cmp(&b.to_string()),
        };
        if self.1 == Order::Desc { known.reverse() } else { known }
    }
}

/// Whether a text in a row contains this, which is in lower case.
fn contains(value: &Value, q: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase().contains(q),
        Value::Array(list) => list.iter().any(|v| contains(v, q)),
        Value::Object(object) => object.values().any(|v| contains(v, q)),
        _ => false,
    }
}

/// What was asked for of the panels of a page (`data.panels`), or CSV of one of them.
pub fn page(
    answer: &mut Value,
    wanted: &Rows,
    as_csv: bool,
    columns_of: impl Fn(&str) -> Vec<Column>,
) -> Shaped {
    let panels = answer.pointer_mut("/data/panels").and_then(Value::as_object_mut);
    let Some(panels) = panels else { return Err(no_rows()) };
    choose(panels, wanted, as_csv)?;
    for (name, panel) in panels.iter_mut() {
        let columns = match needs_columns(wanted, as_csv) {
            true => columns_of(name),
            false => Vec::new(),
        };
        if let Some(sort) = &wanted.sort {
            // A wrong name is wrong whether there are rows or not.
            find(&columns, sort)?;
        }
        let reason = panel.get("reason").and_then(Value::as_str).unwrap_or("not known").to_owned();
        match panel.get_mut("rows").and_then(Value::as_array_mut) {
            Some(rows) => {
                let mut table = Table { columns, rows };
                table.shape(wanted)?;
                if as_csv {
                    return Ok(Some((name.clone(), table.into_csv())));
                }
            }
            None if as_csv => {
                return Err(Refusal::unavailable(
                    format!("{name} has no rows: {reason}"),
                    "ask for JSON: it says what is missing",
                ));
            }
            None => {}
        }
    }
    Ok(None)
}

/// The same of lists beside each other (`data.tables` of a collector).
pub fn tables(answer: &mut Value, wanted: &Rows, as_csv: bool) -> Shaped {
    let Some(tables) = answer.pointer_mut("/data/tables").and_then(Value::as_array_mut) else {
        return Err(no_rows());
    };
    let name = |table: &Value| table.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(panel) = &wanted.panel {
        let known: Vec<String> = tables.iter().map(name).collect();
        tables.retain(|table| name(table) == *panel);
        if tables.is_empty() {
            return Err(no_panel(panel, &known));
        }
    }
    if tables.len() > 1 && (as_csv || wanted.sort.is_some()) {
        return Err(which(&tables.iter().map(name).collect::<Vec<_>>()));
    }
    for table in tables.iter_mut() {
        let name = name(table);
        let columns = table.get("columns").and_then(Value::as_array).into_iter().flatten();
        let columns: Vec<Column> =
            columns.filter_map(|c| Some(Column::plain(c.get("name")?.as_str()?.to_owned()))).collect();
        let Some(rows) = table.get_mut("rows").and_then(Value::as_array_mut) else { continue };
        let mut table = Table { columns, rows };
        table.shape(wanted)?;
        if as_csv {
            return Ok(Some((name, table.into_csv())));
        }
    }
    if as_csv { Err(no_rows()) } else { Ok(None) }
}

/// The same of the list `name` in the answer of a path.
pub fn list(answer: &mut Value, (path, name): (&str, &str), wanted: &Rows, as_csv: bool) -> Shaped {
    let rows = answer.get_mut("data").and_then(|data| data.get_mut(name)?.as_array_mut());
    let Some(rows) = rows else { return Err(no_rows()) };
    let columns = if needs_columns(wanted, as_csv) { columns::of(path, name) } else { Vec::new() };
    let mut table = Table { columns, rows };
    table.shape(wanted)?;
    Ok(as_csv.then(|| (name.to_owned(), table.into_csv())))
}

/// What is not about rows stays as it is.
pub fn none(_: &mut Value, _: &Rows, _: bool) -> Shaped {
    Ok(None)
}

fn needs_columns(wanted: &Rows, as_csv: bool) -> bool {
    as_csv || wanted.sort.is_some()
}

fn choose(panels: &mut Map<String, Value>, wanted: &Rows, as_csv: bool) -> Result<(), Refusal> {
    let known: Vec<String> = panels.keys().cloned().collect();
    if let Some(panel) = &wanted.panel {
        panels.retain(|name, _| name == panel);
        if panels.is_empty() {
            return Err(no_panel(panel, &known));
        }
    }
    if panels.len() > 1 && (as_csv || wanted.sort.is_some()) {
        return Err(which(&known));
    }
    Ok(())
}

fn no_rows() -> Refusal {
    Refusal::unavailable("there are no rows now", "ask for JSON: it says what is missing")
}

fn no_panel(panel: &str, known: &[String]) -> Refusal {
    let short: String = panel.chars().take(40).collect();
    let all = format!("there are: {}", known.join(", "));
    let hint = near::hint(panel, known.iter().map(String::as_str), &all);
    Refusal::not_found(format!("there is no panel {short:?} here"), hint)
}

fn which(known: &[String]) -> Refusal {
    Refusal::bad("there are several panels here", format!("choose one with ?panel=: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgmon_views::{Level, Panel, State};
    use serde::Serialize;
    use serde_json::json;

    #[derive(Serialize)]
    struct Panels {
        tables: Panel<Row>,
        other: Panel<Row>,
    }

    #[derive(Serialize)]
    struct Row {
        name: String,
        n: Option<u32>,
        level: Option<Level>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seldom: Option<u32>,
    }

    fn shaped(answer: &mut Value, wanted: &Rows, as_csv: bool) -> Shaped {
        let level = ["ok", "unknown", "warn", "crit"].map(Value::from).to_vec();
        let column = |name: &str| Column::plain(name.into());
        let columns = vec![
            column("name"),
            column("n"),
            Column { severity: Some(level), ..column("level") },
            Column { optional: true, ..column("seldom") },
        ];
        page(answer, wanted, as_csv, |_| columns.clone())
    }

    fn answer(rows: Vec<Row>) -> Value {
        let panel = |rows| Panel {
            title: "Tables",
            state: State::Ok,
            reason: Some("needs pg_monitor".into()),
            needs: Vec::new(),
            age_seconds: None,
            collectors: Vec::new(),
            stats_reset_age_seconds: None,
            note: None,
            empty: None,
            rows,
        };
        json!({"data": {"panels": Panels { tables: panel(Some(rows)), other: panel(None) }}})
    }

    fn three() -> Value {
        let row = |name: &str, n, level| Row { name: name.into(), n, level, seldom: None };
        answer(vec![
            row("b", Some(2), Some(Level::Crit)),
            row("\u{c4}", None, Some(Level::Unknown)),
            row("C", Some(10), Some(Level::Warn)),
            row("d", Some(4), None),
            row("e", Some(5), Some(Level::Ok)),
        ])
    }

    fn names(answer: &Value) -> Vec<&str> {
        let rows = answer.pointer("/data/panels/tables/rows").and_then(Value::as_array).unwrap();
        rows.iter().map(|r| r["name"].as_str().unwrap()).collect()
    }

    fn of(panel: &str) -> Rows {
        Rows { panel: Some(panel.into()), ..Rows::default() }
    }

    fn sort(column: &str, order: Option<Order>) -> Rows {
        Rows { sort: Some(column.into()), order, ..of("tables") }
    }

    #[test]
    fn rows_are_filtered_sorted_and_cut() {
        let shaped = |wanted: Rows| {
            let mut a = three();
            super::tests::shaped(&mut a, &wanted, false).map(|_| a)
        };
        assert_eq!(
            names(&shaped(sort("n", None)).unwrap()),
            ["C", "e", "d", "b", "\u{c4}"],
            "unknown is last"
        );
        assert_eq!(names(&shaped(sort("n", Some(Order::Asc))).unwrap()), ["b", "d", "e", "C", "\u{c4}"]);
        assert_eq!(names(&shaped(sort("name", None)).unwrap()), ["b", "C", "d", "e", "\u{c4}"]);
        assert_eq!(names(&shaped(Rows { q: Some("\u{e4}".into()), ..of("tables") }).unwrap()), ["\u{c4}"]);
        let few = Rows { limit: Some(1), ..sort("n", None) };
        assert_eq!(names(&shaped(few).unwrap()), ["C"]);
    }

    #[test]
    fn how_bad_something_is_sorts_by_that_and_not_by_its_word() {
        for (order, wanted) in [
            (None, ["b", "C", "\u{c4}", "e", "d"]),
            (Some(Order::Desc), ["b", "C", "\u{c4}", "e", "d"]),
            (Some(Order::Asc), ["e", "\u{c4}", "C", "b", "d"]),
        ] {
            let mut a = three();
            shaped(&mut a, &sort("level", order), false).unwrap();
            assert_eq!(names(&a), wanted, "{order:?}");
        }
    }

    #[test]
    fn a_column_that_there_is_not_is_an_error_with_and_without_rows() {
        let empty = || answer(Vec::new());
        for mut a in [three(), empty()] {
            assert!(shaped(&mut a, &sort("nope", None), false).is_err());
            assert!(shaped(&mut a, &sort("seldom", None), false).is_ok(), "it could be there");
        }
        let unknown = Rows { sort: Some("nope".into()), ..of("other") };
        assert!(shaped(&mut three(), &unknown, false).is_err());
        let gone = Rows { q: Some("nobody".into()), ..sort("nope", None) };
        assert!(shaped(&mut three(), &gone, false).is_err());
    }

    #[test]
    fn csv_needs_one_panel_that_is_known_and_always_has_its_head() {
        assert!(shaped(&mut three(), &Rows::default(), true).is_err(), "which?");
        let wanted = Rows { limit: Some(2), ..of("tables") };
        let (name, csv) = shaped(&mut three(), &wanted, true).unwrap().unwrap();
        assert_eq!(
            (name.as_str(), csv.as_str()),
            ("tables", "name,n,level\r\nb,2,crit\r\n\u{c4},,unknown\r\n")
        );
        let none = Rows { q: Some("nobody".into()), ..of("tables") };
        let (_, csv) = shaped(&mut three(), &none, true).unwrap().unwrap();
        assert_eq!(csv, "name,n,level\r\n");
        let seldom = Row { name: "f".into(), n: None, level: None, seldom: Some(1) };
        let (_, csv) = shaped(&mut answer(vec![seldom]), &of("tables"), true).unwrap().unwrap();
        assert_eq!(csv, "name,n,level,seldom\r\nf,,,1\r\n");
        for panel in ["other", "no"] {
            assert!(shaped(&mut three(), &of(panel), true).is_err(), "{panel}");
        }
    }
}
