//! PostgreSQL as a source.

pub mod collector;
pub mod collectors;
pub mod decode;
pub mod facts;
pub mod positions;
pub mod run;
pub mod session;
#[cfg(test)]
mod testing;
pub mod topn;

/// A name as an SQL identifier, always quoted.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
