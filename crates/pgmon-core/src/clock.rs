//! Time comes from here, so that a test can move it.

use std::time::Duration;

/// The two clocks that pgmon reads. Durations and due times use [`Clock::mono`]; only what a person
/// or a server compares with its own calendar uses [`Clock::wall`].
pub trait Clock: Send + Sync + 'static {
    /// Time since an arbitrary start; never goes back.
    fn mono(&self) -> Duration;
    /// The calendar time (UTC).
    fn wall(&self) -> jiff::Timestamp;
}

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn mono(&self) -> Duration {
        self.start.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}
