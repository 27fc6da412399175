//! What somebody is told who asked for what there is not.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pgmon_views::{ApiError, DatabaseRef};

/// An error of the API.
#[derive(Debug)]
pub struct Refusal {
    code: StatusCode,
    error: ApiError,
}

impl Refusal {
    fn new(code: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, error: ApiError { error: error.into(), hint: hint.into(), databases: Vec::new() } }
    }

    /// A parameter is wrong.
    pub fn bad(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// There is no such thing.
    pub fn not_found(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// There is nothing to hand out now.
    pub fn unavailable(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, hint)
    }

    /// With the databases to choose from.
    pub fn of(mut self, databases: Vec<DatabaseRef>) -> Self {
        self.error.databases = databases;
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.code, Json(self.error)).into_response();
        crate::respond::no_store(&mut response);
        response
    }
}
