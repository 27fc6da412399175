//! Families about the configuration in force.

use pgmon_collect::poller::fleet::Fleet;
use pgmon_core::metric::{Desc, Families};

const SUCCESSFUL: Desc = Desc::gauge(
    "pgmon_config_last_reload_successful",
    "Whether the last attempt to read the configuration succeeded: 1, or 0 while the one before is in force.",
    &[],
);
const TIMESTAMP: Desc = Desc::gauge(
    "pgmon_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, as a Unix time in seconds.",
    &[],
);

/// Their descriptions.
pub const ALL: [&Desc; 2] = [&SUCCESSFUL, &TIMESTAMP];

/// Adds them.
pub fn families(fleet: &Fleet, out: &mut Families) {
    let config = fleet.config();
    let Some(since) = config.since else { return };
    out.push(&SUCCESSFUL, &[], if config.failure.is_none() { 1.0 } else { 0.0 });
    out.push(&TIMESTAMP, &[], since.as_microsecond() as f64 / 1e6);
}
