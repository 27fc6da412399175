use super::edge::Row;
use super::*;
use crate::postgres::collector::Settings;
use crate::postgres::testing::{Probe, Round};
use pgmon_testkit::{Major, Server, Tier, on_each_major, workload};

/// Edges as `(depth, blocked, blocker)`, blocked and blocker by process id.
fn edges(round: &Round) -> Vec<(u64, i64, Option<i64>)> {
    let edge = |e: &serde_json::Value| {
        (e["depth"].as_u64().unwrap(), e["blocked"]["pid"].as_i64().unwrap(), e["blocker"]["pid"].as_i64())
    };
    round.data["edges"].as_array().unwrap().iter().map(edge).collect()
}

async fn probe(server: &Server) -> Probe {
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    Probe::new(&server.dsn_as("pgmon", &password, "postgres"), REGISTERED).await
}

on_each_major! {
    async fn nothing_waits_and_one_statement_is_enough(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let mut probe = probe(&server).await;
        let quiet = probe.round().await;
        for family in ["pg_blocked_sessions_total", "pg_longest_blocked_seconds", "pg_root_blockers"] {
            assert_eq!(quiet.value(family, &[]), Some(0.0), "{family}");
        }
        assert_eq!(quiet.samples("pg_locks_count").len(), 9);
        assert!(quiet.samples("pg_locks_count").iter().all(|(_, v)| *v == 0.0), "our own are left out");
        let held = workload::access_exclusive(&server, "postgres", "locked").await?;
        let held_round = probe.round().await;
        assert_eq!(held_round.value("pg_locks_count", &["accessexclusivelock"]), Some(1.0));
        assert_eq!(held_round.value("pg_locks_waiting", &["accessexclusivelock"]), Some(0.0));
        assert_eq!(held_round.executed.len(), 1);
        held.stop().await
    }
}

on_each_major! {
    async fn a_chain_hangs_below_its_root(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let mut probe = probe(&server).await;
        let chain = workload::lock_chain(&server, "postgres", 3).await?;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let round = probe.round().await;
        let pids: Vec<i64> = chain.pids().iter().map(|p| i64::from(*p)).collect();
        assert_eq!(
            edges(&round),
            [(1, pids[1], Some(pids[0])), (2, pids[2], Some(pids[1])), (3, pids[3], Some(pids[2]))]
        );
        assert_eq!(round.value("pg_blocked_sessions_total", &[]), Some(3.0));
        assert_eq!(round.value("pg_root_blockers", &[]), Some(1.0));
        assert_eq!(round.value("pg_root_blocker_blocked_sessions", &[]), Some(3.0));
        // The original pgmon died of this figure.
        let longest = round.value("pg_longest_blocked_seconds", &[]).unwrap();
        assert!((0.3..20.0).contains(&longest), "{longest}");
        let waiting: f64 = round.samples("pg_locks_waiting").iter().map(|(_, v)| v).sum();
        assert_eq!(waiting, 3.0);
        let first = &round.data["edges"][0];
        assert_eq!(first["root_pid"], pids[0]);
        assert_eq!(first["blocker"]["state"], "idle in transaction");
        assert_eq!(first["blocker"]["application_name"], "chain-0");
        assert_eq!((&first["locktype"], &first["mode"]), (&"transactionid".into(), &"ShareLock".into()));
        assert_eq!((&first["blocker_mode"], &first["blocker_holds"]), (&"ExclusiveLock".into(), &true.into()));
        assert_eq!((&first["schema"], &first["relation"]), (&"public".into(), &"lock_chain".into()));
        let query = first["blocked"]["query"].as_str().unwrap();
        assert!(query.contains("lock_chain") && query.contains('?'), "without literals: {query}");
        assert_eq!(round.executed.len(), 2);
        chain.stop().await?;
        assert_eq!(probe.round().await.value("pg_blocked_sessions_total", &[]), Some(0.0));
        Ok(())
    }
}

