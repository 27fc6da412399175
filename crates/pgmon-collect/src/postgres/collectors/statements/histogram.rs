//! Histograms of execution times as `pg_stat_monitor` keeps them: their bounds, and what lies where.

/// From this setting of `pgsm_histogram_max` on there is no bucket for what takes longer, ms.
const NO_LAST_BUCKET_MS: f64 = 5e7;

/// Bounds are written with three decimals.
const ROUNDED: f64 = 2e-3;

/// What the server says of its histograms' bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// From and to, ms, as far as they were written.
    written: Vec<(f64, f64)>,
    /// Whether that is all of them: up to 2.2 the text is cut at 1 kB.
    whole: bool,
    min_ms: f64,
    max_ms: f64,
}

impl Layout {
    /// Reads the bounds, which look like `{{0.000 - 1.000}, (1.000 - 2.778}, (2.778 - ...}}`.
    pub fn read(bounds: &str, min_ms: f64, max_ms: f64) -> Self {
        let whole = bounds.ends_with("}}");
        let mut parts: Vec<&str> = bounds.split(',').collect();
        if !whole {
            parts.pop();
        }
        let number = |text: &str| {
            let text = text.trim_matches(|c: char| c.is_whitespace() || "{}()".contains(c));
            if text == "..." { Some(f64::INFINITY) } else { text.parse().ok() }
        };
        let pair = |part: &str| {
            let (from, to) = part.split_once(" - ")?;
            Some((number(from)?, number(to)?))
        };
        let written = parts.into_iter().map_while(pair).collect();
        Self { written, whole, min_ms, max_ms }
    }

    /// The upper bounds of a histogram with so many buckets; `None` if they are not as we know them.
    ///
    /// What was cut off follows from the settings, if what was written does.
    pub fn uppers(&self, buckets: usize) -> Option<Vec<f64>> {
        let near = |a: f64, b: f64| a == b || (a - b).abs() <= ROUNDED;
        let mut from = 0.0;
        for (low, high) in &self.written {
            if !near(*low, from) || *high < *low {
                return None;
            }
            from = *high;
        }
        let written = self.written.iter().map(|(_, high)| *high);
        if self.whole {
            return (self.written.len() == buckets && buckets > 0).then(|| written.collect());
        }
        let uppers = self.by_settings(buckets)?;
        let agrees = self.written.len() < buckets
            && !self.written.is_empty()
            && written.zip(&uppers).all(|(written, own)| near(written, *own));
        agrees.then_some(uppers)
    }

    /// One bucket up to the least time (unless that is 0), then buckets whose logarithmic width is equal,
    /// then one for what is above the greatest (unless that is as great as can be).
    fn by_settings(&self, buckets: usize) -> Option<Vec<f64>> {
        let below = usize::from(self.min_ms > 0.0);
        let above = usize::from(self.max_ms < NO_LAST_BUCKET_MS);
        let between = u32::try_from(buckets.checked_sub(below + above)?).ok().filter(|n| *n > 0)?;
        let step = (self.max_ms - self.min_ms).ln() / f64::from(between);
        let bounds = (1..=between).map(|i| self.min_ms + (step * f64::from(i)).exp());
        let first = std::iter::repeat_n(self.min_ms, below);
        let last = std::iter::repeat_n(f64::INFINITY, above);
        Some(first.chain(bounds).chain(last).collect())
    }
}

/// Where in a histogram a share of the calls is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// The bucket's lower bound, ms: all of its calls took longer (or it is 0).
    pub low: f64,
    /// Its upper bound, ms; infinite in the last one.
    pub high: f64,
    /// Which share of the bucket's calls belongs to those looked for, above 0 and up to 1.
    pub part: f64,
}

/// Calls by how long they took.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram<'a> {
    uppers: &'a [f64],
    counts: Vec<u64>,
}

impl<'a> Histogram<'a> {
    /// An empty one.
    pub fn new(uppers: &'a [f64]) -> Self {
        Self { uppers, counts: vec![0; uppers.len()] }
    }

    /// Adds the calls of `now` that are not in `before`. If any count went down all were reset in between.
    pub fn add(&mut self, now: &[u32], before: Option<&[u32]>) {
        let before = before.filter(|b| b.len() == now.len() && b.iter().zip(now).all(|(b, n)| b <= n));
        for (i, (sum, n)) in self.counts.iter_mut().zip(now).enumerate() {
            let old = before.and_then(|b| b.get(i)).copied().unwrap_or(0);
            *sum += u64::from(n.saturating_sub(old));
        }
    }

    /// All calls.
    pub fn calls(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64
    }

    /// Where the share `p` of all calls is reached; `None` of no calls.
    pub fn locate(&self, p: f64) -> Option<Spot> {
        let target = p * self.calls();
        let (mut below, mut low, mut found) = (0.0, 0.0, None);
        for (count, high) in self.counts.iter().zip(self.uppers) {
            let count = *count as f64;
            if count > 0.0 {
                let part = ((target - below) / count).clamp(f64::MIN_POSITIVE, 1.0);
                found = Some(Spot { low, high: *high, part });
                if below + count >= target {
                    break;
                }
            }
            below += count;
            low = *high;
        }
        found
    }
}

/// The counts of an entry, written with commas in between; `None` if they are not counts.
pub fn counts(text: &str) -> Option<Box<[u32]>> {
    text.split(',').map(|n| n.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests;
