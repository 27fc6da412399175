//! Logins that the configuration or a file has. A file is read at each connection.

use crate::{Answer, Login, LoginError, Logins};
use pgmon_config::{ConnectSpec, Dsn, PasswordSource, Secret, Wanted, look_up_in_pass_file, read_secret};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

/// A file on a network that does not answer must not hold up a database for longer.
const WITHIN: Duration = Duration::from_secs(5);

/// The login of one connection.
#[derive(Debug)]
pub(crate) struct Local {
    connect: ConnectSpec,
}

impl Local {
    pub(crate) fn new(connect: ConnectSpec) -> Self {
        Self { connect }
    }

    async fn look_up(&self) -> Result<Login, LoginError> {
        let connect = &self.connect;
        let source = &connect.password;
        match source {
            PasswordSource::None => Ok(Login::new(&connect.user, None)),
            PasswordSource::Given(secret) => Ok(Login::new(&connect.user, Some(secret.clone()))),
            // The file system may be a network's: not on a thread that serves others.
            _ => {
                let connect = connect.clone();
                let work = tokio::task::spawn_blocking(move || read(&connect));
                match tokio::time::timeout(WITHIN, work).await {
                    Ok(Ok(result)) => result.map_err(LoginError),
                    Ok(Err(_)) => Err(LoginError::new(source, "reading it was cut off")),
                    Err(_) => Err(LoginError::new(source, format!("not read within {WITHIN:?}"))),
                }
            }
        }
    }
}

fn read(connect: &ConnectSpec) -> Result<Login, String> {
    match &connect.password {
        PasswordSource::File(path) => {
            let password = read_secret(path).map_err(|error| format!("password_file: {error}"))?;
            Ok(Login::new(&connect.user, Some(password)))
        }
        PasswordSource::DsnFile(path) => of_dsn(path, connect),
        PasswordSource::PassFile(path) => {
            let ConnectSpec { host, port, user, database, .. } = connect;
            let wanted = Wanted { host, port: *port, database, user };
            let password = match look_up_in_pass_file(path, wanted) {
                Ok(password) => password,
                Err(why) => {
                    // As libpq has it: the server decides whether it can do without.
                    tracing::warn!("{why}");
                    None
                }
            };
            Ok(Login::new(user, password))
        }
        source => Err(format!("{} cannot be asked for: no Vault is configured", source.describe())),
    }
}

fn of_dsn(path: &Path, connect: &ConnectSpec) -> Result<Login, String> {
    let text: Secret = read_secret(path).map_err(|error| format!("dsn_file: {error}"))?;
    let dsn: Dsn = text.expose().parse().map_err(|error| format!("dsn_file {}: {error}", path.display()))?;
    let parts = dsn.parts();
    Ok(Login::new(parts.user.as_deref().unwrap_or(&connect.user), parts.password.clone()))
}

impl Logins for Local {
    fn login(&self) -> Answer<'_, Login> {
        Box::pin(self.look_up())
    }

    fn refused<'a>(&'a self, login: &'a Login) -> Answer<'a, Option<Login>> {
        // It may have been written between the look and the refusal.
        Box::pin(async move { Ok(Some(self.look_up().await?).filter(|now| now != login)) })
    }

    fn is_outdated(&self, _: &Login) -> bool {
        false
    }

    fn outdated<'a>(&'a self, _: &'a Login) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn spec(password: PasswordSource) -> ConnectSpec {
        ConnectSpec {
            host: "db1".parse().unwrap(),
            port: 5432,
            user: "pgmon".to_owned(),
            password,
            database: "shop".to_owned(),
            sslmode: None,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
        }
    }

    async fn password(local: &Local) -> Option<String> {
        local.login().await.unwrap().password.map(|p| p.expose().to_owned())
    }

    #[tokio::test]
    async fn files_are_read_at_each_login() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (source, one, two) in [
            (PasswordSource::File(path.clone()), "one\n".to_owned(), "two\n".to_owned()),
            (
                PasswordSource::DsnFile(path.clone()),
                "postgres://x:one@h/d".to_owned(),
                "postgres://x:two@h/d".to_owned(),
            ),
            (
                PasswordSource::PassFile(path.clone()),
                "*:*:*:*:one".to_owned(),
                "db1:5432:shop:pgmon:two".to_owned(),
            ),
        ] {
            let local = Local::new(spec(source));
            let write = |text: &str| {
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            };
            write(&one);
            let first = local.login().await.unwrap();
            assert_eq!(first.password.as_ref().map(Secret::expose), Some("one"));
            assert_eq!(local.refused(&first).await, Ok(None), "nothing else is known");
            write(&two);
            assert_eq!(password(&local).await.as_deref(), Some("two"));
            let other = local.refused(&first).await.unwrap().unwrap();
            assert_eq!(other.password.as_ref().map(Secret::expose), Some("two"));
        }
    }

    #[tokio::test]
    async fn errors_name_the_file_and_not_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let error = Local::new(spec(PasswordSource::File(path.clone()))).login().await.unwrap_err();
        assert!(error.to_string().contains("secret: No such file"), "{error}");
        std::fs::write(&path, "postgres://x:hunter2/@h/d").unwrap();
        let error = Local::new(spec(PasswordSource::DsnFile(path.clone()))).login().await.unwrap_err();
        assert!(
            error.to_string().starts_with("dsn_file /") && !error.to_string().contains("hunter2"),
            "{error}"
        );
        // libpq goes on without a password, too.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(password(&Local::new(spec(PasswordSource::PassFile(path)))).await, None);
    }
}
