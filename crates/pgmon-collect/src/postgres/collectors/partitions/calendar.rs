//! Dates and times as PostgreSQL prints them with `DateStyle = ISO`, and the step between them.
//!
//! Times are microseconds since 1970. A bound may lie in any year that PostgreSQL knows, which is more
//! than calendar libraries do.

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Reads a `date`, `timestamp` or `timestamptz`; without an offset it is taken as UTC. `infinity` and
/// `-infinity` become the ends of the range.
pub fn parse(text: &str) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4, 6)?;
    let month = digits(parts.next()?, 2, 2)?;
    let day = digits(parts.next()?, 2, 2)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year == 0 {
        return None;
    }
    let year = if before_christ { 1 - year } else { year };
    let days = days_from_civil(year, month, day);
    let time = match time {
        Some(time) => parse_time(time)?,
        None => 0,
    };
    days.checked_mul(DAY)?.checked_add(time)
}

/// `00:00:00[.ffffff][+hh[:mm[:ss]]]`
fn parse_time(text: &str) -> Option<i64> {
    let zone = text.find(['+', '-']);
    let (clock, offset) = match zone {
        Some(at) => text.split_at_checked(at)?,
        None => (text, ""),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let fraction = match fraction.len() {
        0 => 0,
        n @ 1..=6 => digits(fraction, n, n)? * 10_i64.pow(u32::try_from(6 - n).ok()?),
        _ => return None,
    };
    let offset = match offset.split_at_checked(1) {
        Some(("+", offset)) => clock_seconds(offset)?,
        Some((_, offset)) => -clock_seconds(offset)?,
        None => 0,
    };
    Some((clock_seconds(clock)? - offset) * SECOND + fraction)
}

/// `hh[:mm[:ss]]` in seconds.
fn clock_seconds(text: &str) -> Option<i64> {
    let mut seconds = 0;
    let mut unit = 3600;
    for part in text.split(':') {
        seconds += digits(part, 2, 2)? * unit;
        unit /= 60;
    }
    Some(seconds)
}

fn digits(text: &str, least: usize, most: usize) -> Option<i64> {
    let good = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The width of the partitions of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Calendar months.
    Months(i64),
    /// Always as long, in microseconds.
    Fixed(i64),
}

impl Step {
    /// Finds the step of ranges, newest last. They need not follow each other without a gap.
    pub fn of(ranges: &[(i64, i64)]) -> Option<Self> {
        let recent = ranges.get(ranges.len().saturating_sub(12)..)?;
        let widths: Vec<i64> =
            recent.iter().filter_map(|(from, to)| to.checked_sub(*from)).filter(|w| *w > 0).collect();
        let last = *widths.last()?;
        // A month may be an hour longer or shorter where the clocks change.
        for (months, shortest, longest) in [(1, 28, 31), (3, 89, 92), (6, 181, 184), (12, 365, 366)] {
            let fits = |w: &i64| (shortest * DAY - HOUR..=longest * DAY + HOUR).contains(w);
            let vary = widths.iter().any(|w| (w - last).abs() > 2 * HOUR);
            let same_day = || recent.iter().all(|(from, to)| day_of_month(*from) == day_of_month(*to));
            if widths.iter().all(fits) && (vary || same_day()) {
                return Some(Self::Months(months));
            }
        }
        // The most frequent width, of equally frequent ones the newest.
        let count = |w: i64| widths.iter().filter(|x| **x == w).count();
        widths.iter().copied().max_by_key(|w| count(*w)).map(Self::Fixed)
    }

    /// What follows a bound by one step.
    pub fn after(self, bound: i64) -> Option<i64> {
        match self {
            Self::Fixed(width) => bound.checked_add(width),
            Self::Months(months) => {
                let (year, month, day) = civil_from_days(bound.div_euclid(DAY));
                let month = month - 1 + months;
                let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12) + 1);
                let next = days_from_civil(year + month / 12, month % 12 + 1, 1);
                let first = days_from_civil(year, month, 1);
                let day = first + (day - 1).min(next - first - 1);
                day.checked_mul(DAY)?.checked_add(bound.rem_euclid(DAY))
            }
        }
    }

    /// In words.
    pub fn words(self) -> String {
        let (n, unit) = match self {
            Self::Months(m) if m % 12 == 0 => (m / 12, "year"),
            Self::Months(m) => (m, "month"),
            Self::Fixed(w) if w % DAY == 0 => (w / DAY, "day"),
            Self::Fixed(w) if w % HOUR == 0 => (w / HOUR, "hour"),
            Self::Fixed(w) if w % (60 * SECOND) == 0 => (w / (60 * SECOND), "minute"),
            Self::Fixed(w) => return format!("{} seconds", w as f64 / SECOND as f64),
        };
        if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
    }
}

