//! Our check of the schema's words against a library that knows all of JSON Schema.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::schema::{Shape, schema};
use crate::tree::{Data, Member, Node, Place, Style};
use crate::validate::validate;

/// What the schema may say: what is checked, and what is there for people and editors.
const WORDS: &[&str] = &[
    "type",
    "const",
    "enum",
    "oneOf",
    "anyOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "minLength",
    "maxLength",
    "format",
    "pattern",
    "description",
    "title",
    "default",
    "examples",
    "deprecated",
    "writeOnly",
    "$schema",
    "x-env",
    "x-secret",
    "x-aliases",
    "x-verbatim",
    "x-short",
];

fn words_of(schema: &Value, path: &str, unknown: &mut Vec<String>) {
    let Some(object) = schema.as_object() else { return };
    for (word, value) in object {
        if !WORDS.contains(&word.as_str()) {
            unknown.push(format!("{path}: {word}"));
        }
        match word.as_str() {
            "properties" => {
                for (key, property) in value.as_object().into_iter().flatten() {
                    words_of(property, &format!("{path}/{key}"), unknown);
                }
            }
            "items" | "additionalProperties" => words_of(value, &format!("{path}/{word}"), unknown),
            "oneOf" | "anyOf" => {
                for choice in value.as_array().into_iter().flatten() {
                    words_of(choice, &format!("{path}/{word}"), unknown);
                }
            }
            "minLength" => assert!(value.as_u64() <= Some(1), "{path}: the message says \"empty\""),
            _ => {}
        }
    }
}

#[test]
fn the_schema_has_no_word_that_is_not_checked() {
    let mut unknown = Vec::new();
    words_of(&schema(), "", &mut unknown);
    assert_eq!(unknown, Vec::<String>::new());
}

fn node(value: &Value) -> Node {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(b) => Data::Bool(*b),
        Value::Number(n) => Data::Number(n.clone()),
        Value::String(s) => Data::Text(s.clone(), Style::Exact),
        Value::Array(items) => Data::List(items.iter().map(node).collect()),
        Value::Object(members) => Data::Map(
            members
                .iter()
                .map(|(k, v)| Member { key: k.clone(), at: Place::Nowhere, node: node(v), bare: false })
                .collect(),
        ),
    };
    Node::new(Place::Nowhere, data)
}

/// The pointers at which we find a fault. An unknown key is a fault of the section around it, for the
/// library.
fn ours(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    validate(&node(value), Shape(schema), &mut faults);
    let mut pointers: Vec<String> = faults
        .into_iter()
        .map(|f| match f.pointer.rsplit_once('/') {
            Some((section, _)) if f.message.starts_with("unknown key") && f.message.len() < 20 => {
                section.to_owned()
            }
            _ => f.pointer,
        })
        .collect();
    pointers.sort();
    pointers.dedup();
    pointers
}

fn theirs(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    let mut pointers: Vec<String> = validator
        .iter_errors(value)
        .filter(|e| !matches!(e.kind(), jsonschema::error::ValidationErrorKind::Pattern { .. }))
        .map(|e| e.instance_path().as_str().to_owned())
        .collect();
    pointers.sort();
    pointers.dedup();
    pointers
}

/// The schema without formats, which the library has no rules for.
fn plain_schema() -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                if object.get("format").is_some_and(Value::is_string) {
                    object.remove("format");
                }
                object.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut schema = schema();
    strip(&mut schema);
    schema
}

/// Values of every kind, near and beyond the limits that the schema has.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..200).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, 2.5, -1.5, 1e300]).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["", "x", "json", "disable", "prefer", "approx", "info", "15s", "8MiB"])
            .prop_map(Value::from),
        "[a-z]{0,140}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,6}", inner, 0..4)
                .prop_map(|m| m.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// Every place of the schema, as the path of keys to it (`0`: an entry of a list).
fn places(schema: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
    if !path.is_empty() {
        found.push(path.to_vec());
    }
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        places(property, &[path, std::slice::from_ref(key)].concat(), found);
    }
    if let Some(items) = schema.get("items") {
        places(items, &[path, &["0".to_owned()]].concat(), found);
    }
}

fn put(into: &mut Value, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *into = value;
        return;
    };
    if key == "0" {
        if into.as_array().is_none_or(Vec::is_empty) {
            *into = json!([{}]);
        }
        return put(&mut into[0], rest, value);
    }
    if !into.is_object() {
        *into = json!({});
    }
    put(&mut into[key], rest, value);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any value in any place of the schema: both find fault in the same places.
    #[test]
    fn finds_fault_where_a_full_validator_does(values in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..5)) {
        let schema = plain_schema();
        let mut all = Vec::new();
        places(&schema, &[], &mut all);
        let mut config = json!({});
        for (which, value) in values {
            put(&mut config, &all[which.index(all.len())], value);
        }
        prop_assert_eq!(ours(&schema, &config), theirs(&schema, &config), "{}", config);
    }
}

/// Words that the present schema does not use everywhere.
#[test]
fn all_words_are_checked() {
    let schema = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "enum": ["a", "b"]},
            "ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
            "key": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["id"], "additionalProperties": false,
                "properties": {"id": {"type": "string"}}}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    });
    for (value, faulty) in [
        (json!({"name": "a", "key": "x", "labels": {"x": "y"}, "list": [1], "other": 1}), vec![]),
        (json!({}), vec![""]),
        (json!({"name": "c", "ratio": 0}), vec!["/name", "/ratio"]),
        (json!({"name": "b", "list": []}), vec!["/list"]),
        (json!({"name": "b", "list": [1, 2.5, 3]}), vec!["/list", "/list/1"]),
        (json!({"name": "b", "key": 1}), vec!["/key"]),
        (json!({"name": "b", "key": {"id": 1}}), vec!["/key/id"]),
        (json!({"name": "b", "key": {}}), vec!["/key"]),
        (json!({"name": "b", "labels": {"x": 1, "y": "z"}}), vec!["/labels/x"]),
    ] {
        assert_eq!(ours(&schema, &value), faulty, "{value}");
        assert_eq!(ours(&schema, &value).is_empty(), theirs(&schema, &value).is_empty(), "{value}");
    }
}
