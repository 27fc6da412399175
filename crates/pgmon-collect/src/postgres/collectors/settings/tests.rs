use super::{Row, Settings, exported};
use crate::postgres::collector::{Collector as _, Cx, Settings as Limits, single};
use crate::postgres::testing::{Probe, cx, number, on_all_majors};
use pgmon_core::metric::{Families, Family};
use pgmon_testkit::{Server, Tier};
use std::sync::Arc;
use std::time::Duration;

fn row(name: &str, setting: &str, unit: Option<&str>) -> Row {
    Row {
        name: name.into(),
        setting: Some(setting.into()),
        unit: unit.map(Into::into),
        source: "configuration file".into(),
        ..Row::default()
    }
}

fn hidden(name: &str, fingerprint: i64) -> Row {
    Row { name: name.into(), hidden: true, fingerprint: Some(fingerprint), ..Row::default() }
}

fn round(collector: &mut Settings, rows: &mut [Row], cx: &Cx) -> Vec<Family> {
    let mut out = Families::new();
    collector.complete(rows, cx);
    assert_eq!(collector.samples(rows, cx, &mut out), []);
    out.into_vec()
}

fn at(seconds: u64) -> Cx {
    cx(18, Duration::from_secs(seconds))
}

#[test]
fn a_change_is_told_with_its_time_until_it_is_taken_back() {
    let mut collector = Settings::new(&Limits::default());
    let with = |value: &str| [row("work_mem", value, Some("kB")), hidden("archive_command", 1)];
    let changed = |families: &[Family]| number(families, "pg_settings_changed_since_start", &[]);
    assert_eq!(changed(&round(&mut collector, &mut with("4096"), &at(0))), Some(0.0));

    let mut rows = with("8192");
    assert_eq!(changed(&round(&mut collector, &mut rows, &at(10))), Some(1.0));
    assert_eq!(rows[0].value_at_start.as_deref(), Some("4096"));
    assert_eq!(rows[0].changed_at, Some(at(10).at));

    let mut rows = with("8192");
    round(&mut collector, &mut rows, &at(20));
    assert_eq!(rows[0].changed_at, Some(at(10).at), "it has not changed again");

    let mut rows = with("16384");
    round(&mut collector, &mut rows, &at(30));
    assert_eq!(rows[0].changed_at, Some(at(30).at));
    assert_eq!(rows[0].value_at_start.as_deref(), Some("4096"));

    let mut rows = with("4096");
    assert_eq!(changed(&round(&mut collector, &mut rows, &at(40))), Some(0.0));
    assert_eq!((&rows[0].value_at_start, rows[0].changed_at), (&None, None));
}

#[test]
fn a_hidden_value_changes_without_being_shown() {
    let mut collector = Settings::new(&Limits::default());
    round(&mut collector, &mut [hidden("primary_conninfo", 1)], &at(0));
    let mut rows = [hidden("primary_conninfo", 2)];
    let families = round(&mut collector, &mut rows, &at(10));
    assert_eq!(number(&families, "pg_settings_changed_since_start", &[]), Some(1.0));
    assert_eq!((&rows[0].value_at_start, rows[0].changed_at), (&None, Some(at(10).at)));
    let json = serde_json::to_string(&rows).unwrap();
    assert!(!json.contains("fingerprint"), "{json}");
}

#[test]
fn another_server_and_a_new_setting_are_no_changes() {
    let mut collector = Settings::new(&Limits::default());
    round(&mut collector, &mut [row("work_mem", "4096", Some("kB"))], &at(0));
    let mut rows = [row("work_mem", "4096", Some("kB")), row("pg_stat_statements.max", "5000", None)];
    let families = round(&mut collector, &mut rows, &at(10));
    assert_eq!(number(&families, "pg_settings_changed_since_start", &[]), Some(0.0));
    let mut other = at(20);
    Arc::make_mut(&mut other.facts).system_identifier = Some("7000000000000000002".into());
    let families = round(&mut collector, &mut [row("work_mem", "1", Some("kB"))], &other);
    assert_eq!(number(&families, "pg_settings_changed_since_start", &[]), Some(0.0));
}

