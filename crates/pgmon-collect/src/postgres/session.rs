//! The one way in which pgmon runs SQL on a monitored server.
//!
//! Each statement runs alone in a transaction of its own:
//! `BEGIN READ ONLY; SET LOCAL statement_timeout, lock_timeout, search_path`, the statement, `COMMIT`.
//! Nothing is set for the session, so that a pooler's next client finds it as it was.

use super::collector::Statement;
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::io::ErrorKind;
use std::time::Duration;

/// Rows that are taken of a pooler's console: a pool for each database and user.
const MOST_CONSOLE_ROWS: usize = 20_000;

/// How much longer than the server's own limit we wait before we give the connection up.
const GRACE: Duration = Duration::from_millis(1500);

/// Why a statement gave no result.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The server refused or cancelled it.
    #[error("{message} (SQLSTATE {sqlstate})")]
    Server {
        /// The five-character code.
        sqlstate: String,
        /// The server's message.
        message: String,
    },
    /// The server did not answer in time; the connection is given up.
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    /// No connection came about: nobody listens, or the way there is barred.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The server was reached, but TLS did not come about, or the connection ended before the server knew
    /// who we are.
    #[error("cannot connect: {0}")]
    Handshake(String),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// There is nothing to log in with.
    #[error("no login: {0}")]
    Login(#[from] pgmon_secrets::LoginError),
    /// A row did not have the shape that the collector expects.
    #[error("unexpected result: {0}")]
    Decode(String),
}

impl QueryError {
    /// A result that breaks the contract of its statement.
    pub fn protocol(what: &str) -> Self {
        Self::Decode(what.to_owned())
    }

    /// The server's code, if it answered.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }

    /// Whether the connection can no longer be used.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::Unreachable(_) | Self::Handshake(_) | Self::Lost(_) => true,
            // 57P01..03: the server is shutting down or starting; 25P03, 57P05: the session was ended.
            Self::Server { sqlstate, .. } => {
                matches!(
                    sqlstate.as_str(),
                    "57P01" | "57P02" | "57P03" | "25P03" | "25P04" | "57P05" | "08006"
                )
            }
            Self::Decode(_) | Self::Login(_) => false,
        }
    }

    /// Whether a lock was not to be had within `lock_timeout`.
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate() == Some("55P03")
    }
}

impl From<sqlx::Error> for QueryError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(e) => {
                let sqlstate: String = e.code().map(Into::into).unwrap_or_default();
                let mut message = shortened(e.message());
                // invalid_sql_statement_name, duplicate_prepared_statement
                if matches!(sqlstate.as_str(), "26000" | "42P05") {
                    message.push_str(" (behind a pooler in transaction mode? set pooled: true)");
                }
                Self::Server { sqlstate, message }
            }
            e @ (sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::RowNotFound) => Self::Decode(e.to_string()),
            // Without the words that the driver puts in front: what was tried is said already.
            sqlx::Error::Io(e) => Self::Lost(e.to_string()),
            sqlx::Error::Tls(e) if e.to_string() == "server does not support TLS" => {
                Self::Lost(format!("{e}: set ssl=on there, or an sslmode that does without"))
            }
            e => Self::Lost(e.to_string()),
        }
    }
}

/// Characters of a server's message that are kept, from its beginning and from its end: a function may raise one
/// of any length, and a value may stand in the middle.
const KEPT_OF_A_MESSAGE: (usize, usize) = (200, 100);

/// A message on one line, without the middle of a long one.
fn shortened(message: &str) -> String {
    let message = message.replace(char::is_control, " ");
    let (first, last) = KEPT_OF_A_MESSAGE;
    let beginning = message.char_indices().nth(first);
    let end = message.char_indices().nth_back(last);
    match (beginning, end) {
        (Some((from, _)), Some((to, _))) if from < to => {
            format!("{}...{}", message.get(..from).unwrap_or_default(), message.get(to..).unwrap_or_default())
        }
        _ => message,
    }
}

