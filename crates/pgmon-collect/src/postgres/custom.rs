//! Metrics from statements of the configuration (`queries`).
//!
//! A [`Definition`] is a query that was checked: one statement that only reads, its labels and its
//! metrics. [`Custom`] runs the definitions that apply in one database, each with an interval, a time
//! limit and a cap on series of its own, so that one that fails, is slow or explodes costs only itself.
//!
//! What runs is the statement inside of another one, which names its columns and turns them into numbers
//! and texts on the server:
//!
//! ```sql
//! SELECT pg_catalog.left(q.c1::pg_catalog.text, 1024), q.c2::pg_catalog.float8
//! FROM (
//! SELECT location, count(*) FROM courses GROUP BY location
//! ) AS q (c1, c2)
//! LIMIT 1001
//! ```
//!
//! So a label is the text that the server itself writes for a value of any type, one rule applies to
//! numbers of all types, and a result that is too large ends on the server. See `docs/custom-queries.md`.

mod columns;
mod definition;
mod runner;
#[cfg(test)]
mod server_tests;
mod slot;
mod take;
#[cfg(test)]
mod tests;

pub use definition::{Definition, QuerySet, Refused};
pub use runner::{Custom, Defaults, Place};
