//! From the rows of a query to samples.

use super::columns::{Index, LONGEST_NUMBER, Read, Shape, Where};
use super::definition::{Definition, Metric};
use pgmon_config::bound_of;
use pgmon_core::metric::{Family, FamilyDesc, Histogram, Sample, Summary, Value};
use pgmon_core::snapshot::Dropped;
use sqlx::postgres::PgRow;
use sqlx::{Row as _, ValueRef as _};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest count of which every smaller one can be told from the next, 2^53.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A value as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Nothing.
    Null,
    /// A label, or a number in words.
    Text(Box<str>),
    /// A number.
    Number(f64),
}

/// The rows of a run.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<Box<[Cell]>>);

/// What became of them.
#[derive(Debug)]
pub(super) enum Taken {
    /// The metrics, and what somebody who wrote the query should know.
    Families(Vec<Family>, Option<String>),
    /// There were too many.
    Dropped(Dropped),
}

impl Rows {
    /// Takes a row of the statement in.
    pub(super) fn push(&mut self, row: &PgRow, shape: &Shape) -> Result<(), sqlx::Error> {
        let cells = shape.reads.iter().enumerate().map(|(at, (read, _))| {
            if *read == Read::Number {
                return Ok(row.try_get::<Option<f64>, _>(at)?.map_or(Cell::Null, Cell::Number));
            }
            let raw = row.try_get_raw(at)?;
            if raw.is_null() {
                return Ok(Cell::Null);
            }
            // A database without an encoding may hold any bytes.
            let bytes = raw.as_bytes().map_err(sqlx::Error::Decode)?;
            Ok(Cell::Text(String::from_utf8_lossy(bytes).into()))
        });
        self.0.push(cells.collect::<Result<_, sqlx::Error>>()?);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn of(rows: Vec<Vec<Cell>>) -> Self {
        Self(rows.into_iter().map(Into::into).collect())
    }

    /// Maps all rows of a run.
    pub(super) fn finish(self, definition: &Definition, shape: &Shape) -> Result<Taken, String> {
        if self.0.len() > definition.most_rows() {
            return Ok(Taken::Dropped(self.dropped(definition, shape)));
        }
        let mut families = Vec::new();
        let mut twice = 0;
        for (metric, source) in definition.metrics.iter().zip(&shape.sources) {
            let taking = Taking { rows: &self.0, shape, metric };
            let samples = match &source.place {
                Where::Number(at) => taking.numbers(*at, &mut twice)?,
                Where::BucketRows { bound, count } => {
                    taking.bucket_rows(*bound, *count, source.sum, source.count)?
                }
                Where::BucketColumns(columns) => {
                    taking.bucket_columns(columns, source.sum, source.count, &mut twice)?
                }
                Where::QuantileRows { quantile, value } => {
                    taking.quantile_rows(*quantile, *value, source.sum, source.count)?
                }
                Where::QuantileColumns(columns) => {
                    taking.quantile_columns(columns, source.sum, source.count, &mut twice)?
                }
            };
            if !samples.is_empty() {
                families.push(Family { desc: FamilyDesc::Own(metric.desc.clone()), samples });
            }
        }
        let twice = (twice > 0).then(|| {
            format!(
                "{twice} of {} rows have the labels of a later row and are left out; add a label",
                self.0.len()
            )
        });
        let note = match (twice, &shape.note) {
            (Some(twice), Some(note)) => Some(format!("{twice}; {note}")),
            (Some(twice), None) => Some(twice),
            (None, note) => note.clone(),
        };
        Ok(Taken::Families(families, note))
    }

    /// Which label makes the result so large: the one with the most values.
    fn dropped(&self, definition: &Definition, shape: &Shape) -> Dropped {
        let values = |at: Index| {
            let texts = self.0.iter().filter_map(|row| match row.get(at) {
                Some(Cell::Text(text)) => Some(text),
                _ => None,
            });
            texts.collect::<BTreeSet<_>>().len()
        };
        let counted = definition.labels.iter().zip(&shape.labels).map(|(label, at)| (label, values(*at)));
        // The first of equals, so that the answer does not change from run to run.
        let most = counted.rev().max_by_key(|(_, values)| *values);
        Dropped {
            limit: definition.max_series,
            label: most.map(|(label, _)| label.clone()),
            values: most.map_or(0, |(_, values)| values),
        }
    }
}

/// A sample's labels.
type Labels = Box<[Box<str>]>;

struct Taking<'t> {
    rows: &'t [Box<[Cell]>],
    shape: &'t Shape,
    metric: &'t Metric,
}

