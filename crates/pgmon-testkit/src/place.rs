//! Where servers and templates lie, and as whom servers run. The same rules as `script/bootstrap`.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Major;

const SHARED_CACHE: &str = "/var/cache/pgmon";
const PLENTY: u64 = 4 << 30;

/// The directory that this user's caches lie in.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(dir) = non_empty("PGMON_CACHE") {
        return Ok(dir);
    }
    if is_root() {
        return Ok(SHARED_CACHE.into());
    }
    if let Some(dir) = non_empty("XDG_CACHE_HOME") {
        return Ok(dir.join("pgmon"));
    }
    let home = non_empty("HOME").context("neither PGMON_CACHE nor HOME is set")?;
    Ok(home.join(".cache/pgmon"))
}

/// The directory of a server, with `bin`, `lib` and `share` in it.
///
/// `PGMON_TEST_SERVERS` names a directory with `pg12` ... `pg18`; else it is the one that
/// `script/bootstrap` filled, be it run by this user or by root.
pub(crate) fn server(major: Major) -> Result<PathBuf> {
    let roots = match non_empty("PGMON_TEST_SERVERS") {
        Some(dir) => vec![dir],
        None => vec![cache()?.join("servers/current"), Path::new(SHARED_CACHE).join("servers/current")],
    };
    for root in &roots {
        let dir = root.join(format!("pg{major}"));
        if dir.join("bin/postgres").exists() {
            return fs::canonicalize(&dir).with_context(|| format!("cannot resolve {}", dir.display()));
        }
    }
    bail!("there is no PostgreSQL {major} in {}: run script/bootstrap", roots[0].display())
}

/// A program of a package that is installed beside us (psql, pgbench, pgbouncer), if it is there.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut of_debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    of_debian.sort();
    let fixed = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")];
    // Debian's /usr/bin/pgbench is a wrapper that looks for clusters: the program itself is better.
    of_debian
        .into_iter()
        .rev()
        .chain(env::split_paths(&path))
        .chain(fixed)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Where data directories are made: `PGMON_TEST_TMP`, else in memory if there is plenty of it (a
/// server starts in half the time), else `TMPDIR`.
pub(crate) fn temporary(on_disk: bool) -> PathBuf {
    if let Some(dir) = non_empty("PGMON_TEST_TMP") {
        return dir;
    }
    let memory = Path::new("/dev/shm");
    if !on_disk && rustix::fs::statvfs(memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize > PLENTY) {
        return memory.into();
    }
    // The path of a unix socket has at most 107 bytes.
    Some(env::temp_dir()).filter(|dir| dir.as_os_str().len() < 60).unwrap_or_else(|| "/tmp".into())
}

/// The user that servers run as: ourselves, unless we are root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunAs {
    other: Option<(u32, u32)>,
}

impl RunAs {
    /// Root takes `PGMON_TEST_USER`, else `postgres`, else `nobody`.
    pub(crate) fn choose() -> Result<Self> {
        if !is_root() {
            return Ok(Self { other: None });
        }
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let wanted = env::var("PGMON_TEST_USER").ok();
        let names = match &wanted {
            Some(name) => vec![name.as_str()],
            None => vec!["postgres", "nobody"],
        };
        for name in &names {
            if let Some(ids) = passwd.lines().find_map(|line| ids_of(line, name)) {
                return Ok(Self { other: Some(ids) });
            }
        }
        bail!("PostgreSQL does not run as root, and there is no user {}", names.join(" or "))
    }

    /// A command that runs as that user, without our environment and terminal.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(std::process::Stdio::null());
        if let Some((uid, gid)) = self.other {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or directory to that user.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .with_context(|| format!("cannot give away {}", path.display()))
    }

    /// Creates a directory (not its parents) that only that user can look into.
    pub(crate) fn private_dir(self, path: &Path) -> Result<()> {
        fs::create_dir(path).with_context(|| format!("cannot create {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        self.own(path)
    }
}

fn ids_of(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let mut ids = fields.skip(1).map(|id| id.parse().ok());
    Some((ids.next()??, ids.next()??))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn non_empty(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
