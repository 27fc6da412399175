//! `${VAR}`, `${VAR:-default}` and `$$` in the texts of the file.

use std::collections::BTreeMap;

use crate::Diagnostic;
use crate::schema::Shape;
use crate::tree::{Data, Node, Place, Style, join};

/// What texts may name, and how they write a dollar sign.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'e> {
    pub(crate) env: &'e BTreeMap<String, String>,
    pub(crate) dollar: Dollar,
}

/// How a dollar sign itself is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dollar {
    /// `$$`, wherever it stands.
    Doubled,
    /// As it is; only before `{` it is doubled. For files that were written for SitRep, which knows no
    /// variables: `$$` in a password is two dollar signs.
    Plain,
}

impl Dollar {
    fn hint(self) -> &'static str {
        match self {
            Self::Doubled => "a dollar sign itself is written $$",
            Self::Plain => "${ itself is written $${",
        }
    }
}

/// Replaces variables in every text that was read from the file. What comes from a variable itself is
/// not looked at again: a password may have any character.
pub(crate) fn interpolate(
    node: &mut Node,
    shape: Shape<'_>,
    variables: Variables<'_>,
    pointer: &str,
    faults: &mut Vec<Diagnostic>,
) {
    if shape.is("x-verbatim") {
        return;
    }
    let unknown = Shape(&serde_json::Value::Null);
    match &mut node.data {
        Data::Text(text, style) if matches!(node.at, Place::File { .. }) && text.contains('$') => {
            match expand(text, variables) {
                Ok(expanded) => {
                    // Quotes too, since `{port: ${PORT}}` is no YAML without them.
                    if expanded != *text {
                        *style = Style::Loose;
                    }
                    *text = expanded;
                }
                Err(message) => {
                    let mut fault = node.at.says(pointer, message);
                    fault.hint = Some(variables.dollar.hint().to_owned());
                    faults.push(fault);
                }
            }
        }
        Data::List(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                interpolate(item, shape.items().unwrap_or(unknown), variables, &join(pointer, n), faults);
            }
        }
        Data::Map(members) => {
            for member in members {
                let shape = shape.key(&member.key).unwrap_or(unknown);
                interpolate(&mut member.node, shape, variables, &join(pointer, &member.key), faults);
            }
        }
        _ => {}
    }
}

/// The text with its variables replaced, or what is wrong with it. A variable is named in the message
/// only if it has the form of one.
fn expand(text: &str, Variables { env, dollar }: Variables<'_>) -> Result<String, String> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        done.push_str(before);
        let doubled = |after: &&str| dollar == Dollar::Doubled || after.starts_with('{');
        if let Some(after) = after.strip_prefix('$').filter(doubled) {
            done.push('$');
            // `${` of `$${` is no variable.
            let length = usize::from(dollar == Dollar::Plain);
            done.push_str(after.get(..length).unwrap_or_default());
            rest = after.get(length..).unwrap_or_default();
        } else if let Some(after) = after.strip_prefix('{') {
            let (inner, after) = after.split_once('}').ok_or("${ without its }")?;
            let (name, default) = match inner.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inner, None),
            };
            if !is_name(name) {
                return Err("expected ${NAME} or ${NAME:-default}".to_owned());
            }
            match (env.get(name).filter(|value| default.is_none() || !value.is_empty()), default) {
                (Some(value), _) => done.push_str(value),
                (None, Some(default)) => done.push_str(default),
                (None, None) if name == "CREDENTIALS_DIRECTORY" => {
                    let why = "systemd sets it for a unit with LoadCredential=";
                    return Err(format!("the environment variable {name} is not set: {why}"));
                }
                (None, None) => return Err(format!("the environment variable {name} is not set")),
            }
            rest = after;
        } else {
            done.push('$');
            rest = after;
        }
    }
    done.push_str(rest);
    Ok(done)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded_with(text: &str, dollar: Dollar) -> Result<String, String> {
        let env = [("A", "1"), ("EMPTY", ""), ("TRICKY", "${A}$$")];
        let env = env.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        expand(text, Variables { env: &env, dollar })
    }

    fn expanded(text: &str) -> Result<String, String> {
        expanded_with(text, Dollar::Doubled)
    }

    #[test]
    fn dollar_signs_stay_where_nobody_doubled_them() {
        let plain = |text| expanded_with(text, Dollar::Plain);
        assert_eq!(plain("pa$$$word$").as_deref(), Ok("pa$$$word$"));
        assert_eq!(plain("$${A} ${A} $$${A}").as_deref(), Ok("${A} 1 $${A}"));
        assert!(plain("${GONE}").is_err());
    }

    #[test]
    fn replaces_variables() {
        assert_eq!(expanded("x${A}y${A}").as_deref(), Ok("x1y1"));
        assert_eq!(expanded("${NOT_SET:-d}${EMPTY:-e}${A:-f}${EMPTY}").as_deref(), Ok("de1"));
        assert_eq!(expanded("${NOT_SET:-}").as_deref(), Ok(""));
        assert_eq!(expanded("$${A} $A 5$").as_deref(), Ok("${A} $A 5$"));
        assert_eq!(expanded("${TRICKY}").as_deref(), Ok("${A}$$"));
    }

    #[test]
    fn says_what_is_wrong_without_repeating_the_text() {
        assert_eq!(expanded("${GONE}"), Err("the environment variable GONE is not set".to_owned()));
        for bad in ["${hunter2", "${hunter 2}", "${}", "${1a}"] {
            let message = expanded(bad).unwrap_err();
            assert!(!message.contains("hunter"), "{message}");
        }
    }
}
