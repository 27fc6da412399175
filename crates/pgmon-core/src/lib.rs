//! Types that every part of pgmon shares.
//!
//! This crate knows nothing of tokio, databases or HTTP: versions ([`version`]), metric families
//! ([`metric`]), names ([`name`]), the text formats ([`text`]), names made safe for labels ([`label`]), what a round
//! of collection left behind ([`snapshot`]), what checks of services did ([`service`]), clusters and their members
//! ([`cluster`]) and the clock ([`clock`]).

pub mod clock;
pub mod cluster;
pub mod history;
pub mod label;
pub mod metric;
pub mod name;
pub mod service;
pub mod snapshot;
pub mod text;
pub mod version;

pub use clock::{Clock, SystemClock};
pub use metric::{Desc, Family, FamilyDesc, Group, Groups, Histogram, Kind, OwnDesc, Sample, Summary, Value};
pub use name::Name;
pub use version::{ExtVersion, PgVersion};
