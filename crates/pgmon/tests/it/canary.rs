//! Secrets are planted wherever pgmon takes one, and looked for wherever it says something.

use crate::agent::{Agent, pgmon};
use crate::reload::FAST;
use anyhow::Result;
use pgmon_testkit::{Server, Terms, VaultDouble, on_each_major, quote_literal};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

/// The places, each with a secret of its own.
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn new(places: &[&'static str]) -> Self {
        let tail = std::process::id();
        Self(
            places.iter().enumerate().map(|(n, place)| (*place, format!("zq{n}xcanary{tail}k{n}"))).collect(),
        )
    }

    fn of(&self, place: &str) -> &str {
        &self.0.iter().find(|(name, _)| *name == place).unwrap().1
    }

    /// Fails if a secret is in `text`, named `place` in the message without its value.
    fn absent(&self, from: &str, text: &str) {
        let leaked: Vec<_> =
            self.0.iter().filter(|(_, secret)| text.contains(secret)).map(|(p, _)| p).collect();
        assert!(leaked.is_empty(), "{from} shows the secrets of {leaked:?}:\n{text}");
    }
}

struct Planted {
    canaries: Canaries,
    directory: tempfile::TempDir,
    _double: VaultDouble,
    env: Vec<(&'static str, String)>,
}

/// The entries that work: name and where the password is.
const ENTRIES: [&str; 9] =
    ["dsn", "dsn_file", "password", "password_file", "variable", "pgpass", "command", "vault", "app_role"];

impl Planted {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a subcommand with the configuration.
    fn run(&self, config: &str, arguments: &[&str]) -> Output {
        let mut command = pgmon();
        command.args(arguments).arg("--config").arg(self.path(config)).env("RUST_LOG", "trace");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    }

