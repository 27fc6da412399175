//! Makes `schema.json` from the types, and fails if the one in the repository differs.

use schemars::generate::SchemaSettings;
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::has;
use crate::Config;

/// The largest whole number that is the same in every language that reads the schema: 2^53 - 1.
const LARGEST_INTEGER: u64 = (1 << 53) - 1;

fn generated() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    finish(&mut schema, "PGMON");
    schema
}

fn finish(schema: &mut Value, env: &str) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("type").is_some_and(|t| has(t, "integer")) && !object.contains_key("maximum") {
        object.insert("maximum".to_owned(), LARGEST_INTEGER.into());
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for (key, property) in properties {
            let name = format!("{env}_{}", key.to_ascii_uppercase());
            finish(property, &name);
            if let Some(property) = property.as_object_mut() {
                property.insert("x-env".to_owned(), name.into());
            }
        }
    }
    if let Some(items) = object.get_mut("items") {
        finish(items, &format!("{env}_0"));
    }
    if let Some(values) = object.get_mut("additionalProperties") {
        finish(values, &format!("{env}_NAME"));
    }
}

/// One line for each value, so that changes can be read, and no more: it is part of the program.
fn lines(schema: &Value) -> String {
    let mut text = Vec::new();
    schema.serialize(&mut Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b""))).unwrap();
    text.push(b'\n');
    String::from_utf8(text).unwrap()
}

#[test]
fn the_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    let fresh = lines(&generated());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == fresh,
        "crates/pgmon-config/schema.json is not what the types say; UPDATE_SCHEMA=1 cargo nextest run -p pgmon-config schema writes it anew"
    );
}

#[test]
fn the_schema_of_the_program_is_read() {
    assert_eq!(lines(&super::schema()), super::TEXT);
}
