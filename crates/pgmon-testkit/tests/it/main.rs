//! The testkit on every version of PostgreSQL.
mod servers;
