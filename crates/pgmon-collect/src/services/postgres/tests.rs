//! Real servers.

use crate::services::testing::{check, reason, value};
use anyhow::Result;
use pgmon_testkit::{Server, StopMode, Tier, on_each_major};

on_each_major! { [pg12 12, pg18 18]
    async fn a_server_is_seen_refuses_a_wrong_password_and_goes_away(major: Major) -> Result<()> {
        let server = Server::builder(major).start().await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let of = |dsn: &str| format!("{{type: postgres, dsn: \"{dsn}\"}}");
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let s = check(&of(&dsn)).await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        assert_eq!((value(&s, "postgres_up", &[]), value(&s, "postgres_in_recovery", &[])), (Some(1.0), Some(0.0)));
        assert!(value(&s, "postgres_connections", &[]) >= Some(1.0));
        assert!(value(&s, "postgres_max_connections", &[]) > Some(1.0));
        assert_eq!(value(&s, "postgres_queries_total", &[]), Some(1.0));
        assert!(value(&s, "postgres_query_duration_seconds", &[]) > Some(0.0));
        assert!(s.version.as_deref().unwrap_or_default().starts_with(&major.to_string()), "{s:?}");
        assert!(s.evidence[0].asked.contains("pg_catalog.pg_stat_activity"));

        let s = check(&of(&server.dsn_as("pgmon", "wrong-password", "postgres"))).await;
        assert!(reason(&s).contains("28P01") && !format!("{s:?}").contains("wrong-password"), "{s:?}");
        assert_eq!(value(&s, "postgres_up", &[]), Some(0.0));
        server.stop(StopMode::Fast).await?;
        let s = check(&of(&dsn)).await;
        assert!(reason(&s).starts_with("cannot connect"), "{s:?}");
        assert_eq!((value(&s, "postgres_up", &[]), value(&s, "postgres_connections", &[])), (Some(0.0), None));
        Ok(())
    }
}