on_each_major! {
    async fn a_select_behind_an_alter_waits_for_the_alter(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let settings = Settings { redact_sql_text: false, ..Default::default() };
        let mut probe = Probe::with(&server.dsn_as("pgmon", &password, "postgres"), REGISTERED, settings).await;
        let queue = workload::ddl_queue(&server, "postgres").await?;
        let round = probe.round().await;
        let pids: Vec<i64> = queue.pids().iter().map(|p| i64::from(*p)).collect();
        let [reader_1, reader_2, alter, select] = pids[..] else { anyhow::bail!("not four") };
        let mut seen = edges(&round);
        seen.sort_unstable();
        let mut expected = vec![(1, alter, Some(reader_1)), (1, alter, Some(reader_2)), (2, select, Some(alter))];
        expected.sort_unstable();
        assert_eq!(seen, expected);
        assert_eq!(round.value("pg_root_blockers", &[]), Some(2.0));
        assert_eq!(round.value("pg_blocked_sessions_total", &[]), Some(2.0));
        assert_eq!(round.value("pg_locks_waiting", &["accessexclusivelock"]), Some(1.0));
        let behind = round.data["edges"].as_array().unwrap().iter().find(|e| e["blocked"]["pid"] == select).unwrap();
        assert_eq!(behind["blocker_mode"], "AccessExclusiveLock");
        assert_eq!(behind["blocker_holds"], false);
        assert_eq!(behind["relation"], "ddl_queue");
        assert!(behind["blocker"]["query"].as_str().unwrap().starts_with("ALTER TABLE ddl_queue"));

        // From another database the relation has an oid and no name.
        server.create_database("other").await?;
        let mut other = Probe::new(&server.dsn_as("pgmon", &password, "other"), REGISTERED).await;
        let round = other.round().await;
        assert_eq!(round.data["edges"][0]["relation"], serde_json::Value::Null);
        assert!(round.data["edges"][0]["relation_oid"].as_i64().unwrap() > 16000);
        assert_eq!(round.data["edges"][0]["datname"], "postgres");
        queue.stop().await
    }
}

on_each_major! {
    async fn a_prepared_transaction_is_named(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major).setting("max_prepared_transactions", 10).start().await?;
        let mut probe = probe(&server).await;
        let blocker = workload::prepared_xact_blocker(&server, "postgres").await?;
        // Others are prepared too: one on the same table, whose lock is in nobody's way.
        let others = "BEGIN; CREATE TABLE other (id int); PREPARE TRANSACTION 'other'";
        server.exec("postgres", others).await?;
        server.exec("postgres", "BEGIN; LOCK TABLE prepared_xact IN ROW SHARE MODE; INSERT INTO prepared_xact VALUES (2); PREPARE TRANSACTION 'same table'").await?;
        check_prepared(&mut probe, &blocker, &["pgmon-testkit-"]).await;

        // What survives a restart has other virtual transaction ids.
        drop(blocker);
        server.restart().await?;
        let behind = "BEGIN; LOCK TABLE prepared_xact IN SHARE MODE";
        let mut session = server.connect("postgres").await?;
        let waiting = tokio::spawn(async move { sqlx::Executor::execute(&mut session, sqlx::raw_sql(behind)).await.map(drop) });
        server.wait_until("postgres", "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await?;
        let password = server.create_monitor("again", Tier::T0).await?;
        let mut probe = Probe::new(&server.dsn_as("again", &password, "postgres"), REGISTERED).await;
        let round = probe.round().await;
        let mut gids: Vec<&str> = round.data["edges"].as_array().unwrap().iter().filter_map(|e| e["root_gid"].as_str()).collect();
        gids.sort_unstable();
        assert!(gids.len() == 2 && gids[0].starts_with("pgmon-testkit-") && gids[1] == "same table", "{gids:?}");
        waiting.abort();
        Ok(())
    }
}

