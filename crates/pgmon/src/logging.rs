//! What pgmon writes to standard error.

use pgmon_config::{Config, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Registry, fmt, reload};

/// Sets logging up: `RUST_LOG` if it is set, else the configured level.
///
/// `RUST_LOG` takes levels by target (`info,pgmon_collect=debug`). Filters on spans and fields would
/// need an engine for regular expressions, which stays in memory.
pub fn init(config: &Config) -> Levels {
    let level = config.logging.level;
    let wanted = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let (filter, fault) = match wanted.as_deref().unwrap_or(level.as_str()).parse::<Targets>() {
        Ok(filter) => (filter, None),
        Err(error) => (Targets::new().with_default(tracing::Level::INFO), Some(error)),
    };
    let (filter, handle) = reload::Layer::new(filter);
    if let Err(error) = set(filter, config.logging.format) {
        eprintln!("pgmon: logging could not be set up: {error}");
    }
    if let Some(error) = fault {
        tracing::warn!(
            "RUST_LOG is not understood, logging at info: {error}; it takes levels by target, as in info,pgmon_collect=debug"
        );
    }
    Levels((wanted.is_none()).then_some(handle))
}

/// Changes what is logged while pgmon runs.
pub struct Levels(Option<reload::Handle<Targets, Registry>>);

impl Levels {
    /// Takes over the configured level, unless `RUST_LOG` was set.
    pub fn follow(&self, config: &Config) {
        let Some(handle) = &self.0 else { return };
        if let Ok(filter) = config.logging.level.as_str().parse::<Targets>()
            && let Err(error) = handle.reload(filter)
        {
            tracing::warn!("the log level was not changed: {error}");
        }
    }
}

fn set(filter: reload::Layer<Targets, Registry>, format: LogFormat) -> Result<(), TryInitError> {
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(layer.with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Text => {
            // Colours are for people, unless they want none (https://no-color.org).
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty());
            let ansi = wanted && std::io::stderr().is_terminal();
            let layer = fmt::layer().with_target(false).with_ansi(ansi);
            registry.with(layer.with_writer(std::io::stderr)).try_init()
        }
    }
}
