//! What is made of entries; on real servers see `server_tests.rs`.

use super::entry::Key;
use super::*;
use crate::postgres::testing::{cx, number};
use pgmon_core::metric::Family;

/// An entry of user 10 with that many calls of `ms` each.
fn entry(queryid: i64, calls: f64, ms: f64) -> Entry {
    Entry {
        key: Key { queryid, userid: 10, toplevel: Some(true) },
        made_at: 1,
        figures: Figures { calls, exec_ms: calls * ms, ..Figures::default() },
        m2: 0.0,
    }
}

/// Runs a round as the driver does, with entries in the place of the statement's rows.
fn round(s: &mut Statements, entries: &[Entry], cx: &Cx) -> Vec<Family> {
    s.begin("", cx).unwrap();
    s.now = entries.to_vec();
    assert!(s.end(None, cx).unwrap().is_none() || s.phase == Phase::Texts);
    s.finish(cx).families
}

fn at(seconds: u64) -> Cx {
    cx(17, Duration::from_secs(seconds))
}

fn new(top_queries: u32) -> Statements {
    Statements::new(&Settings { top_queries, ..Settings::default() })
}

fn qps(families: &[Family]) -> Option<f64> {
    number(families, "pg_qps", &[])
}

#[test]
fn users_and_levels_are_added_up_and_only_what_clients_sent_counts_as_latency() {
    let mut s = new(50);
    let with = |mut e: Entry, userid, toplevel| {
        e.key.userid = userid;
        e.key.toplevel = toplevel;
        e
    };
    let list = |factor: f64| {
        [
            with(entry(1, 10.0 * factor, 2.0), 11, Some(true)),
            with(entry(1, 20.0 * factor, 4.0), 10, Some(true)),
            with(entry(1, 30.0 * factor, 1.0), 10, Some(false)),
            with(entry(-5_000_000_000_000_000_001, 5.0 * factor, 3.0), 10, Some(true)),
        ]
    };
    let families = round(&mut s, &list(1.0), &at(0));
    assert_eq!(number(&families, "pg_stmt_calls_total", &["1"]), Some(60.0));
    assert_eq!(number(&families, "pg_stmt_time_seconds_total", &["1"]), Some(0.13));
    assert_eq!(number(&families, "pg_stmt_calls_total", &["-5000000000000000001"]), Some(5.0));
    assert_eq!((qps(&families), number(&families, "pg_query_latency_seconds_mean", &[])), (None, None));

    let families = round(&mut s, &list(3.0), &at(10));
    assert_eq!(qps(&families), Some(7.0));
    let mean = number(&families, "pg_query_latency_seconds_mean", &[]).unwrap();
    assert!((mean - (40.0 + 160.0 + 30.0) / 70.0 / 1e3).abs() < 1e-9);
    let p95 = number(&families, "pg_query_latency_seconds_p95", &[]).unwrap();
    assert!((p95 - 0.004).abs() < 1e-5);

    // Nothing ran: a rate, but no latency.
    let families = round(&mut s, &list(3.0), &at(20));
    assert_eq!(qps(&families), Some(0.0));
    for family in ["pg_query_latency_seconds_mean", "pg_query_latency_seconds_p95"] {
        assert_eq!(number(&families, family, &[]), None, "{family}");
    }
}

#[test]
fn an_entry_that_was_dropped_and_made_again_counts_from_its_making() {
    let mut s = new(50);
    round(&mut s, &[entry(1, 100.0, 1.0), entry(2, 100.0, 1.0), entry(3, 100.0, 1.0)], &at(0));
    let again = Entry { made_at: 2, ..entry(3, 150.0, 1.0) };
    // 1 came to fewer calls, 2 is gone, 3 came to more since it was made, 4 is new.
    let families = round(&mut s, &[entry(1, 7.0, 1.0), again, entry(4, 3.0, 1.0)], &at(10));
    assert_eq!(qps(&families), Some(16.0));
    assert_eq!(number(&families, "pg_stmt_calls_total", &["1"]), Some(107.0));
    assert_eq!(number(&families, "pg_stmt_calls_total", &["2"]), None);
}

