use super::*;
use crate::poller::timer::ManualClock;
use pgmon_core::history::Matcher;
use pgmon_core::snapshot::{LoopState, Output};

const S: fn(u64) -> Duration = Duration::from_secs;
pub(super) const CONNECTIONS: Desc = Desc::gauge("pg_connections", "Client connections.", &[]);
pub(super) const DEAD: Desc = Desc::gauge("pg_table_dead_tuples", "Dead rows.", &["relation"]);

pub(super) fn epoch() -> jiff::Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(super) fn snapshot(db: &str) -> Snapshot {
    Snapshot {
        cluster: "c".into(),
        db: db.into(),
        up: Up::Up,
        up_since_mono: S(0),
        alive_mono: None,
        server: None,
        server_key: Some("server".into()),
        leads: true,
        loops: Loop::ALL.map(|l| LoopState::new(l, S([15, 60, 600, 3600][l.index()]), S(1))),
        collectors: Vec::new(),
        warnings: Vec::new(),
        connects: 1,
        connect_errors: 0,
        retained: Vec::new(),
        quarantined_until: None,
        dropped: 0,
    }
}

/// The state of a collector whose round at `at` brought `value`.
pub(super) fn state(collector: &'static str, server_wide: bool, at: Duration, value: f64) -> CollectorState {
    let mut families = Families::new();
    if server_wide {
        families.push(&CONNECTIONS, &[], value);
    } else {
        families.push(&DEAD, &["public.t"], value);
    }
    CollectorState {
        collector: collector.into(),
        in_loop: Loop::HotPath,
        server_wide,
        datname: None,
        at: epoch(),
        duration: S(0),
        outcome: Outcome::Ok,
        errors: 0,
        blind: Vec::new(),
        stride: 1,
        good: Some(Arc::new(Output {
            at: epoch(),
            at_mono: at,
            families: families.into_vec(),
            data: None,
            executed: Vec::new(),
        })),
        custom: None,
    }
}

struct Rig {
    clock: Arc<ManualClock>,
    fleet: Arc<Fleet>,
    recorder: Recorder,
}

impl Rig {
    fn new(names: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::new(epoch()));
        let pending = |name: &&str| Snapshot { up: Up::Pending, ..snapshot(name) };
        let fleet = Arc::new(Fleet::new(names.iter().map(pending).collect()));
        let recorder = Recorder::new(fleet.clone(), clock.clone(), pgmon_config::History::default());
        Self { clock, fleet, recorder }
    }

    fn publish(&mut self, cell: usize, snapshot: Snapshot) {
        self.fleet.cells()[cell].publish(snapshot);
        self.recorder.take();
    }

    /// Seconds since the start, value, and whether a gap was before it.
    fn read(&self, db: &str, name: &str) -> Vec<(i64, f64, bool)> {
        let start = epoch().as_millisecond();
        let query = Query {
            name,
            matchers: &[Matcher::Is("relation", if name == DEAD.name { "public.t" } else { "" })],
            from: start,
            to: start + 3_600_000,
            points: 10_000,
            series: 10,
        };
        let answer =
            self.fleet.history().range(&self.fleet, &*self.clock, &Id::new("c", db), &query).unwrap();
        assert!(answer.curves.len() <= 1, "{answer:?}");
        let points = answer.curves.iter().flat_map(|c| &c.points);
        points.map(|p| ((p.at - start) / 1000, p.mean, p.after_gap)).collect()
    }
}

#[test]
fn each_round_is_taken_once_and_gaps_are_known() {
    let mut rig = Rig::new(&["a"]);
    assert!(rig.read("a", UP.name).is_empty(), "nobody knows before the first attempt");
    let mut s = snapshot("a");
    for round in 1..4_u32 {
        rig.clock.advance(S(15));
        s.collectors = vec![state("tables", false, rig.clock.mono(), f64::from(round))];
        rig.publish(0, s.clone());
        // Another loop's round publishes the same result again.
        rig.publish(0, s.clone());
    }
    assert_eq!(rig.read("a", DEAD.name), [(15, 1.0, false), (30, 2.0, false), (45, 3.0, false)]);
    rig.clock.advance(S(15));
    s.collectors[0].outcome = Outcome::Failed { sqlstate: None, message: "boom".into() };
    rig.publish(0, s.clone());
    rig.clock.advance(S(15));
    s.collectors = vec![state("tables", false, rig.clock.mono(), 5.0)];
    rig.publish(0, s.clone());
    rig.clock.advance(S(15));
    rig.publish(0, Snapshot { up: Up::Down { reason: "gone".into() }, ..s.clone() });
    rig.clock.advance(S(15));
    s.collectors = vec![state("tables", false, rig.clock.mono(), 7.0)];
    rig.publish(0, s.clone());
    assert_eq!(rig.read("a", DEAD.name)[3..], [(75, 5.0, true), (105, 7.0, true)]);
    assert_eq!(
        rig.read("a", UP.name)[3..],
        [(60, 1.0, false), (75, 1.0, false), (90, 0.0, false), (105, 1.0, false)]
    );
}

