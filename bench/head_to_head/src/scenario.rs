//! The servers that are watched.

use anyhow::{Result, anyhow};
use pgmon_testkit::workload::{self, Workload};
use pgmon_testkit::{Major, Server};

/// What the server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// One database with 20 tables.
    A,
    /// One database with 2,000 tables and 3,000 indexes.
    B,
    /// Ten databases with 20 tables each.
    C,
}

/// The database that the exporters connect to.
pub const DATABASE: &str = "shop";

impl Scenario {
    /// Its letter.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
        }
    }

    /// What it is, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::A => "20 tables",
            Self::B => "2,000 tables, 3,000 indexes",
            Self::C => "10 databases of 20 tables",
        }
    }

    /// The databases, [`DATABASE`] first.
    pub fn databases(self) -> Vec<String> {
        let others = if self == Self::C { 9 } else { 0 };
        std::iter::once(DATABASE.to_owned()).chain((1..=others).map(|i| format!("shop{i}"))).collect()
    }

    /// Starts the server with its data, a thousand statements in `pg_stat_statements`, and a light,
    /// constant load that lasts as long as what is returned.
    pub async fn start(self, major: Major, rate: u32) -> Result<(Server, Workload)> {
        let server = Server::builder(major)
            .statements()
            // A worker that ends would be counted among the exporters' sessions, which are children
            // of the same process.
            .setting("autovacuum", "off")
            .setting("shared_buffers", "256MB")
            .setting("track_io_timing", "on")
            .start()
            .await?;
        for database in self.databases() {
            server.create_database(&database).await?;
            server.create_extension(&database, "pg_stat_statements").await?;
            let (tables, indexes) = match self {
                Self::B => (2000 - 4, 3000 - 3),
                // pgbench brings four tables and three indexes.
                Self::A | Self::C if database == DATABASE => (16, 21),
                Self::A | Self::C => (20, 24),
            };
            workload::many_tables(&server, &database, tables, indexes).await?;
            fill(&server, &database, tables).await?;
        }
        statements(&server).await?;
        let load = workload::pgbench(&server, DATABASE, 1, 2, rate).await?;
        Ok((server, load))
    }
}

/// Puts rows into all tables, so that each has statistics.
async fn fill(server: &Server, database: &str, tables: u32) -> Result<()> {
    for from in (0..tables).step_by(500) {
        let to = tables.min(from + 500);
        let rows = format!(
            "DO $$ BEGIN FOR i IN {from}..{to} - 1 LOOP \
             EXECUTE format('INSERT INTO many.t%s SELECT n, n, n FROM generate_series(1, 20) n', i); \
             END LOOP; END $$"
        );
        server.exec(database, &rows).await?;
    }
    server.exec(database, "ANALYZE").await
}

/// One of the 1,024 statements that are not pgbench's.
pub fn statement(number: u32) -> String {
    let padding = "as long as statements of applications are ".repeat(7);
    let mut text = "SELECT 1".to_owned();
    for bit in 0..10 {
        // Constants are all the same to pg_stat_statements, operators are not.
        text.push_str(if number >> bit & 1 == 1 { " + 1" } else { " - 1" });
    }
    text + &format!(" /* {padding} */ FROM (VALUES (1)) AS v")
}

/// Leaves 1,024 different statements behind, each with a text of common length.
async fn statements(server: &Server) -> Result<()> {
    for half in 0..2 {
        let script = (half * 512..(half + 1) * 512).map(|i| statement(i) + ";").collect::<String>();
        server.exec(DATABASE, &script).await?;
    }
    let count: i64 = server.query(DATABASE, "SELECT count(*) FROM pg_stat_statements").await?;
    if count < 1000 {
        return Err(anyhow!("pg_stat_statements has {count} entries, wanted 1,000"));
    }
    Ok(())
}
