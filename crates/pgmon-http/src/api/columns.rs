//! What columns rows have: as their type is described, so that a list without rows has them, too.

use pgmon_views::{Level, State, UpState};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value};

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values from good to bad, if it says how bad something is.
    pub severity: Option<Vec<Value>>,
    /// Whether rows may be without it.
    pub optional: bool,
}

impl Column {
    /// A column whose values are what they are.
    pub fn plain(name: String) -> Self {
        Self { name, severity: None, optional: false }
    }
}

/// The columns of the rows at `path` in what is written of a `T`; `path` names fields.
pub fn of<T: JsonSchema>(path: &[&str]) -> Vec<Column> {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.subschema_for::<T>().to_value();
    let schemas = generator.take_definitions(true);
    let mut at = Some(&schema);
    for field in path {
        at = at.and_then(|schema| properties(schema, &schemas)?.get(*field));
    }
    let rows = at.and_then(|list| resolve(list, &schemas).get("items"));
    let Some((row, fields)) = rows.and_then(|row| Some((row, properties(row, &schemas)?))) else {
        return Vec::new();
    };
    let required = resolve(row, &schemas).get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|r| r == name));
    let column = |(name, schema): (&String, &Value)| Column {
        name: name.clone(),
        severity: severity(schema),
        optional: !is_required(name),
    };
    fields.iter().map(column).collect()
}

fn properties<'s>(schema: &'s Value, schemas: &'s Map<String, Value>) -> Option<&'s Map<String, Value>> {
    resolve(schema, schemas).get("properties")?.as_object()
}

fn resolve<'s>(schema: &'s Value, schemas: &'s Map<String, Value>) -> &'s Value {
    name_of(schema).and_then(|name| schemas.get(name)).unwrap_or(schema)
}

/// The name of the type that is referred to, also if there may be none.
fn name_of(schema: &Value) -> Option<&str> {
    let direct = |schema: &'_ Value| schema.get("$ref").is_some();
    let schema =
        if direct(schema) { schema } else { schema.get("anyOf")?.as_array()?.iter().find(|s| direct(s))? };
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

/// The values of a type that says how bad something is, from good to bad.
fn severity(schema: &Value) -> Option<Vec<Value>> {
    match name_of(schema)? {
        "Level" => Some(written(&[Level::Ok, Level::Unknown, Level::Warn, Level::Crit])),
        "State" => {
            let all =
                [State::Ok, State::Unsupported, State::Pending, State::Degraded, State::Stale, State::Error];
            Some(written(&all))
        }
        "UpState" => Some(written(&[UpState::Up, UpState::Pending, UpState::Refused, UpState::Down])),
        _ => None,
    }
}

fn written<T: Serialize>(all: &[T]) -> Vec<Value> {
    all.iter().filter_map(|value| serde_json::to_value(value).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgmon_views::pages::{autovacuum, overview};

    fn names(columns: &[Column]) -> Vec<&str> {
        columns.iter().map(|c| c.name.as_str()).collect()
    }

    #[test]
    fn columns_are_those_of_the_description() {
        let fleet = of::<pgmon_views::fleet::Fleet>(&["targets"]);
        assert_eq!(names(&fleet)[..3], ["cluster", "db", "level"]);
        let level = fleet.iter().find(|c| c.name == "level").unwrap().severity.clone().unwrap();
        assert_eq!(level, ["ok", "unknown", "warn", "crit"]);
        assert!(fleet.iter().any(|c| c.name == "up" && c.severity.is_some()));
        let optional: Vec<&str> = fleet.iter().filter(|c| c.optional).map(|c| c.name.as_str()).collect();
        assert_eq!(optional, ["transactions_history", "connections_history"]);
        assert!(fleet[0].severity.is_none() && of::<overview::Panels>(&["nope", "rows"]).is_empty());
        // Fields of a type within the row stand among its own.
        let tables = of::<autovacuum::Panels>(&["tables", "rows"]);
        assert!(tables.iter().any(|c| c.name == "level") && tables.iter().any(|c| c.name == "relation"));
    }
}