/// Whether an attempt to connect failed at a server that was reached.
fn was_reached(error: &sqlx::Error) -> bool {
    match error {
        // An alert or a certificate that is not believed; a socket that was closed half-way. Everything else
        // is what the system says of an address (refused, unreachable, no such host or socket).
        sqlx::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::InvalidData
                | ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
        ),
        _ => true,
    }
}

/// Limits of every statement of a session.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// Whether a pooler in transaction mode is in between: then statements are not kept prepared.
    pub pooled: bool,
}

/// A guarded connection.
#[derive(Debug)]
pub struct Session {
    conn: PgConnection,
    guard: Guard,
    search_path: String,
    /// Whether the last statement was sent.
    sent: bool,
}

impl Session {
    /// Connects within `timeout`.
    ///
    /// `extra_float_digits` is not sent on starting: poolers refuse it, and binary results do not need it.
    pub async fn connect(
        options: &PgConnectOptions,
        guard: Guard,
        timeout: Duration,
    ) -> Result<Self, QueryError> {
        let options = options
            .clone()
            .application_name("pgmon")
            .extra_float_digits(None)
            .statement_cache_capacity(if guard.pooled { 0 } else { 256 })
            .disable_statement_logging();
        let connected = tokio::time::timeout(timeout, options.connect())
            .await
            .map_err(|_| QueryError::NoAnswer(timeout))?;
        let conn = connected.map_err(|error| {
            let reached = was_reached(&error);
            match QueryError::from(error) {
                QueryError::Lost(why) if reached => QueryError::Handshake(why),
                QueryError::Lost(why) => QueryError::Unreachable(why),
                other => other,
            }
        })?;
        Ok(Self { conn, guard, search_path: "pg_catalog".into(), sent: false })
    }

    /// Sets how long the following statements may wait for a lock.
    pub fn set_lock_timeout(&mut self, lock_timeout: Duration) {
        self.guard.lock_timeout = lock_timeout;
    }

    /// Whether the last statement was sent. If it was not, its transaction had not been opened: then the
    /// connection was dead before, and the statement has nothing to do with it.
    pub fn has_sent(&self) -> bool {
        self.sent
    }

    /// Sets the `search_path` that the following transactions use; names must be quoted.
    pub fn set_search_path(&mut self, path: String) {
        self.search_path = path;
    }

    /// Runs one statement in a transaction of its own and hands each row to `on_row`.
    ///
    /// `limit`, rounded down a little, becomes its `statement_timeout`. Returns the number of rows. After an error that
    /// [`QueryError::is_fatal`] the session must be dropped; after any other it can be used again.
    pub async fn run<F>(
        &mut self,
        statement: Statement,
        limit: Duration,
        on_row: F,
    ) -> Result<u64, QueryError>
    where
        F: FnMut(PgRow) -> Result<(), sqlx::Error> + Send,
    {
        self.run_observed(statement, limit, || {}, on_row).await
    }

