//! libpq's `key=value key='value with spaces'`.

use std::iter::Peekable;
use std::str::Chars;

use super::{ConnectParts, DsnError};

/// Reads keywords and values. A backslash takes the next character as it is, within quotes and without.
pub(super) fn parse(text: &str) -> Result<ConnectParts, DsnError> {
    let mut parts = ConnectParts::default();
    let mut rest = text.chars().peekable();
    for place in 1.. {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            break;
        }
        let mut key = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_whitespace() && *c != '=') {
            key.push(c);
        }
        skip_space(&mut rest);
        if key.is_empty() || rest.next() != Some('=') {
            return Err(DsnError::Keywords);
        }
        skip_space(&mut rest);
        parts.set(&key, &value(&mut rest)?).map_err(|error| error.at(place))?;
    }
    Ok(parts)
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

fn value(rest: &mut Peekable<Chars<'_>>) -> Result<String, DsnError> {
    let mut value = String::new();
    if rest.next_if_eq(&'\'').is_none() {
        while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
            value.push(if c == '\\' { rest.next().ok_or(DsnError::Keywords)? } else { c });
        }
        return Ok(value);
    }
    loop {
        match rest.next().ok_or(DsnError::Keywords)? {
            '\'' => break,
            '\\' => value.push(rest.next().ok_or(DsnError::Keywords)?),
            c => value.push(c),
        }
    }
    // What follows a closing quote must be apart from it, or a quote inside the value was not escaped.
    match rest.peek() {
        Some(c) if !c.is_whitespace() => Err(DsnError::Keywords),
        _ => Ok(value),
    }
}
