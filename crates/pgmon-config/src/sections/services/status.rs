//! Statuses of HTTP as people write them: `200`, `200-299`, `2xx`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The name of this type's `format` in the JSON Schema.
pub(crate) const STATUS_FORMAT: &str = "http-status";

const LOWEST: u16 = 100;
const HIGHEST: u16 = 599;
const WANTED: &str = "expected a status (200), a range (200-299) or a class (2xx), from 100 to 599";

/// Statuses of HTTP from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// `2xx`.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether a status is one of them.
    pub const fn contains(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

/// What is wrong with a text.
pub(crate) fn status_fault(text: &str) -> Option<String> {
    text.parse::<StatusRange>().err().map(str::to_owned)
}

impl FromStr for StatusRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let number = |text: &str| text.trim().parse::<u16>().map_err(|_| WANTED);
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => match text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
                Some(class) => {
                    let class = number(class)?.min(9);
                    (class * 100, class * 100 + 99)
                }
                None => (number(text)?, number(text)?),
            },
        };
        if first < LOWEST || last > HIGHEST || first > last {
            return Err(WANTED);
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) if first % 100 == 0 && last == first + 99 => write!(f, "{}xx", first / 100),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = StatusRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(WANTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<StatusRange, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<StatusRange, E> {
                number.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<StatusRange, E> {
                number.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for StatusRange {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "format": STATUS_FORMAT,
            "minimum": LOWEST,
            "maximum": HIGHEST,
            "pattern": r"^\s*([1-5][0-9]{2}(\s*-\s*[1-5][0-9]{2})?|[1-5](xx|XX))\s*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_statuses_ranges_and_classes_and_nothing_else() {
        let read = |text: &str| text.parse::<StatusRange>().map(|r| r.to_string());
        assert_eq!(read("200").as_deref(), Ok("200"));
        assert_eq!(read("2xx").as_deref(), Ok("2xx"));
        assert_eq!(read("200 - 204").as_deref(), Ok("200-204"));
        assert_eq!(serde_json::from_str::<StatusRange>("304").unwrap().to_string(), "304");
        for bad in ["", "2x", "0xx", "99", "600", "299-200", "-1", "2xxx", "99xx", "200-", "6xx", "65535xx"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let range: StatusRange = "200-204".parse().unwrap();
        assert!(range.contains(200) && range.contains(204) && !range.contains(205));
    }
}
