//! The disc golf example, as its README has it: two databases, SitRep's files, and Debian's Prometheus that
//! scrapes with a bearer token over TLS.

use crate::agent::{Agent, pgmon};
use anyhow::Result;
use pgmon_testkit::{Prometheus, Server, StopMode, Tier, on_each_major};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::collections::BTreeMap;
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/disc-golf");
const SOON: Duration = Duration::from_secs(60);

fn example(name: &str) -> String {
    std::fs::read_to_string(format!("{EXAMPLE}/{name}")).unwrap()
}

/// A file of the example with some of it replaced, all of which must be there.
fn with(name: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(example(name), |text, (from, to)| {
        assert!(text.contains(from), "{name} has no {from}");
        text.replace(from, to)
    })
}

/// Values by database.
fn by_db(series: &[(serde_json::Map<String, serde_json::Value>, f64)]) -> BTreeMap<String, f64> {
    series.iter().map(|(labels, value)| (labels["db"].as_str().unwrap().to_owned(), *value)).collect()
}

on_each_major! { [pg12 12, pg18 18]
    async fn prometheus_scrapes_the_disc_golf_example_and_answers_its_questions(major: Major) -> Result<()> {
        let mut places = Vec::new();
        let mut servers = Vec::new();
        for database in ["club", "league"] {
            let server = Server::start(major).await?;
            server.create_database(database).await?;
            let password = server.create_monitor("pgmon", Tier::T0).await?;
            server.exec(database, &example("courses.sql")).await?;
            places.push((format!("\"port\": {}", server.port()), password));
            servers.push(server);
        }
        let [(club_port, club_password), (league_port, league_password)] = &places[..] else { unreachable!() };

        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;

        let dir = tempfile::tempdir()?;
        let ports = [("\"port\": 5432", club_port.as_str()), ("\"port\": 5433", league_port)];
        let tls = "  bind: 127.0.0.1:0\n  tls: {cert_file: server.pem, key_file: server.key}";
        for (name, text) in [
            ("databases.json", with("databases.json", &ports)),
            ("queries.json", example("queries.json")),
            ("pgmon.yaml", with("pgmon.yaml", &[("  bind: 127.0.0.1:9187", tls)])),
            ("prometheus.key", format!("{KEY}\n")),
            ("server.pem", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            std::fs::write(dir.path().join(name), text)?;
        }
        let mut command = pgmon();
        command
            .env("CLUB_PASSWORD", club_password)
            .env("LEAGUE_PASSWORD", league_password)
            .env("PGMON_SAMPLE_INTERVALS_HOT_PATH", "1s")
            .env("PGMON_SAMPLE_INTERVALS_WORKLOAD", "2s")
            .env("PGMON_SAMPLE_INTERVALS_STORAGE", "3s")
            .env("PGMON_TIMEOUTS_CONNECT_MS", "2000")
            .arg("--config")
            .arg(dir.path().join("pgmon.yaml"));
        let agent = Agent::spawn(command);

        let target = format!("[\"{}\"]", agent.address());
        let scheme = "    scheme: https\n    tls_config: {ca_file: ca.pem}\n    authorization:";
        let config = with(
            "prometheus.yml",
            &[("[\"127.0.0.1:9187\"]", &target), ("    authorization:", scheme), ("scrape_interval: 15s", "scrape_interval: 1s")],
        );
        let files = [("prometheus.key", KEY), ("ca.pem", &authority.pem())];
        let prometheus = Prometheus::start(&config, &files).await?;

        let up = prometheus.wait_for("up == 1", 1, SOON).await?;
        assert_eq!(up[0].0["job"], "pgmon");
        // The questions of the README, and SitRep's.
        let both = |value: f64| BTreeMap::from([("club".to_owned(), value), ("league".to_owned(), value)]);
        assert_eq!(by_db(&prometheus.wait_for("disc_golf_total_holes", 2, SOON).await?), both(63.0));
        let counts = prometheus.wait_for("disc_golf_course_count_by_location", 6, SOON).await?;
        assert!(counts.iter().all(|(_, courses)| *courses == 1.0), "{counts:?}");
        let holes = prometheus.wait_for("sum by (location) (disc_golf_holes_by_location)", 3, SOON).await?;
        let holes: BTreeMap<_, _> = holes.iter().map(|(l, v)| (l["location"].as_str().unwrap(), *v)).collect();
        assert_eq!(holes, BTreeMap::from([("Estacada, OR", 54.0), ("Fairview, OR", 36.0), ("Portland, OR", 36.0)]));
        assert_eq!(by_db(&prometheus.wait_for("pg_scrape_success == 1", 2, SOON).await?), both(1.0));
        assert_eq!(by_db(&prometheus.wait_for("pg_active_connections", 2, SOON).await?), both(0.0));
        let sizes = prometheus.wait_for("pg_database_size_bytes{database=~\"club|league\"} > 1e6", 2, SOON).await?;
        assert!(sizes.iter().all(|(l, _)| l["database"] == l["db"] && l["datname"] == l["db"]), "{sizes:?}");
        assert_eq!(prometheus.wait_for("pg_scrape_duration_seconds > 0", 2, SOON).await?.len(), 2);
        prometheus.wait_for("exporter_scrape_duration_seconds", 1, SOON).await?;

        // "Bring one db down to test per db scraping".
        servers[0].stop(StopMode::Fast).await?;
        let down = prometheus.wait_for("pg_scrape_success == 0", 1, SOON).await?;
        assert_eq!(down[0].0["db"], "club");
        let left = prometheus.wait_for("disc_golf_total_holes", 1, SOON).await?;
        assert_eq!(left[0].0["db"], "league");
        assert_eq!(prometheus.query("up").await?[0].1, 1.0);

        // Without its key it sees nothing.
        let stranger = Prometheus::start(&config, &[("prometheus.key", "wrong"), files[1]]).await?;
        stranger.wait_for("up == 0", 1, SOON).await?;
        assert!(stranger.query("pg_up").await?.is_empty());
        Ok(())
    }
}
