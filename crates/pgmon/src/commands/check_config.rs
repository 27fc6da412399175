//! `pgmon check-config`

use crate::cli::Format;
use crate::exit::Code;
use pgmon_collect::postgres::wording::count;
use pgmon_config::{Diagnostic, Examined, Loaded, Source};
use serde_json::{Value, json};

/// Says everything that is wrong with the configuration, or what it comes to.
pub fn run(mut examined: Examined, show: bool, format: Format) -> anyhow::Result<Code> {
    let loaded = &examined.loaded;
    let mut found = super::access_faults(loaded);
    found.extend(super::canary_fault(loaded));
    found.extend(of_queries(loaded));
    found.extend(loaded.unready.iter().cloned());
    examined.add(found);
    let Examined { loaded, faults } = examined;
    // What is hardly meant may follow from what is wrong.
    let warnings = if faults.is_empty() { loaded.warnings.as_slice() } else { &[] };
    let code = if faults.is_empty() { Code::Ok } else { Code::Usage };
    if format == Format::Json {
        let listed =
            faults.iter().map(|d| object("error", d)).chain(warnings.iter().map(|d| object("warning", d)));
        println!("{}", serde_json::to_string_pretty(&listed.collect::<Vec<_>>())?);
        return Ok(code);
    }
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    faults.iter().for_each(|fault| eprintln!("error: {fault}"));
    if code == Code::Ok {
        summary(&loaded);
        if show {
            println!("{}", serde_json::to_string_pretty(&loaded.config.redacted())?);
        }
    }
    Ok(code)
}

/// The queries that are refused. The agent starts without them; who asks whether the configuration is right
/// wants to know.
fn of_queries(loaded: &Loaded) -> Vec<Diagnostic> {
    let refused = super::queries(&loaded.config).refused.into_iter().map(|refused| {
        let mut fault =
            refused.at.says_of("query", format!("query {} is refused: {}", refused.name, refused.reason));
        fault.hint = Some("change or remove it: pgmon starts without it".to_owned());
        fault
    });
    refused.collect()
}

fn named(name: Option<&str>) -> String {
    name.map(|name| format!(", as {name}")).unwrap_or_default()
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
    let services = match loaded.services.len() {
        0 => String::new(),
        n => format!(", {} to check", count(n, "service")),
    };
    println!(
        "configuration is valid ({from}); {} to watch{queries}{services}:",
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
    for cluster in &loaded.clusters {
        println!(
            "  clusters of {}{}  {}  every {:?}, within {:?}",
            cluster.manager.kind().as_str(),
            named(cluster.name.as_deref()),
            cluster.manager,
            cluster.interval,
            cluster.timeout
        );
    }
    for service in &loaded.services {
        println!(
            "  service {}  {}  {}  every {:?}, within {:?}{}",
            service.name,
            service.check.kind().as_str(),
            service.check,
            service.interval,
            service.timeout,
            if service.critical { ", critical" } else { "" }
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
        "mend": d.mend(),
    })
}
