//! Data directories: made once per version and kept, then copied.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Major;
use crate::place::{self, RunAs};

/// Passwords are checked on TCP, as in production; the unix socket lies in a private directory.
const HBA: &str = "\
local all all trust
local replication all trust
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

/// The data directory that new servers of this version are copied from.
pub(crate) fn data_dir(major: Major, initdb_args: &[String], run_as: RunAs) -> Result<PathBuf> {
    let server = place::server(major)?;
    let initdb = server.join("bin/initdb");
    let root = place::cache()?.join("templates");
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let goal = root.join(format!("pg{major}-{:016x}", fingerprint(&initdb, initdb_args, run_as)?));
    if goal.exists() {
        return Ok(goal);
    }
    // Tests run as processes of their own: the first makes it, the others wait.
    let lock = File::create(root.join(format!(".lock-pg{major}")))?;
    lock.lock().context("cannot lock the templates")?;
    if goal.exists() {
        return Ok(goal);
    }
    let work = root.join(format!(".work-pg{major}"));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    run_as.private_dir(&work)?;
    let output = run_as
        .command(&initdb)
        .arg("-D")
        .arg(&work)
        .args(["-U", "postgres", "-E", "UTF8", "--no-locale", "--auth=trust", "--no-sync"])
        .args(initdb_args)
        .current_dir(&work)
        .output()
        .context("cannot run initdb")?;
    if !output.status.success() {
        bail!("initdb of PostgreSQL {major}: {}", String::from_utf8_lossy(&output.stderr));
    }
    fs::write(work.join("pg_hba.conf"), HBA)?;
    fs::rename(&work, &goal)?;
    Ok(goal)
}

fn fingerprint(initdb: &Path, args: &[String], run_as: RunAs) -> Result<u64> {
    let metadata = fs::metadata(initdb)?;
    let mut hasher = DefaultHasher::new();
    (initdb, metadata.len(), metadata.mtime(), args, HBA, format!("{run_as:?}")).hash(&mut hasher);
    Ok(hasher.finish())
}

/// Copies a data directory with owners and modes, also that of a running server: what vanishes
/// meanwhile is left out. `keep` decides on each path below the top.
pub(crate) fn copy_tree(from: &Path, to: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<()> {
    copy_level(from, to, Path::new(""), keep)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn copy_level(from: &Path, to: &Path, below: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<()> {
    let metadata = fs::metadata(from)?;
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o777))?;
    chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let below = below.join(entry.file_name());
        if !keep(&below) {
            continue;
        }
        let kind = entry.file_type()?;
        let copied = if kind.is_dir() {
            copy_level(&source, &target, &below, keep)
        } else if kind.is_symlink() {
            fs::read_link(&source).and_then(|link| symlink(link, &target)).map_err(Into::into)
        } else if kind.is_file() {
            copy_file(&source, &target).map_err(Into::into)
        } else {
            Ok(())
        };
        match copied {
            Err(error) if is_gone(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

fn copy_file(source: &Path, target: &Path) -> std::io::Result<()> {
    // fs::copy shares blocks where the file system can.
    fs::copy(source, target)?;
    let owner = fs::metadata(target.parent().unwrap_or(target))?;
    chown(target, Some(owner.uid()), Some(owner.gid()))
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}
