//! Lists of dates or timestamps, which have values where ranges have bounds.

use super::bound::Value;
use super::calendar::{self, Step};
use super::coverage::{Partition, TimeRanges};
use std::collections::BTreeMap;

const DAY: i64 = 86_400 * 1_000_000;

/// What the values of lists by time come to, after the oldest of them as printed; `None` if they are no
/// dates or timestamps, or if it cannot be told how long the newest of them lasts.
///
/// Which values are left out on purpose (weekends, say) nobody knows: everything from the oldest to the end
/// of the newest counts as covered.
pub fn times(key_type: Option<&str>, lists: &[(&Partition, &[Value])]) -> Option<(String, TimeRanges)> {
    let dates = match key_type {
        Some("date") => true,
        // Of an expression its values tell.
        Some("timestamp without time zone" | "timestamp with time zone") | None => false,
        Some(_) => return None,
    };
    let mut all = BTreeMap::new();
    let mut spans = Vec::new();
    for (partition, values) in lists {
        let mut span: Option<(i64, i64)> = None;
        for value in *values {
            let text = match value {
                Value::Null => continue,
                Value::Is(text) => text,
                Value::Min | Value::Max => return None,
            };
            let at = calendar::parse(text)?;
            // `infinity` as a value stands for no time.
            if at == i64::MIN || at == i64::MAX {
                continue;
            }
            all.insert(at, text);
            span = Some(span.map_or((at, at), |(from, to)| (from.min(at), to.max(at))));
        }
        spans.extend(span.map(|(from, to)| (*partition, from, to)));
    }
    let at: Vec<i64> = all.keys().copied().collect();
    let step = step_of(&at).or(dates.then_some(Step::Fixed(DAY)))?;
    spans.sort_by_key(|(_, from, _)| *from);
    let (oldest, oldest_text) = all.first_key_value()?;
    let newest_upper = step.after(*at.last()?)?;
    let (_, _, oldest_end) = spans.first()?;
    let time = TimeRanges {
        oldest_upper: step.after(*oldest_end)?,
        newest_upper,
        step: Some(step),
        covered: vec![(*oldest, newest_upper)],
        partitioned: spans
            .iter()
            .filter(|(partition, ..)| partition.is_partitioned)
            .filter_map(|(partition, from, to)| Some((partition.oid, (*from, step.after(*to)?))))
            .collect(),
    };
    Some(((*oldest_text).clone(), time))
}

/// From each value to the next, if that is a number of months, or a time that occurs more than once: two
/// values alone may stand apart for any reason.
fn step_of(at: &[i64]) -> Option<Step> {
    let pairs: Vec<(i64, i64)> = at.windows(2).filter_map(|w| Some((*w.first()?, *w.last()?))).collect();
    let step = Step::of(&pairs)?;
    let recent = pairs.get(pairs.len().saturating_sub(12)..)?;
    let often = recent.iter().filter(|(from, to)| step.after(*from) == Some(*to)).count() > 1;
    (often || matches!(step, Step::Months(_))).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::super::bound::Bound;
    use super::super::coverage::Summary;
    use super::*;

    const TZ: Option<&str> = Some("timestamp with time zone");

    fn summary(key_type: Option<&str>, lists: &[&str]) -> Summary {
        let partitions = lists.iter().enumerate().map(|(i, list)| Partition {
            oid: i64::try_from(i).unwrap(),
            is_partitioned: i == 0,
            bound: if list.is_empty() {
                Some(Bound::Default)
            } else {
                Bound::parse(&format!("FOR VALUES IN ({list})"))
            },
        });
        Summary::of(key_type, &partitions.collect::<Vec<_>>())
    }

    fn time(key_type: Option<&str>, lists: &[&str]) -> Option<TimeRanges> {
        let summary = summary(key_type, lists);
        assert_eq!((summary.unreadable, summary.gaps), (0, None), "any value may miss");
        summary.time
    }

    fn at(text: &str) -> i64 {
        calendar::parse(text).unwrap()
    }

    #[test]
    fn days_end_with_the_newest_one() {
        let lists = ["'2024-05-03', '2024-05-04'", "'2024-05-01', '2024-05-02', NULL", ""];
        let s = summary(Some("date"), &lists);
        assert_eq!((s.oldest_lower.as_deref(), s.newest_upper.as_deref()), (Some("2024-05-01"), None));
        let time = s.time.unwrap();
        assert_eq!((time.oldest_upper, time.newest_upper), (at("2024-05-03"), at("2024-05-05")));
        assert_eq!(time.step.unwrap().words(), "1 day");
        assert_eq!(time.partitioned, BTreeMap::from([(0, (at("2024-05-03"), at("2024-05-05")))]));
        assert_eq!(time.first_missing(at("2024-05-02 12:00:00"), at("2024-05-05")), None);
        assert_eq!(time.first_missing(at("2024-05-02"), at("2024-05-09")), Some(at("2024-05-05")));
        // A Friday and the Monday after it: nobody knows whether the weekend is missed.
        let time =
            super::tests::time(Some("date"), &["'2024-05-02'", "'2024-05-03'", "'2024-05-06'"]).unwrap();
        assert_eq!(time.first_missing(at("2024-05-03"), at("2024-05-07")), None);
    }

    #[test]
    fn values_last_until_the_next_one_would_begin() {
        let months = time(Some("date"), &["'2024-01-01'", "'2024-02-01'"]).unwrap();
        assert_eq!((months.newest_upper, months.step), (at("2024-03-01"), Some(Step::Months(1))));
        let hours = ["'2024-05-01 00:00:00+00'", "'2024-05-01 02:00:00+00'", "'2024-05-01 01:00:00+00'"];
        assert_eq!(time(TZ, &hours).unwrap().newest_upper, at("2024-05-01 03:00:00+00"));
        let expression = time(None, &["'2024-01-01'", "'2024-01-02'", "'2024-01-03'"]).unwrap();
        assert_eq!(expression.newest_upper, at("2024-01-04"));
    }

    #[test]
    fn what_lasts_nobody_knows_how_long_has_no_end() {
        // A date lasts a day at least; a moment may stand for anything.
        assert_eq!(time(Some("date"), &["'2024-01-01'"]).unwrap().newest_upper, at("2024-01-02"));
        let apart = time(Some("date"), &["'2020-01-01'", "'2024-01-01'"]).unwrap();
        assert_eq!(apart.newest_upper, at("2024-01-02"));
        assert_eq!(time(TZ, &["'2024-05-01 00:00:00+00'"]), None);
        assert_eq!(time(TZ, &["'2024-05-01 00:00:00+00'", "'2024-05-01 01:00:00+00'"]), None);
    }

    #[test]
    fn what_is_no_time() {
        assert_eq!(time(Some("bigint"), &["'1714521600'", "'1714608000'"]), None);
        assert_eq!(time(Some("text"), &["'2024-01-01'", "'2024-01-02'", "'2024-01-03'"]), None);
        assert_eq!(time(None, &["'eu'"]), None);
        assert_eq!(time(Some("date"), &["NULL", "'infinity'"]), None);
    }
}
