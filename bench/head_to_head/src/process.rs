//! What the kernel says of processes.

use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fs;
use std::time::Duration;

/// Resident memory in kB.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// Now (`VmRSS`).
    pub rss: u64,
    /// At most so far (`VmHWM`).
    pub peak: u64,
    /// Of it: heap and stacks (`RssAnon`).
    pub anonymous: u64,
    /// Of it: pages of the program and its libraries (`RssFile`).
    pub file: u64,
    /// Threads.
    pub threads: u64,
}

/// The memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    Ok(Memory {
        rss: field("VmRSS").context("no VmRSS: the process has ended")?,
        peak: field("VmHWM").unwrap_or_default(),
        anonymous: field("RssAnon").unwrap_or_default(),
        file: field("RssFile").unwrap_or_default(),
        threads: field("Threads").unwrap_or_default(),
    })
}

/// The CPU time of a process with many threads.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    threads: Duration,
    all: Duration,
}

impl Spent {
    /// So far.
    pub fn by(pid: u32) -> Result<Self> {
        let mut threads = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            threads += schedstat(&format!("{}/schedstat", task?.path().display())).unwrap_or_default();
        }
        Ok(Self { threads, all: ticks(pid, 11)? })
    }

    /// Since `earlier`: to the nanosecond, unless a thread has ended meanwhile; what it spent is only
    /// in the process' own sum, in ticks.
    pub fn since(self, earlier: Self) -> Duration {
        const TWO_TICKS: Duration = Duration::from_millis(20);
        let exact = self.threads.saturating_sub(earlier.threads);
        let all = self.all.saturating_sub(earlier.all);
        if exact + TWO_TICKS < all { all } else { exact }
    }
}

/// The CPU time of a process with one thread, if it is still there.
pub fn cpu(pid: u32) -> Option<Duration> {
    schedstat(&format!("/proc/{pid}/schedstat"))
}

fn schedstat(path: &str) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// The CPU time of all children of a process that have ended, in steps of a clock tick (10 ms).
pub fn cpu_of_ended_children(pid: u32) -> Result<Duration> {
    ticks(pid, 13)
}

/// A pair of times in a process' `stat`: utime and stime are fields 14 and 15, cutime and cstime follow.
fn ticks(pid: u32, first: usize) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything; the third field comes first after it.
    let (_, after_name) = text.rsplit_once(')').context("unreadable stat")?;
    let pair = after_name.split_whitespace().skip(first).take(2);
    let ticks: u64 = pair.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}