    /// [`Session::run`] that says when the transaction is open and the statement itself is sent.
    pub async fn run_observed<S, F>(
        &mut self,
        statement: Statement,
        limit: Duration,
        on_send: S,
        mut on_row: F,
    ) -> Result<u64, QueryError>
    where
        S: FnOnce() + Send,
        F: FnMut(PgRow) -> Result<(), sqlx::Error> + Send,
    {
        let limit_ms = coarse(limit.as_millis());
        // Below the statement's own limit, so that a lock is told from slowness.
        let lock_ms = coarse(self.guard.lock_timeout.as_millis().min(limit_ms / 2));
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {limit_ms}; SET LOCAL lock_timeout = {lock_ms}; SET LOCAL search_path = {}",
            statement.search_path.as_deref().unwrap_or(&self.search_path)
        );
        self.sent = false;
        let work = async {
            // The text is ours: numbers, and quoted names from pg_extension or the configuration.
            self.conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await?;
            self.sent = true;
            on_send();
            // The text is ours, or the configuration's and checked there; values are never put into it.
            let kept = !(self.guard.pooled || statement.once);
            let query = sqlx::query_with(AssertSqlSafe(statement.sql), statement.args).persistent(kept);
            let mut count = 0;
            let mut result = Ok(());
            {
                let mut rows = query.fetch(&mut self.conn);
                while let Some(row) = rows.try_next().await? {
                    count += 1;
                    if result.is_ok() {
                        result = on_row(row);
                    }
                }
            }
            result.map(|()| count)
        };
        let deadline = limit + GRACE;
        let result = match tokio::time::timeout(deadline, work).await {
            Ok(result) => result.map_err(QueryError::from),
            Err(_) => return Err(QueryError::NoAnswer(deadline)),
        };
        if result.as_ref().is_err_and(QueryError::is_fatal) {
            return result;
        }
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        match tokio::time::timeout(GRACE, self.conn.execute(sqlx::raw_sql(end))).await {
            Ok(Ok(_)) => result,
            Ok(Err(e)) => Err(QueryError::Lost(e.to_string())),
            Err(_) => Err(QueryError::NoAnswer(GRACE)),
        }
    }

    /// Runs a statement without values that is seldom run, and returns its rows; for few rows.
    pub async fn fetch(&mut self, sql: &'static str, limit: Duration) -> Result<Vec<PgRow>, QueryError> {
        self.fetch_with(Statement::plain(sql).once(), limit).await
    }

    /// Runs a statement and returns its rows; for few rows.
    pub async fn fetch_with(
        &mut self,
        statement: Statement,
        limit: Duration,
    ) -> Result<Vec<PgRow>, QueryError> {
        let mut rows = Vec::new();
        self.run(statement, limit, |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// Runs a command of a pooler's console, which knows neither transactions nor prepared statements, and
    /// returns its rows as texts. For `SHOW` alone. Who sends more rows than a pooler can have databases is none.
    pub async fn console(
        &mut self,
        command: &'static str,
        limit: Duration,
    ) -> Result<Vec<PgRow>, QueryError> {
        let read = async {
            let (mut all, mut rows) = (Vec::new(), self.conn.fetch(sqlx::raw_sql(command)));
            while let Some(row) = rows.try_next().await? {
                if all.len() >= MOST_CONSOLE_ROWS {
                    return Err(QueryError::protocol("its console shows more rows than are taken"));
                }
                all.push(row);
            }
            Ok(all)
        };
        tokio::time::timeout(limit, read).await.map_err(|_| QueryError::NoAnswer(limit))?
    }

    /// Says goodbye to the server.
    pub async fn close(self) {
        // The server notices a closed socket as well; a hung one must not hold us up.
        let _ = tokio::time::timeout(GRACE, self.conn.close()).await;
    }
}

/// Rounds down to one or two digits that are followed by zeros (950, 3000, 9500), never to 0, which
/// would mean no limit at all.
///
/// What is left of a budget is another number each time, and up to PostgreSQL 17 `pg_stat_statements`
/// keeps every `SET` with another value as an entry of its own: pgmon would displace the application's.
fn coarse(ms: u128) -> u128 {
    let mut step = 1;
    while step * 20 <= ms {
        step *= if ms / step >= 100 { 10 } else { 5 };
    }
    (ms / step * step).max(1)
}

#[cfg(test)]
mod tests {
    use super::coarse;
    use std::collections::BTreeSet;

    #[test]
    fn time_limits_take_few_values_and_lose_little() {
        assert_eq!([0, 1, 7, 19].map(coarse), [1, 1, 7, 19]);
        assert_eq!([987, 1000, 2983, 3000, 9960, 60_000].map(coarse), [950, 1000, 2500, 3000, 9500, 60_000]);
        for ms in 1..60_000 {
            let limit = coarse(ms);
            assert!(limit <= ms && ms - limit <= ms / 5 + 1, "{ms}: {limit}");
        }
        let of_a_budget: BTreeSet<_> = (900..=1000).map(coarse).collect();
        assert_eq!(of_a_budget.len(), 3);
    }
}
