//! What a body must be.

use crate::services::redact::cut;
use pgmon_config::{HttpCheck, JsonMatch};
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

/// Memory of a compiled expression (bytes); the configuration was checked with the same.
const REGEX_LIMIT: usize = 256 * 1024;

/// A body as far as it was read.
#[derive(Default)]
pub(super) struct Read {
    /// What is kept of it.
    pub bytes: Vec<u8>,
    /// What was read of it.
    pub length: usize,
    /// Whether there is more.
    pub cut: bool,
}

/// Why a body is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unmet {
    /// In words.
    pub why: String,
    /// Whether an expression is the reason.
    pub by_regex: bool,
}

/// The conditions, ready for use.
pub(super) struct Conditions {
    matches: Option<Regex>,
    does_not_match: Option<Regex>,
    json: Vec<JsonMatch>,
}

impl Conditions {
    /// Those of the configuration.
    pub fn new(check: &HttpCheck) -> Self {
        let build = |pattern: &Option<String>| compile(pattern.as_deref()?);
        Self {
            matches: build(&check.body_match),
            does_not_match: build(&check.body_not_match),
            json: check.json.clone(),
        }
    }

    /// Whether there is an expression among them.
    pub fn has_regex(&self) -> bool {
        self.matches.is_some() || self.does_not_match.is_some()
    }

    /// Whether a body, of which at most `most` bytes were read, is as it must be.
    pub fn judge(&self, read: &Read, most: usize) -> Result<(), Unmet> {
        let regex = |why: &str| Unmet { why: why.to_owned(), by_regex: true };
        if self.has_regex() {
            let text = String::from_utf8_lossy(&read.bytes);
            if self.matches.as_ref().is_some_and(|regex| !regex.is_match(&text)) {
                let why = "its body does not match body_match";
                return Err(match read.cut {
                    true => regex(&format!("{why} within {most} bytes (max_body)")),
                    false => regex(why),
                });
            }
            if self.does_not_match.as_ref().is_some_and(|regex| regex.is_match(&text)) {
                return Err(regex("its body matches body_not_match"));
            }
        }
        if self.json.is_empty() {
            return Ok(());
        }
        let unmet = |why: String| Unmet { why, by_regex: false };
        if read.cut {
            return Err(unmet(format!(
                "its body has more than {most} bytes (max_body): it is not read as JSON"
            )));
        }
        let body: Value = serde_json::from_slice(&read.bytes).map_err(|error| {
            unmet(format!("its body is no JSON: line {}, column {}", error.line(), error.column()))
        })?;
        for wanted in &self.json {
            let pointer = if wanted.pointer.is_empty() { "the whole" } else { &wanted.pointer };
            let there = body.pointer(&wanted.pointer);
            match (there, &wanted.value) {
                (None, _) => return Err(unmet(format!("its JSON has no {pointer}"))),
                (Some(Value::Null | Value::Bool(false)), None) => {
                    return Err(unmet(format!("in its JSON {pointer} is null or false")));
                }
                (Some(_), None) => {}
                (Some(there), Some(value)) if alike(there, value) => {}
                (Some(there), Some(value)) => {
                    return Err(unmet(format!(
                        "in its JSON {pointer} is {}, not {}",
                        brief(there),
                        brief(value)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// An expression of the configuration, which was tried there.
fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(REGEX_LIMIT).build().ok()
}

/// Whether a value is the wanted one; 1 and 1.0 are the same number.
fn alike(there: &Value, wanted: &Value) -> bool {
    match (there.as_f64(), wanted.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => there == wanted,
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        value => cut(&value.to_string(), 80),
    }
}
