//! Against the double of Vault (no registry brings the real one), with a clock that tests move.

use super::*;
use pgmon_config::Secret;
use pgmon_testkit::{Major, Server, Terms, VaultDouble};
use serde_json::json;
use std::time::Duration;

const S: fn(u64) -> Duration = Duration::from_secs;

/// Time that passes, and jumps when a test says so.
struct Jumping(pgmon_core::clock::SystemClock, Mutex<Duration>);

impl Clock for Jumping {
    fn mono(&self) -> Duration {
        self.0.mono() + *self.1.lock().unwrap()
    }

    fn wall(&self) -> jiff::Timestamp {
        self.0.wall()
    }
}

struct Bench {
    double: VaultDouble,
    clock: Arc<Jumping>,
}

impl Bench {
    fn new(double: VaultDouble) -> Self {
        Self { double, clock: Arc::new(Jumping(pgmon_core::clock::SystemClock::new(), Mutex::default())) }
    }

    fn vault(&self, change: impl FnOnce(&mut pgmon_config::Vault)) -> Vault {
        let mut config = pgmon_config::Vault { address: self.double.address(), ..Default::default() };
        change(&mut config);
        Vault::new(&config, self.clock.clone())
    }

    fn with_token(&self) -> Vault {
        let token = self.double.token(Terms::FOR_EVER);
        self.vault(|v| v.token = token.into())
    }

    fn advance(&self, by: Duration) {
        self.double.advance(by);
        *self.clock.1.lock().unwrap() += by;
    }

    fn count(&self, asked: &str) -> usize {
        self.double.asked().iter().filter(|a| *a == asked).count()
    }
}

fn secret(path: &str) -> VaultSecret {
    VaultSecret { path: path.to_owned(), field: None }
}

fn password(vault: &Vault, path: &str) -> VaultLogins {
    vault.logins(&PasswordSource::VaultPassword(secret(path)), &secret(path), "pgmon")
}

fn both(vault: &Vault, path: &str) -> VaultLogins {
    vault.logins(&PasswordSource::VaultLogin(secret(path)), &secret(path), "")
}

fn text(login: &Login) -> (&str, &str) {
    (&login.user, login.password.as_ref().map_or("", Secret::expose))
}

/// Asks until the background work that was begun is done.
async fn outdated(logins: &VaultLogins, login: &Login) -> bool {
    for _ in 0..30 {
        if logins.is_outdated(login) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_kv_secret_is_read_once_a_poll_and_at_once_when_it_was_refused() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    bench.double.put("secret/data/shop", json!({ "password": "one", "port": 1 }));
    let vault = bench.with_token();
    let logins = password(&vault, "secret/data/shop");
    let first = logins.login().await.unwrap();
    assert_eq!(text(&first), ("pgmon", "one"));
    assert_eq!(logins.refused(&first).await.unwrap(), None, "there is nothing newer");
    bench.double.put("secret/data/shop", json!({ "password": "two" }));
    assert_eq!(text(&logins.login().await.unwrap()), ("pgmon", "one"), "kept for a poll's length");
    let second = logins.refused(&first).await.unwrap().unwrap();
    assert_eq!(text(&second), ("pgmon", "two"));
    bench.double.put("secret/data/shop", json!({ "password": "three" }));
    bench.advance(S(61));
    assert_eq!(text(&logins.login().await.unwrap()), ("pgmon", "three"));
    assert!(!outdated(&logins, &first).await, "a password is asked for at connecting only");
    assert_eq!(bench.count("GET secret/data/shop"), 4);
}

#[tokio::test]
async fn connections_follow_a_user_that_changes_with_the_secret() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    bench.double.put("secret/data/shop", json!({ "username": "blue", "password": "one" }));
    let vault = bench.with_token();
    let logins = both(&vault, "secret/data/shop");
    let first = logins.login().await.unwrap();
    bench.double.put("secret/data/shop", json!({ "username": "green", "password": "two" }));
    bench.advance(S(61));
    assert!(outdated(&logins, &first).await);
    assert_eq!(text(&logins.login().await.unwrap()), ("green", "two"));
}

#[tokio::test]
async fn what_is_wrong_is_said_without_the_token() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    let vault = bench.with_token();
    let fails = async |vault: &Vault, path: &str| {
        let error = password(vault, path).login().await.unwrap_err().to_string();
        assert!(!error.contains("hvs."), "{error}");
        error
    };
    assert!(fails(&vault, "secret/shop").await.contains("version 2 has data/"));
    bench.double.put("secret/data/shop", json!({ "pw": "one" }));
    assert!(fails(&vault, "secret/data/shop").await.contains("no field \"password\""));
    bench.double.put("secret/data/old", json!({ "password": "one" }));
    bench.double.delete("secret/data/old");
    assert!(fails(&vault, "secret/data/old").await.contains("404"));
    let stranger = bench.vault(|v| v.token = "hvs.unknown".into());
    // The double repeats the token in its refusal.
    let error = fails(&stranger, "secret/data/shop").await;
    assert!(error.contains("403") && error.contains("[redacted]"), "{error}");
    bench.double.seal(true);
    assert!(fails(&vault, "secret/data/new").await.contains("Vault is sealed"));
    bench.double.seal(false);
    bench.double.redirect(Some("http://127.0.0.1:1/v1/x".to_owned()));
    assert!(fails(&vault, "secret/data/new").await.contains("redirect"));
    let nowhere = bench.vault(|v| v.address = "http://127.0.0.1:1".to_owned());
    assert!(fails(&nowhere, "secret/data/new").await.contains("does not answer"));
}

