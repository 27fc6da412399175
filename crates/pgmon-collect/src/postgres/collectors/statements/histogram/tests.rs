use super::*;
use proptest::prelude::*;

/// As the extension writes them with its default settings.
const DEFAULT: &str = "{{0.000 - 1.000}, (1.000 - 2.778}, (2.778 - 4.162}, (4.162 - 6.623}, (6.623 - 11.000}, (11.000 - 18.783}, (18.783 - 32.623}, (32.623 - 57.234}, (57.234 - 101.000}, (101.000 - 178.827}, (178.827 - 317.226}, (317.226 - 563.338}, (563.338 - 1000.994}, (1000.994 - 1779.268}, (1779.268 - 3163.256}, (3163.256 - 5624.371}, (5624.371 - 10000.920}, (10000.920 - 17783.643}, (17783.643 - 31623.492}, (31623.492 - 56234.598}, (56234.598 - 100000.000}, (100000.000 - ...}}";

#[test]
fn bounds_are_read_and_are_those_that_the_settings_give() {
    let read = Layout::read(DEFAULT, 1.0, 100_000.0).uppers(22).unwrap();
    assert_eq!((read[0], read[1], read[20], read[21]), (1.0, 2.778, 100_000.0, f64::INFINITY));
    let own = Layout::read("", 1.0, 100_000.0).by_settings(22).unwrap();
    for (read, own) in read.iter().zip(own) {
        assert!(*read == own || (read - own).abs() < 0.001, "{read} {own}");
    }
    // From 0 and up to what is the greatest: no bucket below and none above.
    let all = Layout::read("", 0.0, 50_000_000.0).by_settings(3).unwrap();
    assert!((all[2] - 50_000_000.0).abs() < 1e-3 && all.len() == 3, "{all:?}");
}

#[test]
fn what_was_cut_off_follows_from_the_settings_if_the_rest_does() {
    let step = (10_000.0_f64 - 0.5).ln() / 48.0;
    let upper = |i: u32| 0.5 + (step * f64::from(i)).exp();
    let mut text = String::from("{{0.000 - 0.500}, (0.500 - ");
    for i in 1..=30 {
        text += &format!("{:.3}}}, ({:.3} - ", upper(i), upper(i));
    }
    text += "12";
    let uppers = Layout::read(&text, 0.5, 10_000.0).uppers(50).unwrap();
    assert_eq!((uppers.len(), uppers[0], uppers[49]), (50, 0.5, f64::INFINITY));
    assert!((uppers[48] - 10_000.0).abs() < 1e-6);
    // Other settings than those that the text comes from.
    assert_eq!(Layout::read(&text, 0.5, 9_000.0).uppers(50), None);
    assert_eq!(Layout::read(&text, 0.5, 10_000.0).uppers(31), None);
}

#[test]
fn bounds_that_we_do_not_know_are_not_guessed() {
    for text in ["", "{}", "{{}}", "{{0 - 3}}", "0.000 - 1.000", "{{1.000 - 2.000}, (2.000 - ...}}"] {
        assert_eq!(Layout::read(text, 1.0, 100.0).uppers(2), None, "{text}");
    }
    assert_eq!(Layout::read(DEFAULT, 1.0, 100_000.0).uppers(21), None, "another number");
    assert_eq!(Layout::read(DEFAULT, 1.0, 100_000.0).uppers(0), None);
    // A gap between two buckets.
    assert_eq!(Layout::read("{{0.000 - 1.000}, (2.000 - ...}}", 1.0, 100.0).uppers(2), None);
}

#[test]
fn counts_are_numbers_with_commas() {
    assert_eq!(counts("1,0,33").as_deref(), Some([1, 0, 33].as_slice()));
    for text in ["", "1,", "1,x", "-1,2", "99999999999"] {
        assert_eq!(counts(text), None, "{text}");
    }
}

#[test]
fn only_what_came_on_top_counts_and_a_reset_begins_anew() {
    let uppers = [1.0, 2.0, f64::INFINITY];
    let mut h = Histogram::new(&uppers);
    h.add(&[5, 7, 0], Some(&[5, 3, 0]));
    assert_eq!(h.counts, [0, 4, 0]);
    h.add(&[1, 0, 2], Some(&[5, 0, 0]));
    assert_eq!(h.counts, [1, 4, 2], "reset");
    h.add(&[1, 1, 1], None);
    assert_eq!((h.counts.as_slice(), h.calls()), ([2, 5, 3].as_slice(), 10.0));
}

#[test]
fn the_bucket_and_the_place_in_it_are_found() {
    let uppers = [1.0, 2.0, 4.0, f64::INFINITY];
    let of = |counts: &[u32]| {
        let mut h = Histogram::new(&uppers);
        h.add(counts, None);
        h.locate(0.95)
    };
    assert_eq!(of(&[0, 0, 0, 0]), None);
    assert_eq!(of(&[90, 0, 10, 0]), Some(Spot { low: 2.0, high: 4.0, part: 0.5 }));
    assert_eq!(of(&[95, 0, 5, 0]), Some(Spot { low: 0.0, high: 1.0, part: 1.0 }));
    assert_eq!(of(&[1, 0, 0, 1]).map(|s| (s.low, s.high)), Some((4.0, f64::INFINITY)));
}

proptest! {
    #[test]
    fn a_share_is_reached_where_it_is(
        counts in proptest::collection::vec(0u32..50, 6),
        p in 0.01f64..1.0,
    ) {
        let uppers = [1.0, 2.0, 4.0, 8.0, 16.0, f64::INFINITY];
        let mut h = Histogram::new(&uppers);
        h.add(&counts, None);
        let n = h.calls();
        match h.locate(p) {
            None => prop_assert_eq!(n, 0.0),
            Some(spot) => {
                let at = uppers.iter().position(|u| *u == spot.high).unwrap();
                let below: f64 = counts[..at].iter().map(|c| f64::from(*c)).sum();
                prop_assert_eq!(spot.low, if at == 0 { 0.0 } else { uppers[at - 1] });
                prop_assert!(below < p * n + 1e-9);
                prop_assert!((below + spot.part * f64::from(counts[at]) - p * n).abs() < 1e-6);
                prop_assert!(spot.part > 0.0 && spot.part <= 1.0);
            }
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "[{}(). ,0-9-]{0,60}", n in 0usize..5) {
        let _ = Layout::read(&text, 1.0, 10.0).uppers(n);
        let _ = counts(&text);
    }
}
