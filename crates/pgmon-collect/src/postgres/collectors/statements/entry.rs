//! One entry of `pg_stat_statements`, and what happened to it between two rounds.

use super::latency::Moments;
use crate::postgres::decode::Time;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::Oid;
use std::ops::AddAssign;

/// Counters of an entry, or their growth. What this version does not count is NaN, which is left out
/// wherever it would be shown: thousands of these are kept, an `Option` would double most of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    pub calls: f64,
    pub exec_ms: f64,
    pub rows: f64,
    pub blks_hit: f64,
    pub blks_read: f64,
    pub temp_written: f64,
    pub blk_read_ms: f64,
    pub plan_ms: f64,
    pub wal_bytes: f64,
}

impl Figures {
    fn since(&self, before: &Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            exec_ms: self.exec_ms - before.exec_ms,
            rows: self.rows - before.rows,
            blks_hit: self.blks_hit - before.blks_hit,
            blks_read: self.blks_read - before.blks_read,
            temp_written: self.temp_written - before.temp_written,
            blk_read_ms: self.blk_read_ms - before.blk_read_ms,
            plan_ms: self.plan_ms - before.plan_ms,
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}

impl Figures {
    /// These and what came on top of them. What was not known until now begins with the total.
    pub fn grown(mut self, interval: Self, total: Self) -> Self {
        self += interval;
        let known = |sum: f64, total: f64| if sum.is_nan() { total } else { sum };
        self.plan_ms = known(self.plan_ms, total.plan_ms);
        self.wal_bytes = known(self.wal_bytes, total.wal_bytes);
        self
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.exec_ms += other.exec_ms;
        self.rows += other.rows;
        self.blks_hit += other.blks_hit;
        self.blks_read += other.blks_read;
        self.temp_written += other.temp_written;
        self.blk_read_ms += other.blk_read_ms;
        self.plan_ms += other.plan_ms;
        self.wal_bytes += other.wal_bytes;
    }
}

/// What tells entries apart within a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub queryid: i64,
    pub userid: u32,
    /// Unknown up to extension 1.8.
    pub toplevel: Option<bool>,
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub key: Key,
    /// When the entry was made, microseconds of Unix time; 0 up to extension 1.10, which does not tell.
    pub made_at: i64,
    pub figures: Figures,
    /// Sum of the squared deviations of its execution times, ms².
    pub m2: f64,
}

impl Entry {
    /// Reads a row; `None` if the entry is hidden from our role.
    pub fn read(row: &PgRow) -> Result<Option<Self>, sqlx::Error> {
        let Some(queryid) = row.try_get::<Option<i64>, _>(0)? else { return Ok(None) };
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let count = |column: usize| row.try_get::<i64, _>(column).map(|n| n as f64);
        let calls = count(4)?;
        let stddev_ms: f64 = row.try_get(6)?;
        Ok(Some(Self {
            key: Key { queryid, userid: row.try_get::<Oid, _>(1)?.0, toplevel: row.try_get(2)? },
            made_at: row.try_get::<Option<Time>, _>(3)?.map_or(0, |t| t.0.as_microsecond()),
            figures: Figures {
                calls,
                exec_ms: row.try_get(5)?,
                rows: count(7)?,
                blks_hit: count(8)?,
                blks_read: count(9)?,
                temp_written: count(10)?,
                blk_read_ms: row.try_get(11)?,
                plan_ms: known(row.try_get(12)?),
                wal_bytes: known(row.try_get::<Option<i64>, _>(13)?.map(|n| n as f64)),
            },
            m2: stddev_ms * stddev_ms * calls,
        }))
    }

    /// Whether clients sent it themselves, as far as that is known.
    pub fn is_toplevel(&self) -> bool {
        self.key.toplevel != Some(false)
    }

    fn moments(&self) -> Moments {
        Moments { n: self.figures.calls, sum: self.figures.exec_ms, m2: self.m2 }
    }

    /// What happened since `before`, which is sorted by key.
    ///
    /// An entry that was not there, or was dropped and made again, has counted from 0 since then. What
    /// had happened to it before it was dropped is lost: the server does not keep it.
    pub fn since(&self, before: &[Self]) -> (Figures, Moments) {
        let found = before.binary_search_by(|e| e.key.cmp(&self.key)).ok();
        match found.and_then(|at| before.get(at)) {
            Some(old)
                if old.made_at == self.made_at
                    && old.figures.calls <= self.figures.calls
                    && old.figures.exec_ms <= self.figures.exec_ms =>
            {
                (self.figures.since(&old.figures), self.moments().since(&old.moments()))
            }
            _ => (self.figures, self.moments()),
        }
    }
}
