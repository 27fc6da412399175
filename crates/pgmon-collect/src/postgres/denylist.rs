//! What a statement from the configuration must not contain.
//!
//! Such a statement runs by the extended protocol (so it is one statement) inside `BEGIN READ ONLY`.
//! That stops writes to tables, but not what lies outside of MVCC: large objects, logical messages,
//! sequences, notifications, advisory locks, signals to other sessions, settings that outlive the
//! transaction, text run through another door. Functions that do these things are refused by name here.
//! What a user-defined function does cannot be seen in a text: a role without rights is the real wall.

mod lexer;
mod names;
#[cfg(test)]
mod tests;

use lexer::Token;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// Something follows the first statement.
    #[error("it must be one statement")]
    SeveralStatements,
    /// It does not begin as a query does.
    #[error("it must begin with SELECT, WITH, VALUES or TABLE, not {0}")]
    NotAQuery(String),
    /// It locks rows, makes a table or changes data.
    #[error("{0} is not read-only")]
    Keyword(String),
    /// It names a function that acts outside of a read-only transaction, or holds it up.
    #[error("function {0} is not allowed here: it acts outside of a read-only transaction, or waits")]
    Function(String),
    /// A string or comment has no end, or a part may be read in two ways.
    #[error("{0}")]
    Unclear(&'static str),
}

/// Checks a text and returns its one statement, without the semicolon at its end.
pub fn check(sql: &str) -> Result<&str, Refusal> {
    let (tokens, spans): (Vec<Token>, Vec<_>) =
        lexer::tokens(sql).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let end = tokens.iter().position(|t| *t == Token::Semicolon).unwrap_or(tokens.len());
    let (statement, rest) = tokens.split_at(end);
    if rest.iter().any(|t| *t != Token::Semicolon) {
        return Err(Refusal::SeveralStatements);
    }
    let first = statement.iter().find(|t| **t != Token::Open).ok_or(Refusal::Empty)?;
    query_begins(first)?;
    let at = |i: usize| statement.get(i);
    for (i, token) in statement.iter().enumerate() {
        let (before, after) = (i.checked_sub(1).and_then(at), at(i + 1));
        if let (Some(Token::Word(before)), Token::Word(word)) = (before, token) {
            refuse_keyword(before, word)?;
        }
        // f(x), and (x).f, which is the same to the server.
        let owner = i.checked_sub(2).and_then(at);
        let of_value = before == Some(&Token::Dot) && owner.is_none_or(|t| t.name().is_none());
        if let Some(name) = token.name()
            && (after == Some(&Token::Open) || of_value)
            && names::is_denied(name)
        {
            return Err(Refusal::Function(name.to_owned()));
        }
    }
    let end = spans.get(end).map_or(sql.len(), |span| span.start);
    Ok(sql.get(..end).unwrap_or_default().trim())
}

fn query_begins(token: &Token) -> Result<(), Refusal> {
    match token {
        Token::Word(w) if matches!(w.as_str(), "select" | "with" | "values" | "table") => Ok(()),
        Token::Word(word) => Err(Refusal::NotAQuery(word.to_uppercase())),
        _ => Err(Refusal::NotAQuery("a sign".into())),
    }
}

/// The server would refuse these too, in a read-only transaction; saying so at the start is kinder.
fn refuse_keyword(before: &str, word: &str) -> Result<(), Refusal> {
    let refused = matches!(
        (before, word),
        ("for" | "key", "update" | "share")
            | ("insert" | "merge" | "select", "into")
            | ("delete", "from")
            | ("update", "only")
    );
    let phrase = || format!("{} {}", before.to_uppercase(), word.to_uppercase());
    if refused { Err(Refusal::Keyword(phrase())) } else { Ok(()) }
}
