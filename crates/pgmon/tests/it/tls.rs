//! `sslmode` on a server with TLS: each mode does what libpq's does.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{PgBouncer, Server, Tier, on_each_major};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }
}

/// Writes a file as the server's user, whoever runs the test.
async fn place(server: &Server, name: &str, text: &str) -> Result<()> {
    let sql = format!(
        "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO '{}'",
        text.trim(),
        path(server, name)
    );
    server.exec("postgres", &sql).await?;
    std::fs::set_permissions(path(server, name), std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn path(server: &Server, name: &str) -> String {
    server.data_dir().join(name).display().to_string()
}

/// A server whose certificate names `localhost` but not 127.0.0.1.
async fn server_with_tls(major: pgmon_testkit::Major, authority: &Authority) -> Result<Server> {
    let server = Server::start(major).await?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority.0)?;
    place(&server, "server.key", &key.serialize_pem()).await?;
    place(&server, "server.crt", &certificate.pem()).await?;
    server.set("ssl", "on").await?;
    Ok(server)
}

on_each_major! { [pg12 12, pg18 18]
    async fn modes(major: Major) -> Result<()> {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let server = server_with_tls(major, &authority).await?;
        // Nobody gets in without TLS.
        place(&server, "pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256").await?;
        server.exec("postgres", "SELECT pg_reload_conf()").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dir = tempfile::tempdir()?;
        let [root, wrong] = [("root.pem", &authority), ("wrong.pem", &stranger)].map(|(name, ca)| {
            let file = dir.path().join(name);
            std::fs::write(&file, ca.0.pem()).unwrap();
            file.display().to_string()
        });
        let dsn = |host: &str, parameters: &str| {
            format!("postgres://pgmon:{password}@{host}:{}/postgres?{parameters}", server.port())
        };
        let good = [
            dsn("127.0.0.1", ""),
            dsn("127.0.0.1", "sslmode=allow"),
            dsn("127.0.0.1", "sslmode=require"),
            dsn("127.0.0.1", &format!("sslmode=require&sslrootcert={root}")),
            dsn("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={root}")),
            dsn("localhost", &format!("sslmode=verify-full&sslrootcert={root}")),
        ];
        for dsn in good {
            let agent = Agent::watch(&dsn);
            agent.wait(&dsn, SOON, |p| p.value("pgmon_connection_tls", &[]) == Some(1.0));
        }
        let bad = [
            (dsn("127.0.0.1", "sslmode=disable"), "28000"),
            (dsn("127.0.0.1", &format!("sslmode=require&sslrootcert={wrong}")), "certificate"),
            (dsn("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={wrong}")), "certificate"),
            (dsn("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={root}")), "certificate"),
        ];
        for (dsn, reason) in bad {
            let agent = Agent::watch(&dsn);
            agent.wait(&dsn, SOON, |p| p.value("pg_up", &[]) == Some(0.0));
            let health = agent.get("/healthz").text();
            assert!(health.contains(reason) && !health.contains(&password), "{dsn}: {health}");
        }
        // A server that forbids TLS is still reached by the mode that only prefers it.
        place(&server, "pg_hba.conf", "local all all trust\nhostnossl all all 127.0.0.1/32 scram-sha-256").await?;
        server.exec("postgres", "SELECT pg_reload_conf()").await?;
        let agent = Agent::watch(&dsn("127.0.0.1", "sslmode=prefer"));
        agent.wait("prefer", SOON, |p| p.value("pgmon_connection_tls", &[]) == Some(0.0));
        Ok(())
    }
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn a_handshake_that_fails_leaves_clear_text_to_prefer_alone(major: Major) -> Result<()> {
        let authority = Authority::new();
        let server = server_with_tls(major, &authority).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let root = tempfile::NamedTempFile::new()?;
        std::fs::write(root.path(), authority.0.pem())?;
        let dsn = |parameters: &str| {
            format!("postgres://pgmon:{password}@localhost:{}/postgres?{parameters}", server.port())
        };
        let odd = [
            // No cipher that goes with the certificate's key; then only versions that nobody should use.
            &[("ssl_max_protocol_version", "TLSv1.2"), ("ssl_ciphers", "AES256-SHA")][..],
            &[("ssl_min_protocol_version", "TLSv1"), ("ssl_max_protocol_version", "TLSv1.1")][..],
        ];
        for settings in odd {
            for (name, value) in settings {
                server.set(name, value).await?;
            }
            for mode in ["prefer", "allow"] {
                let agent = Agent::watch(&dsn(&format!("sslmode={mode}")));
                agent.wait(mode, SOON, |p| p.value("pgmon_connection_tls", &[]) == Some(0.0));
            }
            for mode in ["require", "verify-ca", "verify-full"] {
                let agent = Agent::watch(&dsn(&format!("sslmode={mode}&sslrootcert={}", root.path().display())));
                agent.wait(mode, SOON, |p| p.value("pg_up", &[]) == Some(0.0));
                assert!(agent.page().value("pgmon_connection_tls", &[]).is_none(), "{mode}");
            }
        }
        // Who gets in neither way is told both reasons.
        place(&server, "pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256").await?;
        server.exec("postgres", "SELECT pg_reload_conf()").await?;
        for mode in ["prefer", "allow"] {
            let agent = Agent::watch(&dsn(&format!("sslmode={mode}")));
            agent.wait(mode, SOON, |p| p.value("pg_up", &[]) == Some(0.0));
            let health = agent.get("/healthz").text();
            assert!(health.contains("pg_hba.conf") && health.contains("before that"), "{mode}: {health}");
        }
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_root_certificate_is_verified_where_tls_is_only_preferred(major: Major) -> Result<()> {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let server = server_with_tls(major, &authority).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dir = tempfile::tempdir()?;
        for (ca, tls) in [(&authority, 1.0), (&stranger, 0.0)] {
            let file = dir.path().join("root.pem");
            std::fs::write(&file, ca.0.pem())?;
            let agent = Agent::watch(&format!(
                "postgres://pgmon:{password}@127.0.0.1:{}/postgres?sslmode=prefer&sslrootcert={}",
                server.port(),
                file.display()
            ));
            agent.wait("prefer", SOON, |p| p.value("pgmon_connection_tls", &[]) == Some(tls));
        }
        Ok(())
    }
}