#[test]
fn what_only_our_sessions_have_is_neither_exported_nor_a_change() {
    let mut collector = Settings::new(&Limits::default());
    let ours = |value: &str| Row { overridden: true, ..row("work_mem", value, Some("kB")) };
    for (seconds, mut rows) in [
        (0, [row("work_mem", "4096", Some("kB"))]),
        (10, [ours("65536")]),
        (20, [ours("1024")]),
        (30, [row("work_mem", "4096", Some("kB"))]),
    ] {
        let families = round(&mut collector, &mut rows, &at(seconds));
        assert_eq!(number(&families, "pg_settings_changed_since_start", &[]), Some(0.0), "{seconds}");
        let exported = number(&families, "pg_settings_work_mem_bytes", &[]);
        assert_eq!(exported.is_some(), !rows[0].overridden, "{seconds}");
        assert_eq!(rows[0].changed_at, None);
    }
}

#[test]
fn values_come_in_base_units() {
    assert_eq!(exported::value("16384", Some("8kB")), Some(134_217_728.0));
    assert_eq!(exported::value("4", Some("32kB")), Some(131_072.0));
    assert_eq!(exported::value("1024", Some("MB")), Some(1_073_741_824.0));
    assert_eq!(exported::value("250", Some("ms")), Some(0.25));
    assert_eq!(exported::value("5", Some("min")), Some(300.0));
    assert_eq!(exported::value("0.1", None), Some(0.1));
    assert_eq!(exported::value("on", None), Some(1.0));
    assert_eq!(exported::value("off", None), Some(0.0));
    assert_eq!(exported::value("-1", Some("MB")), Some(-1.0), "no limit");
    assert_eq!(exported::value("replica", None), None);
    assert_eq!(exported::value("1", Some("fortnight")), None);
}

#[test]
fn every_exported_setting_is_found_and_named_by_its_unit() {
    for family in exported::FAMILIES {
        let name = family.name.strip_prefix("pg_settings_").unwrap();
        let setting = name.strip_suffix("_bytes").or_else(|| name.strip_suffix("_seconds"));
        let found = exported::desc(setting.unwrap_or(name)).or_else(|| exported::desc(name));
        assert_eq!(found, Some(family), "the list is not in order");
    }
}

