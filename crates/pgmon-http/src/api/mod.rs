//! `/api/v1`: what the UI and scripts read. Every answer is made from snapshots.

#[cfg(test)]
mod openapi;

/// The OpenAPI document; a test holds it to the code.
pub const OPENAPI: &str = include_str!("../../../../docs/openapi.json");
