//! Rules between keys, which a schema does not express.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::sections::http;
use crate::tree::{Data, Node, join};
use crate::{Config, Diagnostic, Entry, Span};

/// The shortest interval of a loop.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Notes what does not go together.
pub(crate) fn check(
    config: &Config,
    entries: &[Entry],
    root: &Node,
    env: &BTreeMap<String, String>,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    commands(root, env, warnings);
    loops(config, root, faults, warnings);
    thresholds(config, root, warnings);
    default_labels(config, root, faults);
    http::check(&config.http, root, faults, warnings);
    vault(config, entries, root, faults, warnings);
    if config.bloat.min_relation_bytes > config.bloat.max_relation_bytes {
        let pointer = "/bloat/min_relation_bytes";
        let at = &root.locate(pointer).1.at;
        warnings.push(at.says(pointer, "is above max_relation_bytes, so no relation is ever measured"));
    }
}

/// Warns of commands that are not there: whoever checks may be on another machine than whoever runs them.
fn commands(root: &Node, env: &BTreeMap<String, String>, warnings: &mut Vec<Diagnostic>) {
    let Some(Data::List(databases)) = root.member("databases").map(|member| &member.node.data) else {
        return;
    };
    for (n, database) in databases.iter().enumerate() {
        let Some(member) = database.member("password_command") else { continue };
        let Data::List(argv) = &member.node.data else { continue };
        let Some(Data::Text(program, _)) = argv.first().map(|first| &first.data) else { continue };
        if !can_be_run(program, env.get("PATH").map_or("", String::as_str)) {
            let pointer = format!("/databases/{n}/password_command");
            let mut warning =
                member.at.says(pointer, "its program is not on this machine, or must not be run");
            warning.hint = Some("name one that is, by its whole path or so that PATH finds it".to_owned());
            warnings.push(warning);
        }
    }
}

/// Whether a program is there, as the system looks it up.
fn can_be_run(program: &str, path: &str) -> bool {
    let runs = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return runs(Path::new(program));
    }
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .any(|directory| runs(&Path::new(directory).join(program)))
}

/// Labels that pgmon or the text format gives its own meaning.
const RESERVED_LABELS: [&str; 5] = ["cluster", "db", "datname", "le", "quantile"];

fn default_labels(config: &Config, root: &Node, faults: &mut Vec<Diagnostic>) {
    let word = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    for (name, value) in &config.default_labels {
        let pointer = join("/default_labels", name);
        let at = root.locate(&pointer).0;
        let mut says = |message: &str| faults.push(at.says(&pointer, message));
        if RESERVED_LABELS.contains(&name.as_str()) {
            says("pgmon gives this label itself; choose another name");
        } else if !word(name) || name.starts_with("__") {
            says("a label's name has letters, digits and _, begins with no digit and not with __");
        } else if value.is_empty() || value.len() > 128 || value.chars().any(char::is_control) {
            says("a label's value has 1 to 128 bytes and no control characters");
        }
    }
    if config.default_labels.len() > 16 {
        faults.push(root.locate("/default_labels").0.says("/default_labels", "has more than 16 labels"));
    }
}

fn loops(config: &Config, root: &Node, faults: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) {
    let (intervals, budgets) = (&config.sample_intervals, &config.budgets);
    let loops: [(&str, Span, Span); 4] = [
        ("hot_path", intervals.hot_path, budgets.hot_path),
        ("workload", intervals.workload, budgets.workload),
        ("storage", intervals.storage, budgets.storage),
        ("hourly", intervals.hourly, budgets.hourly),
    ];
    for (name, interval, budget) in loops {
        let pointer = format!("/sample_intervals/{name}");
        let at = &root.locate(&pointer).1.at;
        if interval.duration() < SHORTEST_INTERVAL {
            faults.push(at.says(pointer, "must be at least 1s"));
        } else if budget > interval {
            let message = format!("is shorter than its budget ({budget}), so rounds may be skipped");
            warnings.push(at.says(pointer, message));
        }
    }
}