fn day_of_month(at: i64) -> i64 {
    civil_from_days(at.div_euclid(DAY)).2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> Option<i64> {
        parse(text).map(|us| us / SECOND)
    }

    #[test]
    fn times_as_the_server_prints_them() {
        assert_eq!(seconds("1970-01-01"), Some(0));
        assert_eq!(seconds("2024-02-29 12:34:56"), Some(1_709_210_096));
        assert_eq!(seconds("2024-02-29 12:34:56+00"), Some(1_709_210_096));
        assert_eq!(seconds("2024-02-29 12:34:56+05:30"), Some(1_709_210_096 - 19_800));
        assert_eq!(seconds("1880-01-01 00:00:00-00:19:32"), Some(-2_840_140_800 + 1172));
        assert_eq!(parse("1969-12-31 23:59:59.5"), Some(-500_000));
        assert_eq!(parse("1970-01-01 00:00:00.000001+00"), Some(1));
        assert_eq!(seconds("0001-01-01 BC"), Some(-62_167_219_200));
        assert_eq!(seconds("10000-01-01"), Some(253_402_300_800));
        assert_eq!((parse("infinity"), parse("-infinity")), (Some(i64::MAX), Some(i64::MIN)));
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2024-1-1",
            "0000-01-01",
            "01/02/2024",
            "2024-01-01 x",
            "2024-01-01 1:00:00",
            "24-01-01",
            "2024-01-01 00:00:00+",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    fn ranges(bounds: &[&str]) -> Vec<(i64, i64)> {
        bounds.windows(2).map(|w| (parse(w[0]).unwrap(), parse(w[1]).unwrap())).collect()
    }

    #[test]
    fn steps() {
        let cases: &[(&[&str], &str, &str)] = &[
            (&["2024-01-01", "2024-02-01", "2024-03-01"], "1 month", "2024-04-01"),
            (&["2024-04-01", "2024-05-01"], "1 month", "2024-06-01"),
            (&["2024-01-01", "2024-04-01", "2024-07-01"], "3 months", "2024-10-01"),
            (&["2023-01-01", "2024-01-01"], "1 year", "2025-01-01"),
            (&["2024-01-01", "2024-01-31", "2024-03-01"], "30 days", "2024-03-31"),
            (&["2024-01-01", "2024-01-02", "2024-01-03"], "1 day", "2024-01-04"),
            (&["2024-01-01", "2024-01-08"], "7 days", "2024-01-15"),
            (&["2024-01-01 00:00:00", "2024-01-01 01:00:00"], "1 hour", "2024-01-01 02:00:00"),
            (&["2023-12-31", "2024-01-31"], "1 month", "2024-02-29"),
            // New York, where the clocks change on 10 March.
            (
                &["2024-02-01 05:00:00+00", "2024-03-01 05:00:00+00", "2024-04-01 04:00:00+00"],
                "1 month",
                "2024-05-01 04:00:00+00",
            ),
            (
                &[
                    "2024-03-09 05:00:00+00",
                    "2024-03-10 05:00:00+00",
                    "2024-03-11 04:00:00+00",
                    "2024-03-12 04:00:00+00",
                ],
                "1 day",
                "2024-03-13 04:00:00+00",
            ),
        ];
        for (bounds, words, next) in cases {
            let step = Step::of(&ranges(bounds)).unwrap();
            assert_eq!(step.words(), *words, "{bounds:?}");
            assert_eq!(step.after(parse(bounds[bounds.len() - 1]).unwrap()), parse(next), "{bounds:?}");
        }
        assert_eq!(Step::of(&[]), None);
        assert_eq!(Step::of(&[(5, 5)]), None);
        assert_eq!(Step::of(&[(i64::MIN, i64::MAX)]), None);
    }

    proptest! {
        #[test]
        fn days_and_dates_agree(days in -3_000_000i64..110_000_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>(), a: i64, b: i64, at: i64) {
            let _ = parse(&text);
            let _ = parse(&format!("2024-01-01 {text}"));
            if let Some(step) = Step::of(&[(a, b), (b, a)]) {
                let _ = (step.after(at), step.words());
            }
        }
    }
}