#[tokio::test]
async fn what_was_read_is_used_on_while_vault_is_away() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    bench.double.put("secret/data/shop", json!({ "password": "one" }));
    let vault = bench.with_token();
    let logins = password(&vault, "secret/data/shop");
    logins.login().await.unwrap();
    bench.double.seal(true);
    bench.advance(S(3600));
    assert_eq!(text(&logins.login().await.unwrap()).1, "one");
}

#[tokio::test]
async fn logs_in_by_app_role_and_kubernetes_and_reads_their_files_anew() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    bench.double.put("secret/data/shop", json!({ "password": "one" }));
    bench.double.set_namespace("team/a");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "first\n").unwrap();
    let terms = Terms { ttl: S(60), max_ttl: S(60), renewable: false };
    bench.double.app_role("role", "first", terms);
    bench.double.kubernetes("k8s", "first", terms);
    let by_role = bench.vault(|v| {
        v.namespace = "team/a".to_owned();
        v.app_role.role_id = "role".to_owned();
        v.app_role.secret_id_file = Some(file.clone());
    });
    let by_pod = bench.vault(|v| {
        v.namespace = "team/a".to_owned();
        v.kubernetes.role = "k8s".to_owned();
        v.kubernetes.jwt_file = file.clone();
    });
    for (vault, login) in [(by_role, "POST auth/approle/login"), (by_pod, "POST auth/kubernetes/login")] {
        let logins = password(&vault, "secret/data/shop");
        assert_eq!(text(&logins.login().await.unwrap()).1, "one", "{login}");
        // Near the end of a token that cannot be renewed, it logs in again, with what is in the file by then.
        bench.double.app_role("role", "second", terms);
        bench.double.kubernetes("k8s", "second", terms);
        std::fs::write(&file, "second\n").unwrap();
        bench.advance(S(61));
        assert_eq!(text(&logins.login().await.unwrap()).1, "one", "{login}");
        assert_eq!(bench.count(login), 2);
        std::fs::write(&file, "first\n").unwrap();
    }
}

#[tokio::test]
async fn a_token_is_renewed_in_time_and_one_that_was_revoked_replaced() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    bench.double.put("secret/data/shop", json!({ "password": "one" }));
    bench.double.app_role("role", "secret", Terms::renewable(S(90)));
    let vault = bench.vault(|v| {
        v.app_role.role_id = "role".to_owned();
        v.app_role.secret_id = "secret".into();
    });
    let logins = password(&vault, "secret/data/shop");
    for _ in 0..10 {
        logins.login().await.unwrap();
        bench.advance(S(61));
    }
    assert_eq!(bench.count("POST auth/approle/login"), 1, "{:?}", bench.double.asked());
    assert!(bench.count("POST auth/token/renew-self") >= 8);

    let token = bench.double.token(Terms::FOR_EVER);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, &token).unwrap();
    let vault = bench.vault(|v| v.token_file = Some(file.clone()));
    let logins = password(&vault, "secret/data/shop");
    logins.login().await.unwrap();
    // An agent has put another one there.
    bench.double.revoke_token(&token);
    std::fs::write(&file, bench.double.token(Terms::FOR_EVER)).unwrap();
    bench.double.put("secret/data/shop", json!({ "password": "two" }));
    bench.advance(S(61));
    assert_eq!(text(&logins.login().await.unwrap()).1, "two");
}

#[tokio::test]
async fn tls_is_checked_against_the_file() {
    let bench = Bench::new(VaultDouble::start_tls().unwrap());
    bench.double.put("secret/data/shop", json!({ "password": "one" }));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, bench.double.ca().unwrap()).unwrap();
    let token = bench.double.token(Terms::FOR_EVER);
    let trusting = bench.vault(|v| {
        v.token = token.clone().into();
        v.ca_file = Some(file);
    });
    assert_eq!(text(&password(&trusting, "secret/data/shop").login().await.unwrap()).1, "one");
    let wary = bench.vault(|v| v.token = token.into());
    let error = password(&wary, "secret/data/shop").login().await.unwrap_err().to_string();
    assert!(error.contains("certificate") || error.contains("Issuer"), "{error}");
}

/// A server with a group that leased users join.
async fn server() -> Server {
    let server = Server::builder(Major::NEWEST).start().await.unwrap();
    server.exec("postgres", "CREATE ROLE watchers").await.unwrap();
    server
}

