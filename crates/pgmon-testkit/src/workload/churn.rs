//! Writing and sorting: bloat, dead tuples, temporary files, WAL.

use anyhow::Result;
use sqlx::Connection as _;

use crate::access::execute;
use crate::{Server, quote_ident, quote_literal};

/// A table of `public` (and its primary key) about two thirds of which are free space.
pub async fn bloat(server: &Server, database: &str, table: &str) -> Result<()> {
    let name = quote_ident(table);
    for sql in [
        format!(
            "CREATE TABLE public.{name} (id int PRIMARY KEY, filler text) WITH (autovacuum_enabled = false)"
        ),
        format!("INSERT INTO public.{name} SELECT i, repeat('x', 100) FROM generate_series(1, 30000) i"),
        // Spread over all pages: none at the end becomes empty, so VACUUM cannot cut the file.
        format!("DELETE FROM public.{name} WHERE id % 3 > 0"),
        format!("VACUUM ANALYZE public.{name}"),
    ] {
        server.exec(database, &sql).await?;
    }
    Ok(())
}

/// A table of `public` without autovacuum that holds as many dead rows as live ones.
pub async fn dead_tuples(server: &Server, database: &str, table: &str, rows: u32) -> Result<()> {
    let name = quote_ident(table);
    let mut session = server.connect(database).await?;
    for sql in [
        format!("CREATE TABLE public.{name} (id int, n int) WITH (autovacuum_enabled = false)"),
        format!("INSERT INTO public.{name} SELECT i, 0 FROM generate_series(1, {rows}) i"),
        format!("UPDATE public.{name} SET n = 1"),
    ] {
        execute(&mut session, &sql).await?;
    }
    // A session reports its statistics at its end at the latest.
    session.close().await?;
    let counted = format!(
        "SELECT n_dead_tup >= {rows} FROM pg_stat_user_tables WHERE relname = {}",
        quote_literal(table)
    );
    server.wait_until(database, &counted).await
}

/// A sort that needs temporary files of some megabytes.
pub async fn temp_spill(server: &Server, database: &str) -> Result<()> {
    let sort = "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT i FROM generate_series(1, 200000) i ORDER BY i DESC OFFSET 1) sorted";
    server.exec(database, sort).await?;
    let counted =
        format!("SELECT temp_files > 0 FROM pg_stat_database WHERE datname = {}", quote_literal(database));
    server.wait_until("postgres", &counted).await
}

/// Writes this many megabytes of WAL, and nothing else.
pub async fn wal_burst(server: &Server, database: &str, megabytes: u32) -> Result<()> {
    let write = format!(
        "SELECT count(pg_logical_emit_message(false, 'pgmon-testkit', repeat(chr(64 + i % 26), 1024 * 1024))) \
         FROM generate_series(1, {megabytes}) i"
    );
    server.exec(database, &write).await
}
