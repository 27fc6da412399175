//! Queries of the configuration: in health's reasons, and when they become others.

use super::*;
use pgmon_core::metric::{Kind, OwnDesc, Sample, Value};

/// A state of a query, in a database of a server that is watched whole.
fn query(name: &str, datname: &str, outcome: Outcome) -> CollectorState {
    let collector: Arc<str> = format!("query:{name}").into();
    CollectorState {
        collector: collector.into(),
        datname: Some(datname.into()),
        outcome,
        ..collected("x", Loop::Workload, false, Families::new())
    }
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed { sqlstate: None, message: message.into() }
}

#[test]
fn reasons_name_the_database_are_said_once_and_are_bounded() {
    let missing = || failed("relation \"orders\" does not exist");
    let refused = || failed("refused: DELETE FROM is not read-only");
    let mut s = leader();
    s.collectors.extend([query("orders", "own", missing()), query("writes", "own", refused())]);
    let fleet = Fleet::new(vec![s.clone(), Snapshot { db: "b".into(), ..s.clone() }]);
    let names: Vec<String> = (0..8).map(|n| format!("d{n}")).collect();
    let visited = names.iter().flat_map(|d| {
        [query("orders", d, missing()), query("writes", d, refused()), query("late", d, failed(d))]
    });
    fleet.cells()[0].publish_roamed(visited.collect(), 0);
    let health = health::judge(&fleet, S(101), "1.2.3");
    let reasons: Vec<&str> = health.reasons.iter().map(String::as_str).collect();
    assert_eq!(
        reasons.iter().filter(|r| r.contains("writes")).copied().collect::<Vec<_>>(),
        ["query writes is refused: DELETE FROM is not read-only"]
    );
    assert_eq!(
        reasons.iter().filter(|r| r.contains("orders")).copied().collect::<Vec<_>>(),
        [
            "c/a: own, d0, d1, d2, d3 and 4 more: query orders fails: relation \"orders\" does not exist",
            "c/b: own: query orders fails: relation \"orders\" does not exist",
        ]
    );
    assert!(reasons.contains(&"c/a: d3: query late fails: d3"), "{reasons:#?}");
    let json = serde_json::to_value(&health).unwrap();
    let failing = json["databases"][0]["failing"].as_array().unwrap();
    assert_eq!(failing.iter().filter(|f| f["collector"] == "query:writes").count(), 1);
    assert!(failing.iter().any(|f| f["collector"] == "query:orders" && f["datname"] == "d7"));

    let many = (0..1000).map(|n| query("late", "x", failed(&n.to_string())));
    fleet.cells()[0].publish_roamed(many.collect(), 0);
    let health = health::judge(&fleet, S(101), "1.2.3");
    assert!(health.reasons.len() < 300, "{}", health.reasons.len());
    assert!(health.reasons.last().unwrap().starts_with("and "), "{:?}", health.reasons.last());
    assert!(health.databases.iter().all(|d| d.failing.len() <= 200));
}

#[test]
fn results_from_before_a_query_became_another_one_do_not_stand_among_those_of_now() {
    let desc = |kind: Kind, labels: &[&str]| {
        let labels = labels.iter().map(|l| (*l).into()).collect();
        Arc::new(OwnDesc { name: "morph".into(), kind, help: "M.".into(), labels })
    };
    let state = |desc: Arc<OwnDesc>, labels: &[&str], at_mono: Duration, value: f64| {
        let mut state = collected("query:morph", Loop::Workload, false, Families::new());
        let labels: Box<[Box<str>]> = labels.iter().map(|l| (*l).into()).collect();
        let families =
            vec![Family { desc: desc.into(), samples: vec![Sample { labels, value: Value::Number(value) }] }];
        state.good = Some(Arc::new(Output { at: at(), at_mono, families, data: None, executed: Vec::new() }));
        state
    };
    let before = || state(desc(Kind::Gauge, &["a"]), &["old"], S(90), 1.0);
    let now = || state(desc(Kind::Counter, &["b", "c"]), &["x", "y"], S(100), 2.0);
    for (first, second) in [(before(), now()), (now(), before())] {
        let entry = |db: &str, state| Snapshot { collectors: vec![state], ..snapshot(db) };
        let text = page(&Fleet::new(vec![entry("a", first), entry("b", second)]), S(101));
        let of_morph: Vec<&str> =
            text.lines().filter(|l| l.contains("morph") && !l.contains("query")).collect();
        assert_eq!(of_morph.len(), 3, "{of_morph:#?}");
        assert!(
            of_morph[1] == "# TYPE morph counter" && of_morph[2].contains("b=\"x\",c=\"y\"} 2"),
            "{of_morph:#?}"
        );
    }
}
