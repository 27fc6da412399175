//! The JSON Schema of `pgmon.yaml`, and what the loader reads from it.

#[cfg(test)]
mod generate;

use serde_json::{Map, Value, json};

use crate::tree::Data;

/// Made of the types by `generate`, whose test fails if it is not what they say. What makes it is half a
/// megabyte of code, which would be in the memory of every running pgmon.
const TEXT: &str = include_str!("../schema.json");

/// The JSON Schema of `pgmon.yaml` (draft 2020-12): every key with its description, default and, as
/// `x-env`, the environment variable that overrides it.
pub fn schema() -> Value {
    // It is a schema: a test reads it.
    serde_json::from_str(TEXT).unwrap_or_default()
}

/// A kind of configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `pgmon.yaml`
    Main,
    /// What `queries_file` names.
    Queries,
    /// What `databases_file` names.
    Databases,
}

/// The JSON Schema of a kind of file, for editors and other validators: as [`schema`], with every name
/// that a key may be written by.
pub fn schema_of(file: File) -> Value {
    let mut main = schema();
    with_aliases(&mut main);
    let list = |key: &str| main.pointer(&format!("/properties/{key}")).cloned().unwrap_or_default();
    let (mut list, inside, title) = match file {
        File::Main => return main,
        File::Queries => (list("queries"), "queries", "queries_file"),
        File::Databases => (list("databases"), "databases", "databases_file"),
    };
    without_variables(&mut list);
    let keyed = json!({
        "type": "object",
        "properties": { inside: list },
        "required": [inside],
        "additionalProperties": false,
    });
    json!({ "$schema": main.get("$schema"), "title": title, "anyOf": [list, keyed] })
}

/// Adds the other names of keys as keys.
fn with_aliases(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(with_aliases);
        let aliases: Vec<(String, Value)> = properties
            .values()
            .flat_map(|property| Shape(property).aliases().map(|alias| (alias.to_owned(), property.clone())))
            .collect();
        properties.extend(aliases);
    }
    for word in ["items", "additionalProperties"] {
        object.get_mut(word).into_iter().for_each(with_aliases);
    }
}

/// Leaves out the variables, which stand for places in the main file.
fn without_variables(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("x-env");
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(without_variables);
    }
    for word in ["items", "additionalProperties"] {
        object.get_mut(word).into_iter().for_each(without_variables);
    }
}

fn has(types: &Value, name: &str) -> bool {
    match types {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// A part of the schema: what one value may be.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'s>(pub(crate) &'s Value);

impl<'s> Shape<'s> {
    /// The keys of a section, with their shapes.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'s str, Shape<'s>)> {
        let properties: Option<&Map<_, _>> = self.0.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(key, shape)| (key.as_str(), Shape(shape)))
    }

    /// The shape of one key, by its name.
    pub(crate) fn property(self, key: &str) -> Option<Shape<'s>> {
        self.0.get("properties")?.get(key).map(Shape)
    }

    /// The shape of one key, be it named here or one of a map's.
    pub(crate) fn key(self, key: &str) -> Option<Shape<'s>> {
        self.property(key).or_else(|| self.any_other_key())
    }

    /// The shape of the sections of a map, if it has such.
    pub(crate) fn sections(self) -> Option<Shape<'s>> {
        self.any_other_key().filter(|shape| shape.properties().next().is_some())
    }

    /// The key that a bare text stands for, if a text may stand in the place of a section.
    pub(crate) fn short(self) -> Option<&'s str> {
        self.0.get("x-short").and_then(Value::as_str)
    }

    /// The shape of a list's items.
    pub(crate) fn items(self) -> Option<Shape<'s>> {
        self.0.get("items").map(Shape)
    }

    /// Other names of this key.
    pub(crate) fn aliases(self) -> impl Iterator<Item = &'s str> {
        self.0.get("x-aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The `format` of a text.
    pub(crate) fn format(self) -> Option<&'s str> {
        self.0.get("format").and_then(Value::as_str)
    }

    /// What there is to know about this key.
    pub(crate) fn description(self) -> &'s str {
        self.0.get("description").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a mark such as `deprecated` is set.
    pub(crate) fn is(self, mark: &str) -> bool {
        self.0.get(mark).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether a value may be of this JSON type.
    pub(crate) fn takes(self, name: &str) -> bool {
        self.0.get("type").is_some_and(|types| has(types, name))
            || self.choices().any(|choice| choice.takes(name))
    }

    /// Whether a value of this kind may stand here at all.
    pub(crate) fn fits_type(self, data: &Data) -> bool {
        let anything = self.0.get("type").is_none() && self.choices().next().is_none();
        anything
            || match data {
                Data::Null => self.takes("null"),
                Data::Bool(_) => self.takes("boolean"),
                Data::Number(number) => {
                    let whole = !number.is_f64() || number.as_f64().is_some_and(|n| n.fract() == 0.0);
                    self.takes("number") || whole && self.takes("integer")
                }
                Data::Text(..) => self.takes("string"),
                Data::List(_) => self.takes("array"),
                Data::Map(_) => self.takes("object"),
            }
    }

    /// Whether one of several choices takes any text, not only words of an enumeration.
    pub(crate) fn takes_any_text(self) -> bool {
        self.choices().any(|choice| choice.takes("string") && choice.words().is_empty())
    }

    /// This shape, or the one of its choices that is a list (`array`) or has keys (`object`).
    pub(crate) fn as_container(self, kind: &str) -> Self {
        self.choices().find(|choice| choice.takes(kind)).map_or(self, |choice| choice.as_container(kind))
    }

    /// A word of the schema, as it stands.
    pub(crate) fn word(self, name: &str) -> Option<&'s Value> {
        self.0.get(name)
    }

    /// A limit on a length.
    pub(crate) fn count(self, name: &str) -> Option<usize> {
        self.0.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
    }

    /// The keys that must be there.
    pub(crate) fn required(self) -> impl Iterator<Item = &'s str> {
        self.0.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether other keys than the named ones are refused.
    pub(crate) fn is_closed(self) -> bool {
        self.0.get("additionalProperties").and_then(Value::as_bool) == Some(false)
    }

    /// The shape of the values of keys that have no name here, as in a map.
    pub(crate) fn any_other_key(self) -> Option<Shape<'s>> {
        self.0.get("additionalProperties").filter(|shape| shape.is_object()).map(Shape)
    }

    /// The words of an enumeration.
    pub(crate) fn words(self) -> Vec<&'s str> {
        let mut words: Vec<_> = self.0.get("const").and_then(Value::as_str).into_iter().collect();
        words.extend(
            self.0.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str),
        );
        words.extend(self.choices().flat_map(Self::words));
        words
    }

    fn choices(self) -> impl Iterator<Item = Shape<'s>> {
        ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(move |word| self.0.get(word).and_then(Value::as_array))
            .flatten()
            .map(Shape)
    }
}
