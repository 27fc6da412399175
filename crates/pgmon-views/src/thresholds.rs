//! From where on something is bad, where the configuration does not say (`alerts`): those are in
//! [`pgmon_config::Alerts`]. docs/api.md repeats them for people.

/// Seconds in a day.
pub const DAY: f64 = 86_400.0;

/// Tables and their vacuums.
pub mod vacuum {
    /// Dead rows that nobody has to care about, however large their share.
    pub const FEW_ROWS: i64 = 10_000;
    /// Dead rows from which on [`DEAD_RATIO`] counts (seeds/002, section 6).
    pub const DEAD_ROWS: i64 = 100_000;
    /// This share of a table's rows being dead is a warning.
    pub const DEAD_RATIO: f64 = 0.2;
    /// Past its trigger by so much, autovacuum does not keep up with a table.
    pub const BEHIND: f64 = 2.0;
    /// Transactions that somebody may hold the horizon back by.
    pub const HORIZON: i64 = 10_000_000;
    /// A vacuum so many seconds ago is recent: it comes, and if rows stay, somebody may still see them.
    pub const RECENT_SECONDS: f64 = 180.0;
    /// For so many seconds a table must have been due before it counts that its last vacuum is long ago: those of
    /// a table that seldom changes are, and autovacuum comes by once in `autovacuum_naptime`.
    pub const DUE_SECONDS: f64 = 900.0;
    /// So far past the age at which autovacuum is forced, freezing is overdue.
    pub const FREEZE_OVERDUE: f64 = 1.25;
}

/// Multixacts, of the 2 billion that there are.
pub mod multixacts {
    /// A warning.
    pub const WARN: f64 = 0.7;
    /// Critical.
    pub const CRIT: f64 = 0.85;
}

/// Slots and who streams.
pub mod replication {
    /// WAL that a slot keeps, bytes: a warning.
    pub const RETAINED_WARN: i64 = 10 << 30;
    /// WAL that a slot keeps, bytes: critical.
    pub const RETAINED_CRIT: i64 = 100 << 30;
    /// How often a client that only stores WAL says how far it is (`--status-interval`), seconds: up to that
    /// it looks late without being so.
    pub const REPORTS_EVERY: f64 = 10.0;
}

/// The used part of a sequence's range.
pub mod sequences {
    /// A warning.
    pub const WARN: f64 = 0.75;
    /// Critical.
    pub const CRIT: f64 = 0.9;
}

/// Indexes that nobody needs (seeds/002, section 6).
pub mod indexes {
    /// From this size on, bytes, one that is not needed is a warning.
    pub const LARGE: i64 = 100 << 20;
    /// Not scanned for so many seconds, it is unused.
    pub const LONG: f64 = 7.0 * super::DAY;
}

/// What a rewrite would give back.
pub mod bloat {
    /// Share of a table or index: a warning.
    pub const WARN: f64 = 0.5;
    /// Share of a table or index: critical.
    pub const CRIT: f64 = 0.8;
    /// Less than this, bytes, is no problem whatever its share.
    pub const LARGE: f64 = 1_073_741_824.0;
    /// From this share on it is said what may be done.
    pub const WORTH_A_REWRITE: f64 = 0.2;
}

/// Partitions.
pub mod partitions {
    /// Inserts that fail within so many seconds are something to look at now.
    pub const NEAR: f64 = super::DAY;
}

/// Statements that have become slower.
pub mod statements {
    /// Against their mean.
    pub const SLOWER: f64 = 2.0;
    /// And so much of all time.
    pub const PART_OF_LOAD: f64 = 0.1;
    /// And called so often that the mean means something.
    pub const CALLS: f64 = 100.0;
    /// And so much that somebody feels it: seconds of execution a second ...
    pub const LOAD: f64 = 0.1;
    /// ... or milliseconds more a call.
    pub const FELT_MS: f64 = 1000.0;
}

/// WAL, checkpoints and the archiver.
pub mod wal {
    /// Segments that wait for the archiver: a warning.
    pub const BACKLOG: i64 = 100;
    /// Requested checkpoints of an hour from which on their share counts: where checkpoints by time are rare, a
    /// backup is a large share.
    pub const REQUESTED: f64 = 10.0;
    /// Requested checkpoints of an hour from which on the time between checkpoints counts.
    pub const FEW_REQUESTED: f64 = 5.0;
}

/// The server's start.
pub mod start {
    /// So many seconds after it, the overview says that the server has just started.
    pub const RECENT: f64 = 600.0;
    /// So many seconds after a start without a clean end, it is a warning.
    pub const CRASHED: f64 = 3600.0;
    /// Statistics that began within so many seconds of the start were lost at it.
    pub const STATISTICS_WITHIN: f64 = 60.0;
}
