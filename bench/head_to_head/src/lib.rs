//! What the benches share: a client that times, what the kernel says of processes, and the pages.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench takes its times from the machine: there is no clock to inject"
)]

pub mod bench;
pub mod http;
pub mod kept;
pub mod latency;
pub mod marks;
pub mod page;
pub mod process;
pub mod running;
pub mod scenario;
pub mod week;
