//! Real servers, and things that are none.

use crate::services::families::Tally;
use crate::services::testing::{answering, check, check_on, flood, labels, reason, serve, value};
use anyhow::Result;
use pgmon_testkit::{Redis, RedisKind};
use std::time::Duration;

const BOTH: [RedisKind; 2] = [RedisKind::Redis, RedisKind::Valkey];

fn of(redis: &Redis, more: &str) -> String {
    format!("{{type: redis, host: 127.0.0.1, port: {}, timeout: 3s{more}}}", redis.port())
}

#[tokio::test]
async fn a_good_server_is_seen_with_its_figures_and_what_it_is() -> Result<()> {
    for kind in BOTH {
        let redis = Redis::builder(kind).start().await?;
        redis.run(&["SET", "a", "1"]).await?;
        redis.run(&["SET", "b", "1", "EX", "1000"]).await?;
        let s = check(&of(&redis, "")).await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        assert_eq!((value(&s, "redis_up", &[]), value(&s, "service_health", &[])), (Some(1.0), Some(1.0)));
        assert_eq!(value(&s, "redis_db_keys", &["db0"]), Some(2.0));
        assert_eq!(value(&s, "redis_db_keys_expiring", &["db0"]), Some(1.0));
        assert!(value(&s, "redis_memory_used_bytes", &[]) > Some(100_000.0));
        assert!(value(&s, "redis_commands_total", &[]) >= Some(2.0));
        assert_eq!(value(&s, "redis_memory_max_bytes", &[]), Some(0.0));
        assert_eq!(value(&s, "redis_master_link_up", &[]), None, "a master has no link to one");
        let (software, version) = match kind {
            RedisKind::Redis => ("redis", "7."),
            // It says redis_version:7.2.4 as well.
            RedisKind::Valkey => ("valkey", "9."),
        };
        let info = labels(&s, "redis_instance_info").remove(0);
        assert_eq!([&*info[0], &*info[2], &*info[3]], [software, "standalone", "master"]);
        assert!(info[1].starts_with(version) && s.version.as_deref() == Some(&info[1]), "{info:?}");
        assert_eq!(labels(&s, "service_info"), [[info[1].clone()]]);
        let asked: Vec<_> = s.evidence.iter().map(|e| e.asked.as_str()).collect();
        assert_eq!(asked, ["PING", "INFO"]);
        // By its socket as well, and in another database.
        let s = check(&format!("{{type: redis, socket: {}/socket, db: 3}}", redis.dir().display())).await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        let s = check(&of(&redis, ", db: 99")).await;
        assert!(reason(&s).starts_with("database 99 cannot be selected: ERR"), "{s:?}");
    }
    Ok(())
}

