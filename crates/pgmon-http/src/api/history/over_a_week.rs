//! The steps of an hour, a day and a week as the API tells them, on a clock that the test moves.

use crate::access::{Access, Peer};
use crate::app::App;
use crate::exposition::Look;
use crate::exposition::tests::{collected, snapshot};
use crate::server::router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use pgmon_collect::history::Recorder;
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::ManualClock;
use pgmon_config::Http;
use pgmon_core::clock::Clock as _;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Loop, Output, Up};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

const CONNECTIONS: Desc = Desc::gauge("pg_connections", "Client connections.", &[]);
const S: fn(u64) -> Duration = Duration::from_secs;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// The value at a second: of the four readings of a minute the least is the first, of ten minutes that of the first.
fn value(second: u64) -> f64 {
    let (minute, reading) = (second / 60 % 10, second % 60 / 15);
    (minute * 100 + reading * 4) as f64
}

struct Rig {
    clock: Arc<ManualClock>,
    fleet: Arc<Fleet>,
    recorder: Recorder,
    app: Arc<App>,
}

impl Rig {
    fn new() -> Self {
        // A full ten minutes, so that steps by the calendar are steps by the clock, too.
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let fleet = Arc::new(Fleet::new(vec![snapshot("a")]));
        let recorder = Recorder::new(fleet.clone(), clock.clone(), pgmon_config::History::default());
        let http = Http::default();
        let listen = http.bind.parse().unwrap();
        let access = Access::build(&http).unwrap();
        let app = Arc::new(App::new(fleet.clone(), clock.clone(), "1", Look::default(), access, listen));
        Self { clock, fleet, recorder, app }
    }

    /// A round every 15 s until this second; between `down` nothing answers.
    fn run(&mut self, until: i64, down: std::ops::Range<i64>) {
        loop {
            let now = self.clock.mono();
            let second = now.as_secs();
            if second.cast_signed() >= until {
                return;
            }
            let mut s = snapshot("a");
            s.alive_mono = Some(now);
            if down.contains(&second.cast_signed()) {
                s.up = Up::Down { reason: "gone".into() };
            } else {
                let mut families = Families::new();
                families.push(&CONNECTIONS, &[], value(second));
                let mut state = collected("connections", Loop::HotPath, true, families);
                let families = state.good.as_ref().unwrap().families.clone();
                let at = self.clock.wall();
                let good = Output { at, at_mono: now, families, data: None, executed: Vec::new() };
                state.good = Some(Arc::new(good));
                s.collectors = vec![state];
            }
            self.fleet.cells()[0].publish(s);
            self.recorder.take();
            if second.is_multiple_of(60) {
                self.recorder.tidy(now);
            }
            self.clock.advance(S(15));
        }
    }

    /// What the API says of the seconds `from..to` of the injected clock in steps of `step` seconds.
    async fn ask(&self, from: i64, to: i64, step: i64) -> Vec<Option<(f64, f64, f64)>> {
        let zero = self.clock.wall().as_second() - self.clock.mono().as_secs().cast_signed();
        // The last millisecond of the last step.
        let (from, to) = (zero + from, (zero + to) as f64 - 0.001);
        let path = format!("/api/v1/history/pg_connections?from={from}&to={to:.3}&step={step}");
        let peer = Peer { address: "127.0.0.1:5000".parse().unwrap(), tls: false, certificate: None };
        let request = Request::get(&path).extension(Arc::new(peer)).body(Body::empty()).unwrap();
        let response = router(self.app.clone()).oneshot(request).await.unwrap();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["data"]["step_seconds"], step as f64, "{path}: {answer:#}");
        let series = &answer["data"]["series"][0];
        let list =
            |name: &str| series[name].as_array().unwrap_or_else(|| panic!("{path}: {answer:#}")).clone();
        let all = list("min").into_iter().zip(list("max")).zip(list("mean"));
        let known = |v: Value| v.as_f64();
        all.map(|((min, max), mean)| Some((known(min)?, known(max)?, known(mean)?))).collect()
    }
}

#[tokio::test]
async fn an_hour_a_day_and_a_week_have_least_greatest_and_mean_of_each_step() {
    let mut rig = Rig::new();
    let days = 24 * HOUR;
    rig.run(3 * days, 0..0);
    let now = 3 * days;
    // The last hour: every reading, as it was.
    let start = now - 30 * MINUTE;
    let raw = rig.ask(start, start + 10 * MINUTE, 15).await;
    let expected: Vec<_> =
        (0..40).map(|n| value((start + 15 * n).cast_unsigned())).map(|v| Some((v, v, v))).collect();
    assert_eq!(raw, expected);
    // A minute of it, made of its four readings.
    let of_minute = |second: i64| {
        let first = value(second.cast_unsigned());
        Some((first, first + 12.0, first + 6.0))
    };
    let minutes = rig.ask(start, start + 10 * MINUTE, MINUTE).await;
    assert_eq!(minutes, (0..10).map(|n| of_minute(start + n * MINUTE)).collect::<Vec<_>>());
    // The last day: the same, though the readings are gone.
    for ago in [2 * HOUR, 12 * HOUR, 23 * HOUR] {
        let start = now - ago;
        let minutes = rig.ask(start, start + 20 * MINUTE, MINUTE).await;
        assert_eq!(
            minutes,
            (0..20).map(|n| of_minute(start + n * MINUTE)).collect::<Vec<_>>(),
            "{ago} s ago"
        );
        assert_eq!(rig.ask(start, start + 20 * MINUTE, 10 * MINUTE).await, [Some((0.0, 912.0, 456.0)); 2]);
    }
    // The week: ten minutes each.
    for ago in [25 * HOUR, 2 * days, 3 * days - HOUR] {
        let start = now - ago;
        assert_eq!(
            rig.ask(start, start + HOUR, 10 * MINUTE).await,
            [Some((0.0, 912.0, 456.0)); 6],
            "{ago} s ago"
        );
    }
}

#[tokio::test]
async fn a_gap_is_told_at_every_age() {
    let mut rig = Rig::new();
    let (from, to) = (2 * HOUR, 2 * HOUR + 30 * MINUTE);
    rig.run(to + 20 * MINUTE, from..to);
    for (now, step, what) in
        [(0, 15, "as read"), (4 * HOUR, MINUTE, "by the minute"), (30 * HOUR, 10 * MINUTE, "by ten")]
    {
        rig.run(now, 0..0);
        let steps = rig.ask(from - 10 * MINUTE, to + 10 * MINUTE, step).await;
        let known: Vec<bool> = steps.iter().map(Option::is_some).collect();
        let of = |seconds: i64| usize::try_from(seconds / step).unwrap();
        let (before, gap) = (of(10 * MINUTE), of(to - from));
        assert!(known[..before].iter().all(|k| *k), "{what}: before it: {known:?}");
        assert!(known[before..before + gap].iter().all(|k| !k), "{what}: in it: {known:?}");
        assert!(known[before + gap..].iter().all(|k| *k), "{what}: after it: {known:?}");
    }
}
