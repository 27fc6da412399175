//! The testkit on every version of PostgreSQL.
mod links;
mod servers;
mod workloads;