#[tokio::test]
async fn logins_that_are_wrong_missing_or_weak_are_told_apart() -> Result<()> {
    for kind in BOTH {
        let redis = Redis::builder(kind)
            .setting("requirepass", "right-password")
            .setting("user", "probe on >probe-password +ping")
            .setting("user", "full on >full-password +ping +info +cluster|info")
            .start()
            .await?;
        let s = check(&of(&redis, ", password: right-password")).await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        let s = check(&of(&redis, "")).await;
        assert_eq!(reason(&s), "it wants a password, and none is configured");
        assert_eq!((value(&s, "redis_up", &[]), value(&s, "probe_success", &[])), (Some(0.0), Some(0.0)));
        let s = check(&of(&redis, ", password: wrong-password")).await;
        assert!(reason(&s).starts_with("it refuses the login: WRONGPASS"), "{s:?}");
        assert!(!format!("{s:?}").contains("wrong-password"), "{s:?}");
        let s = check(&of(&redis, ", user: probe, password: probe-password")).await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        assert!(s.warnings[0].contains("may not run INFO") && s.warnings[0].contains("+info"), "{s:?}");
        assert_eq!(value(&s, "redis_memory_used_bytes", &[]), None);
        // The rights that the documentation names are enough, by the socket as well.
        for at in [
            format!("host: 127.0.0.1, port: {}", redis.port()),
            format!("socket: {}/socket", redis.dir().display()),
        ] {
            let s = check(&format!("{{type: redis, {at}, username: full, password: full-password}}")).await;
            assert!(s.state.is_ok() == Some(true) && s.warnings.is_empty(), "{s:?}");
            assert!(value(&s, "redis_memory_used_bytes", &[]) > Some(0.0), "{s:?}");
            let s = check(&format!("{{type: redis, {at}, username: full, password: full-password, db: 1}}"))
                .await;
            assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
            assert!(s.warnings[0].contains("database 1") && s.warnings[0].contains("+select"), "{s:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_up_for_nobody_yet() -> Result<()> {
    for kind in BOTH {
        let mut redis = Redis::builder(kind)
            .setting("enable-debug-command", "yes")
            .setting("loading-process-events-interval-bytes", "1024")
            .start()
            .await?;
        assert_eq!(redis.run(&["DEBUG", "POPULATE", "20000"]).await?, "OK");
        assert_eq!(redis.run(&["SAVE"]).await?, "OK");
        redis.kill();
        // Microseconds a key: it takes ten seconds.
        redis.start_again(&[("key-load-delay", "500")], false).await?;
        let s = check(&of(&redis, "")).await;
        assert!(reason(&s).starts_with("it is loading its data"), "{s:?}");
        assert_eq!(
            (value(&s, "redis_up", &[]), value(&s, "redis_loading_dump_file", &[])),
            (Some(0.0), Some(1.0))
        );
        redis.kill();
        let s = check(&of(&redis, "")).await;
        assert!(reason(&s).starts_with("cannot connect to 127.0.0.1:"), "{s:?}");
        assert_eq!(
            (value(&s, "redis_up", &[]), value(&s, "redis_uptime_in_seconds", &[])),
            (Some(0.0), None)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_full_and_may_evict_nothing_is_not_good() -> Result<()> {
    for kind in BOTH {
        let redis = Redis::builder(kind).start().await?;
        for n in 0..30 {
            redis.run(&["SET", &format!("k{n}"), &"x".repeat(100_000)]).await?;
        }
        redis.run(&["CONFIG", "SET", "maxmemory", "2mb"]).await?;
        assert!(redis.run(&["SET", "k", "x"]).await?.starts_with("-OOM"));
        let s = check(&of(&redis, "")).await;
        assert!(reason(&s).starts_with("it is out of memory and refuses writes"), "{s:?}");
        assert_eq!(value(&s, "redis_up", &[]), Some(1.0), "it answers, with its figures");
        assert!(value(&s, "redis_memory_used_bytes", &[]) >= value(&s, "redis_memory_max_bytes", &[]));
        redis.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await?;
        assert_eq!(check(&of(&redis, "")).await.state.is_ok(), Some(true), "it may evict now");
        // It may evict, and finds nothing that it may: its figures alone do not show that it refuses.
        redis.run(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await?;
        let mut before = Tally::default();
        assert_eq!(
            check_on(&of(&redis, ""), &mut before).await.state.is_ok(),
            Some(true),
            "nothing was asked"
        );
        let refused = "it is out of memory: it refused 1 command since the last check (OOM)";
        assert!(redis.run(&["SET", "k", &"x".repeat(2_000_000)]).await?.starts_with("-OOM"));
        let s = check_on(&of(&redis, ""), &mut before).await;
        assert_eq!(s.state.is_ok(), Some(true), "one command is no failure: {s:?}");
        assert_eq!(*s.warnings, [refused.to_owned()]);
        assert!(redis.run(&["SET", "k", &"x".repeat(2_000_000)]).await?.starts_with("-OOM"));
        let s = check_on(&of(&redis, ""), &mut before).await;
        assert_eq!(reason(&s), format!("{refused}, and some before that one"));
        assert!(value(&s, "redis_errors_total", &["OOM"]) >= Some(2.0), "{s:?}");
        let s = check_on(&of(&redis, ""), &mut before).await;
        assert!(s.state.is_ok() == Some(true) && s.warnings.is_empty(), "that is over: {s:?}");
        // Now and then one: a warning each time.
        assert!(redis.run(&["SET", "k", &"x".repeat(2_000_000)]).await?.starts_with("-OOM"));
        let s = check_on(&of(&redis, ""), &mut before).await;
        assert!(s.state.is_ok() == Some(true) && s.warnings.len() == 1, "it begins anew: {s:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_replica_without_its_master_a_cluster_without_slots_and_a_sentinel_are_known_for_what_they_are()
-> Result<()> {
    for kind in BOTH {
        let mut master = Redis::builder(kind).start().await?;
        let of_master = format!("127.0.0.1 {}", master.port());
        let replica = Redis::builder(kind).setting("replicaof", &of_master).start().await?;
        let linked = async || {
            for _ in 0..200 {
                let s = check(&of(&replica, "")).await;
                if value(&s, "redis_master_link_up", &[]) == Some(1.0) {
                    return s;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("it does not find its master: {}", replica.log());
        };
        let s = linked().await;
        assert_eq!(labels(&s, "redis_instance_info")[0][3], "slave");
        assert!(value(&s, "redis_slave_repl_offset", &[]).is_some());
        assert_eq!(value(&check(&of(&master, "")).await, "redis_connected_slaves", &[]), Some(1.0));

        let sentinel = Redis::builder(kind)
            .sentinel()
            .setting("sentinel", &format!("monitor shop {of_master} 1"))
            .setting("sentinel", "down-after-milliseconds shop 300")
            .start()
            .await?;
        let s = check(&of(&sentinel, "")).await;
        assert_eq!(labels(&s, "redis_instance_info")[0][2..], ["sentinel", "sentinel"]);
        assert_eq!(value(&s, "redis_sentinel_masters", &[]), Some(1.0));
        assert_eq!(value(&s, "redis_sentinel_master_status", &["shop"]), Some(1.0), "{s:?}");

        master.kill();
        let mut s = check(&of(&replica, "")).await;
        for _ in 0..100 {
            if value(&s, "redis_master_link_up", &[]) == Some(0.0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            s = check(&of(&replica, "")).await;
        }
        assert_eq!(s.state.is_ok(), Some(true), "it still answers");
        assert!(s.warnings[0].starts_with("the link to its master is down"), "{s:?}");

        let cluster = Redis::builder(kind).setting("cluster-enabled", "yes").start().await?;
        let s = check(&of(&cluster, "")).await;
        assert_eq!(reason(&s), "its cluster is down: 0 of 16384 slots are served");
        assert_eq!(
            (value(&s, "redis_cluster_state", &[]), value(&s, "redis_up", &[])),
            (Some(0.0), Some(1.0))
        );
        assert_eq!(cluster.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await?, "OK");
        let mut s = check(&of(&cluster, "")).await;
        for _ in 0..200 {
            if s.state.is_ok() == Some(true) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            s = check(&of(&cluster, "")).await;
        }
        assert_eq!(value(&s, "redis_cluster_slots_ok", &[]), Some(16384.0), "{s:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_answers_with_something_else_or_without_end_costs_no_more_than_its_time() {
    let cases: [(&[u8], &str); 6] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak the Redis protocol"),
        (b"$9999999999\r\n", "its reply is larger than any that is expected"),
        (b"*1000000000\r\n*1000000000\r\n", "its reply is of a type that was not asked for"),
        (b"+PO", "it closed the connection"),
        (b"+PING\r\n", "it answers PING with \"PING\""),
        (b"-ERR \x1b[31mhunter2\r\n", "it answers PING with ERR  [31mhunter2"),
    ];
    for (bytes, expected) in cases {
        let port = answering(bytes, false).await;
        let s = check(&format!("{{type: redis, host: 127.0.0.1, port: {port}}}")).await;
        assert!(reason(&s).contains(expected), "{:?}: {}", String::from_utf8_lossy(bytes), reason(&s));
    }
    let port = answering("", true).await;
    let s = check(&format!("{{type: redis, host: 127.0.0.1, port: {port}, timeout: 300ms}}")).await;
    assert_eq!(reason(&s), "no answer within 300ms, while it was asked with PING");
    assert!(value(&s, "probe_duration_seconds", &[]) < Some(2.0));
    let port = serve(async |mut stream| flood(&mut stream, &[b'+'; 8192]).await).await;
    let s = check(&format!("{{type: redis, host: 127.0.0.1, port: {port}}}")).await;
    assert_eq!(reason(&s), "its reply is larger than any that is expected");
    // A password goes over no connection that does not begin with TLS, if that is wanted.
    let port = answering("+OK\r\n", true).await;
    let s = check(&format!(
        "{{type: redis, host: 127.0.0.1, port: {port}, password: hunter2, tls: {{enabled: true}}, timeout: 1s}}"
    ))
    .await;
    assert!(reason(&s).starts_with("TLS: the service answers with something else"), "{}", reason(&s));
}

#[tokio::test]
async fn tls_is_spoken_and_the_end_of_the_certificate_is_seen() -> Result<()> {
    use rcgen::generate_simple_self_signed;
    let pair = generate_simple_self_signed(["localhost".to_owned()])?;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.local_addr()?.port()
    };
    let ca = tempfile::NamedTempFile::new()?;
    std::fs::write(ca.path(), pair.cert.pem())?;
    // PyPI's Valkey is built without TLS.
    let _redis = Redis::builder(RedisKind::Redis)
        .file("cert.pem", &pair.cert.pem())
        .file("key.pem", &pair.signing_key.serialize_pem())
        .setting("tls-port", &port.to_string())
        .setting("tls-cert-file", "cert.pem")
        .setting("tls-key-file", "key.pem")
        .setting("tls-auth-clients", "no")
        .start()
        .await?;
    let with = |tls: &str| format!("{{type: redis, host: localhost, port: {port}, tls: {{{tls}}}}}");
    let s = check(&with(&format!("ca_file: {}", ca.path().display()))).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    assert!(value(&s, "probe_ssl_earliest_cert_expiry", &[]) > Some(1e9), "{s:?}");
    let s = check(&with("enabled: true")).await;
    assert!(reason(&s).starts_with("TLS: "), "{s:?}");
    assert!(value(&s, "probe_ssl_earliest_cert_expiry", &[]).is_some(), "seen although it is not believed");
    Ok(())
}
