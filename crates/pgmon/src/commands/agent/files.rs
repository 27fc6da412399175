//! Sees when a file that the configuration was read from changes.
//!
//! The files are looked at every two seconds: by path, so that what a symlink leads to counts (Kubernetes
//! swaps `..data`), what is replaced by renaming, and what is mounted over. inotify would watch what was
//! there, not the path, is not told of changes on a network's file system, and wants a thread and a crate
//! for what a handful of `stat` calls do.

use pgmon_collect::poller::timer::Timer;
use std::collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher};
use std::hash::{Hash as _, Hasher as _};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Who writes a file in several steps gets so long between two of them.
const SETTLE: Duration = Duration::from_millis(300);

/// What is looked at longer than this is taken as it is (in turns of [`SETTLE`]).
const TURNS: u32 = 20;

/// Files larger than this are told apart by their metadata alone (bytes).
const HASHED: u64 = 16 * 1024 * 1024;

/// What a file was like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    /// Device, inode, size, times of change: another look at the content is needed if one differs.
    stat: Option<[i128; 5]>,
    content: u64,
}

/// The files and what they were like when they were read.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<PathBuf, Look>);

impl Files {
    /// Takes over which files there are. What was looked at before is kept: it was what it was before the
    /// files were read, so that a change in between is seen.
    pub fn set(&mut self, paths: BTreeSet<PathBuf>) {
        let before = std::mem::take(&mut self.0);
        let look = |path: PathBuf| {
            let look = before.get(&path).copied().unwrap_or_else(|| Look::at(&path, None));
            (path, look)
        };
        self.0 = paths.into_iter().map(look).collect();
    }

    /// Looks at all files now, whatever they were like before.
    pub fn look(&mut self) {
        for (path, look) in &mut self.0 {
            *look = Look::at(path, Some(look));
        }
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.keys()
    }

    /// Whether the content of a file is another one than at the last look. A file that was merely touched
    /// is looked at closely once.
    fn differ(&mut self) -> bool {
        let mut differ = false;
        for (path, before) in &mut self.0 {
            let now = Look::at(path, Some(before));
            differ |= now.content != before.content;
            if now.content == before.content {
                *before = now;
            }
        }
        differ
    }
}

/// Waits until a file has changed and is no longer being written. `files` is left as it was: the reload looks
/// at them before it reads them.
pub async fn changed(files: &Files, timer: &dyn Timer) {
    let mut files = files.clone();
    loop {
        timer.sleep_until(timer.mono() + EVERY).await;
        let (back, differ) = blocking(files, Files::differ).await;
        files = back;
        if !differ {
            continue;
        }
        for _ in 0..TURNS {
            let (mut seen, ()) = blocking(files, Files::look).await;
            timer.sleep_until(timer.mono() + SETTLE).await;
            let differ;
            (seen, differ) = blocking(seen, Files::differ).await;
            files = seen;
            if !differ {
                break;
            }
        }
        return;
    }
}

/// A file system may hang.
async fn blocking<T: Send + 'static>(
    mut files: Files,
    work: impl FnOnce(&mut Files) -> T + Send + 'static,
) -> (Files, T) {
    let done = tokio::task::spawn_blocking(move || {
        let result = work(&mut files);
        (files, result)
    });
    match done.await {
        Ok(done) => done,
        // Cut off because the process ends.
        Err(_) => std::future::pending().await,
    }
}

impl Look {
    /// Looks at a file; the content only if the metadata are not those of `before`.
    fn at(path: &Path, before: Option<&Self>) -> Self {
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
        let stat = metadata.as_ref().map(|m| {
            let nanos = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
            [
                m.dev().into(),
                m.ino().into(),
                m.size().into(),
                nanos(m.mtime(), m.mtime_nsec()),
                nanos(m.ctime(), m.ctime_nsec()),
            ]
        });
        match before {
            Some(before) if before.stat == stat => *before,
            _ => Self { stat, content: content(path, stat.is_some(), metadata.map_or(0, |m| m.size())) },
        }
    }
}

/// A number for what is in a file; kept in memory only.
fn content(path: &Path, is_there: bool, size: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    is_there.hash(&mut hasher);
    if size > HASHED {
        size.hash(&mut hasher);
    } else if is_there {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(HASHED).read_to_end(&mut bytes));
        // One that cannot be read is another one than it was when it could.
        read.is_ok().hash(&mut hasher);
        bytes.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_written_replaced_swapped_made_or_removed_is_seen_and_a_touch_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("written"), "one").unwrap();
        std::fs::create_dir(path("..v1")).unwrap();
        std::fs::create_dir(path("..v2")).unwrap();
        std::fs::write(path("..v1/swapped"), "same size 1").unwrap();
        std::fs::write(path("..v2/swapped"), "same size 2").unwrap();
        symlink("..v1", path("..data")).unwrap();
        symlink("..data/swapped", path("swapped")).unwrap();
        let mut files = Files::default();
        files.set([path("written"), path("swapped"), path("missing")].into());
        assert!(!files.differ());

        // The same content once more is no change.
        std::fs::write(path("written"), "one").unwrap();
        assert!(!files.differ());
        std::fs::write(path("written"), "two").unwrap();
        assert!(files.differ());
        files.look();
        assert!(!files.differ());
        std::fs::write(path("other"), "tri").unwrap();
        std::fs::rename(path("other"), path("written")).unwrap();
        assert!(files.differ());
        files.look();

        // As Kubernetes does it.
        symlink("..v2", path("..data_tmp")).unwrap();
        std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert!(files.differ());
        files.look();

        std::fs::write(path("missing"), "").unwrap();
        assert!(files.differ());
        files.look();
        std::fs::remove_file(path("written")).unwrap();
        assert!(files.differ());
    }

    #[test]
    fn a_change_while_the_files_are_read_is_not_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let mut files = Files::default();
        files.set([path.clone()].into());
        files.look();
        std::fs::write(&path, "two").unwrap();
        files.set([path].into());
        assert!(files.differ());
    }
}
