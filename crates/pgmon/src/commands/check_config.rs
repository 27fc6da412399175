//! `pgmon check-config`

use crate::exit::Code;
use pgmon_collect::postgres::wording::count;
use pgmon_config::{Loaded, Source};
use pgmon_http::Access;

/// Says what was loaded; errors and warnings have been printed by then.
pub fn run(loaded: &Loaded, show: bool) -> Code {
    if let Err(errors) = Access::build(&loaded.config.http) {
        for error in errors.to_string().lines() {
            eprintln!("error: {error}");
        }
        return Code::Usage;
    }
    let from = match &loaded.source {
        Source::File(path) => path.display().to_string(),
        Source::NoFile => "no file".to_owned(),
    };
    println!("configuration is valid ({from}); {} to watch:", count(loaded.entries.len(), "database"));
    for entry in &loaded.entries {
        println!(
            "  {}/{}  {}  sslmode={}",
            entry.cluster,
            entry.db,
            entry.connect,
            entry.connect.effective_sslmode()
        );
    }
    if show {
        match serde_json::to_string_pretty(&loaded.config.redacted()) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("pgmon: {error}");
                return Code::Failed;
            }
        }
    }
    Code::Ok
}
