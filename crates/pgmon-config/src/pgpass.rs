//! libpq's password file: `$PGPASSFILE`, else `~/.pgpass`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Host, Secret};

/// The largest password file that is read (bytes).
const LARGEST: u64 = 1024 * 1024;

/// Directories where a server's socket is by default; libpq looks those up as `localhost`.
const DEFAULT_SOCKETS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// What a password is looked up for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where the server listens.
    pub host: &'a Host,
    /// Its port.
    pub port: u16,
    /// The database to connect to.
    pub database: &'a str,
    /// The role to connect as.
    pub user: &'a str,
}

/// The user's password file, if the environment names one. Whether it is there is seen when it is used.
pub(crate) fn path(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
    match (var("PGPASSFILE"), var("HOME")) {
        (Some(path), _) => Some(PathBuf::from(path)),
        (None, Some(home)) => Some(Path::new(home).join(".pgpass")),
        (None, None) => None,
    }
}

/// Why a password file is not used, if it is there.
pub(crate) fn unfit(path: &Path) -> Option<String> {
    check(path).err().map(|why| format!("password file {}: {why}", path.display()))
}

/// Looks a password up in libpq's password file: the first line that matches. A file that is missing is
/// as good as empty; one that others may read is not used, as libpq does.
pub fn look_up(path: &Path, wanted: Wanted<'_>) -> Result<Option<Secret>, String> {
    let failed = |why: String| format!("password file {}: {why}", path.display());
    if !check(path).map_err(failed)? {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("not used: {error}")))?;
    Ok(PassFile::parse(&Secret::new(text)).find(wanted))
}

/// Whether the file is there and may be used.
fn check(path: &Path) -> Result<bool, String> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(false) };
    if !metadata.is_file() {
        return Err("not used, as it is no regular file".to_owned());
    }
    if readable_by_others(&metadata) {
        return Err("not used, as others may read it; chmod 0600 makes it safe".to_owned());
    }
    if metadata.len() > LARGEST {
        return Err("not used, as it is larger than 1 MiB".to_owned());
    }
    Ok(true)
}

/// The lines of a password file: host, port, database, user, password.
struct PassFile(Vec<[Secret; 5]>);

impl PassFile {
    fn parse(text: &Secret) -> Self {
        Self(text.expose().lines().filter(|line| !line.starts_with('#')).filter_map(fields).collect())
    }

    /// The password of the first line that matches.
    fn find(&self, wanted: Wanted<'_>) -> Option<Secret> {
        let host = match wanted.host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
            Host::Socket(path) if DEFAULT_SOCKETS.iter().any(|known| path == Path::new(known)) => {
                "localhost".to_owned()
            }
            Host::Socket(path) => path.display().to_string(),
        };
        let wanted = [host, wanted.port.to_string(), wanted.database.to_owned(), wanted.user.to_owned()];
        let line = self.0.iter().find(|line| {
            wanted
                .iter()
                .zip(line.iter())
                .all(|(wanted, field)| field.expose() == "*" || field.expose() == wanted)
        })?;
        Some(line[4].clone())
    }
}

#[cfg(unix)]
fn readable_by_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::fs::Metadata) -> bool {
    false
}

/// Splits a line at its colons; a backslash takes the next character as it is. The password is the
/// rest of the line, in which colons need no backslash.
fn fields(line: &str) -> Option<[Secret; 5]> {
    let mut fields = vec![String::new()];
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        let last = fields.len() == 5;
        match c {
            ':' if !last => fields.push(String::new()),
            '\\' => fields.last_mut()?.push(rest.next().unwrap_or('\\')),
            c => fields.last_mut()?.push(c),
        }
    }
    let fields: [String; 5] = fields.try_into().ok()?;
    Some(fields.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_counts() {
        let text = "# comment\nbroken\ndb1:5432:shop:pgmon:one\n*:*:*:pgmon:t\\:w\\\\o:x\nlocalhost:*:*:root:three\n";
        let file = PassFile::parse(&text.into());
        let lookup = |host: &str, user| {
            let host = host.parse().unwrap();
            let wanted = Wanted { host: &host, port: 5432, database: "shop", user };
            file.find(wanted).map(|secret| secret.expose().to_owned())
        };
        assert_eq!(lookup("db1", "pgmon").as_deref(), Some("one"));
        assert_eq!(lookup("db2", "pgmon").as_deref(), Some("t:w\\o:x"));
        assert_eq!(lookup("/run/postgresql", "root").as_deref(), Some("three"));
        assert_eq!(lookup("/elsewhere", "root"), None);
        assert_eq!(lookup("db1", "other"), None);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "*:*:*:*:hunter2\n").unwrap();
        let host = Host::Name("db1".to_owned());
        let wanted = Wanted { host: &host, port: 5432, database: "shop", user: "pgmon" };
        let with = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            look_up(file.path(), wanted).map(|secret| secret.map(|s| s.expose().to_owned()))
        };
        assert_eq!(with(0o600), Ok(Some("hunter2".to_owned())));
        let error = with(0o640).unwrap_err();
        assert!(error.contains("0600") && !error.contains("hunter2"), "{error}");
        assert_eq!(unfit(file.path()), Some(error));
        assert_eq!(look_up(Path::new("/nowhere/.pgpass"), wanted), Ok(None));
    }
}
