//! Streaming replication without a manager, as the watched databases show it.

use super::{SOON, codes, until};
use crate::reload::{Configured, FAST};
use anyhow::Result;
use pgmon_testkit::{Server, Tier, on_each_major};
use serde_json::Value;

fn told(cluster: &Value) -> Vec<(&str, &str, Option<&str>)> {
    let members = cluster["cluster"]["members"].as_array().into_iter().flatten();
    members
        .map(|m| (m["id"].as_str().unwrap(), m["role"].as_str().unwrap(), m["upstream"].as_str()))
        .collect()
}

fn member<'c>(cluster: &'c Value, id: &str) -> &'c Value {
    cluster["cluster"]["members"].as_array().unwrap().iter().find(|m| m["id"] == id).unwrap()
}

on_each_major! { [pg12 12, pg18 18]
    async fn a_chain_its_lags_and_a_fork_are_seen(major: Major) -> Result<()> {
        let primary = Server::start(major).await?;
        let password = primary.create_monitor("pgmon", Tier::T0).await?;
        primary.exec("postgres", "CREATE TABLE t (n int)").await?;
        let near = primary.replica("near").await?;
        near.wait_caught_up().await?;
        let far = near.replica("far").await?;
        primary.set("synchronous_standby_names", "near").await?;
        // A standby's source is the entry with the host and port that the standby names.
        let places = [
            ("first", near.link().dsn_as("pgmon", &password, "postgres")),
            ("near", far.link().dsn_as("pgmon", &password, "postgres")),
            ("far", far.dsn_as("pgmon", &password, "postgres")),
        ];
        let entries: String = places.iter().map(|(name, dsn)| format!("- {{name: {name}, dsn: '{dsn}'}}\n")).collect();
        let config = Configured::start(&format!("{FAST}databases:\n{entries}clusters:\n- {{type: streaming, interval: 1s}}\n"));
        let agent = &config.agent;

        let chain = [("c/first", "primary", None), ("c/far", "cascade", Some("c/near")), ("c/near", "sync", Some("c/first"))];
        let whole = until(agent, "", "a chain of three without a lag", |c| {
            told(c) == chain && c["hops"].as_array().unwrap().iter().all(|hop| hop["lag_bytes"] == 0 && hop["lag_seconds"] == 0.0)
                && c["cluster"]["timeline"] == 1
        });
        assert_eq!((whole["name"].as_str(), whole["level"].as_str()), (Some("c"), Some("ok")), "{whole:#}");
        assert_eq!(whole["verdict"], "c/first leads, 2 behind it, and nothing is wrong.");

        // Each hop has a lag of its own.
        far.pause_replay().await?;
        primary.exec("postgres", "INSERT INTO t SELECT generate_series(1, 1000)").await?;
        let behind = until(agent, "", "far is behind", |c| {
            let far = member(c, "c/far");
            far["lag_seconds"].as_f64() >= Some(2.0) && far["lag_bytes"].as_i64() > Some(0) && member(c, "c/near")["lag_bytes"] == 0
        });
        assert!(member(&behind, "c/far")["lag_seconds"].as_f64() < Some(60.0), "{behind:#}");
        let page = agent.page();
        let lag = page.value("pg_cluster_member_lag_seconds", &[("manager", "streaming"), ("role", "cascade")]);
        assert!(lag >= Some(2.0) && lag < Some(60.0), "{lag:?}");
        far.resume_replay().await?;
        until(agent, "", "far has caught up", |c| member(c, "c/far")["lag_seconds"] == 0.0);

        // One that is promoted parts ways with the other.
        near.promote().await?;
        let forked = until(agent, "", "a fork", |c| {
            codes(c).contains(&"timeline_fork") && member(c, "c/near")["timeline"] == 2
        });
        assert!(codes(&forked).contains(&"several_primaries"), "{forked:#}");
        assert_eq!(forked["level"], "crit");
        let page = agent.wait("two timelines", SOON, |p| p.value("pg_cluster_timelines", &[]) == Some(2.0));
        assert_eq!(page.value("pg_cluster_primaries", &[]), Some(2.0));

        // The old primary ends: what is left is one cluster with one leader again.
        primary.stop(pgmon_testkit::StopMode::Immediate).await?;
        until(agent, "", "near leads", |c| c["cluster"]["leader"] == "c/near" && codes(c) == ["member_down"]);
        Ok(())
    }
}
