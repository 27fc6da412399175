//! What becomes of an answer's rows: one panel, filtered, sorted, cut, or as CSV.

use super::csv;
use super::params::{Order, Rows};
use super::refusal::Refusal;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Rows that are objects, or lists with the names of their columns beside them.
struct Table<'v> {
    columns: Option<Vec<String>>,
    rows: &'v mut Vec<Value>,
}

impl Table<'_> {
    fn columns(&self) -> Vec<String> {
        match (&self.columns, self.rows.first()) {
            (Some(columns), _) => columns.clone(),
            (None, Some(Value::Object(row))) => row.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn shape(&mut self, wanted: &Rows) -> Result<(), Refusal> {
        if let Some(q) = &wanted.q {
            self.rows.retain(|row| contains(row, q));
        }
        if let Some(sort) = &wanted.sort {
            let columns = self.columns();
            let place = columns.iter().position(|c| c == sort);
            if place.is_none() && !columns.is_empty() {
                let sort: String = sort.chars().take(40).collect();
                let hint = format!("there are: {}", columns.join(", "));
                return Err(Refusal::bad(format!("there is no column {sort:?} to sort by"), hint));
            }
            let get = |row: &Value| -> Value {
                match row {
                    Value::Object(row) => row.get(sort).cloned().unwrap_or_default(),
                    Value::Array(row) => place.and_then(|i| row.get(i)).cloned().unwrap_or_default(),
                    _ => Value::Null,
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

/// What was asked for of a page's panels (`data.panels`), or CSV of one of them.
pub fn page(answer: &mut Value, wanted: &Rows, as_csv: bool) -> Result<Option<(String, String)>, Refusal> {
    let panels = answer.pointer_mut("/data/panels").and_then(Value::as_object_mut);
    let Some(panels) = panels else { return Err(no_rows()) };
    choose(panels, wanted, as_csv)?;
    for (name, panel) in panels.iter_mut() {
        let reason = panel.get("reason").and_then(Value::as_str).unwrap_or("not known").to_owned();
        match panel.get_mut("rows").and_then(Value::as_array_mut) {
            Some(rows) => {
                let mut table = Table { columns: None, rows };
                table.shape(wanted)?;
                if as_csv {
                    return Ok(Some((name.clone(), to_csv(table))));
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
pub fn tables(answer: &mut Value, wanted: &Rows, as_csv: bool) -> Result<Option<(String, String)>, Refusal> {
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
        let columns: Vec<String> = table
            .get("columns")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|c| c.get("name")?.as_str().map(str::to_owned))
            .collect();
        let Some(rows) = table.get_mut("rows").and_then(Value::as_array_mut) else { continue };
        let mut table = Table { columns: Some(columns), rows };
        table.shape(wanted)?;
        if as_csv {
            return Ok(Some((name, to_csv(table))));
        }
    }
    if as_csv { Err(no_rows()) } else { Ok(None) }
}

/// The same of one list.
pub fn list(
    answer: &mut Value,
    at: &str,
    wanted: &Rows,
    as_csv: bool,
) -> Result<Option<(String, String)>, Refusal> {
    let Some(rows) = answer.pointer_mut(at).and_then(Value::as_array_mut) else { return Err(no_rows()) };
    let mut table = Table { columns: None, rows };
    table.shape(wanted)?;
    let name = at.rsplit('/').next().unwrap_or("rows").to_owned();
    Ok(as_csv.then(|| (name, to_csv(table))))
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

fn to_csv(table: Table<'_>) -> String {
    let columns = table.columns();
    let rows = std::mem::take(table.rows).into_iter().map(|row| match row {
        Value::Object(mut row) => {
            columns.iter().map(|c| row.remove(c).unwrap_or_default()).collect::<Vec<Value>>()
        }
        Value::Array(row) => row,
        other => vec![other],
    });
    csv::write(&columns, rows)
}

fn no_rows() -> Refusal {
    Refusal::unavailable("there are no rows now", "ask for JSON: it says what is missing")
}

fn no_panel(panel: &str, known: &[String]) -> Refusal {
    let panel: String = panel.chars().take(40).collect();
    Refusal::not_found(
        format!("there is no panel {panel:?} here"),
        format!("there are: {}", known.join(", ")),
    )
}

fn which(known: &[String]) -> Refusal {
    Refusal::bad("there are several panels here", format!("choose one with ?panel=: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({"data": {"panels": {
            "tables": {"rows": [{"name": "b", "n": 2}, {"name": "Ä", "n": null}, {"name": "C", "n": 10}]},
            "other": {"rows": null, "reason": "needs pg_monitor"},
        }}})
    }

    fn names(answer: &Value) -> Vec<&str> {
        let rows = answer.pointer("/data/panels/tables/rows").and_then(Value::as_array).unwrap();
        rows.iter().map(|r| r["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn rows_are_filtered_sorted_and_cut() {
        let shaped = |wanted: Rows| {
            let mut a = answer();
            page(&mut a, &Rows { panel: Some("tables".into()), ..wanted }, false).map(|_| a)
        };
        let sort = |column: &str, order| Rows { sort: Some(column.into()), order, ..Rows::default() };
        assert_eq!(names(&shaped(sort("n", None)).unwrap()), ["C", "b", "Ä"], "unknown comes last");
        assert_eq!(names(&shaped(sort("n", Some(Order::Asc))).unwrap()), ["b", "C", "Ä"]);
        assert_eq!(names(&shaped(sort("name", None)).unwrap()), ["b", "C", "Ä"]);
        assert_eq!(names(&shaped(Rows { q: Some("ä".into()), ..Rows::default() }).unwrap()), ["Ä"]);
        let few = Rows { limit: Some(1), ..sort("n", None) };
        assert_eq!(names(&shaped(few).unwrap()), ["C"]);
        assert!(shaped(sort("nope", None)).is_err());
    }

    #[test]
    fn csv_needs_one_panel_that_is_known() {
        let mut a = answer();
        assert!(page(&mut a, &Rows::default(), true).is_err(), "which?");
        let of = |panel: &str| Rows { panel: Some(panel.into()), ..Rows::default() };
        let (name, csv) = page(&mut answer(), &of("tables"), true).unwrap().unwrap();
        assert_eq!((name.as_str(), csv.as_str()), ("tables", "name,n\r\nb,2\r\nÄ,\r\nC,10\r\n"));
        assert!(
            page(&mut answer(), &of("other"), true).is_err() && page(&mut answer(), &of("no"), true).is_err()
        );
    }
}
