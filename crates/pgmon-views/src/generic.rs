//! A collector's rows for those that do not know it: the generic panel.

use crate::answer::{Answer, Need, State};
use crate::source::{Source, executed};
use pgmon_collect::postgres::collector::Registered;
use pgmon_collect::postgres::collectors::ALL;
use pgmon_core::metric::{FamilyDesc, Kind, Value as Sampled};
use pgmon_core::snapshot::{Loop, Output, query_name};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// `collectors/{name}`: what a collector found last.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CollectorData {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The loop that it runs in.
    #[serde(rename = "loop")]
    pub in_loop: &'static str,
    /// The database that it looked at, where that is another one than the entry's.
    pub datname: Option<Arc<str>>,
    /// How far it can be relied on.
    pub state: State,
    /// Why the state is not `ok`, in words.
    pub reason: Option<String>,
    /// What cannot be seen, and what would make it visible.
    pub needs: Vec<Need>,
    /// The families of `/metrics` that it fills.
    pub metrics: Vec<MetricInfo>,
    /// Its rows. A collector of one list has one table; one that finds several things has several.
    pub tables: Vec<Table>,
}

/// A family of `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MetricInfo {
    /// Its name, for `history/{metric}`.
    pub name: String,
    /// `gauge`, `counter`, `histogram` or `summary`.
    pub kind: &'static str,
    /// What it measures.
    pub help: String,
    /// Its labels besides `cluster` and `db`.
    pub labels: Vec<String>,
}

/// Rows of one kind.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Table {
    /// Its name, for `?panel=`: `rows` if there is only one.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a value for each column.
    pub rows: Vec<Vec<Value>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Column {
    /// Its name; the unit is its end: `_seconds`, `_bytes`, `_ratio`, `_ms`, ...
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// `string`, `number`, `integer`, `boolean`, `array` or `object`.
    pub kind: String,
}

/// What a collector or a query of the configuration found last; `None` if there is none of this name.
pub fn answer(s: &Source<'_>, name: &str) -> Option<Answer<CollectorData>> {
    let registered = ALL.iter().find(|r| r.spec.name == name);
    let found = s.find(name);
    if registered.is_none() && found.is_none() {
        return None;
    }
    let standing = s.standing(name);
    let needs = s.needs(name);
    let good = found.and_then(|f| f.state.good.as_deref());
    let data = CollectorData {
        name: name.to_owned(),
        title: registered
            .map_or_else(|| query_name(name).unwrap_or(name).to_owned(), |r| r.spec.title.to_owned()),
        in_loop: found
            .map(|f| f.state.in_loop)
            .or(registered.map(|r| r.spec.in_loop))
            .unwrap_or(Loop::Storage)
            .name(),
        datname: found.and_then(|f| f.state.datname.clone()),
        state: standing.state,
        reason: standing.reason.clone(),
        needs: needs.clone(),
        metrics: match registered {
            Some(r) => r.spec.families.iter().map(|d| MetricInfo::of(&FamilyDesc::from(*d))).collect(),
            None => {
                good.map(|g| g.families.iter().map(|f| MetricInfo::of(&f.desc)).collect()).unwrap_or_default()
            }
        },
        tables: good.map(|good| tables(good, registered)).unwrap_or_default(),
    };
    Some(Answer {
        state: standing.state,
        reason: standing.reason,
        as_of: s.now.wall,
        age_seconds: standing.age_seconds,
        needs,
        executed: found.zip(good).map(|(f, good)| executed(f.state, good).collect()).unwrap_or_default(),
        data,
    })
}

impl MetricInfo {
    /// Of a family.
    pub fn of(desc: &FamilyDesc) -> Self {
        Self {
            name: desc.name().to_owned(),
            kind: kind_name(desc.kind()),
            help: desc.help().to_owned(),
            labels: desc.labels().map(str::to_owned).collect(),
        }
    }
}

/// As in JSON.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