#[tokio::test]
async fn a_lease_is_renewed_shared_and_replaced_before_its_last_end() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    let server = server().await;
    let terms = Terms { ttl: S(60), max_ttl: S(120), renewable: true };
    bench.double.database_role("pgmon", &server, "watchers", terms);
    let vault = bench.with_token();
    let logins = both(&vault, "database/creds/pgmon");
    let first = logins.login().await.unwrap();
    assert!(first.user.starts_with("v-pgmon-"));
    let other = both(&vault, "database/creds/pgmon");
    assert_eq!(other.login().await.unwrap(), first, "entries with the same path share a lease");
    assert!(!logins.is_outdated(&first));
    assert_eq!(logins.refused(&first).await.unwrap(), None, "no new role for every refusal");

    // Past two thirds: renewed, in the background.
    bench.advance(S(41));
    assert!(!outdated(&logins, &first).await);
    assert_eq!(bench.count("PUT sys/leases/renew"), 1);
    // Past the first end it is still good, and is renewed for what is left (about 40 s of 60).
    bench.advance(S(41));
    assert!(!outdated(&logins, &first).await);
    assert_eq!(bench.count("PUT sys/leases/renew"), 2);
    // The next one would give less than half of what was granted at first: then it is replaced.
    assert!(tokio::time::timeout(S(1), logins.outdated(&first)).await.is_err());
    bench.advance(S(26));
    tokio::time::timeout(S(5), logins.outdated(&first)).await.unwrap();
    assert!(logins.is_outdated(&first));
    let second = logins.login().await.unwrap();
    assert_ne!(second.user, first.user);
    assert!(bench.double.leased().contains(&first.user), "replaced before it has ended");
    assert!(!logins.is_outdated(&second));
    assert_eq!(bench.count("GET database/creds/pgmon"), 2);
}

#[tokio::test]
async fn what_was_leased_with_a_token_is_replaced_with_the_token() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    let server = server().await;
    bench.double.database_role("pgmon", &server, "watchers", Terms::renewable(S(3600)));
    bench.double.app_role("role", "secret", Terms { ttl: S(60), max_ttl: S(60), renewable: false });
    let vault = bench.vault(|v| {
        v.app_role.role_id = "role".to_owned();
        v.app_role.secret_id = "secret".into();
    });
    let logins = both(&vault, "database/creds/pgmon");
    let first = logins.login().await.unwrap();
    bench.advance(S(41));
    assert!(outdated(&logins, &first).await, "the lease has an hour, but its token 20 s");
    let second = logins.login().await.unwrap();
    assert!(second.user != first.user && bench.double.leased().contains(&first.user));
}

#[tokio::test]
async fn a_lease_is_not_asked_for_again_and_again_while_logging_in_fails() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    let server = server().await;
    bench.double.database_role("pgmon", &server, "watchers", Terms::renewable(S(60)));
    let vault = bench.with_token();
    let logins = both(&vault, "database/creds/pgmon");
    let first = logins.login().await.unwrap();
    bench.double.seal(true);
    for _ in 0..5 {
        bench.advance(S(10));
        assert!(!outdated(&logins, &first).await);
        assert_eq!(logins.login().await.unwrap(), first, "used as long as it is good");
    }
    bench.advance(S(11));
    assert!(logins.login().await.unwrap_err().to_string().contains("sealed"));
    bench.double.seal(false);
    let second = logins.login().await.unwrap();
    assert!(second.user != first.user && logins.is_outdated(&first));
}

#[tokio::test]
async fn a_panic_that_repeats_everything_shows_no_secret() {
    let bench = Bench::new(VaultDouble::start().unwrap());
    bench.double.put("secret/data/shop", json!({ "password": "hunter2" }));
    let token = bench.double.token(Terms::FOR_EVER);
    let config = pgmon_config::Secrets {
        vault: pgmon_config::Vault {
            address: bench.double.address(),
            token: token.clone().into(),
            ..Default::default()
        },
        ..Default::default()
    };
    let env = std::collections::BTreeMap::from([("AWS_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned())]);
    let keyring = crate::Keyring::new(&config, &env, bench.clock.clone());
    let connect = |password| pgmon_config::ConnectSpec {
        host: "db1".parse().unwrap(),
        port: 5432,
        user: "pgmon".to_owned(),
        password,
        database: "shop".to_owned(),
        sslmode: None,
        sslrootcert: None,
        sslcert: None,
        sslkey: None,
    };
    let argv = pgmon_config::Argv::new(["echo", "hunter2"].map(str::to_owned));
    for source in [
        PasswordSource::Given("hunter2".into()),
        PasswordSource::Command(argv),
        PasswordSource::VaultPassword(secret("secret/data/shop")),
    ] {
        let connect = connect(source);
        let logins = keyring.logins(&connect);
        let login = logins.login().await.unwrap();
        assert_eq!(login.password.as_ref().map(Secret::expose), Some("hunter2"));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            panic!("{keyring:?} {connect:?} {config:?} {logins:?} {login:?}")
        }));
        let said = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(!said.contains("hunter2") && !said.contains(&token), "{said}");
    }
}