#[test]
fn changes_are_found_and_secrets_stay_on_the_server() {
    on_all_majors(async |major| {
        let server = Server::builder(major)
            .setting("archive_command", "cp %p s3://bucket-hunter1")
            .setting("primary_conninfo", "host=x password=hunter2")
            .setting("myapp.api_token", "hunter3")
            .setting("cluster_name", "https://me:hunter4@example.org/")
            .setting("ssl_passphrase_command", "echo hunter5")
            .setting("restore_command", "fetch --pw hunter6")
            .start()
            .await
            .unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let nobody = server.create_role("nobody").await.unwrap();
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let mut probe = Probe::new(&dsn, single::<Settings>()).await;
        let round = probe.round().await;
        let text = round.data.to_string();
        assert!(!text.contains("hunter"), "{major}: {text}");
        let find = |round: &crate::postgres::testing::Round, name: &str| {
            round.data.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap().clone()
        };
        for name in ["archive_command", "primary_conninfo", "cluster_name", "restore_command"] {
            assert_eq!(find(&round, name)["hidden"], true, "{name}");
        }
        assert_eq!(find(&round, "statement_timeout")["setting"], "0", "ours is not the server's");
        assert_eq!(round.value("pg_settings_changed_since_start", &[]), Some(0.0));
        assert_eq!(round.value("pg_settings_pending_restart", &[]), Some(0.0));
        for (family, setting) in [
            ("pg_settings_shared_buffers_bytes", "shared_buffers"),
            ("pg_settings_work_mem_bytes", "work_mem"),
            ("pg_settings_max_wal_size_bytes", "max_wal_size"),
            ("pg_settings_wal_segment_size_bytes", "wal_segment_size"),
            ("pg_settings_max_connections", "max_connections"),
        ] {
            let truth = format!("SELECT pg_size_bytes(current_setting('{setting}'))::float8");
            let truth: f64 = server.query("postgres", &truth).await.unwrap();
            assert_eq!(round.value(family, &[]), Some(truth), "{setting} on {major}");
        }
        assert_eq!(round.value("pg_settings_checkpoint_timeout_seconds", &[]), Some(300.0));
        assert_eq!(round.value("pg_settings_vacuum_failsafe_age", &[]).is_some(), major.0 >= 14);

        server.exec("postgres", "ALTER SYSTEM SET max_connections = 123").await.unwrap();
        server.exec("postgres", "ALTER SYSTEM SET ssl_passphrase_command = 'hunter7'").await.unwrap();
        server.set("work_mem", "12MB").await.unwrap();
        server.wait_until("postgres", "SELECT current_setting('work_mem') = '12MB'").await.unwrap();
        let seen = "SELECT count(*) = 1 FROM pg_settings WHERE pending_restart";
        server.wait_until("postgres", seen).await.unwrap();
        // Our session hears of the reload between two statements.
        let mut round = probe.round().await;
        for _ in 0..100 {
            if round.value("pg_settings_changed_since_start", &[]) == Some(2.0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            round = probe.round().await;
        }
        assert_eq!(round.value("pg_settings_changed_since_start", &[]), Some(2.0), "{major}");
        assert_eq!(round.value("pg_settings_pending_restart", &[]), Some(1.0), "{major}");
        assert_eq!(find(&round, "work_mem")["setting"], "12288");
        assert_eq!(find(&round, "work_mem")["value_at_start"], "4096");
        assert_eq!(find(&round, "max_connections")["pending_restart"], true);
        assert!(find(&round, "ssl_passphrase_command")["changed_at"].is_string());
        assert!(!round.data.to_string().contains("hunter"));

        let dsn = server.dsn_as("nobody", &nobody, "postgres");
        let round = Probe::new(&dsn, single::<Settings>()).await.round().await;
        assert_eq!(round.blind[0].needs, "pg_read_all_settings");
        assert!(!round.data.to_string().contains("hunter"));
        assert!(round.value("pg_settings_max_connections", &[]).is_some());
    });
}

#[test]
fn settings_of_our_role_and_database_are_not_taken_for_the_servers() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        server.create_database("shop").await.unwrap();
        server.create_database("till").await.unwrap();
        let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        for sql in [
            "ALTER ROLE pgmon SET statement_timeout = '7s'",
            "ALTER ROLE pgmon IN DATABASE shop SET lock_timeout = '3s'",
            "ALTER DATABASE shop SET work_mem = '64MB'",
            // Other people's.
            "ALTER DATABASE till SET temp_buffers = '64MB'",
            "ALTER ROLE postgres SET maintenance_work_mem = '1GB'",
            "ALTER ROLE pgmon IN DATABASE till SET random_page_cost = 1",
        ] {
            server.exec("postgres", sql).await.unwrap();
        }
        let dsn = server.dsn_as("pgmon", &password, "shop");
        let round = Probe::new(&dsn, single::<Settings>()).await.round().await;
        let overridden: Vec<&str> = (round.data.as_array().unwrap().iter())
            .filter(|r| r["overridden"] == true)
            .map(|r| r["name"].as_str().unwrap())
            .collect();
        assert_eq!(overridden, ["lock_timeout", "statement_timeout", "work_mem"], "{major}");
        for absent in ["lock_timeout_seconds", "statement_timeout_seconds", "work_mem_bytes"] {
            assert_eq!(round.value(&format!("pg_settings_{absent}"), &[]), None, "{absent} on {major}");
        }
        assert_eq!(round.value("pg_settings_temp_buffers_bytes", &[]), Some(8_388_608.0));
        assert_eq!(round.value("pg_settings_maintenance_work_mem_bytes", &[]), Some(67_108_864.0));
        assert_eq!(round.value("pg_settings_random_page_cost", &[]), Some(4.0));
    });
}

#[test]
fn a_role_that_sees_sessions_only_is_blind_for_settings_and_the_wal_directory() {
    use crate::postgres::collector::Need;
    use crate::postgres::collectors::wal_files::WalFiles;
    use crate::postgres::facts::Choice;
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let password = server.create_role("stats").await.unwrap();
        server.exec("postgres", "GRANT pg_read_all_stats TO stats").await.unwrap();
        let dsn = server.dsn_as("stats", &password, "postgres");
        let mut settings = Probe::new(&dsn, single::<Settings>()).await;
        assert!(settings.facts.has(Need::Monitor), "{major}");
        assert_eq!(settings.round().await.blind[0].needs, "pg_read_all_settings", "{major}");
        let mut files = Probe::new(&dsn, single::<WalFiles>()).await;
        assert_eq!(files.choice(), Choice::Blind(vec![Need::WalDirectory]), "{major}");
        assert_eq!(Need::WalDirectory.remedy(&files.facts), "GRANT pg_monitor TO \"stats\";");

        // What the remedies say mends it.
        for need in [Need::WalDirectory, Need::ReadAllSettings] {
            server.exec("postgres", &need.remedy(&files.facts)).await.unwrap();
        }
        files.refresh().await;
        assert!(files.round().await.value("pg_wal_directory_files", &[]).is_some(), "{major}");
        settings.refresh().await;
        assert_eq!(settings.round().await.blind, [], "{major}");
    });
}
