//! What the bounds of a table's partitions come to.

use super::bound::{Bound, Value};
use super::calendar::{self, Step};
use super::listed;
use std::collections::{BTreeMap, BTreeSet};

/// So many gaps are listed; all are counted.
const LISTED_GAPS: usize = 5;

/// A partition as it is read from the server.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Its oid.
    pub oid: i64,
    /// Whether it has partitions of its own.
    pub is_partitioned: bool,
    /// Its bound; `None` if it could not be read.
    pub bound: Option<Bound>,
}

/// Something missing between two partitions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "PartitionGap")]
pub struct Gap {
    /// Where it begins: the upper bound of the partition before.
    pub from: String,
    /// Where it ends: the lower bound of the next partition.
    pub to: String,
}

/// The partitions of one table, summed up. It says nothing of the present time: it is kept for as long as
/// the partitions stay the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Bounds that could not be read.
    pub unreadable: i64,
    /// Gaps between ranges, or remainders without a partition; `None` for lists, where any value may miss.
    pub gaps: Option<i64>,
    /// The first gaps of tables by time or number.
    pub gap_list: Vec<Gap>,
    /// The lowest bound of a range's first column, as printed; `MINVALUE` if there is no lowest.
    pub oldest_lower: Option<String>,
    /// The upper bound of the same range.
    pub oldest_upper: Option<String>,
    /// The highest bound of a range's first column, as printed; `MAXVALUE` if there is no highest.
    pub newest_upper: Option<String>,
    /// How wide partitions by number are.
    pub number_step: Option<i64>,
    /// For ranges and lists by time.
    pub time: Option<TimeRanges>,
}

/// Ranges by time, as microseconds since 1970; the ends of `i64` stand for "no bound".
#[derive(Debug, Clone, PartialEq)]
pub struct TimeRanges {
    /// The upper bound of the oldest range.
    pub oldest_upper: i64,
    /// The newest upper bound.
    pub newest_upper: i64,
    /// How wide the newest partitions are.
    pub step: Option<Step>,
    /// What is covered without a gap, in order.
    pub covered: Vec<(i64, i64)>,
    /// The ranges of those partitions that are partitioned again, by their oids.
    pub partitioned: BTreeMap<i64, (i64, i64)>,
}

/// What kind of values a key's first column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    Number,
    Other,
}

impl Summary {
    /// Sums up. `key_type` is the type of the key's first column, `None` if that is an expression.
    pub fn of(key_type: Option<&str>, partitions: &[Partition]) -> Self {
        let mut summary = Self::default();
        let mut ranges = Vec::new();
        let mut hash: Option<(u32, f64)> = None;
        let mut lists = Vec::new();
        for partition in partitions {
            match &partition.bound {
                None => summary.unreadable += 1,
                Some(Bound::Default) => {}
                Some(Bound::List(values)) => lists.push((partition, values.as_slice())),
                Some(Bound::Hash { modulus, .. }) => {
                    let (greatest, share) = hash.unwrap_or((1, 0.0));
                    hash = Some((greatest.max(*modulus), share + 1.0 / f64::from(*modulus)));
                }
                Some(Bound::Range(from, to)) => ranges.push((partition, from.as_slice(), to.as_slice())),
            }
        }
        if summary.unreadable > 0 {
            return summary;
        }
        if let Some((modulus, share)) = hash {
            // Every modulus divides the greatest one, so this comes out even.
            summary.gaps = round(f64::from(modulus) * (1.0 - share));
        } else if !lists.is_empty() {
            if let Some((oldest, time)) = listed::times(key_type, &lists) {
                summary.oldest_lower = Some(oldest);
                summary.time = Some(time);
            }
        } else if !ranges.is_empty() {
            summary.ranges(key_type, &ranges);
        }
        summary
    }

