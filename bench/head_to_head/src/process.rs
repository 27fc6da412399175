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

/// The CPU time of a process' threads that are there now, to the nanosecond.
///
/// Threads of a runtime do not end, so that nothing is lost between two readings.
pub fn cpu_of_threads(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += schedstat(&format!("{}/schedstat", task?.path().display())).unwrap_or_default();
    }
    Ok(sum)
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
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = text.rsplit_once(')').context("unreadable stat")?;
    // cutime and cstime are the fields 16 and 17, and the third one comes first here.
    let ticks: u64 =
        after_name.split_whitespace().skip(13).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}
