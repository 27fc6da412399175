//! Comparing readings; on real servers see `double_tests.rs`.

use super::*;
use crate::postgres::testing::cx;

/// A window's length, and where it begins, in the tests.
const MINUTE: i64 = 60;

fn reader() -> Monitor {
    let known = Known {
        origin: Origin::of(&cx(17, Duration::ZERO).facts),
        bounds: "{{0.000 - 1.000}, (1.000 - 2.000}, (2.000 - ...}}".into(),
        min_ms: 1.0,
        max_ms: 2.0,
        window_seconds: MINUTE as f64,
        uppers: Vec::new(),
    };
    Monitor { known: Some(known), ..Monitor::default() }
}

fn key(queryid: i64, minute: i64) -> Key {
    Key { queryid, toplevel: true, window: minute * MINUTE * 1_000_000 }
}

/// A round at that time, in which these entries were read.
fn read(m: &mut Monitor, at: f64, entries: &[(Key, [u32; 3])]) -> Option<f64> {
    m.abort();
    let mut now = Reading { at, ..Reading::default() };
    for (key, counts) in entries {
        assert!(m.known.as_mut().unwrap().fits(counts.len()));
        now.add(*key, counts);
    }
    m.now = Some(now);
    let calls = m.overall().map(|h| h.calls());
    m.settle();
    calls
}

#[test]
fn what_windows_hold_is_counted_once() {
    let mut m = reader();
    assert_eq!(read(&mut m, 10.0, &[(key(1, 0), [5, 0, 0])]), None, "nothing to compare with");
    assert_eq!(read(&mut m, 25.0, &[(key(1, 0), [7, 1, 0]), (key(2, 0), [0, 0, 4])]), Some(7.0));
    assert_eq!(read(&mut m, 40.0, &[(key(1, 0), [7, 1, 0]), (key(2, 0), [0, 0, 4])]), Some(0.0));
    // A window ended: what it got until then, and all of the next one.
    assert_eq!(read(&mut m, 70.0, &[(key(1, 0), [9, 1, 0]), (key(1, 1), [3, 0, 0])]), Some(5.0));
    assert_eq!(m.before.as_ref().unwrap().entries.len(), 1, "what ended is forgotten");
    // Several windows passed.
    let three = [(key(1, 1), [4, 0, 0]), (key(1, 2), [8, 0, 0]), (key(1, 3), [1, 0, 0])];
    assert_eq!(read(&mut m, 200.0, &three), Some(10.0));
    // Reset in between: what came since then.
    assert_eq!(read(&mut m, 215.0, &[(key(1, 3), [0, 2, 0])]), Some(2.0));
    // Idle, and busy again.
    assert_eq!(read(&mut m, 300.0, &[]), Some(0.0));
    assert_eq!(read(&mut m, 310.0, &[(key(1, 5), [0, 2, 1])]), Some(3.0));
}

#[test]
fn statements_are_told_apart_and_what_they_run_in_turn_is_their_own() {
    let mut m = reader();
    read(&mut m, 10.0, &[]);
    let nested = Key { toplevel: false, ..key(1, 0) };
    m.now = Some(Reading::default());
    assert!(m.known.as_mut().unwrap().fits(3) && !m.known.as_mut().unwrap().fits(4));
    let now = m.now.as_mut().unwrap();
    // Two users' entries.
    now.add(key(1, 0), &[1, 0, 0]);
    now.add(key(1, 0), &[1, 0, 2]);
    now.add(nested, &[0, 5, 0]);
    now.add(key(-7, 0), &[0, 0, 3]);
    assert_eq!(m.overall().unwrap().calls(), 7.0);
    assert_eq!(m.of(1).unwrap().calls(), 9.0);
    assert_eq!(m.of(-7).unwrap().calls(), 3.0);
    assert_eq!(m.of(3).unwrap().calls(), 0.0);
}

#[test]
fn a_round_that_did_not_read_gives_no_comparison_to_the_next_one() {
    let mut m = reader();
    read(&mut m, 10.0, &[(key(1, 0), [5, 0, 0])]);
    m.settle();
    assert_eq!(read(&mut m, 40.0, &[(key(1, 0), [9, 0, 0])]), None);
}

#[test]
fn where_it_cannot_be_read_it_is_not_asked_or_says_why() {
    let mut m = Monitor::default();
    let mut cx = cx(17, Duration::ZERO);
    assert!(m.begin(0, &cx).is_none(), "not installed");
    let install = |cx: &mut Cx, major, minor| {
        let extension =
            crate::postgres::facts::Extension { version: ExtVersion(major, minor), schema: "My".into() };
        std::sync::Arc::make_mut(&mut cx.facts).extensions.insert(EXTENSION.into(), extension);
    };
    install(&mut cx, 2, 0);
    assert!(m.begin(0, &cx).is_none());
    assert_eq!(m.trouble(&cx.facts), Some(Trouble::TooOld));
    install(&mut cx, 2, 3);
    assert!(m.begin(0, &cx).is_none(), "its settings do not exist");
    assert_eq!(m.trouble(&cx.facts), Some(Trouble::NotLoaded));
    let facts = std::sync::Arc::make_mut(&mut cx.facts);
    for (name, value) in [("histogram_min", "1"), ("histogram_max", "100"), ("bucket_time", "60")] {
        facts.settings.insert(format!("pg_stat_monitor.pgsm_{name}"), (value.into(), None));
    }
    assert_eq!(m.begin(0, &cx).unwrap().sql, LAYOUT.sql);
    assert_eq!(m.end(None, 0, &cx).unwrap().sql, WINDOWS.sql);
    // Bounds that are not known. It is left alone for a while.
    m.strange = true;
    assert!(m.end(None, 0, &cx).is_none());
    assert_eq!(m.trouble(&cx.facts), Some(Trouble::Unknown));
    assert!(m.begin(AGAIN_AFTER - 1, &cx).is_none());
    assert!(m.begin(AGAIN_AFTER, &cx).is_some());
    // What takes long is left alone too, but not for one slow answer.
    for round in 20..24 {
        m.asked = Some(Asked::Windows);
        m.answered(if round == 20 { SLOW } else { SLOW * 2 });
        assert!(m.end(None, round, &cx).is_none());
        assert_eq!(m.trouble(&cx.facts), (round == 23).then_some(Trouble::Slow), "{round}");
    }
    assert!(m.begin(24, &cx).is_none() && m.begin(33, &cx).is_some());
    assert!(Trouble::Denied.remedy(&cx.facts).unwrap().contains("GRANT SELECT ON \"My\".pg_stat_monitor"));
    std::sync::Arc::make_mut(&mut cx.facts).extensions.clear();
    assert_eq!(m.trouble(&cx.facts), None, "dropped");
    install(&mut cx, 2, 3);
    let old = crate::postgres::testing::cx(12, Duration::ZERO).facts.version;
    std::sync::Arc::make_mut(&mut cx.facts).version = old;
    assert!(Monitor::default().begin(0, &cx).is_none());
}
