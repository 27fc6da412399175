//! PostgreSQL as a source.

pub mod audit;
pub mod collector;
pub mod collectors;
pub mod connect;
pub mod custom;
pub mod decode;
pub mod denylist;
pub mod doctor;
pub mod driver;
pub mod engine;
pub mod facts;
pub mod listing;
pub mod origin;
pub mod plan;
pub mod positions;
pub(crate) mod psql;
pub mod redact;
pub mod roamer;
pub mod run;
pub mod session;
pub mod setup_sql;
#[cfg(test)]
mod testing;
pub mod topn;
pub mod wording;

/// A name as an SQL identifier, always quoted.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}