impl Taking<'_> {
    fn labels(&self, row: &[Cell]) -> Labels {
        let text = |at: &Index| match row.get(*at) {
            Some(Cell::Text(text)) => text.clone(),
            // An empty label is the same as none.
            _ => Box::default(),
        };
        self.shape.labels.iter().map(text).collect()
    }

    /// The number in a cell; `None` if there is nothing.
    fn number(&self, row: &[Cell], at: Index) -> Result<Option<f64>, String> {
        match row.get(at) {
            Some(Cell::Number(number)) => Ok(Some(*number).filter(|n| !n.is_nan())),
            // One that was cut would be another number.
            Some(Cell::Text(text)) => {
                match spelled(text).filter(|_| text.chars().count() <= LONGEST_NUMBER) {
                    Some(number) => Ok(Some(number).filter(|n| !n.is_nan())),
                    None => Err(format!("column {} has a text that is no number", self.name(at))),
                }
            }
            _ => Ok(None),
        }
    }

    fn name(&self, at: Index) -> &str {
        self.shape.reads.get(at).map_or("", |(_, name)| name)
    }

    fn optional(&self, row: &[Cell], at: Option<Index>) -> Result<Option<f64>, String> {
        at.map_or(Ok(None), |at| self.number(row, at))
    }

    fn count(&self, row: &[Cell], at: Index) -> Result<Option<u64>, String> {
        let number = self.number(row, at)?;
        number
            .map(|n| {
                whole(n).ok_or_else(|| {
                    format!("column {} has a count that is negative or not whole", self.name(at))
                })
            })
            .transpose()
    }

    fn optional_count(&self, row: &[Cell], at: Option<Index>) -> Result<Option<u64>, String> {
        at.map_or(Ok(None), |at| self.count(row, at))
    }

    /// One sample per set of labels, in the order of the rows; of two with the same labels the last one.
    fn last_of_each(&self, values: Vec<(Labels, Value)>, twice: &mut usize) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::with_capacity(values.len());
        let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
        let mut repeated = 0;
        for (labels, value) in values {
            match places.get(&labels).and_then(|at| samples.get_mut(*at)) {
                Some(sample) => {
                    repeated += 1;
                    sample.value = value;
                }
                None => {
                    places.insert(labels.clone(), samples.len());
                    samples.push(Sample { labels, value });
                }
            }
        }
        *twice = (*twice).max(repeated);
        samples
    }

    fn numbers(&self, at: Index, twice: &mut usize) -> Result<Vec<Sample>, String> {
        let mut values = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            if let Some(number) = self.number(row, at)? {
                values.push((self.labels(row), Value::Number(number)));
            }
        }
        Ok(self.last_of_each(values, twice))
    }

    fn bucket_rows(
        &self,
        bound: Index,
        count: Index,
        sum: Option<Index>,
        total: Option<Index>,
    ) -> Result<Vec<Sample>, String> {
        let mut groups: BTreeMap<Labels, Buckets> = BTreeMap::new();
        for row in self.rows {
            let (Some(bound), Some(count)) = (self.number(row, bound)?, self.count(row, count)?) else {
                continue;
            };
            let group = groups.entry(self.labels(row)).or_default();
            group.counts.push((bound, count));
            group.sum = self.optional(row, sum)?.or(group.sum);
            group.total = self.optional_count(row, total)?.or(group.total);
        }
        groups
            .into_iter()
            .map(|(labels, group)| Ok(Sample { labels, value: self.histogram(group)? }))
            .collect()
    }

    fn bucket_columns(
        &self,
        columns: &[(f64, Index)],
        sum: Option<Index>,
        total: Option<Index>,
        twice: &mut usize,
    ) -> Result<Vec<Sample>, String> {
        let mut values = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let mut group = Buckets::default();
            for (bound, at) in columns {
                if let Some(count) = self.count(row, *at)? {
                    group.counts.push((*bound, count));
                }
            }
            if group.counts.is_empty() {
                continue;
            }
            group.sum = self.optional(row, sum)?;
            group.total = self.optional_count(row, total)?;
            values.push((self.labels(row), self.histogram(group)?));
        }
        Ok(self.last_of_each(values, twice))
    }

    fn histogram(&self, group: Buckets) -> Result<Value, String> {
        let failed = |what: &str| format!("histogram {}: {what}", self.metric.desc.name);
        group.histogram(self.metric.spec.cumulative).map(|h| Value::Histogram(Arc::new(h))).map_err(failed)
    }

    fn quantile_rows(
        &self,
        quantile: Index,
        value: Index,
        sum: Option<Index>,
        total: Option<Index>,
    ) -> Result<Vec<Sample>, String> {
        type Quantiles = (Vec<(f64, f64)>, Option<f64>, Option<u64>);
        let mut groups: BTreeMap<Labels, Quantiles> = BTreeMap::new();
        for row in self.rows {
            let Some(quantile) = self.number(row, quantile)? else { continue };
            let group = groups.entry(self.labels(row)).or_default();
            if let Some(value) = self.number(row, value)? {
                group.0.push((quantile, value));
            }
            group.1 = self.optional(row, sum)?.or(group.1);
            group.2 = self.optional_count(row, total)?.or(group.2);
        }
        let samples = groups.into_iter().map(|(labels, (quantiles, sum, count))| {
            Ok(Sample { labels, value: self.summary(quantiles, sum, count)? })
        });
        samples.collect()
    }

    fn quantile_columns(
        &self,
        columns: &[(f64, Index)],
        sum: Option<Index>,
        total: Option<Index>,
        twice: &mut usize,
    ) -> Result<Vec<Sample>, String> {
        let mut values = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let mut quantiles = Vec::with_capacity(columns.len());
            for (quantile, at) in columns {
                quantiles.extend(self.number(row, *at)?.map(|value| (*quantile, value)));
            }
            let (sum, count) = (self.optional(row, sum)?, self.optional_count(row, total)?);
            if quantiles.is_empty() && sum.is_none() && count.is_none() {
                continue;
            }
            values.push((self.labels(row), self.summary(quantiles, sum, count)?));
        }
        Ok(self.last_of_each(values, twice))
    }

    fn summary(
        &self,
        mut quantiles: Vec<(f64, f64)>,
        sum: Option<f64>,
        count: Option<u64>,
    ) -> Result<Value, String> {
        let failed = |what: &str| Err(format!("summary {}: {what}", self.metric.desc.name));
        quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
        if quantiles.iter().any(|(quantile, _)| !(0.0..=1.0).contains(quantile)) {
            return failed("a quantile is not from 0 to 1");
        }
        if quantiles.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return failed("a quantile is there twice for the same labels; add a label");
        }
        Ok(Value::Summary(Arc::new(Summary { quantiles: quantiles.into(), sum, count })))
    }
}

