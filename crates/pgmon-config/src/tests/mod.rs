//! Tests of the whole way from text and environment to a configuration.

mod clusters;
mod dsn;
mod environment;
mod errors;
mod http;
mod lists;
mod loading;
mod queries;
mod secrets;
mod services;
mod sources;
mod validation;

use crate::{Config, ConfigErrors, LoadOptions, Loaded};

/// Options with this environment and nothing of the machine's.
fn options(env: &[(&str, &str)]) -> LoadOptions {
    let mut options = LoadOptions { default_paths: Vec::new(), ..LoadOptions::default() };
    options.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    options
}

/// Loads a text as `pgmon.yaml`.
fn load_with(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    Config::load_text("pgmon.yaml".as_ref(), text, &options(env))
}

/// Loads a text as `pgmon.yaml`, with an empty environment.
fn load(text: &str) -> Result<Loaded, ConfigErrors> {
    load_with(text, &[])
}
