//! How long statements took: mean and deviation of an interval, and what that says of the 95th percentile.

/// Number, sum and squared deviations of observations, ms.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    pub n: f64,
    pub sum: f64,
    /// Sum of the squared deviations from the mean.
    pub m2: f64,
}

impl Moments {
    /// The observations that came after `before`, which are among these.
    pub fn since(&self, before: &Self) -> Self {
        let (n, sum) = (self.n - before.n, self.sum - before.sum);
        if n <= 0.0 {
            return Self::default();
        }
        if before.n <= 0.0 {
            return *self;
        }
        // By parts: the whole's squared deviations are both parts' own and those of their means.
        // Unlike a difference of sums of squares, this keeps its precision after years of calls.
        let apart = sum / n - before.sum / before.n;
        let m2 = self.m2 - before.m2 - apart * apart * before.n * n / self.n;
        Self { n, sum, m2: m2.max(0.0) }
    }

    /// The mean; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.sum / self.n)
    }
}

/// The assumed distribution of one statement's times: log-normal with the mean and deviation that it
/// had. Of n values none lies further from their mean than the deviation times the root of n - 1
/// (Samuelson): beyond that it is cut, so that few calls do not give a tail that was not there.
struct Shape {
    weight: f64,
    least: f64,
    greatest: f64,
    /// Mean and deviation of the logarithm; `None` if all calls took about the same time.
    log: Option<(f64, f64)>,
}

impl Shape {
    fn of(m: &Moments) -> Option<Self> {
        let mean = m.mean()?;
        let deviation = (m.m2 / m.n).max(0.0).sqrt();
        let reach = deviation * (m.n - 1.0).max(0.0).sqrt();
        let spread = deviation / mean;
        let log = (mean > 0.0 && spread > 1e-3).then(|| {
            let variance = (spread * spread).ln_1p();
            (mean.ln() - variance / 2.0, variance.sqrt())
        });
        let (least, greatest) =
            if log.is_some() { ((mean - reach).max(0.0), mean + reach) } else { (mean, mean) };
        Some(Self { weight: m.n, least, greatest, log })
    }

    /// The share of values that are at most `x`.
    fn up_to(&self, x: f64, ln_x: f64) -> f64 {
        if x >= self.greatest {
            return 1.0;
        }
        match self.log {
            Some((mean, deviation)) if x >= self.least => normal_cdf((ln_x - mean) / deviation),
            _ => 0.0,
        }
    }
}

/// Shorter times are not told apart, ms.
const LEAST_MS: f64 = 1e-6;

/// Where the model has less than this share of all calls it says nothing of how they are spread.
const MODELLED: f64 = 0.01;

/// The assumed distribution of all calls: each statement counts by its calls.
pub struct Mixture {
    shapes: Vec<Shape>,
    weight: f64,
}

impl Mixture {
    /// Of these statements.
    pub fn of(parts: &[Moments]) -> Self {
        let shapes: Vec<Shape> = parts.iter().filter_map(Shape::of).collect();
        let weight = shapes.iter().map(|s| s.weight).sum();
        Self { shapes, weight }
    }

    /// All calls.
    pub fn calls(&self) -> f64 {
        self.weight
    }

    /// The share of calls that took at most `x` ms.
    fn up_to(&self, x: f64) -> f64 {
        let ln_x = x.max(LEAST_MS).ln();
        self.shapes.iter().map(|s| s.weight * s.up_to(x, ln_x)).sum::<f64>() / self.weight
    }

    /// The value that a share `p` of all calls did not exceed, ms; `None` of no calls.
    ///
    /// An estimate: only means and deviations are known.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let greatest = self.shapes.iter().map(|s| s.greatest).reduce(f64::max)?;
        let least = self.shapes.iter().map(|s| s.least).reduce(f64::min)?;
        Some(self.search(p, least * (1.0 - 1e-9), greatest))
    }

    /// The value between `low` and `high` that a share `part` of the calls between them did not exceed, ms.
    /// `None` if the model expects next to none there.
    pub fn within(&self, low: f64, high: f64, part: f64) -> Option<f64> {
        let (below, up_to) = (if low > 0.0 { self.up_to(low) } else { 0.0 }, self.up_to(high));
        (up_to - below >= MODELLED).then(|| self.search(below + part * (up_to - below), low, high))
    }

    /// Halves in the logarithm until it is exact to a hundredth of a percent.
    fn search(&self, p: f64, low: f64, high: f64) -> f64 {
        let (mut low, mut high) = (low.max(LEAST_MS).ln(), high.max(LEAST_MS).ln());
        while high - low > 1e-4 {
            let middle = f64::midpoint(low, high);
            if self.up_to(middle.exp()) >= p {
                high = middle;
            } else {
                low = middle;
            }
        }
        high.exp()
    }
}