/// The buckets of one set of labels.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) counts: Vec<(f64, u64)>,
    pub(super) sum: Option<f64>,
    pub(super) total: Option<u64>,
}

impl Buckets {
    /// A histogram with the bucket of +Inf, which is the total if it has no count of its own.
    pub(super) fn histogram(mut self, cumulative: bool) -> Result<Histogram, &'static str> {
        self.counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        if self.counts.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return Err("a bound is there twice for the same labels; add a label");
        }
        if self.counts.first().is_some_and(|(bound, _)| *bound == f64::NEG_INFINITY) {
            return Err("a bound is -Infinity");
        }
        let last = match self.counts.last() {
            Some((bound, count)) if bound.is_infinite() => {
                let count = *count;
                self.counts.pop();
                Some(count)
            }
            _ => None,
        };
        let mut below: u64 = 0;
        let mut counts = Vec::with_capacity(self.counts.len() + 1);
        for (_, count) in &self.counts {
            if cumulative {
                counts.push(count.checked_sub(below).ok_or(FALLING)?);
                below = *count;
            } else {
                counts.push(*count);
                below = below.checked_add(*count).ok_or("the counts are too large")?;
            }
        }
        counts.push(match (last, cumulative) {
            (Some(all), true) => all.checked_sub(below).ok_or(FALLING)?,
            (Some(own), false) => own,
            // A total that was read a moment before the buckets may be less than they are.
            (None, _) => self.total.map_or(0, |total| total.saturating_sub(below)),
        });
        let bounds = self.counts.iter().map(|(bound, _)| *bound).collect();
        Ok(Histogram { bounds: Cow::Owned(bounds), counts, sum: self.sum })
    }
}

const FALLING: &str =
    "a bucket counts less than the one below it; if each counts its own only, set `cumulative: false`";

/// A count, if it is one.
fn whole(number: f64) -> Option<u64> {
    if !(0.0..=MOST_EXACT).contains(&number) || number.fract() != 0.0 {
        return None;
    }
    format!("{number:.0}").parse().ok()
}

/// The number that a text says.
fn spelled(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        _ => bound_of(text),
    }
}
