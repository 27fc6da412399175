//! Where passwords come from, and which files a configuration is made of.

use std::collections::BTreeSet;

use super::{load, load_with, options};
use crate::{Argv, Config, PasswordSource, VaultSecret};

fn source(entry: &str) -> Result<PasswordSource, String> {
    let text = format!(
        "databases: [{{database: shop, {entry}}}]\nsecrets: {{vault: {{address: 'https://vault:8200', token: t}}}}\n"
    );
    load_with(&text, &[("USER", "me")])
        .map(|loaded| loaded.entries[0].connect.password.clone())
        .map_err(|errors| errors.to_string())
}

fn vault(path: &str, field: Option<&str>) -> VaultSecret {
    VaultSecret { path: path.to_owned(), field: field.map(str::to_owned) }
}

#[test]
fn an_entry_says_where_its_password_is() {
    let argv = |argv: &[&str]| PasswordSource::Command(Argv::new(argv.iter().map(|a| (*a).to_owned())));
    assert_eq!(source("host: localhost"), Ok(PasswordSource::None));
    assert_eq!(
        source("password_command: [get-token, '--db', shop]"),
        Ok(argv(&["get-token", "--db", "shop"]))
    );
    assert_eq!(
        source("password_vault: 'secret/data/shop#pw'"),
        Ok(PasswordSource::VaultPassword(vault("secret/data/shop", Some("pw"))))
    );
    assert_eq!(
        source("login_vault: database/creds/pgmon"),
        Ok(PasswordSource::VaultLogin(vault("database/creds/pgmon", None)))
    );
    assert_eq!(source("dsn: 'postgres://u:pw@h/'"), Ok(PasswordSource::Given("pw".into())));
}

#[test]
fn the_password_file_of_libpq_is_the_last_resort() {
    let text = "databases: [{host: localhost, user: a, database: b}]";
    let password = |env: &[(&str, &str)]| load_with(text, env).unwrap().entries[0].connect.password.clone();
    assert_eq!(password(&[("HOME", "/home/x")]), PasswordSource::PassFile("/home/x/.pgpass".into()));
    let both = [("HOME", "/home/x"), ("PGPASSFILE", "/etc/pgpass")];
    assert_eq!(password(&both), PasswordSource::PassFile("/etc/pgpass".into()));
    let given = [("HOME", "/home/x"), ("PGPASSWORD", "pw")];
    assert_eq!(password(&given), PasswordSource::Given("pw".into()));
}

#[test]
fn one_source_and_no_more() {
    for two in [
        "password: a, password_command: [b]",
        "password_command: [a], password_vault: b/c",
        "dsn: 'postgres://u:pw@h', password_command: [a]",
        "dsn: 'postgres://u:pw@h', login_vault: a/b",
        "user: a, login_vault: a/b",
    ] {
        let error = source(two).unwrap_err();
        assert!(error.contains("as well"), "{two}: {error}");
    }
    let error =
        load("databases: [{host: h, login_vault: a/b}]\nsecrets: {vault: {address: 'https://v', token: t}}");
    assert!(error.unwrap_err().to_string().contains("say which `database`"));
    for wrong in
        ["password_command: []", "password_command: 'a b'", "password_vault: secret", "login_vault: 'a/..'"]
    {
        assert!(source(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn vault_wants_an_address_and_one_way_to_log_in() {
    let entry = "databases: [{host: h, user: u, password_vault: a/b}]\n";
    let error = |vault: &str, env: &[(&str, &str)]| {
        load_with(&format!("{entry}secrets: {{vault: {{{vault}}}}}"), env)
            .map(|l| l.config.secrets.vault)
            .map_err(|e| e.to_string())
    };
    assert!(error("", &[]).unwrap_err().contains("VAULT_ADDR"));
    assert!(error("address: 'vault:8200', token: t", &[]).unwrap_err().contains("expected https://"));
    assert!(
        error("address: 'https://u:hunter2@vault', token: t", &[]).is_err_and(|e| !e.contains("hunter2"))
    );
    assert!(error("address: 'https://vault'", &[]).unwrap_err().contains("no way to log in"));
    let two = "address: 'https://vault', token: t, kubernetes: {role: r}";
    assert!(error(two, &[]).unwrap_err().contains("several ways"));
    let vault = error("", &[("VAULT_ADDR", "https://v:1"), ("VAULT_TOKEN", "t"), ("VAULT_NAMESPACE", "n")]);
    let vault = vault.unwrap();
    assert_eq!((&*vault.address, vault.token.expose(), &*vault.namespace), ("https://v:1", "t", "n"));
    let loaded = load(
        "databases: [{host: h, user: u, password_vault: a/b}]\nsecrets: {vault: {address: 'http://v', token: t}}",
    );
    assert!(loaded.unwrap().warnings.iter().any(|w| w.message.contains("clear text")));
}

#[test]
fn the_files_of_a_configuration_are_known_also_if_it_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("pgmon.yaml"), "databases: [{host: h, user: u, password_file: password}]\nbad: 1\n")
        .unwrap();
    let mut options = options(&[]);
    options.path = Some(path("pgmon.yaml"));
    let mut files = BTreeSet::new();
    assert!(Config::load_noting(&options, &mut files).is_err());
    assert_eq!(files, BTreeSet::from([path("pgmon.yaml"), path("password")]));
}

#[test]
fn a_password_that_rotated_in_its_file_leaves_the_entry_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let load = |password: &str| {
        std::fs::write(path("password"), password).unwrap();
        std::fs::write(path("dsn"), format!("postgres://u:{password}@h/d")).unwrap();
        let text = "dsn_file: dsn\ndatabases: [{host: h, user: u, password_file: password}]";
        Config::load_text(&path("pgmon.yaml"), text, &options(&[])).unwrap().entries
    };
    assert_eq!(load("one"), load("two"));
}

#[test]
fn a_password_command_that_is_not_there_is_warned_of() {
    let warnings = |argv: &str| {
        let text = format!("databases:\n- host: localhost\n  database: d\n  password_command: {argv}\n");
        let loaded = load_with(&text, &[("USER", "me"), ("PATH", "/nowhere:/bin:/usr/bin")]).unwrap();
        loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let said = warnings("[/nowhere/tool, hunter2]");
    assert!(
        said.len() == 1 && said[0].starts_with("pgmon.yaml:4:3: databases[0].password_command: its program"),
        "{said:?}"
    );
    assert!(!said[0].contains("hunter2"));
    assert_eq!(warnings("[no-such-tool]").len(), 1);
    assert!(warnings("[/bin/sh]").is_empty() && warnings("[sh, -c, 'echo x']").is_empty());
}

#[test]
fn files_for_tls_that_cannot_be_used_are_told_of_with_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = write("ca.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n");
    let wrong = write("key.pem", "no key");
    let text = format!(
        "databases:\n- dsn: 'postgres://u@h/a?sslrootcert=/none/ca.pem'\n- host: h\n  database: b\n  user: u\n  \
         sslrootcert: '{good}'\n  sslcert: '{good}'\n  sslkey: '{wrong}'\n"
    );
    let loaded = load(&text).unwrap();
    let said: Vec<String> = loaded.unready.iter().map(ToString::to_string).collect();
    assert_eq!(loaded.entries.len(), 2, "others are watched, and the files may come later");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("pgmon.yaml:2:") && said[0].contains("sslrootcert /none/ca.pem cannot be read"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("pgmon.yaml:8:") && said[1].contains("has no private key in PEM format"),
        "{said:?}"
    );
}