#[test]
fn a_collector_that_runs_less_often_has_no_gap() {
    let mut rig = Rig::new(&["a"]);
    let mut s = snapshot("a");
    for round in 1..9_u32 {
        rig.clock.advance(S(15));
        if round % 4 == 0 {
            s.collectors = vec![state("tables", false, rig.clock.mono(), f64::from(round))];
            s.collectors[0].stride = 4;
        } else if let Some(c) = s.collectors.first_mut() {
            c.outcome = Outcome::Skipped { reason: "too slow for its loop".into() };
        }
        rig.publish(0, s.clone());
    }
    assert_eq!(rig.read("a", DEAD.name), [(60, 4.0, false), (120, 8.0, false)]);
}

#[test]
fn figures_of_the_server_are_found_through_each_entry_whoever_collected_them() {
    let mut rig = Rig::new(&["a", "b", "elsewhere"]);
    let follower = |db: &str| Snapshot { leads: false, ..snapshot(db) };
    for (second, leader) in [(15, 0), (30, 0), (45, 1), (60, 1)] {
        rig.clock.advance(S(15));
        let mut leads = snapshot(["a", "b"][leader]);
        leads.collectors = vec![state("connections", true, S(second), second as f64)];
        rig.publish(1 - leader, follower(["b", "a"][leader]));
        rig.publish(leader, leads);
    }
    rig.publish(2, Snapshot { server_key: Some("other".into()), ..snapshot("elsewhere") });
    let want = [(15, 15.0, false), (30, 30.0, false), (45, 45.0, true), (60, 60.0, false)];
    assert_eq!(
        (rig.read("a", CONNECTIONS.name), rig.read("b", CONNECTIONS.name)),
        (want.into(), want.into())
    );
    assert!(rig.read("elsewhere", CONNECTIONS.name).is_empty());
    let unknown = Id::new("c", "nobody");
    let query = Query { name: "pg_up", matchers: &[], from: 0, to: 1, points: 1, series: 1 };
    assert!(rig.fleet.history().range(&rig.fleet, &*rig.clock, &unknown, &query).is_none());
}

#[test]
fn other_databases_of_the_server_have_series_of_their_own() {
    let mut rig = Rig::new(&["a"]);
    rig.clock.advance(S(15));
    rig.publish(0, Snapshot { collectors: vec![state("tables", false, S(15), 1.0)], ..snapshot("a") });
    let elsewhere = CollectorState { datname: Some("other".into()), ..state("tables", false, S(15), 2.0) };
    rig.fleet.cells()[0].publish_roamed(vec![elsewhere], 0);
    rig.recorder.take();
    let start = epoch().as_millisecond();
    let query = Query {
        name: DEAD.name,
        matchers: &[Matcher::Is("datname", "other")],
        from: start,
        to: start + 60_000,
        points: 10,
        series: 10,
    };
    let answer = rig.fleet.history().range(&rig.fleet, &*rig.clock, &Id::new("c", "a"), &query).unwrap();
    let labels: Vec<_> = answer.curves.iter().map(|c| c.labels.clone()).collect();
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    assert_eq!(labels, [[pair("datname", "other"), pair("relation", "public.t")]]);
    assert_eq!(answer.curves[0].points[0].mean, 2.0);
}

#[tokio::test]
async fn what_is_published_is_recorded_until_the_stop() {
    let rig = Rig::new(&["a"]);
    let (stop, stopped) = watch::channel(false);
    let recorder = tokio::spawn(rig.recorder.run(stopped));
    rig.fleet.cells()[0].publish(snapshot("a"));
    while rig.fleet.history().stats().series == 0 {
        tokio::task::yield_now().await;
        rig.clock.advance(TOGETHER);
    }
    // What nobody renews ages out.
    for _ in 0..3 {
        rig.clock.advance(S(8 * 24 * 3600));
        while !rig.clock.is_idle(1) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(rig.fleet.history().stats().series, 0);
    stop.send(true).unwrap();
    recorder.await.unwrap();
}
