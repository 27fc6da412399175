//! What snapshots mean: the pages of the API, the UI and the report, with their verdicts.
//!
//! Everything here is a pure function of snapshots, thresholds and the time. Nothing waits, and nothing
//! reaches back to a database.

pub mod agent;
pub mod answer;
pub mod clusters;
pub mod fleet;
pub mod generic;
pub mod history;
pub mod judge;
pub mod page;
pub mod pages;
pub mod remedy;
pub mod services;
pub mod source;
pub mod standing;
pub mod start;
pub mod texts;
pub mod thresholds;
pub mod words;

pub use answer::{Answer, ApiError, DatabaseRef, Executed, Need, State};
pub use page::{
    Figure, Level, MetricRef, Page, PageName, Panel, Problem, Remedy, Role, TargetRef, Thresholds, Unit,
    UpState, Verdict,
};
pub use source::{Now, Rules, Source};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