fn tables(good: &Output, registered: Option<&Registered>) -> Vec<Table> {
    let data = good.data.as_deref().and_then(|rows| serde_json::to_value(rows).ok());
    let (Some(data), Some(registered)) = (data, registered) else { return of_families(good) };
    let schema = (registered.row_schema)().to_value();
    let shape = Shape { schema: &schema, root: &schema };
    match data {
        Value::Array(rows) => vec![table("rows", None, shape.items(), rows)],
        // Several things: its lists are tables, all else is a table of one row.
        Value::Object(object) => {
            let mut single = Map::new();
            let mut out = Vec::new();
            for (name, value) in object {
                match value {
                    Value::Array(rows) => {
                        let of = shape.property(&name);
                        out.push(table(&name, of.description(), of.items(), rows));
                    }
                    value => drop(single.insert(name, value)),
                }
            }
            if !single.is_empty() {
                out.push(table("summary", None, shape, vec![Value::Object(single)]));
            }
            out
        }
        _ => Vec::new(),
    }
}

fn table(name: &str, description: Option<String>, of: Shape<'_>, rows: Vec<Value>) -> Table {
    let names: Vec<String> = match (rows.first(), of.resolved().get("properties").and_then(Value::as_object))
    {
        (Some(Value::Object(row)), _) => row.keys().cloned().collect(),
        (_, Some(properties)) => properties.keys().cloned().collect(),
        _ => vec!["value".to_owned()],
    };
    let columns = names
        .iter()
        .map(|name| {
            let property = of.property(name);
            Column { name: name.clone(), description: property.description(), kind: property.kind() }
        })
        .collect();
    let rows = rows.into_iter().map(|row| match row {
        Value::Object(mut row) => names.iter().map(|n| row.remove(n).unwrap_or_default()).collect(),
        other => vec![other],
    });
    Table { name: name.to_owned(), description, columns, rows: rows.collect() }
}

/// What a query of the configuration returned is there as samples alone.
fn of_families(good: &Output) -> Vec<Table> {
    good.families
        .iter()
        .map(|family| {
            let column = |name: &str, kind: &str| Column {
                name: name.to_owned(),
                description: None,
                kind: kind.to_owned(),
            };
            let mut columns: Vec<Column> = family.desc.labels().map(|l| column(l, "string")).collect();
            columns.push(column("value", "number"));
            let rows = family.samples.iter().map(|sample| {
                let mut row: Vec<Value> = sample.labels.iter().map(|l| Value::from(&**l)).collect();
                row.push(match &sample.value {
                    Sampled::Number(value) => Value::from(*value),
                    Sampled::Histogram(h) => Value::from(h.count()),
                    Sampled::Summary(s) => s.count.map_or(Value::Null, Value::from),
                });
                row
            });
            Table {
                name: family.desc.name().to_owned(),
                description: Some(family.desc.help().to_owned()),
                columns,
                rows: rows.collect(),
            }
        })
        .collect()
}

/// A part of a JSON Schema.
#[derive(Clone, Copy)]
struct Shape<'v> {
    schema: &'v Value,
    root: &'v Value,
}

impl<'v> Shape<'v> {
    fn resolved(self) -> &'v Value {
        let reference = self.schema.get("$ref").and_then(Value::as_str);
        let found = reference.and_then(|r| self.root.pointer(r.trim_start_matches('#')));
        found.unwrap_or(self.schema)
    }

    fn items(self) -> Self {
        Self { schema: self.resolved().get("items").unwrap_or(&Value::Null), ..self }
    }

    fn property(self, name: &str) -> Self {
        let found = self.resolved().get("properties").and_then(|p| p.get(name));
        Self { schema: found.unwrap_or(&Value::Null), ..self }
    }

    fn description(self) -> Option<String> {
        let text = self.schema.get("description").or_else(|| self.resolved().get("description"));
        text.and_then(Value::as_str).map(|text| text.replace('\n', " "))
    }

    /// The type, without `null`.
    fn kind(self) -> String {
        let of = |value: &Value| match value {
            Value::String(kind) => Some(kind.clone()),
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).find(|k| *k != "null").map(str::to_owned)
            }
            _ => None,
        };
        self.resolved().get("type").and_then(of).unwrap_or_else(|| "object".to_owned())
    }
}
