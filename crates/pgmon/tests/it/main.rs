//! The integration tests: the real binary and the real drivers against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod agent;
mod command_line;
mod doctor;
mod documentation;
mod engine;
mod faults;
mod guardrails;
mod hour;
mod page;
mod permits;
mod pooler;
mod rig;
mod scale;
mod scrape;
mod tls;
