use super::*;
use crate::postgres::collector::single;
use crate::postgres::facts::Choice;
use crate::postgres::testing::Probe;
use pgmon_testkit::{Server, Tier, on_each_major};
use std::sync::Arc;

const FAMILY: &str = ACTIVE.name;

on_each_major! {
    async fn clients_at_work_in_this_database_are_counted(major: Major) -> anyhow::Result<()> {
        let server = Arc::new(Server::start(major).await?);
        server.exec("postgres", "CREATE DATABASE other").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let mut probe = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), single::<ActiveConnections>()).await;
        assert_eq!(probe.round().await.value(FAMILY, &[]), Some(0.0), "our own session is left out");
        let working = |database: &'static str| {
            let server = server.clone();
            tokio::spawn(async move { server.exec(database, "SELECT pg_sleep(60)").await })
        };
        let sleepers = [working("postgres"), working("postgres"), working("other")];
        let mut rounds = 0;
        while probe.round().await.value(FAMILY, &[]) != Some(2.0) {
            rounds += 1;
            assert!(rounds < 2000, "the two sessions were never seen");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        sleepers.iter().for_each(tokio::task::JoinHandle::abort);

        server.exec("postgres", "CREATE ROLE plain LOGIN PASSWORD 'plain'").await?;
        let probe = Probe::new(&server.dsn_as("plain", "plain", "postgres"), single::<ActiveConnections>()).await;
        assert!(matches!(probe.choice(), Choice::Blind(_)), "without pg_monitor states are hidden");
        Ok(())
    }
}

#[test]
fn a_session_that_hides_its_state_makes_the_number_unknown() {
    let mut out = Families::new();
    let cx = crate::postgres::testing::cx(18, std::time::Duration::ZERO);
    ActiveConnections.samples(&[Row { active: 3, untracked: 1 }], &cx, &mut out);
    assert!(out.into_vec().is_empty());
}
