//! libpq's password file: `$PGPASSFILE`, else `~/.pgpass`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::tree::Place;
use crate::{Diagnostic, Host, Secret};

/// Directories where a server's socket is by default; libpq looks those up as `localhost`.
const DEFAULT_SOCKETS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// The lines of a password file: host, port, database, user, password.
#[derive(Default)]
pub(crate) struct PassFile(Vec<[Secret; 5]>);

impl PassFile {
    /// Reads the user's password file. One that is missing is as good as empty; one that others may
    /// read is left alone, as libpq does.
    pub(crate) fn find(env: &BTreeMap<String, String>, warnings: &mut Vec<Diagnostic>) -> Self {
        let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
        let path = match (var("PGPASSFILE"), var("HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => Path::new(home).join(".pgpass"),
            (None, None) => return Self::default(),
        };
        let Ok(metadata) = std::fs::metadata(&path) else { return Self::default() };
        let mut warn = |message: &str| {
            let message = format!("password file {}: {message}", path.display());
            warnings.push(Place::Nowhere.says("", message));
        };
        if !metadata.is_file() {
            warn("not used, as it is no regular file");
            return Self::default();
        }
        if readable_by_others(&metadata) {
            warn("not used, as others may read it; chmod 0600 makes it safe");
            return Self::default();
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(error) => {
                warn(&format!("not used: {error}"));
                Self::default()
            }
        }
    }

    fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(fields).collect())
    }

    /// The password of the first line that matches.
    pub(crate) fn lookup(&self, host: &Host, port: u16, database: &str, user: &str) -> Option<Secret> {
        let host = match host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
            Host::Socket(path) if DEFAULT_SOCKETS.iter().any(|known| path == Path::new(known)) => {
                "localhost".to_owned()
            }
            Host::Socket(path) => path.display().to_string(),
        };
        let wanted = [host, port.to_string(), database.to_owned(), user.to_owned()];
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
        let file = PassFile::parse(
            "# comment\nbroken\ndb1:5432:shop:pgmon:one\n*:*:*:pgmon:t\\:w\\\\o:x\nlocalhost:*:*:root:three\n",
        );
        let lookup = |host: &str, user| {
            file.lookup(&host.parse().unwrap(), 5432, "shop", user).map(|secret| secret.expose().to_owned())
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
        let env = BTreeMap::from([("PGPASSFILE".to_owned(), file.path().display().to_string())]);
        let find = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let mut warnings = Vec::new();
            (PassFile::find(&env, &mut warnings).0.len(), warnings.len())
        };
        assert_eq!(find(0o600), (1, 0));
        assert_eq!(find(0o640), (0, 1));
    }
}
