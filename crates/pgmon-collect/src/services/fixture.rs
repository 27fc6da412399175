//! Services that were checked, for tests of what becomes of that.

use super::families::{self, Common};
use super::probe::pending;
use super::registry::Services;
use super::testing::specs;
use pgmon_core::clock::Clock;
use pgmon_core::metric::{Families, Group};
use pgmon_core::service::{ServiceSnapshot, ServiceState};
use std::sync::Arc;

/// Has just these services, all checked now.
pub fn arrange(services: &Services, names: &[&str], clock: &dyn Clock, good: bool) {
    let cells = names.iter().map(|name| {
        let spec = specs(&format!("{{{name}: {{type: tcp, host: localhost, port: 1}}}}")).remove(0);
        let start = pending(&spec);
        let common = Common {
            ok: good,
            version: "",
            checks: 1,
            failures: 0,
            critical: false,
            warnings: 0,
            at: None,
            last_success: None,
            seconds: 0.25,
            interval: spec.interval.as_secs_f64(),
        };
        let mut found = Families::new();
        families::common(&common, &mut found);
        let group = Arc::new(Group { labels: start.group.labels.clone(), families: found.into_vec() });
        let state = if good { ServiceState::Ok } else { ServiceState::Failed { reason: "no".into() } };
        let (at, at_mono) = (Some(clock.wall()), Some(clock.mono()));
        services.cell(ServiceSnapshot { state, at, at_mono, group, ..start }, Default::default())
    });
    services.arrange(cells.collect());
}