    fn ranges(&mut self, key_type: Option<&str>, ranges: &[(&Partition, &[Value], &[Value])]) {
        let kind = kind_of(key_type, ranges);
        // Ranges never overlap, so a range that begins where no other ends stands after a gap, or is the
        // first. This needs no order, which for text would depend on the collation.
        let ends: BTreeSet<Vec<Value>> = ranges.iter().map(|(_, _, to)| next_start(kind, to)).collect();
        let starts = ranges.iter().filter(|(_, from, _)| !ends.contains(*from)).count();
        self.gaps = i64::try_from(starts.saturating_sub(1)).ok();
        if kind == Kind::Other {
            return;
        }
        let mut sorted: Vec<Range> =
            ranges.iter().filter_map(|(partition, from, to)| Range::of(kind, partition, from, to)).collect();
        sorted.sort_by_key(|r| (r.from, r.to));
        let newest = sorted.iter().max_by_key(|r| r.to);
        let (Some(oldest), Some(newest)) = (sorted.first(), newest) else { return };
        self.oldest_lower = Some(oldest.lower.clone());
        self.oldest_upper = Some(oldest.upper.clone());
        self.newest_upper = Some(newest.upper.clone());
        for pair in sorted.windows(2) {
            if let [before, after] = pair
                && before.to < after.from
                && self.gap_list.len() < LISTED_GAPS
            {
                self.gap_list.push(Gap { from: before.upper.clone(), to: after.lower.clone() });
            }
        }
        let finite: Vec<(i64, i64)> = sorted
            .iter()
            .map(|r| (r.from, r.to))
            .filter(|(from, to)| *from != i64::MIN && *to != i64::MAX)
            .collect();
        if kind == Kind::Number {
            let mut widths = finite.iter().filter_map(|(from, to)| to.checked_sub(*from));
            let first = widths.next();
            self.number_step = first.filter(|w| *w > 0 && widths.all(|x| x == *w));
            return;
        }
        let mut covered: Vec<(i64, i64)> = Vec::new();
        for range in &sorted {
            match covered.last_mut() {
                Some((_, end)) if range.from <= *end => *end = range.to.max(*end),
                _ => covered.push((range.from, range.to)),
            }
        }
        self.time = Some(TimeRanges {
            oldest_upper: oldest.to,
            newest_upper: newest.to,
            step: Step::of(&finite),
            covered,
            partitioned: sorted
                .iter()
                .filter(|r| r.is_partitioned)
                .map(|r| (r.oid, (r.from, r.to)))
                .collect(),
        });
    }
}

impl TimeRanges {
    /// The first moment in `from..until` that no partition is for.
    pub fn first_missing(&self, from: i64, until: i64) -> Option<i64> {
        let holds = self.covered.iter().find(|(start, end)| *start <= from && from < *end);
        let end = holds.map_or(from, |(_, end)| *end);
        (end < until && end != i64::MAX).then_some(end)
    }
}

/// A range's first column.
struct Range {
    oid: i64,
    is_partitioned: bool,
    from: i64,
    to: i64,
    lower: String,
    upper: String,
}

impl Range {
    fn of(kind: Kind, partition: &Partition, from: &[Value], to: &[Value]) -> Option<Self> {
        let (lower, upper) = (from.first()?, to.first()?);
        Some(Self {
            oid: partition.oid,
            is_partitioned: partition.is_partitioned,
            from: number(kind, lower)?,
            to: number(kind, upper)?,
            lower: print(lower),
            upper: print(upper),
        })
    }
}

fn kind_of(key_type: Option<&str>, ranges: &[(&Partition, &[Value], &[Value])]) -> Kind {
    let kind = match key_type {
        Some("date" | "timestamp without time zone" | "timestamp with time zone") => Kind::Time,
        Some("smallint" | "integer" | "bigint" | "numeric") => Kind::Number,
        Some(_) => return Kind::Other,
        // An expression: its values tell.
        None => Kind::Time,
    };
    let mut any = false;
    for value in ranges.iter().flat_map(|(_, from, to)| [from.first(), to.first()]).flatten() {
        if number(kind, value).is_none() {
            return Kind::Other;
        }
        any |= matches!(value, Value::Is(_));
    }
    // An expression without any value to tell may be of any type.
    if any || key_type.is_some() { kind } else { Kind::Other }
}

fn number(kind: Kind, value: &Value) -> Option<i64> {
    match value {
        Value::Min => Some(i64::MIN),
        Value::Max => Some(i64::MAX),
        Value::Null => None,
        Value::Is(text) if kind == Kind::Time => calendar::parse(text),
        Value::Is(text) => text.parse().ok(),
    }
}

fn print(value: &Value) -> String {
    match value {
        Value::Min => "MINVALUE".into(),
        Value::Max => "MAXVALUE".into(),
        Value::Null => "NULL".into(),
        Value::Is(text) => text.clone(),
    }
}

/// The lower bound that follows an upper bound without a gap. For whole numbers `(9, MAXVALUE)` ends where
/// `(10, MINVALUE)` begins.
fn next_start(kind: Kind, to: &[Value]) -> Vec<Value> {
    if kind == Kind::Number
        && let [Value::Is(first), rest @ ..] = to
        && !rest.is_empty()
        && rest.iter().all(|v| *v == Value::Max)
        && let Some(next) = first.parse::<i64>().ok().and_then(|n| n.checked_add(1))
    {
        let mut start = vec![Value::Is(next.to_string())];
        start.resize(to.len(), Value::Min);
        return start;
    }
    to.to_vec()
}