async fn check_prepared(probe: &mut Probe, blocker: &workload::Workload, gids: &[&str]) {
    let round = probe.round().await;
    assert_eq!(edges(&round), [(1, i64::from(blocker.pids()[0]), None)]);
    let edge = &round.data["edges"][0];
    assert!(edge["root_gid"].as_str().unwrap().starts_with(gids[0]), "{edge}");
    assert_eq!(edge["blocker"]["state"], "prepared");
    assert_eq!(edge["blocker"]["usename"], "postgres");
    assert!(edge["blocker"]["transaction_seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(round.value("pg_root_blockers", &[]), Some(1.0));
}

on_each_major! {
    async fn a_role_without_pg_monitor_sees_who_blocks_whom(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let chain = workload::lock_chain(&server, "postgres", 1).await?;
        let password = server.create_role("plain").await?;
        let mut probe = Probe::new(&server.dsn_as("plain", &password, "postgres"), REGISTERED).await;
        let round = probe.round().await;
        assert_eq!(edges(&round), [(1, i64::from(chain.pids()[1]), Some(i64::from(chain.pids()[0])))]);
        assert_eq!(round.value("pg_blocked_sessions_total", &[]), Some(1.0));
        assert_eq!(round.value("pg_longest_blocked_seconds", &[]).is_some(), major >= Major(14), "never 0");
        assert_eq!(round.data["edges"][0]["blocker"]["state"], serde_json::Value::Null);
        assert_eq!(round.blind.len(), 1);
        chain.stop().await
    }
}

on_each_major! {
    async fn an_autovacuum_worker_blocks_as_others_do(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major)
            .setting("autovacuum_naptime", "1s")
            // Whoever waits for autovacuum makes it step aside after this time.
            .setting("deadlock_timeout", "1min")
            .start()
            .await?;
        let mut probe = probe(&server).await;
        server.exec("postgres", "CREATE TABLE dead (id int) WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, \
            autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0); INSERT INTO dead SELECT generate_series(1, 100000)").await?;
        server.exec("postgres", "DELETE FROM dead").await?;
        server.wait_until("postgres", "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
            WHERE backend_type = 'autovacuum worker' AND relation = 'dead'::regclass AND mode = 'ShareUpdateExclusiveLock'").await?;
        let mut session = server.connect("postgres").await?;
        let waiting = tokio::spawn(async move {
            sqlx::Executor::execute(&mut session, sqlx::raw_sql("ALTER TABLE dead ADD COLUMN n int")).await.map(drop)
        });
        server.wait_until("postgres", "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await?;
        let round = probe.round().await;
        let edge = &round.data["edges"][0];
        assert_eq!(edge["blocker"]["backend_type"], "autovacuum worker", "{edge}");
        assert_eq!(edge["blocker_mode"], "ShareUpdateExclusiveLock");
        assert_eq!(edge["relation"], "dead");
        assert_eq!(round.value("pg_root_blockers", &[]), Some(1.0));
        waiting.abort();
        Ok(())
    }
}

/// What a backend has used of the CPU so far.
fn cpu_ms(pid: i32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}

/// Thirty waiters among 600 locks: the tree is right, and it costs a few milliseconds.
#[tokio::test]
async fn thirty_waiters_among_hundreds_of_locks() {
    let server =
        Server::builder(Major::NEWEST).setting("max_locks_per_transaction", 256).start().await.unwrap();
    let mut probe = probe(&server).await;
    workload::many_tables(&server, "postgres", 600, 0).await.unwrap();
    let lock_all = "DO $$ DECLARE r record; BEGIN FOR r IN SELECT oid::regclass AS t FROM pg_class WHERE relkind = 'r' AND relnamespace = 'many'::regnamespace LOOP EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', r.t); END LOOP; END $$";
    let mut holder = server.connect("postgres").await.unwrap();
    sqlx::Executor::execute(&mut holder, sqlx::raw_sql("BEGIN")).await.unwrap();
    sqlx::Executor::execute(&mut holder, sqlx::raw_sql(lock_all)).await.unwrap();
    let chain = workload::lock_chain(&server, "postgres", 30).await.unwrap();
    let rounds = 10;
    let mut before = 0.0;
    for round in 0..=rounds {
        // The first round plans.
        if round == 1 {
            before = cpu_ms(probe.facts.backend_pid);
        }
        let round = probe.round().await;
        assert_eq!(edges(&round).len(), 30);
        assert_eq!(round.value("pg_root_blocker_blocked_sessions", &[]), Some(30.0));
        assert!(round.value("pg_locks_count", &["shareupdateexclusivelock"]) >= Some(600.0));
    }
    let cost = (cpu_ms(probe.facts.backend_pid) - before) / f64::from(rounds);
    println!("600 locks, 30 waiters: {cost:.2} ms of the server's CPU for both statements");
    assert!(cost < 40.0, "{cost} ms");
    chain.stop().await.unwrap();
}

fn waits(pid: i32, blocker: i32, wait_seconds: f64) -> Row {
    Row {
        blocked_sessions: 4,
        pid,
        wait_seconds: Some(wait_seconds),
        locktype: "relation".into(),
        mode: "AccessExclusiveLock".into(),
        blocker_pid: Some(blocker),
        blocker_mode: Some("AccessShareLock".into()),
        blocker_granted: Some(true),
        ..Row::default()
    }
}

/// Root, depth, who waits and for whom.
type Shape = (Option<i32>, u32, Option<i32>, Option<i32>);

fn shape(locks: &Locks) -> Vec<Shape> {
    locks
        .edges
        .iter()
        .map(|e| (e.root_pid, e.depth, e.blocked.pid, e.blocker.as_ref().and_then(|b| b.pid)))
        .collect()
}

#[test]
fn a_circle_ends_and_has_one_root() {
    // 1 <-> 2, and 3 behind 2; 9 blocks 8 and 7, where 7 has waited longer.
    let rows = vec![waits(1, 2, 1.0), waits(2, 1, 1.0), waits(3, 2, 1.0), waits(8, 9, 1.0), waits(7, 9, 5.0)];
    let locks = Locks::of(Vec::new(), rows);
    assert_eq!(
        shape(&locks),
        [
            (Some(9), 1, Some(7), Some(9)),
            (Some(9), 1, Some(8), Some(9)),
            (Some(1), 1, Some(2), Some(1)),
            (Some(1), 2, Some(3), Some(2)),
            (Some(1), 2, Some(1), Some(2)),
        ]
    );
    assert_eq!((locks.root_blockers, locks.blocked_by_worst_root), (2, 2));
    assert_eq!(locks.longest_blocked_seconds, Some(5.0));
    let itself = Locks::of(Vec::new(), vec![waits(1, 1, 1.0)]);
    assert_eq!((itself.root_blockers, itself.edges.len()), (1, 1));
}

#[test]
fn a_blocker_that_has_just_gone_is_no_root() {
    let row = Row { blocker_pid: None, blocker_mode: None, blocker_granted: None, ..waits(1, 0, 2.0) };
    let locks = Locks::of(Vec::new(), vec![row]);
    assert_eq!(shape(&locks), [(None, 1, Some(1), None)]);
    assert_eq!((locks.root_blockers, locks.blocked_sessions), (0, 4));
}

#[test]
fn of_several_locks_the_one_in_the_way_is_shown() {
    let held = |mode: &str, granted| Row {
        blocker_mode: Some(mode.into()),
        blocker_granted: Some(granted),
        mode: "ShareLock".into(),
        ..waits(1, 2, 1.0)
    };
    let rows = vec![
        held("AccessShareLock", true),
        held("RowExclusiveLock", true),
        held("AccessExclusiveLock", false),
    ];
    let locks = Locks::of(Vec::new(), rows);
    assert_eq!(locks.edges.len(), 1);
    assert_eq!(locks.edges[0].blocker_mode.as_deref(), Some("RowExclusiveLock"));
    // Prepared transactions have no pid: only the lock tells which one it is.
    let prepared = |gid: &str, mode: &str| Row {
        blocker_gid: Some(gid.into()),
        blocker_mode: Some(mode.into()),
        mode: "ShareLock".into(),
        ..waits(1, 0, 1.0)
    };
    let locks = Locks::of(Vec::new(), vec![prepared("a", "RowExclusiveLock"), prepared("b", "RowShareLock")]);
    let gids: Vec<_> = locks.edges.iter().filter_map(|e| e.root_gid.as_deref()).collect();
    assert_eq!(gids, ["a"]);
}
