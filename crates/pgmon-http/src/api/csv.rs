//! Rows as CSV (RFC 4180), safe to open in a spreadsheet.

use serde_json::Value;

/// Columns and rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe.
pub fn write(columns: &[String], rows: impl Iterator<Item = Vec<Value>>) -> String {
    let mut out = String::new();
    line(&mut out, columns.iter().map(|name| text(name)));
    for row in rows {
        line(&mut out, row.iter().map(cell));
    }
    out
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&cell);
    }
    out.push_str("\r\n");
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(s) => text(s),
        Value::Array(_) | Value::Object(_) => text(&value.to_string()),
    }
}

fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let apostrophe = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\n', '\r']) {
        format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_a_formula_and_numbers_stay_numbers() {
        let rows = [
            vec![json!("=HYPERLINK(\"http://evil\")"), json!(-1.5), json!(null)],
            vec![json!("a,b\n\"c\""), json!(true), json!(["x", 1])],
            vec![json!("-1+1"), json!("@SUM(A1)"), json!("+x")],
        ];
        let csv = write(&["name".into(), "=n".into(), "x".into()], rows.into_iter());
        assert_eq!(
            csv,
            "name,\"'=n\",x\r\n\"'=HYPERLINK(\"\"http://evil\"\")\",-1.5,\r\n\"a,b\n\"\"c\"\"\",true,\"[\"\"x\"\",1]\"\r\n\"'-1+1\",\"'@SUM(A1)\",\"'+x\"\r\n"
        );
    }
}
