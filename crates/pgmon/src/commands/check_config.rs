//! `pgmon check-config`

use crate::cli::Format;
use crate::exit::Code;
use pgmon_collect::postgres::wording::count;
use pgmon_config::{ConfigErrors, Diagnostic, Loaded, Source};
use pgmon_http::Access;
use serde_json::{Value, json};

/// Says everything that is wrong with the configuration, or what it comes to.
pub fn run(loaded: Result<Loaded, ConfigErrors>, show: bool, format: Format) -> anyhow::Result<Code> {
    let (faults, warnings) = match &loaded {
        Ok(loaded) => {
            let mut faults = of_access(loaded);
            faults.extend(of_statements(loaded));
            faults.extend(loaded.unready.iter().cloned());
            (faults, loaded.warnings.clone())
        }
        Err(errors) => (errors.diagnostics().to_vec(), Vec::new()),
    };
    let code = if faults.is_empty() { Code::Ok } else { Code::Usage };
    if format == Format::Json {
        let listed =
            faults.iter().map(|d| object("error", d)).chain(warnings.iter().map(|d| object("warning", d)));
        println!("{}", serde_json::to_string_pretty(&listed.collect::<Vec<_>>())?);
        return Ok(code);
    }
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    faults.iter().for_each(|fault| eprintln!("error: {fault}"));
    if let (Code::Ok, Ok(loaded)) = (code, &loaded) {
        summary(loaded);
        if show {
            println!("{}", serde_json::to_string_pretty(&loaded.config.redacted())?);
        }
    }
    Ok(code)
}

/// What is wrong with the files that the listener needs: keys, certificates, the toolkit's configuration.
fn of_access(loaded: &Loaded) -> Vec<Diagnostic> {
    let Err(errors) = Access::build(&loaded.config.http) else { return Vec::new() };
    let file = match &loaded.source {
        Source::File(path) => path.display().to_string(),
        Source::NoFile => String::new(),
    };
    let fault = |message: &str| Diagnostic {
        file: file.clone(),
        line: None,
        column: None,
        pointer: "/http".to_owned(),
        message: message.to_owned(),
        hint: None,
    };
    errors.to_string().lines().map(fault).collect()
}

/// What is wrong with statements of the configuration. The agent starts without a query that is refused;
/// who asks whether the configuration is right wants to know.
fn of_statements(loaded: &Loaded) -> Vec<Diagnostic> {
    let refused = super::queries(&loaded.config).refused.into_iter().map(|refused| {
        let (file, line) = match refused.at.rsplit_once(':') {
            Some((file, line)) => (file.to_owned(), line.parse().ok()),
            None => (refused.at.clone(), None),
        };
        Diagnostic {
            file,
            line,
            column: None,
            pointer: String::new(),
            message: format!("query {}: {}", refused.name, refused.reason),
            hint: Some("pgmon starts without it".to_owned()),
        }
    });
    super::canary_fault(loaded).into_iter().chain(refused).collect()
}

fn summary(loaded: &Loaded) {
    let from = match &loaded.source {
        Source::File(path) => path.display().to_string(),
        Source::NoFile => "no file".to_owned(),
    };
    let queries = match loaded.config.queries.len() {
        0 => String::new(),
        1 => ", 1 query".to_owned(),
        n => format!(", {n} queries"),
    };
    println!(
        "configuration is valid ({from}); {} to watch{queries}:",
        count(loaded.entries.len(), "database")
    );
    for entry in &loaded.entries {
        println!(
            "  {}/{}  {}  sslmode={}",
            entry.cluster,
            entry.db,
            entry.connect,
            entry.connect.effective_sslmode()
        );
    }
}

fn object(severity: &str, d: &Diagnostic) -> Value {
    json!({
        "severity": severity,
        "file": d.file,
        "line": d.line,
        "column": d.column,
        "pointer": d.pointer,
        "message": d.message,
        "mend": d.hint,
    })
}
