//! Splits SQL into tokens as far as names and statements are concerned.

use super::Refusal;
use std::ops::Range;

/// A token. What lies within strings and comments, and signs of no interest, are not told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or an unquoted name, in lower case.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// `(`
    Open,
    /// `.`
    Dot,
    /// `;`
    Semicolon,
    /// A string, a number or a sign.
    Other,
}

impl Token {
    /// The name that it may be.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
            _ => None,
        }
    }
}

/// The tokens of a text, each with its place.
pub(super) fn tokens(sql: &str) -> impl Iterator<Item = Result<(Token, Range<usize>), Refusal>> {
    let mut at = 0;
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let next = next(sql, &mut at);
        failed = next.is_err();
        next.transpose()
    })
}

fn next(sql: &str, at: &mut usize) -> Result<Option<(Token, Range<usize>)>, Refusal> {
    loop {
        let rest = sql.get(*at..).unwrap_or_default();
        let Some(c) = rest.chars().next() else { return Ok(None) };
        let start = *at;
        let (token, length) = if c.is_whitespace() {
            (None, c.len_utf8())
        } else if rest.starts_with("--") {
            (None, rest.find(['\n', '\r']).unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, comment(rest)?)
        } else {
            let (token, length) = token(rest, c)?;
            (Some(token), length)
        };
        *at += length;
        if let Some(token) = token {
            return Ok(Some((token, start..*at)));
        }
    }
}

fn token(rest: &str, c: char) -> Result<(Token, usize), Refusal> {
    let after = rest.get(c.len_utf8()..).unwrap_or_default();
    match c {
        '\'' => Ok((Token::Other, string(rest, '\'', false)?)),
        '"' => {
            let length = string(rest, '"', true)?;
            let inner = rest.get(1..length - 1).unwrap_or_default();
            Ok((Token::Quoted(inner.replace("\"\"", "\"")), length))
        }
        '$' => Ok((Token::Other, dollar(rest)?)),
        '(' => Ok((Token::Open, 1)),
        '.' => Ok((Token::Dot, 1)),
        ';' => Ok((Token::Semicolon, 1)),
        'e' | 'E' if after.starts_with('\'') => Ok((Token::Other, 1 + escape_string(after)?)),
        'u' | 'U' if after.starts_with("&\"") || after.starts_with("&'") => {
            Err(Refusal::Unclear("names and strings with U& are not accepted"))
        }
        c if starts_word(c) => {
            let length = rest.find(|c: char| !(starts_word(c) || c.is_ascii_digit() || c == '$'));
            let word = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
            // As the server does: only ASCII letters fold.
            Ok((Token::Word(word.to_ascii_lowercase()), word.len()))
        }
        c => Ok((Token::Other, c.len_utf8())),
    }
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// The length of `'...'` or `"..."`, where the quote is doubled inside.
fn string(rest: &str, quote: char, is_name: bool) -> Result<usize, Refusal> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        // Where standard_conforming_strings is off, the string would go on.
        if c == '\\' && !is_name && chars.peek().is_some_and(|(_, next)| *next == quote) {
            return Err(Refusal::Unclear("a backslash before a quote is not accepted: write E'...' or ''"));
        }
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(i + 1);
        }
    }
    Err(Refusal::Unclear("a string or a quoted name has no end"))
}

/// The length of `'...'` with backslash escapes.
fn escape_string(rest: &str) -> Result<usize, Refusal> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '\'' if chars.next_if(|(_, next)| *next == '\'').is_none() => return Ok(i + 1),
            _ => {}
        }
    }
    Err(Refusal::Unclear("a string has no end"))
}

/// The length of `$tag$...$tag$`, or of `$1`.
fn dollar(rest: &str) -> Result<usize, Refusal> {
    let body = rest.get(1..).unwrap_or_default();
    let tag = body.find(|c: char| !(starts_word(c) || c.is_ascii_digit())).unwrap_or(body.len());
    let begins_with_digit = body.starts_with(|c: char| c.is_ascii_digit());
    if begins_with_digit || !body.get(tag..).is_some_and(|b| b.starts_with('$')) {
        return Ok(1);
    }
    let delimiter = rest.get(..tag + 2).unwrap_or_default();
    let inner = rest.get(delimiter.len()..).unwrap_or_default();
    let end = inner.find(delimiter).ok_or(Refusal::Unclear("a string has no end"))?;
    Ok(end + 2 * delimiter.len())
}

/// The length of a comment, which may hold others.
fn comment(rest: &str) -> Result<usize, Refusal> {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(Refusal::Unclear("a comment has no end"))
}
