//! Types that every part of pgmon shares.
//!
//! This crate knows nothing of tokio, databases or HTTP: versions ([`version`]), metric families
//! ([`metric`]), the text formats ([`text`]), names made safe for labels ([`label`]), what a round
//! of collection left behind ([`snapshot`]) and the clock ([`clock`]).

pub mod clock;
pub mod history;
pub mod label;
pub mod metric;
pub mod snapshot;
pub mod text;
pub mod version;

pub use clock::{Clock, SystemClock};
pub use metric::{Desc, Family, Histogram, Kind, Sample, Value};
pub use version::{ExtVersion, PgVersion};