fn vault(
    config: &Config,
    entries: &[Entry],
    root: &Node,
    faults: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    const POINTER: &str = "/secrets/vault";
    let vault = &config.secrets.vault;
    let user = entries.iter().find(|entry| entry.connect.password.is_vault());
    let mut fault = |key: &str, message: &str| {
        let pointer = if key.is_empty() { POINTER.to_owned() } else { format!("{POINTER}/{key}") };
        faults.push(root.locate(&pointer).0.says(pointer, message));
    };
    if !vault.is_configured() {
        if let Some(entry) = user {
            let from = entry.connect.password.describe();
            fault("address", &format!("is needed for {from}: set it, or VAULT_ADDR"));
        }
        return;
    }
    let plain = vault.address.strip_prefix("http://");
    let host = plain.or_else(|| vault.address.strip_prefix("https://"));
    match host.map(|rest| rest.split('/').next().unwrap_or_default()) {
        None | Some("") => fault("address", "expected https://host:port"),
        Some(host) if host.contains('@') => fault("address", "expected https://host:port without a user"),
        Some(host) => {
            let name = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
            let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
            if plain.is_some() && !crate::dsn::is_loopback_host(name) {
                let pointer = format!("{POINTER}/address");
                let at = root.locate(&pointer).0;
                warnings.push(at.says(
                    pointer,
                    "http:// to another machine: tokens and passwords cross the network in clear text",
                ));
            }
        }
    }
    let ways =
        [!vault.token.is_empty(), !vault.app_role.role_id.is_empty(), !vault.kubernetes.role.is_empty()];
    match ways.into_iter().filter(|way| *way).count() {
        1 => {}
        0 if user.is_none() => {}
        0 => fault("", "no way to log in: set token_file, app_role.role_id, kubernetes.role or VAULT_TOKEN"),
        _ => fault("", "several ways to log in: keep one of token, app_role and kubernetes"),
    }
}

fn thresholds(config: &Config, root: &Node, warnings: &mut Vec<Diagnostic>) {
    let a = &config.alerts;
    // Whether the critical threshold would never be reached after the warning.
    let rising: [(&str, bool); 9] = [
        ("connections_warn", a.connections_warn > a.connections_crit),
        ("long_txn_warn_s", a.long_txn_warn_s > a.long_txn_crit_s),
        ("repl_warn_s", a.repl_warn_s > a.repl_crit_s),
        ("stats_stale_warn_hours", a.stats_stale_warn_hours > a.stats_stale_crit_hours),
        ("wraparound_warn_tx_age", a.wraparound_warn_tx_age > a.wraparound_crit_tx_age),
        ("wal_surge_warn_bytes_per_sec", a.wal_surge_warn_bytes_per_sec > a.wal_surge_crit_bytes_per_sec),
        ("temp_surge_warn_bytes_per_sec", a.temp_surge_warn_bytes_per_sec > a.temp_surge_crit_bytes_per_sec),
        ("autovac_starvation_warn_hours", a.autovac_starvation_warn_hours > a.autovac_starvation_crit_hours),
        ("checkpoint_ratio_warn", a.checkpoint_ratio_warn > a.checkpoint_ratio_crit),
    ];
    for key in rising.into_iter().filter_map(|(key, wrong)| wrong.then_some(key)) {
        let pointer = format!("/alerts/{key}");
        let at = &root.locate(&pointer).1.at;
        warnings.push(at.says(pointer, "is above its _crit threshold, so there is never a mere warning"));
    }
    if a.checkpoint_interval_warn_seconds < a.checkpoint_interval_crit_seconds {
        let pointer = "/alerts/checkpoint_interval_warn_seconds";
        let at = &root.locate(pointer).1.at;
        warnings.push(at.says(pointer, "is below its _crit threshold, so there is never a mere warning"));
    }
}
