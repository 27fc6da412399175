//! PostgreSQL as a source.

pub mod audit;
pub mod collector;
pub mod collectors;
pub mod connect;
pub mod decode;
pub mod driver;
pub mod engine;
pub mod facts;
pub mod plan;
pub mod roamer;
pub mod run;
pub mod session;
#[cfg(test)]
mod testing;
pub mod topn;
pub mod wording;

/// A name as an SQL identifier, always quoted.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
