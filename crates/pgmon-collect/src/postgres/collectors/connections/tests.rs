use super::*;
use crate::postgres::testing::{Probe, Round};
use pgmon_testkit::{Major, Server, Tier, on_each_major, workload};

/// Rounds until so many clients are connected: a session that the test has closed may still be ending.
async fn settled(probe: &mut Probe, connections: f64) -> Round {
    for _ in 0..400 {
        let round = probe.round().await;
        if round.value("pg_connections", &[]) == Some(connections) {
            return round;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("there never were {connections} connections")
}

on_each_major! {
    async fn figures_agree_with_what_the_superuser_sees(major: Major) -> anyhow::Result<()> {
        let server = Server::builder(major)
            .setting("max_connections", 50)
            .setting("superuser_reserved_connections", 4)
            .start()
            .await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let mut probe = Probe::new(&dsn, REGISTERED).await;

        // Our own.
        let quiet = settled(&mut probe, 1.0).await;
        assert_eq!(quiet.value("pg_max_connections", &[]), Some(50.0));
        assert_eq!(quiet.value("pg_reserved_connections", &["superuser"]), Some(4.0));
        assert_eq!(quiet.value("pg_reserved_connections", &["reserved"]).is_some(), major >= Major(16));
        assert_eq!(quiet.value("pg_backends", &["active", "client backend"]), Some(0.0));
        assert_eq!(quiet.value("pg_backends", &["none", "checkpointer"]), Some(1.0));
        assert_eq!(quiet.value("pg_autovacuum_max_workers", &[]), Some(3.0));
        for family in ["pg_oldest_transaction_seconds", "pg_oldest_idle_in_transaction_seconds", "pg_longest_query_seconds"] {
            assert_eq!(quiet.value(family, &[]), Some(0.0), "{family}");
        }
        assert_eq!(quiet.blind, []);
        assert_eq!(quiet.executed.len(), 1, "a quiet server pays for one statement");

        let idle = workload::idle_in_transaction(&server, "postgres").await?;
        let long = workload::long_transaction(&server, "postgres").await?;
        let many = workload::connections(&server, "postgres", 7).await?;
        let chain = workload::lock_chain(&server, "postgres", 2).await?;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let busy = settled(&mut probe, 13.0).await;
        assert_eq!(busy.value("pg_backends", &["idle", "client backend"]), Some(7.0));
        assert_eq!(busy.value("pg_backends", &["idle in transaction", "client backend"]), Some(2.0));
        assert_eq!(busy.value("pg_backends", &["active", "client backend"]), Some(3.0));
        assert_eq!(busy.value("pg_backends_waiting", &["Lock", "transactionid"]), Some(2.0));
        assert_eq!(busy.value("pg_backends_waiting", &["Timeout", "PgSleep"]), Some(1.0));
        let age = |of: &str| {
            format!("SELECT EXTRACT(epoch FROM clock_timestamp() - {of})::float8 FROM pg_stat_activity WHERE pid = ")
        };
        for (family, of, pid) in [
            ("pg_oldest_transaction_seconds", "xact_start", idle.pids()[0]),
            ("pg_oldest_idle_in_transaction_seconds", "state_change", idle.pids()[0]),
            ("pg_longest_query_seconds", "query_start", long.pids()[0]),
        ] {
            let truth: f64 = server.query("postgres", &format!("{}{pid}", age(of))).await?;
            let ours = busy.value(family, &[]).unwrap();
            assert!(ours > 0.2 && ours <= truth && truth - ours < 5.0, "{family} {ours} {truth}");
        }
        for workload in [idle, long, many, chain] {
            workload.stop().await?;
        }
        Ok(())
    }
}

on_each_major! {
    async fn a_role_without_pg_monitor_says_what_it_cannot_see(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let _many = workload::connections(&server, "postgres", 5).await?;
        let _idle = workload::idle_in_transaction(&server, "postgres").await?;
        let password = server.create_role("plain").await?;
        let mut probe = Probe::new(&server.dsn_as("plain", &password, "postgres"), REGISTERED).await;
        let round = probe.round().await;
        assert_eq!(round.value("pg_max_connections", &[]), Some(100.0));
        let families: Vec<_> = round.families.iter().map(|f| f.desc.name()).collect();
        // Workers cannot be told from clients.
        assert_eq!(families, ["pg_max_connections", "pg_reserved_connections", "pg_autovacuum_max_workers"]);
        assert_eq!(round.blind.len(), 1);
        assert_eq!(round.blind[0].needs, "pg_monitor");
        assert_eq!(round.blind[0].remedy.as_deref(), Some("GRANT pg_monitor TO \"plain\";"));

        // The grant comes while we are connected, and goes again before the facts are read anew.
        server.exec("postgres", "GRANT pg_monitor TO plain").await?;
        probe.refresh().await;
        let round = settled(&mut probe, 7.0).await;
        assert_eq!(round.value("pg_backends", &["idle in transaction", "client backend"]), Some(1.0));
        assert_eq!(round.blind, []);
        server.exec("postgres", "REVOKE pg_monitor FROM plain").await?;
        let round = probe.round().await;
        assert_eq!(round.samples("pg_oldest_transaction_seconds"), []);
        assert_eq!(round.blind.len(), 1);
        Ok(())
    }
}

on_each_major! {
    async fn old_transactions_are_listed_with_what_they_did_last(major: Major) -> anyhow::Result<()> {
        let server = Server::start(major).await?;
        let idle = workload::idle_in_transaction(&server, "postgres").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        let dsn = server.dsn_as("pgmon", &password, "postgres");
        let mut probe = Probe::new(&dsn, REGISTERED).await;
        assert_eq!(probe.round().await.executed.len(), 1, "too young");
        // Nothing but time makes a transaction old: ask for younger ones by hand.
        let sql = probe.facts.pick(SPEC.follow_ups).unwrap();
        let mut args = PgArguments::default();
        args.add(0.0).unwrap();
        let mut sessions = Vec::new();
        let limit = std::time::Duration::from_secs(5);
        probe
            .session
            .run(Statement::with(sql, args), limit, |row| {
                sessions.push(Session::from_row(&row)?);
                Ok(())
            })
            .await?;
        assert_eq!(sessions.len(), 1);
        let session = &sessions[0];
        assert_eq!(session.pid, idle.pids()[0]);
        assert_eq!(session.state.as_deref(), Some("idle in transaction"));
        assert_eq!(session.application_name.as_deref(), Some("idle-in-transaction"));
        assert!(session.has_written && !session.blocked && session.transaction_seconds > 0.0);
        assert!(session.query.as_deref().is_some_and(|q| q.contains("CREATE TABLE")));
        idle.stop().await
    }
}

fn cx_of(probe: &Probe) -> Cx {
    Cx {
        facts: probe.facts.clone(),
        settings: probe.settings.clone(),
        at: jiff::Timestamp::UNIX_EPOCH,
        mono: std::time::Duration::ZERO,
        interval: std::time::Duration::from_secs(15),
    }
}

fn group(backend_type: &str, state: Option<&str>, backends: i64) -> Group {
    Group {
        backend_type: Some(backend_type.into()),
        state: state.map(Into::into),
        wait_event_type: None,
        wait_event: None,
        own: false,
        in_database: backend_type != "checkpointer",
        backends,
        oldest_transaction_seconds: None,
        oldest_query_seconds: None,
        longest_in_state_seconds: None,
    }
}

/// What only many sessions, or rare ones, show.
#[tokio::test]
async fn rare_waits_are_added_up_and_hidden_ages_are_not_0() {
    let server = Server::start(Major::NEWEST).await.unwrap();
    let password = server.create_monitor("pgmon", Tier::T0).await.unwrap();
    let probe = Probe::new(&server.dsn_as("pgmon", &password, "postgres"), REGISTERED).await;
    let cx = cx_of(&probe);
    let samples = |groups: Vec<Group>| {
        let mut out = Families::new();
        let blind = Activity { groups, sessions: Vec::new() }.samples(&cx, &mut out);
        (
            crate::postgres::testing::Round {
                families: out.into_vec(),
                data: serde_json::Value::Null,
                blind: Vec::new(),
                executed: Vec::new(),
            },
            blind,
        )
    };

    let waits = (0..70).map(|i| Group {
        wait_event_type: Some("Extension".into()),
        wait_event: Some(format!("wait \"{i}\"\n")),
        ..group("client backend", Some("active"), 100 - i)
    });
    let (round, _) = samples(waits.chain([group("checkpointer", None, 1)]).collect());
    let waiting = round.samples("pg_backends_waiting");
    assert_eq!(waiting.len(), WAIT_EVENTS + 1);
    assert_eq!(round.value("pg_backends_waiting", &["other", "other"]), Some((31..=50).sum::<i32>().into()));
    assert!(waiting.iter().flat_map(|(l, _)| l).all(|l| !l.contains(['"', '\n'])));

    // A background process with the longest of all transactions is not a client's.
    let old = Group { oldest_transaction_seconds: Some(9e9), ..group("walsender", Some("active"), 1) };
    let idle = Group {
        oldest_transaction_seconds: Some(70.0),
        longest_in_state_seconds: Some(60.0),
        ..group("client backend", Some("idle in transaction (aborted)"), 1)
    };
    let (round, blind) = samples(vec![old.clone(), idle, group("checkpointer", None, 1)]);
    assert_eq!(round.value("pg_oldest_transaction_seconds", &[]), Some(70.0));
    assert_eq!(round.value("pg_oldest_idle_in_transaction_seconds", &[]), Some(60.0));
    assert_eq!(round.value("pg_longest_query_seconds", &[]), Some(0.0));
    assert_eq!(blind, []);

    let untracked = group("client backend", Some("disabled"), 1);
    let (round, blind) = samples(vec![old, untracked, group("checkpointer", None, 1)]);
    assert_eq!(round.samples("pg_longest_query_seconds"), []);
    assert_eq!(blind[0].needs, "track_activities");
}

#[test]
fn texts_lose_their_literals_unless_that_is_turned_off() {
    let shown = |redact_sql_text| {
        let cx = crate::postgres::testing::cx(18, std::time::Duration::ZERO);
        let settings = crate::postgres::collector::Settings { redact_sql_text, ..Default::default() };
        let session = Session {
            pid: 1,
            datname: None,
            usename: None,
            application_name: None,
            client_addr: None,
            state: None,
            wait_event_type: None,
            wait_event: None,
            blocked: false,
            has_written: false,
            transaction_seconds: 20.0,
            query_seconds: None,
            state_seconds: None,
            queryid: None,
            query: Some("SELECT 'secret', 4711".into()),
        };
        let now = Activity { groups: Vec::new(), sessions: vec![session] };
        let mut steps = Connections { now, listing: true };
        let outcome = steps.finish(&Cx { settings: Arc::new(settings), ..cx });
        serde_json::to_value(outcome.data.unwrap().as_ref()).unwrap()["sessions"][0]["query"].clone()
    };
    assert_eq!((shown(true), shown(false)), ("SELECT ?, ?".into(), "SELECT 'secret', 4711".into()));
}
