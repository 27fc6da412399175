use super::Archiver;
use crate::postgres::collector::single;
use crate::postgres::collectors::wal_files::WalFiles;
use crate::postgres::testing::{Probe, on_all_majors};
use pgmon_testkit::{Major, Server, Tier};

const READY: &str = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

async fn switch(server: &Server, times: usize) {
    for _ in 0..times {
        // A switch without something written since the last one does nothing.
        server.exec("postgres", "SELECT pg_logical_emit_message(false, 'x', 'x')").await.unwrap();
        server.exec("postgres", "SELECT pg_switch_wal()").await.unwrap();
    }
}

async fn command(server: &Server, command: &str) {
    server.exec("postgres", &format!("ALTER SYSTEM SET archive_command = '{command}'")).await.unwrap();
    server.exec("postgres", "SELECT pg_reload_conf()").await.unwrap();
    let set = format!("SELECT current_setting('archive_command') = '{command}'");
    server.wait_until("postgres", &set).await.unwrap();
}

#[test]
fn a_standby_that_does_not_archive_does_not_fail() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("archive_mode", "on")
            .setting("archive_command", "/bin/true")
            .start()
            .await
            .unwrap();
        let replica = server.replica("r").setting("archive_mode", "on").await.unwrap();
        let round = Probe::new(&replica.dsn("postgres"), single::<Archiver>()).await.round().await;
        assert_eq!(round.value("pg_archiver_enabled", &[]), Some(1.0), "{major}");
        assert_eq!(round.value("pg_archiver_failing", &[]), None, "{major}");
        let round = Probe::new(&server.dsn("postgres"), single::<Archiver>()).await.round().await;
        assert_eq!(round.value("pg_archiver_failing", &[]), Some(0.0), "{major}");
    });
}

#[test]
fn a_failing_command_is_seen_and_its_backlog_counted() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("archive_mode", "on")
            .setting("archive_command", "/bin/false")
            .start()
            .await
            .unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let mut archiver = Probe::new(&dsn, single::<Archiver>()).await;
        let mut files = Probe::new(&dsn, single::<WalFiles>()).await;

        switch(&server, 2).await;
        server.wait_until("postgres", "SELECT failed_count > 0 FROM pg_stat_archiver").await.unwrap();
        let round = archiver.round().await;
        assert_eq!(round.value("pg_archiver_enabled", &[]), Some(1.0));
        assert_eq!(round.value("pg_archiver_failing", &[]), Some(1.0));
        assert_eq!(round.value("pg_archiver_archived_total", &[]), Some(0.0));
        assert!(round.value("pg_archiver_failed_total", &[]).unwrap() >= 1.0);
        assert!(round.value("pg_archiver_last_failed_age_seconds", &[]).is_some());
        assert_eq!(round.value("pg_archiver_last_archived_age_seconds", &[]), None);
        // Nothing was ever archived: only the directory tells what waits.
        assert_eq!(round.value("pg_archiver_backlog_segments", &[]), None);
        let ready: i64 = server.query("postgres", READY).await.unwrap();
        assert!(ready >= 2);
        assert_eq!(files.round().await.value("pg_archiver_ready_files", &[]), Some(ready as f64));

        command(&server, "/bin/true").await;
        switch(&server, 1).await;
        let done =
            format!("SELECT ({READY}) = 0 AND last_archived_time > last_failed_time FROM pg_stat_archiver");
        server.wait_until("postgres", &done).await.unwrap();
        let round = archiver.round().await;
        assert_eq!(round.value("pg_archiver_failing", &[]), Some(0.0));
        assert_eq!(round.value("pg_archiver_backlog_segments", &[]), Some(0.0));
        assert!(round.value("pg_archiver_archived_total", &[]).unwrap() >= 3.0);
        assert!(round.value("pg_archiver_last_archived_age_seconds", &[]).unwrap() < 60.0);

        command(&server, "/bin/false").await;
        switch(&server, 3).await;
        let failed = "SELECT last_failed_time > last_archived_time FROM pg_stat_archiver";
        server.wait_until("postgres", failed).await.unwrap();
        let round = archiver.round().await;
        assert_eq!(round.value("pg_archiver_failing", &[]), Some(1.0));
        let ready: i64 = server.query("postgres", READY).await.unwrap();
        assert_eq!(ready, 3);
        assert_eq!(round.value("pg_archiver_backlog_segments", &[]), Some(3.0));

        server.exec("postgres", "SELECT pg_stat_reset_shared('archiver')").await.unwrap();
        let reset = "SELECT last_archived_wal IS NULL FROM pg_stat_archiver";
        server.wait_until("postgres", reset).await.unwrap();
        let round = archiver.round().await;
        assert_eq!(round.value("pg_archiver_backlog_segments", &[]), None);
    });
}

#[tokio::test]
async fn archiving_that_is_off_does_not_fail() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let password = server.create_role("stranger").await.unwrap();
    let dsn = server.dsn_as("stranger", &password, "postgres");
    let round = Probe::new(&dsn, single::<Archiver>()).await.round().await;
    assert_eq!(round.value("pg_archiver_enabled", &[]), Some(0.0));
    assert_eq!(round.value("pg_archiver_failing", &[]), None);
    assert_eq!(round.value("pg_archiver_backlog_segments", &[]), None);
}
