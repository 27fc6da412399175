//! The 95th percentile: from histograms where there are some, else estimated.

use super::histogram::Histogram;
use super::latency::{Mixture, Moments};

/// Histograms are used if they hold at least this share of what `pg_stat_statements` counted. The two are
/// not read at the same instant, and each may be set to leave something out.
const ENOUGH: f64 = 0.9;

/// How a percentile was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PercentileMethod")]
pub enum Method {
    /// From the histograms of `pg_stat_monitor`: the bucket is exact, the place in it is estimated.
    Histogram,
    /// From means and deviations alone.
    Estimate,
}

impl Method {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Histogram => "histogram",
            Self::Estimate => "estimate",
        }
    }
}

/// The 95th percentile of execution times, ms, and how it was got; `None` of no calls.
///
/// Within the bucket the calls are taken to be spread as the estimate spreads them, or evenly if that
/// expects none there. In the last, open-ended bucket it is an estimate that is not below the bucket.
pub fn p95(times: &[Moments], histogram: Option<&Histogram<'_>>) -> Option<(f64, Method)> {
    const P: f64 = 0.95;
    let model = Mixture::of(times);
    let estimate = model.quantile(P)?;
    // One call more or less says nothing.
    let enough = |h: &&Histogram<'_>| h.calls() + 1.0 >= ENOUGH * model.calls();
    let Some(spot) = histogram.filter(enough).and_then(|h| h.locate(P)) else {
        return Some((estimate, Method::Estimate));
    };
    if spot.high.is_infinite() {
        return Some((estimate.max(spot.low), Method::Estimate));
    }
    let evenly = || spot.low + spot.part * (spot.high - spot.low);
    let value = model.within(spot.low, spot.high, spot.part).unwrap_or_else(evenly);
    Some((value.clamp(spot.low, spot.high), Method::Histogram))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments(values: &[f64]) -> Moments {
        let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
        Moments { n, sum, m2: values.iter().map(|v| (v - sum / n).powi(2)).sum() }
    }

    /// The default bounds of the extension.
    fn uppers() -> Vec<f64> {
        let step = (100_000.0_f64 - 1.0).ln() / 20.0;
        let between = (1..=20).map(|i| 1.0 + (step * f64::from(i)).exp());
        std::iter::once(1.0).chain(between).chain([f64::INFINITY]).collect()
    }

    /// What the extension counts of these times.
    fn histogram<'a>(uppers: &'a [f64], values: &[f64]) -> Histogram<'a> {
        let mut counts = vec![0; uppers.len()];
        for value in values {
            counts[uppers.iter().position(|u| value <= u).unwrap()] += 1;
        }
        let mut all = Histogram::new(uppers);
        all.add(&counts, None);
        all
    }

    fn truth(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() * 95).div_ceil(100) - 1]
    }

    #[test]
    fn two_peaks_in_one_statement_deceive_the_estimate_but_not_the_histogram() {
        let values = [vec![2.0; 90], vec![400.0; 10]].concat();
        let uppers = uppers();
        let (estimate, method) = p95(&[moments(&values)], None).unwrap();
        assert_eq!(method, Method::Estimate);
        assert!((estimate / 400.0 - 1.0).abs() > 0.3, "{estimate}");
        let (value, method) = p95(&[moments(&values)], Some(&histogram(&uppers, &values))).unwrap();
        assert_eq!(method, Method::Histogram);
        assert!((317.0..=564.0).contains(&value), "{value}");
    }

    #[test]
    fn what_is_faster_than_the_first_bound_is_told_apart_by_the_estimate() {
        let values: Vec<f64> = (0..100).map(|i| 0.04 + 0.0002 * f64::from(i)).collect();
        let uppers = uppers();
        let (value, method) = p95(&[moments(&values)], Some(&histogram(&uppers, &values))).unwrap();
        assert_eq!(method, Method::Histogram);
        assert!((value / truth(&values) - 1.0).abs() < 0.05, "{value}");
    }

    #[test]
    fn in_the_open_ended_bucket_it_is_an_estimate_and_not_below_it() {
        let values = [vec![1.0; 90], vec![500_000.0; 10]].concat();
        let uppers = uppers();
        let all = histogram(&uppers, &values);
        let (value, method) = p95(&[moments(&values)], Some(&all)).unwrap();
        assert_eq!(method, Method::Estimate);
        assert!(value >= 100_000.0, "{value}");
        // Also where the means know nothing of it.
        assert_eq!(p95(&[moments(&[1.0; 100])], Some(&all)).unwrap().0, uppers[20]);
    }

    #[test]
    fn a_histogram_that_saw_only_a_part_is_not_used() {
        let uppers = uppers();
        let seen = histogram(&uppers, &[5.0; 80]);
        assert_eq!(p95(&[moments(&[5.0; 100])], Some(&seen)).unwrap().1, Method::Estimate);
        assert_eq!(p95(&[moments(&[5.0; 85])], Some(&seen)).unwrap().1, Method::Histogram);
        let none = Histogram::new(&uppers);
        assert_eq!(p95(&[moments(&[5.0])], Some(&none)).unwrap().1, Method::Estimate);
        assert_eq!(p95(&[], Some(&seen)), None);
    }

    proptest! {
        #[test]
        fn it_is_in_the_bucket_that_the_true_one_is_in(
            fast in proptest::collection::vec(0.001f64..5.0, 1..200),
            slow in proptest::collection::vec(0.5f64..90_000.0, 0..200),
        ) {
            let uppers = uppers();
            let all = [fast.clone(), slow.clone()].concat();
            let parts: Vec<Moments> =
                [&fast, &slow].into_iter().filter(|v| !v.is_empty()).map(|v| moments(v)).collect();
            let (value, method) = p95(&parts, Some(&histogram(&uppers, &all))).unwrap();
            prop_assert_eq!(method, Method::Histogram);
            let true_one = truth(&all);
            let high = *uppers.iter().find(|u| true_one <= **u).unwrap();
            let low = uppers.iter().copied().filter(|u| *u < true_one).fold(0.0, f64::max);
            prop_assert!((low..=high).contains(&value), "{} is not in {}..{}", value, low, high);
        }
    }
}
