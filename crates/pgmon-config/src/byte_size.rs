//! Amounts of bytes as people write them: `8MiB`, `100MB`, `1048576`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of this type's `format` in the JSON Schema.
pub(crate) const FORMAT: &str = "byte-size";

/// Largest first, as `Display` tries them. `B` alone comes from there as well.
const BINARY: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
const DECIMAL: [(u64, &str); 5] =
    [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"), (1, "B")];

/// An amount of bytes: `8MiB`, `10GiB` (powers of 1024), `100MB` (powers of 1000), or a plain
/// number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is no [`ByteSize`]. Its message never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteSizeError {
    /// No whole number with a known unit.
    #[error("expected a size such as 8MiB, 10GiB, 100MB or a whole number of bytes")]
    Malformed,
    /// 2^63 bytes or more.
    #[error("a size must be less than 8 EiB")]
    OutOfRange,
}

impl ByteSize {
    /// That many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many MiB (1024 * 1024 bytes).
    pub const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// The amount in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit = unit.trim_start();
        if number.is_empty() {
            return Err(ByteSizeError::Malformed);
        }
        let factor = if unit.is_empty() {
            1
        } else {
            BINARY
                .iter()
                .chain(&DECIMAL)
                .find(|(_, name)| name.eq_ignore_ascii_case(unit))
                .map(|(factor, _)| *factor)
                .ok_or(ByteSizeError::Malformed)?
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .filter(|n| i64::try_from(*n).is_ok())
            .map(Self)
            .ok_or(ByteSizeError::OutOfRange)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BINARY.iter().find(|(factor, _)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((factor, name)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "format": FORMAT,
            "minimum": 0,
            "maximum": i64::MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(ByteSize::bytes);
        assert_eq!(bytes("8MiB"), Ok(8_388_608));
        assert_eq!(bytes("8 mib"), Ok(8_388_608));
        assert_eq!(bytes("100MB"), Ok(100_000_000));
        assert_eq!(bytes("104857600"), Ok(104_857_600));
        assert_eq!(bytes("12B"), Ok(12));
        assert_eq!(bytes("MiB"), Err(ByteSizeError::Malformed));
        assert_eq!(bytes("1.5GiB"), Err(ByteSizeError::Malformed));
        assert_eq!(bytes("-1"), Err(ByteSizeError::Malformed));
        assert_eq!(bytes("99999999TiB"), Err(ByteSizeError::OutOfRange));
    }

    #[test]
    fn takes_numbers_as_bytes() {
        assert_eq!(serde_json::from_str::<ByteSize>("1024").unwrap(), ByteSize::from_bytes(1024));
        assert_eq!(serde_json::to_string(&ByteSize::from_mib(8)).unwrap(), r#""8MiB""#);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes in 0..=i64::MAX.cast_unsigned()) {
            let size = ByteSize::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