on_each_major! { [pg15 15]
    async fn allow_reaches_a_pooler_that_wants_tls(major: Major) -> Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let authority = Authority::new();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority.0)?;
        place(&server, "pooler.key", &key.serialize_pem()).await?;
        place(&server, "pooler.crt", &certificate.pem()).await?;
        let pooler = PgBouncer::builder(&server)
            .user("pgmon", &password)
            .setting("client_tls_sslmode", "require")
            .setting("client_tls_key_file", path(&server, "pooler.key"))
            .setting("client_tls_cert_file", path(&server, "pooler.crt"))
            .start()
            .await?;
        for (mode, up) in [("allow", 1.0), ("prefer", 1.0), ("disable", 0.0)] {
            let dsn = format!("{}?sslmode={mode}", pooler.dsn_as("pgmon", &password, "postgres"));
            let agent = Agent::start(&[("PGMON_DATABASES", &format!("[{{dsn: '{dsn}', pooled: true}}]"))]);
            agent.wait(mode, SOON, |p| p.value("pg_up", &[]) == Some(up));
        }
        Ok(())
    }
}

#[test]
fn clear_text_to_a_remote_host_is_warned_of_loudly() {
    // TEST-NET-1: nobody is there.
    let agent = Agent::watch("postgres://pgmon@192.0.2.1/shop?sslmode=disable");
    assert!(agent.log().contains("clear text"), "{}", agent.log());
}
