//! Connections, roles and databases of a server.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Postgres, Type};

use crate::{Major, Server};

/// What a monitoring role may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// `pg_monitor` alone.
    T0,
    /// `pg_monitor` and reading all data: `pg_read_all_data` from 14 on, grants before.
    T1,
}

impl Server {
    /// Options of the superuser on the unix socket, where no password is asked.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.socket_dir())
            .port(self.port())
            .username("postgres")
            .database(database)
            .application_name("pgmon-testkit")
    }

    /// A connection as superuser.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        let options = self.connect_options(database).disable_statement_logging();
        options
            .connect()
            .await
            .with_context(|| format!("cannot connect to database {database} of PostgreSQL {}", self.major()))
    }

    /// The DSN of the superuser, by TCP and password.
    pub fn dsn(&self, database: &str) -> String {
        self.dsn_as("postgres", &self.password, database)
    }

    /// The DSN of a role.
    pub fn dsn_as(&self, user: &str, password: &str, database: &str) -> String {
        dsn(self.port(), user, password, database)
    }

    /// Runs statements as superuser, each as it stands: several in one string share a transaction.
    pub async fn exec(&self, database: &str, sql: &str) -> Result<()> {
        let mut connection = self.connect(database).await?;
        execute(&mut connection, sql).await?;
        connection.close().await.ok();
        Ok(())
    }

    /// The single value that a query answers, as superuser.
    pub async fn query<T>(&self, database: &str, sql: &str) -> Result<T>
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let mut connection = self.connect(database).await?;
        let value = query(&mut connection, sql).await?;
        connection.close().await.ok();
        Ok(value)
    }

    /// Waits until a query answers true, for 20 seconds at most. A standby may cancel the query itself to
    /// replay what it waits for: that is "not yet".
    pub async fn wait_until(&self, database: &str, condition: &str) -> Result<()> {
        let mut connection = self.connect(database).await?;
        for _ in 0..800 {
            match query::<Option<bool>>(&mut connection, condition).await {
                Ok(Some(true)) => return Ok(()),
                Ok(_) => {}
                Err(error) if is_conflict_with_recovery(&error) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("it did not come true on PostgreSQL {}: {condition}", self.major())
    }

    /// Sets a parameter with `ALTER SYSTEM` and reloads. Some take effect at a restart only.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut connection = self.connect("postgres").await?;
        execute(&mut connection, &format!("ALTER SYSTEM SET {name} = {}", quote_literal(value))).await?;
        execute(&mut connection, "SELECT pg_reload_conf()").await
    }

    /// Creates a database.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        self.exec("postgres", &format!("CREATE DATABASE {}", quote_ident(name))).await
    }

    /// Creates an extension in a database.
    pub async fn create_extension(&self, database: &str, name: &str) -> Result<()> {
        self.exec(database, &format!("CREATE EXTENSION IF NOT EXISTS {}", quote_ident(name))).await
    }

    /// Creates a role that may log in, and answers its password.
    pub async fn create_role(&self, name: &str) -> Result<String> {
        let password = crate::server::random_password();
        let sql = format!("CREATE ROLE {} LOGIN PASSWORD {}", quote_ident(name), quote_literal(&password));
        self.exec("postgres", &sql).await?;
        Ok(password)
    }

    /// Creates a monitoring role and answers its password.
    ///
    /// On 12 and 13, tier T1 grants SELECT on what the databases hold now and on what the superuser
    /// creates later in these databases; for databases created later see [`Server::grant_reading`].
    pub async fn create_monitor(&self, name: &str, tier: Tier) -> Result<String> {
        let password = self.create_role(name).await?;
        self.exec("postgres", &format!("GRANT pg_monitor TO {}", quote_ident(name))).await?;
        if tier == Tier::T1 && self.major() >= Major(14) {
            self.exec("postgres", &format!("GRANT pg_read_all_data TO {}", quote_ident(name))).await?;
        } else if tier == Tier::T1 {
            for database in self.databases().await? {
                self.grant_reading(&database, name).await?;
            }
        }
        Ok(password)
    }

    /// The databases that a client may connect to, without the templates.
    pub async fn databases(&self) -> Result<Vec<String>> {
        let sql = "SELECT array_agg(datname::text ORDER BY datname) FROM pg_database \
                   WHERE datallowconn AND NOT datistemplate";
        self.query("postgres", sql).await
    }

    /// Lets a role read everything in one database, without `pg_read_all_data`.
    pub async fn grant_reading(&self, database: &str, role: &str) -> Result<()> {
        let role = quote_ident(role);
        let schemas: Option<Vec<String>> = self
            .query(database, "SELECT array_agg(quote_ident(nspname)) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")
            .await?;
        let mut sql = format!(
            "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {role}; \
             ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}; \
             ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO {role};"
        );
        for schema in schemas.unwrap_or_default() {
            sql += &format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}; \
                 GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"
            );
        }
        self.exec(database, &sql).await
    }

    /// Takes from everybody the right to create in `public`, which PUBLIC has up to 14.
    pub async fn revoke_create_on_public(&self, database: &str) -> Result<()> {
        self.exec(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await
    }
}

/// Runs statements on a connection, without preparing them.
pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) -> Result<()> {
    let run = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
    run.await.map(drop).with_context(|| format!("statement failed: {}", beginning(sql)))
}

pub(crate) async fn query<T>(connection: &mut PgConnection, sql: &str) -> Result<T>
where
    T: for<'r> sqlx::Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
{
    let run = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection);
    run.await.with_context(|| format!("query failed: {}", beginning(sql)))
}

/// Whether a standby cancelled a statement because replay was waiting for it.
fn is_conflict_with_recovery(error: &anyhow::Error) -> bool {
    let database = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database.and_then(|error| error.code()).is_some_and(|code| code == "40001")
}

fn beginning(sql: &str) -> String {
    sql.chars().take(300).collect()
}

pub(crate) fn dsn(port: u16, user: &str, password: &str, database: &str) -> String {
    let [user, password, database] = [user, password, database].map(percent_encode);
    format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => encoded.push(char::from(byte)),
            _ => encoded += &format!("%{byte:02X}"),
        }
        encoded
    })
}

/// A name as SQL identifier, whatever it holds.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL literal.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
