//! Decoding that sqlx leaves to us.

use jiff::Timestamp;
use sqlx::decode::Decode;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueFormat, PgValueRef, Postgres};
use sqlx::{Row as _, Type, ValueRef as _};

/// Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const PG_EPOCH_US: i64 = 946_684_800_000_000;

/// A `timestamptz`. `infinity` and what lies outside of jiff's range become the nearest time.
///
/// Collectors that only need an age should compute it on the server as `float8`: both clocks agree then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Time(#[schemars(with = "String")] pub Timestamp);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("TIMESTAMPTZ")
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => {
                let bytes: [u8; 8] = value.as_bytes()?.try_into()?;
                let us = i64::from_be_bytes(bytes);
                let unix = us.saturating_add(PG_EPOCH_US);
                let time = Timestamp::from_microsecond(unix).unwrap_or(if unix > 0 {
                    Timestamp::MAX
                } else {
                    Timestamp::MIN
                });
                Ok(Self(time))
            }
            PgValueFormat::Text => {
                Err(format!("a timestamptz of type {} came as text", value.type_info()).into())
            }
        }
    }
}

/// A `timestamptz` column.
pub fn timestamp(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    row.try_get::<Time, _>(column).map(|t| t.0)
}
