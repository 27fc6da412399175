//! Checks a tree against the schema: all faults at once, each with its line and what to do.
//!
//! The schema is our own (see `schema.rs`), so this knows the words that it has, and a test sees to it
//! that it has no others. A library for all of JSON Schema would stay in memory for as long as the
//! agent runs, with the engines for regular expressions that it needs: 2 MB of the 15 that the agent
//! may have. The tests compare the two.

use serde_json::Value;

use crate::http_url::HTTP_URL_FORMAT;
use crate::schema::Shape;
use crate::sections::http::{
    BIND_FORMAT, PASSWORD_HASH_FORMAT, PATH_PREFIX_FORMAT, SHA256_FORMAT, password_hash_fault,
    path_prefix_fault, sha256_fault, split_bind,
};
use crate::sections::services::{STATUS_FORMAT, status_fault};
use crate::tree::{Data, Member, Node, join};
use crate::yaml::is_word;
use crate::{ByteSize, Diagnostic, Dsn, HttpUrl, Span, byte_size, dsn, span, suggest};

/// What is wrong with a text of this format. Formats without rules of their own are for editors.
fn format_fault(format: &str, text: &str) -> Option<String> {
    match format {
        span::FORMAT => text.parse::<Span>().err().map(|error| error.to_string()),
        byte_size::FORMAT => text.parse::<ByteSize>().err().map(|error| error.to_string()),
        dsn::FORMAT => text.parse::<Dsn>().err().map(|error| error.to_string()),
        BIND_FORMAT => split_bind(text).err().map(str::to_owned),
        PATH_PREFIX_FORMAT => path_prefix_fault(text),
        SHA256_FORMAT => sha256_fault(text),
        STATUS_FORMAT => status_fault(text),
        HTTP_URL_FORMAT => text.parse::<HttpUrl>().err().map(|error| error.to_string()),
        PASSWORD_HASH_FORMAT => password_hash_fault(text),
        _ => None,
    }
}

/// Notes every way in which the tree does not fit the schema.
pub(crate) fn validate(root: &Node, shape: Shape<'_>, faults: &mut Vec<Diagnostic>) {
    let mut found = Vec::new();
    Check { root: shape, found: &mut found }.value(root, "", shape);
    for fault in found {
        // A value that could not be read has its fault already.
        if !faults.iter().any(|other| other.pointer == fault.pointer && other.line == fault.line) {
            faults.push(fault);
        }
    }
}

struct Check<'s, 'f> {
    root: Shape<'s>,
    found: &'f mut Vec<Diagnostic>,
}

impl<'s> Check<'s, '_> {
    fn value(&mut self, node: &Node, pointer: &str, shape: Shape<'s>) {
        if !shape.fits_type(&node.data) {
            let (message, hint) =
                if shape.words().is_empty() { wrong_type(node, shape) } else { one_of(node, shape) };
            return self.fault(node, pointer, message, hint);
        }
        match &node.data {
            Data::Null | Data::Bool(_) => {}
            Data::Number(number) => self.number(node, pointer, shape, number.as_f64()),
            Data::Text(text, _) => self.text(node, pointer, shape, text),
            Data::List(items) => self.list(node, pointer, shape, items),
            Data::Map(members) => self.map(node, pointer, shape, members),
        }
    }

    fn fault(&mut self, node: &Node, pointer: &str, message: impl Into<String>, hint: Option<String>) {
        let mut fault = node.at.says(pointer, message);
        fault.hint = hint;
        self.found.push(fault);
    }

    fn number(&mut self, node: &Node, pointer: &str, shape: Shape<'s>, number: Option<f64>) {
        let Some(number) = number else { return };
        let limit = |word: &str| shape.word(word).and_then(Value::as_number);
        let beyond = |word, out: fn(f64, f64) -> bool| {
            limit(word).filter(|limit| limit.as_f64().is_some_and(|limit| out(number, limit)))
        };
        if let Some(limit) = beyond("minimum", |n, limit| n < limit) {
            self.fault(node, pointer, format!("must be at least {limit}"), None);
        }
        if let Some(limit) = beyond("exclusiveMinimum", |n, limit| n <= limit) {
            self.fault(node, pointer, format!("must be more than {limit}"), None);
        }
        if let Some(limit) = beyond("maximum", |n, limit| n > limit) {
            self.fault(node, pointer, format!("must be at most {limit}"), None);
        }
    }

    fn text(&mut self, node: &Node, pointer: &str, shape: Shape<'s>, text: &str) {
        let words = shape.words();
        if !words.is_empty() && !words.contains(&text) && !shape.takes_any_text() {
            let (message, hint) = one_of(node, shape);
            return self.fault(node, pointer, message, hint);
        }
        let length = text.chars().count();
        if shape.count("minLength").is_some_and(|least| length < least) {
            self.fault(node, pointer, "must not be empty", None);
        }
        if let Some(most) = shape.count("maxLength").filter(|most| length > *most) {
            self.fault(node, pointer, format!("must have at most {most} characters"), None);
        }
        // Every pattern is there for editors; a format says the same with words.
        if let Some(message) = shape.format().and_then(|format| format_fault(format, text)) {
            self.fault(node, pointer, message, None);
        }
    }

    fn list(&mut self, node: &Node, pointer: &str, shape: Shape<'s>, items: &[Node]) {
        if let Some(least) = shape.count("minItems").filter(|least| items.len() < *least) {
            self.fault(node, pointer, format!("must have at least {least} entries"), None);
        }
        if let Some(most) = shape.count("maxItems").filter(|most| items.len() > *most) {
            self.fault(node, pointer, format!("must have at most {most} entries"), None);
        }
        let Some(shape) = shape.as_container("array").items() else { return };
        for (n, item) in items.iter().enumerate() {
            self.value(item, &join(pointer, n), shape);
        }
    }

    fn map(&mut self, node: &Node, pointer: &str, shape: Shape<'s>, members: &[Member]) {
        let shape = shape.as_container("object");
        for missing in shape.required().filter(|key| node.member(key).is_none()) {
            self.fault(node, pointer, format!("{missing} is missing"), None);
        }
        for member in members {
            if let Some(property) = shape.property(&member.key) {
                self.value(&member.node, &join(pointer, &member.key), property);
            } else if let Some(any) = shape.any_other_key() {
                self.value(&member.node, &join(pointer, &member.key), any);
            } else if shape.is_closed() {
                self.found.push(unknown_key(&member.key, pointer, node, Some(shape), self.root));
            }
        }
    }
}