#[test]
fn a_counter_does_not_go_down_when_one_of_its_entries_is_dropped() {
    let mut s = new(50);
    let of = |userid, calls| {
        let mut e = entry(1, calls, 1.0);
        e.key.userid = userid;
        e
    };
    let mut calls = |entries: &[Entry], seconds, reset: Option<i64>| {
        s.info.stats_reset = reset.map(|t| jiff::Timestamp::from_second(t).unwrap());
        number(&round(&mut s, entries, &at(seconds)), "pg_stmt_calls_total", &["1"])
    };
    assert_eq!(calls(&[of(10, 100.0), of(11, 50.0)], 0, None), Some(150.0));
    assert_eq!(calls(&[of(10, 110.0)], 60, None), Some(160.0));
    assert_eq!(calls(&[of(10, 110.0), of(11, 3.0)], 120, None), Some(163.0));
    assert_eq!(calls(&[of(10, 4.0)], 180, Some(150)), Some(4.0), "all was reset");
    assert_eq!(calls(&[of(10, 5.0)], 240, Some(150)), Some(5.0));
}

#[test]
fn what_was_not_known_before_begins_with_its_total() {
    let unknown = Figures { wal_bytes: f64::NAN, calls: 5.0, ..Figures::default() };
    let total = Figures { wal_bytes: 70.0, calls: 6.0, ..Figures::default() };
    let interval = Figures { wal_bytes: f64::NAN, calls: 1.0, ..Figures::default() };
    assert_eq!(unknown.grown(interval, total), total);
}

#[test]
fn our_own_statements_do_not_count() {
    let own = |calls| {
        let mut e = entry(2, calls, 1.0);
        e.key.userid = 16_400;
        e
    };
    let mut s = new(50);
    round(&mut s, &[entry(1, 5.0, 1.0), own(100.0)], &at(0));
    let families = round(&mut s, &[entry(1, 25.0, 1.0), own(900.0)], &at(10));
    assert_eq!(qps(&families), Some(2.0));
    assert_eq!(number(&families, "pg_stmt_calls_total", &["2"]), None);
    // A superuser's may be anybody's.
    let mut cx = at(20);
    Arc::make_mut(&mut cx.facts).superuser = true;
    let families = round(&mut s, &[entry(1, 25.0, 1.0), own(900.0)], &cx);
    assert_eq!(number(&families, "pg_stmt_calls_total", &["2"]), Some(900.0));
}