    fn start(&self, config: &str) -> Agent {
        let mut command = pgmon();
        command.arg("--config").arg(self.path(config)).env("RUST_LOG", "trace");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Agent::spawn(command)
    }
}

/// Makes a role for each place, with the secret there as its password, and a configuration with all of them.
async fn plant(server: &Server) -> Result<Planted> {
    let canaries = Canaries::new(&[
        "dsn",
        "dsn_file",
        "password",
        "password_file",
        "variable",
        "pgpass",
        "command",
        "vault",
        "app_role",
        "argument",
        "secret_id",
        "vault_token",
        "slack_webhook",
        "email_smtp",
        "smtp_file",
        "unused",
        "api_key",
        "key_file",
        "wrong_key",
    ]);
    for entry in ENTRIES {
        let password = quote_literal(canaries.of(entry));
        let sql = format!("CREATE ROLE r_{entry} LOGIN PASSWORD {password}; GRANT pg_monitor TO r_{entry}");
        server.exec("postgres", &sql).await?;
    }
    let double = VaultDouble::start()?;
    double.put("secret/data/one", json!({ "password": canaries.of("vault") }));
    double.put("secret/data/two", json!({ "username": "r_app_role", "password": canaries.of("app_role") }));
    double.app_role("role", canaries.of("secret_id"), Terms::renewable(Duration::from_secs(60)));

    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| {
        std::fs::write(path(name), text).unwrap();
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let dsn = |entry: &str| server.dsn_as(&format!("r_{entry}"), canaries.of(entry), "postgres");
    write("dsn", &dsn("dsn_file"));
    write("password", canaries.of("password_file"));
    write("pgpass", &format!("*:*:*:r_pgpass:{}", canaries.of("pgpass")));
    write("secret_id", canaries.of("secret_id"));
    write("smtp", &format!("smtp://u:{}@h:25?from=a@b&to=c@d", canaries.of("smtp_file")));
    write("token", canaries.of("command"));
    let entry = |name: &str, more: &str| {
        let port = server.port();
        format!("- {{name: {name}, host: 127.0.0.1, port: {port}, database: postgres, {more}}}\n")
    };
    let tool = format!("[sh, -c, 'cat {}; : {}']", path("token").display(), canaries.of("argument"));
    let head = format!(
        "{FAST}notifiers: {{slack_webhook: 'https://h/{}', email_smtp_file: smtp}}\n\
         secrets: {{vault: {{address: '{}', app_role: {{role_id: role, secret_id_file: secret_id}}}}}}\n",
        canaries.of("slack_webhook"),
        double.address()
    );
    let databases = [
        format!("- {{name: dsn, dsn: '{}'}}\n", dsn("dsn")),
        "- {name: dsn_file, dsn_file: dsn}\n".to_owned(),
        entry("password", &format!("user: r_password, password: {}", canaries.of("password"))),
        entry("password_file", "user: r_password_file, password_file: password"),
        entry("variable", "user: r_variable, password: '${SHOP_PASSWORD}'"),
        entry("pgpass", "user: r_pgpass"),
        entry("command", &format!("user: r_command, password_command: {tool}")),
        entry("vault", "user: r_vault, password_vault: secret/data/one"),
        entry("app_role", "login_vault: secret/data/two"),
    ];
    write("good.yaml", &format!("{head}databases:\n{}", databases.concat()));
    write("key", canaries.of("key_file"));
    let auth = format!("auth: {{api_keys: [{}, {{name: f, key_file: key}}]}}", canaries.of("api_key"));
    let keyed = head.replace("'127.0.0.1:0'", &format!("'127.0.0.1:0', {auth}"));
    write("keyed.yaml", &format!("{keyed}databases:\n{}", databases.concat()));
    // The server does not know these.
    let wrong = databases
        .concat()
        .replace("user: r_", "user: nobody_")
        .replace("postgres://r_", "postgres://nobody_");
    write(
        "down.yaml",
        &format!(
            "{head}databases:\n{wrong}- {{name: extra, dsn: 'postgres://x:{}@127.0.0.1:1/d'}}\n",
            canaries.of("unused")
        ),
    );
    // Each line has a secret where something is wrong.
    let bad = format!(
        "{FAST}dsn: 'postgres://u:{}@h:x/d'\ndatabases:\n- {{host: h, password: a, {}}}\n- {{dsn_file: password}}\n\
         - {{host: h, user: u, password_command: '{}'}}\n- {{host: h, login_vault: '{}'}}\n\
         notifiers: {{slack_webhook: [{}]}}\nsecrets: {{vault: {{address: '{}', token: {}}}}}\n",
        canaries.of("dsn"),
        canaries.of("password"),
        canaries.of("argument"),
        canaries.of("vault"),
        canaries.of("slack_webhook"),
        canaries.of("unused"),
        canaries.of("vault_token"),
    );
    write("bad.yaml", &bad);
    let env = vec![
        ("SHOP_PASSWORD", canaries.of("variable").to_owned()),
        ("PGPASSFILE", path("pgpass").display().to_string()),
        ("VAULT_TOKEN", canaries.of("vault_token").to_owned()),
    ];
    Ok(Planted { canaries, directory, _double: double, env })
}

fn look_everywhere(planted: &Planted, agent: &Agent, key: &str) {
    let canaries = &planted.canaries;
    let head = format!("Authorization: Bearer {key}\r\n");
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/livez",
        "/",
        "/status",
        "/configz",
        "/api/v1/databases",
        "/nowhere",
    ] {
        let answer = agent.get_with(path, &head);
        canaries.absent(path, &format!("{}\n{}", answer.head, String::from_utf8_lossy(&answer.body)));
    }
    for path in crate::api::PATHS {
        let answer = agent.get_with(&format!("{path}?db=password"), &head);
        canaries.absent(path, &answer.text());
    }
    let targets = agent.get_with("/api/v1/targets", &head);
    canaries.absent("targets", &targets.text());
    let open = agent.get_with("/metrics", &format!("{head}Accept: application/openmetrics-text\r\n"));
    canaries.absent("OpenMetrics", &open.text());
    canaries.absent("the log", &agent.log());
}

on_each_major! { [pg13 13, pg18 18]
    async fn no_secret_that_was_planted_is_shown_anywhere(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let planted = plant(&server).await?;
        let canaries = &planted.canaries;
        // They are used: with any other password the server would refuse.
        let agent = planted.start("good.yaml");
        let page = agent.wait("all are up", Duration::from_secs(30), |p| {
            p.all("pg_up").filter(|s| s.value == 1.0).count() == ENTRIES.len()
        });
        assert_eq!(page.all("pg_up").count(), ENTRIES.len());
        agent.wait_for_all_loops();
        look_everywhere(&planted, &agent, "");
        assert!(agent.log().contains("TRACE") || agent.log().contains("DEBUG"), "nothing is logged at that level");

        // A reload that fails tells what is wrong with the file.
        std::fs::copy(planted.path("bad.yaml"), planted.path("good.yaml"))?;
        agent.signal("HUP");
        agent.wait("not reloaded", Duration::from_secs(20), |p| {
            p.value("pgmon_config_last_reload_successful", &[]) == Some(0.0)
        });
        look_everywhere(&planted, &agent, "");
        // And one that changes where each of them is.
        std::fs::copy(planted.path("down.yaml"), planted.path("good.yaml"))?;
        agent.wait("those with another user are down", Duration::from_secs(30), |p| {
            // The DSN's file and the login in Vault have their user, and work; one that never did has come.
            p.all("pg_up").filter(|s| s.value == 0.0).count() == ENTRIES.len() - 1
        });
        look_everywhere(&planted, &agent, "");

        // Behind keys: with the right ones, and with one that is wrong.
        std::fs::copy(planted.path("keyed.yaml"), planted.path("good.yaml"))?;
        agent.signal("HUP");
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while agent.get("/metrics").status != 403 {
            assert!(std::time::Instant::now() < deadline, "{}", agent.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        for key in ["api_key", "key_file", "wrong_key"] {
            let head = format!("Authorization: Bearer {}\r\n", canaries.of(key));
            let status = agent.get_with("/configz", &head).status;
            assert_eq!(status, if key == "wrong_key" { 403 } else { 200 }, "{key}");
            // Guessing is slowed down: once is enough.
            if key != "wrong_key" {
                look_everywhere(&planted, &agent, canaries.of(key));
            }
        }
        canaries.absent("the log", &agent.log());

        for config in ["down.yaml", "keyed.yaml", "bad.yaml"] {
            let show: &[&str] = &["check-config", "--show"];
            for arguments in [&["check-config"][..], show, &["doctor"], &["doctor", "--format", "json"]] {
                let done = planted.run(config, arguments);
                let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                assert!(!said.concat().is_empty());
                canaries.absent(&format!("{arguments:?} with {config}"), &said.concat());
            }
        }
        let done = planted.run("bad.yaml", &["agent"]);
        assert_eq!(done.status.code(), Some(2));
        canaries.absent("the start with bad.yaml", &String::from_utf8_lossy(&done.stderr));
        Ok(())
    }
}