fn unknown_key(
    key: &str,
    pointer: &str,
    section: &Node,
    here: Option<Shape<'_>>,
    root: Shape<'_>,
) -> Diagnostic {
    let member = section.member(key);
    let at = member.map_or(&section.at, |member| &member.at);
    // `{password: a,b}` makes a key of the end of the password.
    let bare = member.is_some_and(|member| member.bare);
    if bare || !is_word(key) {
        let mut fault = at.says(pointer, "unknown key (not repeated here, as it may be part of a value)");
        fault.hint = Some("put values with special characters in quotes".to_owned());
        return fault;
    }
    let mut fault = at.says(join(pointer, key), "unknown key");
    let near = here.and_then(|shape| suggest::nearest(key, shape.properties().map(|(name, _)| name)));
    fault.hint = match near {
        Some(near) => Some(format!("did you mean {near}?")),
        None => Some(owners(key, "", root))
            .filter(|owners| !owners.is_empty())
            .map(|owners| format!("it belongs under {}", owners.join(" or "))),
    };
    fault
}

/// The sections that have this key.
fn owners(key: &str, path: &str, shape: Shape<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let shape = shape.items().unwrap_or(shape);
    for (name, property) in shape.properties() {
        if name == key && !path.is_empty() {
            found.push(path.to_owned());
        }
        let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        found.extend(owners(key, &below, property));
    }
    found
}

fn one_of(node: &Node, here: Shape<'_>) -> (String, Option<String>) {
    let words = here.words();
    let hint = match &node.data {
        Data::Text(text, _) => suggest::nearest(text, words.iter().copied()),
        _ => None,
    };
    (format!("expected one of {}", words.join(", ")), hint.map(|word| format!("did you mean {word}?")))
}

fn wrong_type(node: &Node, here: Shape<'_>) -> (String, Option<String>) {
    let takes = |name| here.takes(name);
    let expected = match here.format() {
        Some(span::FORMAT) => "a duration",
        Some(byte_size::FORMAT) => "a size",
        Some(dsn::FORMAT) => "a connection string",
        _ if takes("object") => "keys with values",
        _ if takes("array") => "a list",
        _ if takes("boolean") => "true or false",
        _ if takes("integer") => "a whole number",
        _ if takes("number") => "a number",
        _ => "a text",
    };
    let scalar = matches!(node.data, Data::Number(_) | Data::Bool(_));
    let hint = match here.format() {
        Some(span::FORMAT) if scalar => Some("a duration needs a unit: 15s, 10m, 1h, 500ms"),
        Some(byte_size::FORMAT) if scalar => Some("write a whole number of bytes, or a size such as 8MiB"),
        None if takes("string") && scalar => Some("put it in quotes"),
        _ if takes("array") && matches!(node.data, Data::Map(_)) => Some("begin every entry with a dash"),
        _ => None,
    };
    let found = match &node.data {
        Data::Number(_) if takes("integer") => "a fraction",
        data => name_of(data),
    };
    (format!("expected {expected}, found {found}"), hint.map(str::to_owned))
}

fn name_of(data: &Data) -> &'static str {
    match data {
        Data::Null => "nothing",
        Data::Bool(_) => "true or false",
        Data::Number(_) => "a number",
        Data::Text(..) => "a text",
        Data::List(_) => "a list",
        Data::Map(_) => "keys with values",
    }
}