/// The share of a standard normal distribution that is at most `x` (Abramowitz and Stegun 26.2.17).
fn normal_cdf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let tail = density * poly;
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantile(parts: &[Moments], p: f64) -> Option<f64> {
        Mixture::of(parts).quantile(p)
    }

    fn of(values: &[f64]) -> Moments {
        let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
        Moments { n, sum, m2: values.iter().map(|v| (v - sum / n).powi(2)).sum() }
    }

    fn near(estimate: Option<f64>, truth: f64, tolerance: f64) {
        let estimate = estimate.unwrap();
        assert!((estimate / truth - 1.0).abs() <= tolerance, "{estimate}, but it is {truth}");
    }

    fn p95_of(values: &mut [f64]) -> f64 {
        values.sort_by(f64::total_cmp);
        values[(values.len() * 95).div_ceil(100) - 1]
    }

    #[test]
    fn of_steady_statements_it_is_exact() {
        let fast = of(&[1.0; 94]);
        let slow = of(&[50.0; 6]);
        near(quantile(&[fast, slow], 0.95), 50.0, 1e-3);
        near(quantile(&[of(&[1.0; 96]), of(&[50.0; 4])], 0.95), 1.0, 1e-3);
        near(quantile(&[of(&[7.0])], 0.95), 7.0, 1e-3);
        assert_eq!(quantile(&[], 0.95), None);
        assert_eq!(quantile(&[Moments::default()], 0.95), None);
        assert!(quantile(&[of(&[0.0, 0.0])], 0.95).unwrap() < 1e-5);
    }

    #[test]
    fn of_known_distributions_it_is_near() {
        let spread =
            |f: fn(f64) -> f64| (0..1000).map(|i| f((f64::from(i) + 0.5) / 1000.0)).collect::<Vec<_>>();
        // Uniform 1-20 ms, exponential of mean 10 ms, and the mixture of the two.
        let mut uniform = spread(|u| 1.0 + 19.0 * u);
        let mut exponential = spread(|u| -10.0 * (1.0 - u).ln());
        let parts = [of(&uniform), of(&exponential)];
        near(quantile(&parts[..1], 0.95), p95_of(&mut uniform), 0.2);
        near(quantile(&parts[1..], 0.95), p95_of(&mut exponential), 0.2);
        let mut all = [uniform, exponential].concat();
        near(quantile(&parts, 0.95), p95_of(&mut all), 0.2);
    }

    #[test]
    fn few_calls_give_no_tail_that_was_not_there() {
        // The log-normal's own 95th percentile would be 139.
        near(quantile(&[of(&[1.0, 100.0])], 0.95), 100.0, 1e-3);
    }

    #[test]
    fn an_interval_keeps_its_precision_after_years_of_calls() {
        let old = Moments { n: 4e9, sum: 4e9 * 3.0, m2: 4e9 * 2.25 };
        let new = of(&[10.0, 20.0, 30.0, 40.0]);
        let apart = new.sum / new.n - 3.0;
        let all = Moments {
            n: old.n + new.n,
            sum: old.sum + new.sum,
            m2: old.m2 + new.m2 + apart * apart * old.n * new.n / (old.n + new.n),
        };
        near(Some(all.since(&old).m2), new.m2, 1e-6);
        near(all.since(&old).mean(), 25.0, 1e-9);
    }

    proptest! {
        #[test]
        fn the_part_after_is_what_was_added(
            before in proptest::collection::vec(0.01f64..1e4, 0..20),
            after in proptest::collection::vec(0.01f64..1e4, 0..20),
        ) {
            let all = of(&[before.clone(), after.clone()].concat());
            let before = if before.is_empty() { Moments::default() } else { of(&before) };
            let part = if all.n > 0.0 { all.since(&before) } else { Moments::default() };
            if after.is_empty() {
                prop_assert_eq!(part, Moments::default());
            } else {
                let truth = of(&after);
                prop_assert!((part.sum - truth.sum).abs() < 1e-6 * all.sum);
                prop_assert!((part.m2 - truth.m2).abs() < 1e-6 * (all.m2 + 1.0));
                // Between the least and the greatest that there was.
                let p95 = quantile(&[truth], 0.95).unwrap();
                let bound = after.iter().copied().fold(0.0, f64::max);
                let mean = truth.mean().unwrap();
                prop_assert!(p95 <= mean + (bound - mean).max(0.0) * (after.len() as f64) + 1e-6);
            }
        }
    }
}