#[test]
fn after_a_reset_or_on_another_server_there_is_no_rate() {
    let mut s = new(50);
    let more = [entry(1, 900.0, 1.0)];
    round(&mut s, &[entry(1, 100.0, 1.0)], &at(0));
    s.info.stats_reset = Some(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(qps(&round(&mut s, &more, &at(60))), None);
    assert_eq!(qps(&round(&mut s, &more, &at(120))), Some(0.0));
    let mut other = at(180);
    Arc::make_mut(&mut other.facts).started_at = jiff::Timestamp::MAX;
    assert_eq!(qps(&round(&mut s, &more, &other)), None);
    // A round that was not finished is as if it had not been.
    round(&mut s, &more, &at(240));
    s.begin("", &at(300)).unwrap();
    s.now = vec![entry(1, 950.0, 1.0)];
    s.abort();
    assert_eq!(qps(&round(&mut s, &[entry(1, 1100.0, 1.0)], &at(340))), Some(2.0));
}

#[test]
fn what_this_version_or_server_does_not_count_is_absent() {
    let mut s = new(50);
    let unknown = Figures { plan_ms: f64::NAN, wal_bytes: f64::NAN, ..entry(1, 5.0, 1.0).figures };
    let old = Entry { figures: unknown, ..entry(1, 5.0, 1.0) };
    let families = round(&mut s, &[old], &at(0));
    for family in ["pg_stmt_wal_bytes_total", "pg_stmt_plan_seconds_total", "pg_stmt_blk_read_seconds_total"]
    {
        assert_eq!(number(&families, family, &["1"]), None, "{family}");
    }
    assert_eq!(number(&families, "pg_stmt_temp_blks_written_total", &["1"]), Some(0.0));
    let timed = Figures { plan_ms: 1500.0, blk_read_ms: 500.0, wal_bytes: 3.0, ..unknown };
    let families = round(&mut s, &[Entry { figures: timed, ..old }], &at(0));
    assert_eq!(number(&families, "pg_stmt_wal_bytes_total", &["1"]), Some(3.0));
    assert_eq!(number(&families, "pg_stmt_plan_seconds_total", &["1"]), Some(1.5));
    assert_eq!(number(&families, "pg_stmt_blk_read_seconds_total", &["1"]), Some(0.5));
}

#[test]
fn a_statement_that_is_not_counted_is_unknown_and_not_zero() {
    let mut s = new(50);
    let mut cx = at(0);
    let facts = Arc::make_mut(&mut cx.facts);
    facts.settings.insert("pg_stat_statements.track".into(), ("none".into(), None));
    round(&mut s, &[entry(1, 5.0, 1.0)], &cx);
    cx.mono += Duration::from_secs(10);
    s.begin("", &cx).unwrap();
    s.now = vec![entry(1, 5.0, 1.0)];
    s.end(None, &cx).unwrap();
    let outcome = s.finish(&cx);
    assert_eq!(qps(&outcome.families), None);
    assert_eq!(outcome.blind[0].needs, "pg_stat_statements.track");
    // Some role has it on.
    cx.mono += Duration::from_secs(10);
    assert_eq!(qps(&round(&mut s, &[entry(1, 25.0, 1.0)], &cx)), Some(2.0));
}

#[test]
fn rows_say_what_the_interval_was_like() {
    let mut s = new(50);
    round(&mut s, &[entry(1, 100.0, 1.0), entry(2, 100.0, 1.0)], &at(0));
    let mut slow = entry(2, 110.0, 1.0);
    slow.figures.exec_ms += 90.0;
    slow.figures.blks_hit = 3.0;
    slow.figures.blks_read = 1.0;
    s.begin("", &at(10)).unwrap();
    s.now = vec![entry(1, 200.0, 1.0), slow];
    s.end(None, &at(10)).unwrap();
    s.texts.take(2, Some("SELECT pg_sleep($1), 'x'"));
    let json =
        serde_json::to_value(Box::new(s.finish(&at(10)).data.unwrap()) as Box<dyn erased_serde::Serialize>);
    let json = json.unwrap();
    let (first, second) = (&json[0], &json[1]);
    assert_eq!((&first["queryid"], &second["queryid"]), (&"1".into(), &"2".into()), "by time");
    assert_eq!(second["text"], "SELECT pg_sleep($1), ?");
    assert_eq!(second["calls_per_second"], 1.0);
    assert_eq!(second["mean_ms"], 10.0);
    assert_eq!(second["time_share"], 0.5);
    assert_eq!(second["hit_ratio"], 0.75);
    assert_eq!(second["calls"], 110.0);
    assert_eq!(first["hit_ratio"], serde_json::Value::Null);
    assert_eq!(first["text"], serde_json::Value::Null);
}

#[test]
fn thousands_of_entries_give_a_bounded_number_of_series() {
    let mut s = new(10);
    let list: Vec<Entry> = (0..5000)
        .map(|id| {
            let mut e = entry(id, 1.0 + id as f64, 1.0);
            e.figures.blks_read = (id * 7919 % 5000) as f64;
            e.figures.wal_bytes = (id * 104_729 % 5000) as f64;
            e.figures.temp_written = (id * 1_299_709 % 5000) as f64;
            e
        })
        .collect();
    for minute in 0..3 {
        let families = round(&mut s, &list, &at(minute * 60));
        let shown = families.iter().find(|f| f.desc.name() == "pg_stmt_calls_total").unwrap().samples.len();
        assert!((10..=75).contains(&shown), "{shown}");
        assert!(s.texts.ask(&s.shown.clone(), 0, true, "").is_none(), "all were asked for");
    }
    assert!(std::mem::size_of::<Entry>() <= 112, "thousands are kept");
}
