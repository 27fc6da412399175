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
mod api;
mod browser;
mod canary;
mod command_line;
mod configuration;
mod doctor;
mod documentation;
mod endpoint;
mod engine;
mod examples;
mod faults;
mod guardrails;
mod history;
mod hour;
mod many;
mod page;
mod permits;
mod pooler;
mod promtool;
mod queries;
mod query_limits;
mod reload;
mod report;
mod rig;
mod rotation;
mod rules;
mod scale;
mod scrape;
mod services;
mod tls;
