//! pgmon's own process, under the names that Prometheus' client libraries use.

use pgmon_core::metric::{Desc, Families};

const CPU: Desc =
    Desc::counter("process_cpu_seconds_total", "CPU time of pgmon, user and system, in seconds.", &[]);
const RSS: Desc = Desc::gauge("process_resident_memory_bytes", "Resident memory of pgmon in bytes.", &[]);
const VIRTUAL: Desc = Desc::gauge("process_virtual_memory_bytes", "Virtual memory of pgmon in bytes.", &[]);
const OPEN_FDS: Desc = Desc::gauge("process_open_fds", "Open file descriptors of pgmon.", &[]);
const MAX_FDS: Desc = Desc::gauge("process_max_fds", "File descriptors that pgmon may open.", &[]);
const START: Desc =
    Desc::gauge("process_start_time_seconds", "Start of pgmon as a Unix time in seconds.", &[]);
const THREADS: Desc = Desc::gauge("process_threads", "Threads of pgmon.", &[]);

/// All of these families.
pub const FAMILIES: &[&Desc] = &[&CPU, &RSS, &VIRTUAL, &OPEN_FDS, &MAX_FDS, &START, &THREADS];

/// Adds what `/proc` tells of this process; what it does not tell is absent.
pub fn families(out: &mut Families) {
    let Ok(me) = procfs::process::Process::myself() else { return };
    if let Ok(stat) = me.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        out.push(&CPU, &[], (stat.utime + stat.stime) as f64 / ticks);
        out.push(&RSS, &[], (stat.rss * procfs::page_size()) as f64);
        out.push(&VIRTUAL, &[], stat.vsize as f64);
        out.push(&THREADS, &[], stat.num_threads as f64);
        if let Ok(boot) = procfs::boot_time_secs() {
            out.push(&START, &[], boot as f64 + stat.starttime as f64 / ticks);
        }
    }
    if let Ok(count) = me.fd_count() {
        out.push(&OPEN_FDS, &[], count as f64);
    }
    if let Ok(limits) = me.limits()
        && let procfs::process::LimitValue::Value(n) = limits.max_open_files.soft_limit
    {
        out.push(&MAX_FDS, &[], n as f64);
    }
}
