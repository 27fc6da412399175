//! Checks a tree against the schema: all faults at once, each with its line and what to do.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};

use crate::schema::Shape;
use crate::sections::http::{
    BIND_FORMAT, PASSWORD_HASH_FORMAT, SHA256_FORMAT, password_hash_fault, sha256_fault, split_bind,
};
use crate::tree::{Data, Node, join};
use crate::yaml::is_word;
use crate::{ByteSize, Diagnostic, Dsn, Span, byte_size, dsn, span, suggest};

/// The formats of texts that have rules of their own.
const FORMATS: [&str; 6] =
    [span::FORMAT, byte_size::FORMAT, dsn::FORMAT, BIND_FORMAT, SHA256_FORMAT, PASSWORD_HASH_FORMAT];

/// What is wrong with a text of this format.
fn format_fault(format: &str, text: &str) -> Option<String> {
    match format {
        span::FORMAT => text.parse::<Span>().err().map(|error| error.to_string()),
        byte_size::FORMAT => text.parse::<ByteSize>().err().map(|error| error.to_string()),
        dsn::FORMAT => text.parse::<Dsn>().err().map(|error| error.to_string()),
        BIND_FORMAT => split_bind(text).err().map(str::to_owned),
        SHA256_FORMAT => sha256_fault(text),
        PASSWORD_HASH_FORMAT => password_hash_fault(text),
        _ => None,
    }
}

/// Notes every way in which the tree does not fit the schema.
pub(crate) fn validate(root: &Node, shape: Shape<'_>, faults: &mut Vec<Diagnostic>) {
    let json = root.to_json();
    let options = FORMATS.into_iter().fold(jsonschema::options(), |options, format| {
        options.with_format(format, move |text: &str| format_fault(format, text).is_none())
    });
    let validator: Validator = match options.should_validate_formats(true).build(shape.0) {
        Ok(validator) => validator,
        Err(_) => {
            faults.push(root.at.says("", "the schema of this version of pgmon is broken"));
            return;
        }
    };
    for error in validator.iter_errors(&json) {
        for fault in explain(&error, root, shape) {
            // A value that could not be read has its fault already.
            if !faults.iter().any(|other| other.pointer == fault.pointer && other.line == fault.line) {
                faults.push(fault);
            }
        }
    }
}

fn explain(error: &ValidationError<'_>, root: &Node, shape: Shape<'_>) -> Vec<Diagnostic> {
    let pointer = error.instance_path().as_str();
    let (_, node) = root.locate(pointer);
    let here = shape.locate(pointer);
    let (message, hint) = match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            return unexpected.iter().map(|key| unknown_key(key, pointer, node, here, shape)).collect();
        }
        // Every pattern is there for editors; a format says the same with words.
        Kind::Pattern { .. } | Kind::BacktrackLimitExceeded { .. } => return Vec::new(),
        Kind::Format { format } => {
            let Data::Text(text, _) = &node.data else { return Vec::new() };
            (format_fault(format, text).unwrap_or_else(|| "malformed".to_owned()), None)
        }
        Kind::Enum { .. } | Kind::Constant { .. } | Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => {
            one_of(node, here)
        }
        Kind::Type { .. } => wrong_type(node, here),
        Kind::Minimum { limit } => (format!("must be at least {limit}"), None),
        Kind::Maximum { limit } => (format!("must be at most {limit}"), None),
        Kind::MinLength { .. } => ("must not be empty".to_owned(), None),
        Kind::MaxLength { limit } => (format!("must have at most {limit} characters"), None),
        Kind::MaxItems { limit } => (format!("must have at most {limit} entries"), None),
        _ => (error.masked().to_string(), None),
    };
    let mut fault = node.at.says(pointer, message);
    fault.hint = hint;
    vec![fault]
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

fn one_of(node: &Node, here: Option<Shape<'_>>) -> (String, Option<String>) {
    let words = here.map(Shape::words).unwrap_or_default();
    let hint = match &node.data {
        Data::Text(text, _) => suggest::nearest(text, words.iter().copied()),
        _ => None,
    };
    (format!("expected one of {}", words.join(", ")), hint.map(|word| format!("did you mean {word}?")))
}

fn wrong_type(node: &Node, here: Option<Shape<'_>>) -> (String, Option<String>) {
    let Some(here) = here else { return ("not expected here".to_owned(), None) };
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
