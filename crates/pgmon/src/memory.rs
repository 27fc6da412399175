//! How the allocator gives memory back.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The allocator reads it once, before anything of ours runs.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Begins anew with an allocator that gives free pages back at once, unless somebody has chosen already. By
/// default it waits for a second, and only looks when there is something to do: what a scrape needed stays.
/// The process keeps its id, its files and its arguments.
pub fn give_back_at_once() {
    if std::env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let mut again = Command::new(&program);
    again.arg0(name.as_deref().unwrap_or_else(|| OsStr::new("pgmon"))).args(arguments).env(PURGE_DELAY, "0");
    // Where that is forbidden or the file has been replaced, pgmon works as well, with a little more memory.
    let _ = again.exec();
}
