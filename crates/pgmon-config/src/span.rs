//! Lengths of time as people write them: `15s`, `10m`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of this type's `format` in the JSON Schema.
pub(crate) const FORMAT: &str = "span";

/// The longest span: ten years. Longer ones are slips, and would overflow sums with a clock.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// Milliseconds of each unit, with the names it may be written by; the first one is the canonical.
const UNITS: [(u64, &[&str]); 5] = [
    (86_400_000, &["d", "day", "days"]),
    (3_600_000, &["h", "hr", "hrs", "hour", "hours"]),
    (60_000, &["m", "min", "mins", "minute", "minutes"]),
    (1_000, &["s", "sec", "secs", "second", "seconds"]),
    (1, &["ms", "msec", "millis", "millisecond", "milliseconds"]),
];

/// A length of time, written as numbers with units: `500ms`, `15s`, `10m`, `1h`, `1h30m`, `7d`.
///
/// More than zero, at most ten years, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// Why a text is no [`Span`]. Its message never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// A number without a unit.
    #[error("a duration needs a unit: 15s, 10m, 1h, 500ms")]
    NoUnit,
    /// No text.
    #[error("expected a duration such as 15s, 10m, 1h or 500ms, found nothing")]
    Empty,
    /// A unit that there is none of.
    #[error("expected a duration such as 15s, 10m, 1h or 500ms (units: ms, s, m, h, d)")]
    Malformed,
    /// Zero, negative or over ten years.
    #[error("a duration must be more than zero and at most 3650d")]
    OutOfRange,
}

impl Span {
    /// A span of whole seconds. For constants: takes at most ten years.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The span as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(SpanError::Empty);
        }
        let mut millis: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = split_at(rest, |c| !c.is_ascii_digit());
            let (unit, after) = split_at(after.trim_start(), |c| !c.is_ascii_alphabetic());
            if number.is_empty() {
                return Err(SpanError::Malformed);
            }
            if unit.is_empty() {
                return Err(if after.is_empty() { SpanError::NoUnit } else { SpanError::Malformed });
            }
            let factor = UNITS
                .iter()
                .find(|(_, names)| names.contains(&unit))
                .map(|(factor, _)| *factor)
                .ok_or(SpanError::Malformed)?;
            millis = number
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(factor))
                .and_then(|n| n.checked_add(millis))
                .ok_or(SpanError::OutOfRange)?;
            rest = after.trim_start();
        }
        let length = Duration::from_millis(millis);
        if length.is_zero() || length > LONGEST {
            return Err(SpanError::OutOfRange);
        }
        Ok(Self(length))
    }
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_millis();
        for (factor, names) in UNITS {
            let factor = u128::from(factor);
            if left >= factor {
                write!(f, "{}{}", left / factor, names[0])?;
                left %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": FORMAT,
            "pattern": r"^\s*([0-9]+\s*[a-z]+\s*)+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Duration, SpanError> {
        text.parse::<Span>().map(Span::duration)
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(parse("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse(" 1 h 30 min "), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2 days"), Ok(Duration::from_secs(172_800)));
    }

    #[test]
    fn refuses_the_rest() {
        assert_eq!(parse("15"), Err(SpanError::NoUnit));
        assert_eq!(parse("1h30"), Err(SpanError::NoUnit));
        assert_eq!(parse(""), Err(SpanError::Empty));
        assert_eq!(parse("s"), Err(SpanError::Malformed));
        assert_eq!(parse("1.5h"), Err(SpanError::Malformed));
        assert_eq!(parse("-5s"), Err(SpanError::Malformed));
        assert_eq!(parse("5 weeks"), Err(SpanError::Malformed));
        assert_eq!(parse("0s"), Err(SpanError::OutOfRange));
        assert_eq!(parse("99999999999999999999s"), Err(SpanError::OutOfRange));
        assert_eq!(parse("18446744073709551615d"), Err(SpanError::OutOfRange));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in 1..=315_360_000_000_u64) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Span>();
        }
    }
}
