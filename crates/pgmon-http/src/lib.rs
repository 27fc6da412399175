//! pgmon's listener: `/metrics`, health and the landing page.
//!
//! Nothing here runs SQL: every answer is made from the fleet's latest snapshots.

mod config_state;
pub mod exposition;
pub mod health;
pub mod landing;
pub mod pages;
pub mod process;
pub mod server;
