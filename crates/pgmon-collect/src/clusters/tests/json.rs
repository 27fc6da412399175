//! Answers that somebody else wrote.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON, which often has one of these keys.
pub(in crate::clusters) fn any_json(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(1), Just(i64::MAX)].prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        prop_oneof![Just("unknown"), Just("running"), Just("leader"), Just("127.0.0.1"), Just("NaN")]
            .prop_map(Value::from),
        ".{0,30}".prop_map(Value::from),
    ];
    let key = prop_oneof![2 => proptest::sample::select(keys).prop_map(str::to_owned), 1 => ".{0,5}"];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Puts `value` in the place of one of the values in `whole`, at any depth.
pub(in crate::clusters) fn put(whole: &mut Value, place: usize, value: Value) {
    fn places(value: &Value, at: &str, out: &mut Vec<String>) {
        out.push(at.to_owned());
        match value {
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(n, one)| places(one, &format!("{at}/{n}"), out));
            }
            Value::Object(map) => map.iter().for_each(|(key, one)| places(one, &format!("{at}/{key}"), out)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(whole, "", &mut all);
    if let Some(there) = whole.pointer_mut(&all[place % all.len()]) {
        *there = value;
    }
}
