//! Services: what is checked besides databases, at intervals, without telling anybody but readers.
//!
//! One light task per service (`watch`) runs its `probe`; `registry` holds what the last checks found,
//! and has the tasks begin and end as the configuration says. A probe has one file per type; what takes an answer
//! apart is pure and beside it.

#[cfg(test)]
mod echoes;
pub mod families;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod net;
mod pgbouncer;
mod postgres;
mod probe;
mod redact;
mod redis;
mod registry;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod watch;

pub use probe::examine;
pub use registry::{Roster, ServiceChanges, Services};
