//! What pgmon writes to standard error.

use pgmon_config::{Config, LogFormat};
use tracing_subscriber::EnvFilter;

/// Sets logging up: `RUST_LOG` if it is set, else the configured level.
pub fn init(config: &Config) {
    let level = config.logging.level;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.as_str()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match config.logging.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Text => builder.with_target(false).try_init(),
    };
    if let Err(error) = done {
        eprintln!("pgmon: logging could not be set up: {error}");
    }
}
