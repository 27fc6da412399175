//! A temporary directory and everything that runs in it, ended together, whatever happens to us.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::place::{self, RunAs};

/// A temporary directory with a guardian process outside of our own.
///
/// The guardian waits for its standard input to close. That is so when this value is dropped
/// (also by a panic) and when our process is killed: one path for both.
#[derive(Debug)]
pub(crate) struct Guard {
    dir: PathBuf,
    guardian: Child,
}

impl Guard {
    pub(crate) fn new(run_as: RunAs, on_disk: bool) -> Result<Self> {
        let parent = place::temporary(on_disk);
        let dir = loop {
            let name: String = std::iter::repeat_with(fastrand::alphanumeric).take(10).collect();
            let dir = parent.join(format!("pgmon-{name}"));
            if !dir.exists() {
                break dir;
            }
        };
        run_as.private_dir(&dir)?;
        let guardian = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "pgmon-testkit-guard"])
            .arg(&dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C, or a runner that kills the whole group of the test, must not reach it.
            .process_group(0)
            .spawn()
            .context("cannot start the guardian of a temporary directory")?;
        Ok(Self { dir, guardian })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends everything now; dropping does the same.
    pub(crate) fn finish(&mut self) {
        // Closing its standard input tells the guardian to clean up.
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.finish();
    }
}
