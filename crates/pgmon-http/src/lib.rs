//! pgmon's listener: `/metrics`, health and the landing page, and who may see them.
//!
//! Nothing here runs SQL: every answer is made from the fleet's latest snapshots.

mod access;
mod api;
mod app;
mod config_state;
mod configz;
pub mod exposition;
mod guard;
mod gzip;
pub mod hashing;
pub mod health;
pub mod landing;
mod limiter;
mod listener;
mod login;
pub mod pages;
pub mod probe;
pub mod process;
pub mod reload;
mod respond;
pub mod server;
mod service_health;
mod sessions;
pub mod telemetry;
mod tls;
pub mod ui;

pub use access::{Access, AccessError};
pub use app::App;
