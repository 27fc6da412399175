//! A real pooler.

use crate::postgres::connect::Route;
use crate::postgres::session::Guard;
use crate::services::testing::{check, labels, reason, specs, value};
use anyhow::Result;
use pgmon_config::{Secrets, ServiceCheck};
use pgmon_core::clock::SystemClock;
use pgmon_secrets::Keyring;
use pgmon_testkit::{PgBouncer, Server, Tier, on_each_major};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

on_each_major! { [pg18 18]
    async fn a_pooler_is_seen_paused_and_without_a_right(major: Major) -> Result<()> {
        let server = Server::builder(major).start().await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let bouncer = PgBouncer::builder(&server)
            .user("pgmon", &password)
            .user("admin", "admin-password")
            .setting("admin_users", "admin")
            .user("stats", "stats-password")
            .user("nobody", "nobody-password")
            .setting("stats_users", "stats")
            .start()
            .await?;
        let of = |user: &str, password: &str| {
            format!(
                "{{type: pgbouncer, host: 127.0.0.1, port: {}, username: {user}, password: {password}}}",
                bouncer.port()
            )
        };
        // A client of a database.
        let mut console = connect(&of("admin", "admin-password"), "pgbouncer").await?;
        let mut client = connect(&of("pgmon", &password), "postgres").await?;
        client.console("SELECT 1", Duration::from_secs(5)).await?;
        let s = check(&of("stats", "stats-password")).await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        assert_eq!(value(&s, "pgbouncer_up", &[]), Some(1.0));
        assert!(s.version.as_deref().unwrap_or_default().starts_with("1."), "{s:?}");
        assert_eq!(value(&s, "pgbouncer_pools_client_active_connections", &["postgres"]), Some(1.0), "{s:?}");
        assert!(value(&s, "pgbouncer_stats_queries_pooled_total", &["postgres"]) >= Some(1.0));
        assert!(value(&s, "pgbouncer_used_clients", &[]) >= Some(1.0));
        assert_eq!(value(&s, "pgbouncer_databases_paused", &["postgres"]), Some(0.0));
        assert!(!labels(&s, "pgbouncer_pools_client_active_connections").contains(&vec!["pgbouncer".to_owned()]));
        let asked: Vec<_> = s.evidence.iter().map(|e| e.asked.as_str()).collect();
        assert_eq!(asked[..5], ["SHOW VERSION", "SHOW POOLS", "SHOW STATS", "SHOW LISTS", "SHOW DATABASES"]);

        let limit = Duration::from_secs(20);
        console.console("PAUSE postgres", limit).await?;
        let s = check(&of("stats", "stats-password")).await;
        assert_eq!(reason(&s), "all its databases are paused: no client gets a server connection");
        assert_eq!((value(&s, "pgbouncer_up", &[]), value(&s, "service_health", &[])), (Some(1.0), Some(0.0)));
        console.console("RESUME postgres", limit).await?;
        assert_eq!(check(&of("stats", "stats-password")).await.state.is_ok(), Some(true));
        // As a whole: 1.18 shows that by who waits alone.
        console.console("PAUSE", limit).await?;
        let waiting = tokio::spawn(async move { client.console("SELECT 1", limit).await.map(|rows| rows.len()) });
        let mut s = check(&of("stats", "stats-password")).await;
        for _ in 0..100 {
            if s.state.is_ok() == Some(false) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            s = check(&of("stats", "stats-password")).await;
        }
        assert!(reason(&s).contains("paused"), "{s:?}");
        console.console("RESUME", limit).await?;
        assert_eq!(waiting.await??, 1);
        assert_eq!(check(&of("stats", "stats-password")).await.state.is_ok(), Some(true));

        let s = check(&of("nobody", "nobody-password")).await;
        assert!(reason(&s).contains("stats_users") && value(&s, "pgbouncer_up", &[]) == Some(0.0), "{s:?}");
        let s = check(&of("stats", "wrong-password")).await;
        assert!(reason(&s).contains("authentication failed") && !format!("{s:?}").contains("wrong-"), "{s:?}");
        Ok(())
    }
}

async fn connect(service: &str, database: &str) -> Result<crate::postgres::session::Session> {
    let ServiceCheck::PgBouncer(mut spec) = specs(&format!("{{x: {service}}}")).remove(0).check else {
        panic!()
    };
    spec.database = database.to_owned();
    let keyring = Keyring::new(&Secrets::default(), &BTreeMap::new(), Arc::new(SystemClock::new()));
    let guard = Guard { lock_timeout: Duration::from_secs(1), pooled: true };
    Ok(Route::new(&spec, keyring.logins(&spec)).connect(guard, Duration::from_secs(5)).await?)
}