/// A number that is whole but for rounding errors.
fn round(value: f64) -> Option<i64> {
    // Through text, because a cast would cut silently what does not fit.
    format!("{:.0}", value.max(0.0)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TZ: Option<&str> = Some("timestamp with time zone");

    fn partitions(bounds: &[&str]) -> Vec<Partition> {
        let parts = bounds.iter().enumerate().map(|(i, b)| Partition {
            oid: i64::try_from(i).unwrap(),
            is_partitioned: i == 0,
            bound: Bound::parse(b),
        });
        parts.collect()
    }

    fn at(text: &str) -> i64 {
        calendar::parse(text).unwrap()
    }

    #[test]
    fn months_with_one_missing() {
        let s = Summary::of(
            TZ,
            &partitions(&[
                "FOR VALUES FROM ('2024-04-01 00:00:00+00') TO ('2024-05-01 00:00:00+00')",
                "FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')",
                "DEFAULT",
                "FOR VALUES FROM ('2024-02-01 00:00:00+00') TO ('2024-03-01 00:00:00+00')",
            ]),
        );
        assert_eq!(s.gaps, Some(1));
        let gap = Gap { from: "2024-03-01 00:00:00+00".into(), to: "2024-04-01 00:00:00+00".into() };
        assert_eq!(s.gap_list, [gap]);
        assert_eq!(s.oldest_lower.as_deref(), Some("2024-01-01 00:00:00+00"));
        let time = s.time.unwrap();
        assert_eq!(time.step.unwrap().words(), "1 month");
        assert_eq!((time.oldest_upper, time.newest_upper), (at("2024-02-01"), at("2024-05-01")));
        let (january, march) = (at("2024-01-15"), at("2024-03-15"));
        assert_eq!(time.first_missing(january, at("2024-02-20")), None);
        assert_eq!(time.first_missing(january, at("2024-04-20")), Some(at("2024-03-01")));
        assert_eq!(time.first_missing(march, at("2024-04-20")), Some(march));
        assert_eq!(time.first_missing(at("2025-06-01"), at("2025-06-08")), Some(at("2025-06-01")));
        assert_eq!(time.partitioned, BTreeMap::from([(0, (at("2024-04-01"), at("2024-05-01")))]));
    }

    #[test]
    fn without_an_end_nothing_is_ever_missing() {
        let s = Summary::of(
            Some("date"),
            &partitions(&[
                "FOR VALUES FROM (MINVALUE) TO ('2020-01-01')",
                "FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)",
            ]),
        );
        let time = s.time.unwrap();
        assert_eq!((s.gaps, time.step), (Some(0), None));
        assert_eq!(time.first_missing(at("2030-01-01"), at("2031-01-01")), None);
        let s = Summary::of(Some("date"), &partitions(&["FOR VALUES FROM ('2020-01-01') TO ('infinity')"]));
        assert_eq!(s.time.unwrap().first_missing(at("2030-01-01"), at("2031-01-01")), None);
    }

    #[test]
    fn numbers_texts_and_several_columns() {
        let s = Summary::of(
            Some("bigint"),
            &partitions(&[
                "FOR VALUES FROM ('-1000') TO (0)",
                "FOR VALUES FROM (0) TO (1000)",
                "FOR VALUES FROM (5000) TO (6000)",
            ]),
        );
        assert_eq!((s.gaps, s.number_step, s.time), (Some(1), Some(1000), None));
        assert_eq!(s.gap_list, [Gap { from: "1000".into(), to: "5000".into() }]);
        let s = Summary::of(
            Some("text"),
            &partitions(&["FOR VALUES FROM ('a') TO ('m')", "FOR VALUES FROM ('m') TO ('z')"]),
        );
        assert_eq!((s.gaps, s.time), (Some(0), None));
        let s = Summary::of(
            Some("integer"),
            &partitions(&[
                "FOR VALUES FROM (0, MINVALUE) TO (10, MINVALUE)",
                "FOR VALUES FROM (10, MINVALUE) TO (20, MAXVALUE)",
                "FOR VALUES FROM (21, MINVALUE) TO (30, 'x')",
            ]),
        );
        assert_eq!(s.gaps, Some(0));
        let s = Summary::of(Some("numeric"), &partitions(&["FOR VALUES FROM (0.5) TO (1.5)"]));
        assert_eq!((s.gaps, s.number_step), (Some(0), None));
    }

    #[test]
    fn a_key_that_is_an_expression() {
        let s = Summary::of(None, &partitions(&["FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')"]));
        assert!(s.time.is_some());
        let s = Summary::of(None, &partitions(&["FOR VALUES FROM (2024) TO (2025)"]));
        assert!(s.time.is_none());
        let s = Summary::of(None, &partitions(&["FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"]));
        assert!(s.time.is_none());
    }

    #[test]
    fn lists_hashes_and_what_cannot_be_read() {
        assert_eq!(Summary::of(Some("text"), &partitions(&["FOR VALUES IN ('a')", "DEFAULT"])).gaps, None);
        let hash = [
            "FOR VALUES WITH (modulus 2, remainder 0)",
            "FOR VALUES WITH (modulus 6, remainder 1)",
            "FOR VALUES WITH (modulus 6, remainder 3)",
        ];
        assert_eq!(Summary::of(Some("integer"), &partitions(&hash)).gaps, Some(1));
        let s = Summary::of(
            TZ,
            &partitions(&["FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')", "?"]),
        );
        assert_eq!((s.unreadable, s.gaps, s.time), (1, None, None));
        assert_eq!(Summary::of(TZ, &partitions(&["DEFAULT"])), Summary::default());
    }
}
