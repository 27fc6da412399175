//! `databases`: what is watched.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Argv, Dsn, Secret, SslMode};

/// One database to watch: a `dsn`, or its parts. Parts may complete a DSN (`dsn` and
/// `password_file`), but nothing may be given twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// The label `db` of its metrics. Not set: the name of the database.
    #[schemars(length(min = 1, max = 128), extend("examples" = ["orders"]))]
    pub name: Option<String>,
    /// The label `cluster` of its metrics. Not set: the top-level cluster.
    #[schemars(length(min = 1, max = 128), extend("examples" = ["shop"]))]
    pub cluster: Option<String>,
    /// Where and how to connect: a URL (`postgres://user@host:5432/database?sslmode=verify-full`) or
    /// keywords (`host=db1 dbname=orders user=pgmon`).
    #[schemars(extend("examples" = ["postgres://pgmon@db1:5432/orders"]))]
    pub dsn: Option<Dsn>,
    /// File with the DSN; a password in it is read again at each connection.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/orders_dsn"]))]
    pub dsn_file: Option<PathBuf>,
    /// Host name, IP address or directory of the Unix socket. Not set: $PGHOST, else localhost.
    #[schemars(length(min = 1), extend("examples" = ["db1"]))]
    pub host: Option<String>,
    /// Port. Not set: $PGPORT, else 5432.
    #[schemars(range(min = 1, max = 65_535), extend("examples" = [5432]))]
    pub port: Option<u16>,
    /// Role to connect as. Not set: $PGUSER, else the operating system's user.
    #[schemars(length(min = 1), extend("examples" = ["pgmon"]))]
    pub user: Option<String>,
    /// Password. Rather use password_file or `${VAR}`. Not set: $PGPASSWORD, else the password file
    /// $PGPASSFILE or ~/.pgpass.
    #[schemars(extend("examples" = ["${ORDERS_PASSWORD}"], "x-aliases" = ["pass"]))]
    pub password: Option<Secret>,
    /// File with the password; read again at each connection.
    #[schemars(extend("format" = "path", "examples" = ["/run/secrets/orders_password"]))]
    pub password_file: Option<PathBuf>,
    /// Program that prints the password, with its arguments; run without a shell. What it printed is
    /// used until the server refuses it.
    #[schemars(extend("examples" = [["aws", "rds", "generate-db-auth-token", "--hostname", "db1", "--port", "5432", "--username", "pgmon"]]))]
    pub password_command: Option<Argv>,
    /// The password in Vault: path, and #field if it is not called password.
    #[schemars(length(min = 1), extend("examples" = ["secret/data/orders#password"]))]
    pub password_vault: Option<String>,
    /// User and password in Vault, leased (`database/creds/...`) or not; then there is no `user`.
    #[schemars(length(min = 1), extend("examples" = ["database/creds/pgmon"]))]
    pub login_vault: Option<String>,
    /// Database to connect to. Not set: $PGDATABASE, else named as the user.
    #[schemars(length(min = 1), extend("examples" = ["orders"]))]
    pub database: Option<String>,
    /// TLS: disable, allow, prefer, require, verify-ca or verify-full. Not set: require for another
    /// machine, prefer for this one.
    #[schemars(extend("examples" = ["verify-full"]))]
    pub sslmode: Option<SslMode>,
    /// File with the certificate authorities to trust (PEM). Not set: the system's.
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/ca.pem"]))]
    pub sslrootcert: Option<PathBuf>,
    /// File with the client certificate (PEM).
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/client.pem"]))]
    pub sslcert: Option<PathBuf>,
    /// File with the client certificate's key (PEM).
    #[schemars(extend("format" = "path", "examples" = ["/etc/pgmon/client.key"]))]
    pub sslkey: Option<PathBuf>,
    /// Watch the sizes and ages of the server's other databases as well.
    pub discover: bool,
    /// The connection goes through PgBouncer in transaction mode: no prepared statements.
    pub pooled: bool,
}
