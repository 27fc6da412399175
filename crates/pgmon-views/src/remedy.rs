//! SQL to copy: quoted, with its lock and its risk. pgmon never runs it.

use crate::page::{Remedy, Role};
use crate::source::{Source, role_of};
use crate::words;
use pgmon_collect::postgres::collectors::sequences;
use pgmon_collect::postgres::{quote_ident, quote_literal};

fn remedy(sql: String, lock: &str, risk: &str) -> Remedy {
    Remedy { sql, lock: lock.to_owned(), risk: risk.to_owned() }
}

/// A name as SQL. One with characters that are not seen is written by their codes, so that it can be read, and
/// means the same.
fn ident(name: &str) -> String {
    match unicode(name) {
        Some(text) => format!("U&\"{}\"", text.replace('"', "\"\"")),
        None => quote_ident(name),
    }
}

/// A text as SQL, the same way.
fn literal(text: &str) -> String {
    match unicode(text) {
        Some(text) => format!("U&'{}'", text.replace('\'', "''")),
        None => quote_literal(text),
    }
}

/// The inside of `U&""`, if the text needs it.
fn unicode(text: &str) -> Option<String> {
    text.contains(words::is_active).then(|| {
        text.chars().fold(String::new(), |mut out, c| {
            match c {
                '\\' => out.push_str("\\\\"),
                c if words::is_active(c) => out.push_str(&format!("\\+{:06X}", u32::from(c))),
                c => out.push(c),
            }
            out
        })
    })
}

/// `"schema"."name"`.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// `schema.name` for people, on one line whatever is in it.
pub fn shown(schema: &str, name: &str) -> String {
    words::inert(&format!("{schema}.{name}")).into_owned()
}

/// Ends what a session is doing, or the session.
pub fn end_session(pid: i32, idle: bool) -> Remedy {
    if idle {
        return remedy(
            format!("SELECT pg_catalog.pg_terminate_backend({pid});"),
            "none of its own; what the session holds is released",
            "Ends the session and rolls its transaction back: the client gets an error. Look at what it is first. The process id may belong to another session by now.",
        );
    }
    remedy(
        format!(
            "SELECT pg_catalog.pg_cancel_backend({pid});\n-- if it does not stop:\nSELECT pg_catalog.pg_terminate_backend({pid});"
        ),
        "none of its own; what the session holds is released",
        "Cancels the statement, the second one ends the session; its transaction is rolled back, and the client gets an error. The process id may belong to another session by now.",
    )
}

/// Ends a prepared transaction.
pub fn end_prepared(gid: &str) -> Remedy {
    remedy(
        format!("ROLLBACK PREPARED {};", literal(gid)),
        "none of its own; what the transaction holds is released",
        "Its changes are lost. If its coordinator still knows it, let that decide: COMMIT PREPARED instead.",
    )
}

/// VACUUM.
pub fn vacuum(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("VACUUM (VERBOSE, ANALYZE) {};", qualified(schema, name)),
        "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on; DDL and other vacuums of it wait",
        "Reads the table and its indexes: I/O while it runs. It removes nothing that the oldest transaction may still see. To cut off an empty end of the file it takes ACCESS EXCLUSIVE for a moment, if nobody uses the table then.",
    )
}

/// VACUUM FREEZE.
pub fn freeze(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("VACUUM (FREEZE, VERBOSE) {};", qualified(schema, name)),
        "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on; DDL and other vacuums of it wait",
        "Reads the whole table and writes what it freezes: I/O and WAL. It freezes nothing that the oldest transaction may still see.",
    )
}

/// ANALYZE.
pub fn analyze(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("ANALYZE (VERBOSE) {};", qualified(schema, name)),
        "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on; DDL and vacuums of it wait",
        "Reads a sample of the table. Plans of its queries may change.",
    )
}

/// Takes back that autovacuum is off for a table.
pub fn enable_autovacuum(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("ALTER TABLE {} RESET (autovacuum_enabled);", qualified(schema, name)),
        "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on",
        "Autovacuum comes to the table soon. Somebody may have had a reason to turn it off.",
    )
}

const CONCURRENTLY: &str = "SHARE UPDATE EXCLUSIVE on the table: reads and writes go on; it waits for all transactions that use the table";

/// DROP INDEX. Only for an index that nothing needs.
pub fn drop_index(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("DROP INDEX CONCURRENTLY {};", qualified(schema, name)),
        CONCURRENTLY,
        "Queries that need the index get slow. Look at its scans on the standbys and over a full business cycle first, and keep its definition (pg_get_indexdef).",
    )
}

/// DROP INDEX, for one whose work another one does.
pub fn drop_redundant_index(schema: &str, name: &str, stays: &str) -> Remedy {
    let stays = shown(schema, stays);
    remedy(
        format!("-- only if {stays} stays:\nDROP INDEX CONCURRENTLY {};", qualified(schema, name)),
        CONCURRENTLY,
        &format!(
            "Only if {stays} stays: it does the work of this one. Keep the definition (pg_get_indexdef)."
        ),
    )
}

/// DROP INDEX, for what a REINDEX CONCURRENTLY that failed has left behind.
pub fn drop_leftover_index(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("DROP INDEX CONCURRENTLY {};", qualified(schema, name)),
        CONCURRENTLY,
        "By its name it was left behind by a REINDEX CONCURRENTLY that failed. Be sure that none runs now (pg_stat_progress_create_index).",
    )
}

/// REINDEX of an invalid index, or its end.
pub fn repair_index(schema: &str, name: &str, droppable: bool) -> Remedy {
    let index = qualified(schema, name);
    let or = if droppable {
        format!("\n-- or, if it cannot be built or is not needed:\n-- DROP INDEX CONCURRENTLY {index};")
    } else {
        String::new()
    };
    remedy(
        format!("REINDEX INDEX CONCURRENTLY {index};{or}"),
        CONCURRENTLY,
        "Builds a second copy: disk space for both, I/O and WAL. It fails for the same reason as the first attempt as long as that lasts: a unique index needs a table without duplicates. If it fails, an invalid index with the ending _ccnew stays and has to be dropped.",
    )
}

/// REINDEX.
pub fn reindex(schema: &str, name: &str) -> Remedy {
    remedy(
        format!("REINDEX INDEX CONCURRENTLY {};", qualified(schema, name)),
        CONCURRENTLY,
        "Builds a second copy: disk space for both, I/O and WAL. If it fails, an invalid index with the ending _ccnew stays and has to be dropped.",
    )
}

/// What shrinks a table.
pub fn rewrite(schema: &str, name: &str) -> Remedy {
    let table = qualified(schema, name);
    remedy(
        format!(
            "-- makes the space usable again, and gives back what is free at the end of the file:\nVACUUM (VERBOSE) {table};\n-- gives all of it back, while nobody else can use the table:\n-- VACUUM (FULL, VERBOSE) {table};"
        ),
        "VACUUM: SHARE UPDATE EXCLUSIVE, reads and writes go on. VACUUM FULL: ACCESS EXCLUSIVE, nothing goes on",
        "VACUUM takes ACCESS EXCLUSIVE for a moment, if nobody uses the table then, to cut off an empty end of the file. VACUUM FULL needs room for a second copy and keeps everybody waiting until it is done; pg_repack or pg_squeeze do it without.",
    )
}

/// Drops a slot.
pub fn drop_slot(name: &str) -> Remedy {
    remedy(
        format!("SELECT pg_catalog.pg_drop_replication_slot({});", literal(name)),
        "none",
        "Whoever uses the slot cannot go on from where it was: a standby or subscriber has to be built anew. Be sure that nobody does.",
    )
}

/// Lets a standby replay again.
pub fn resume_replay() -> Remedy {
    remedy(
        "SELECT pg_catalog.pg_wal_replay_resume();".into(),
        "none",
        "Somebody paused it, perhaps to look at an old state, or to wait for a reason to go on.",
    )
}

/// The next partition.
pub fn next_partition(schema: &str, name: &str, from: &str, to: &str) -> Remedy {
    // CREATE TABLE .. PARTITION OF would lock the parent ACCESS EXCLUSIVE.
    let suffix: String = from.chars().take(10).map(|c| if c.is_ascii_digit() { c } else { '_' }).collect();
    let (partition, parent) = (qualified(schema, &format!("{name}_p{suffix}")), qualified(schema, name));
    remedy(
        format!(
            "CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL EXCLUDING IDENTITY);\nALTER TABLE {parent} ATTACH PARTITION {partition}\n  FOR VALUES FROM ({}) TO ({});",
            literal(from),
            literal(to),
        ),
        "SHARE UPDATE EXCLUSIVE on the parent: reads and writes go on. ACCESS EXCLUSIVE on a DEFAULT partition: what reads the parent and needs that waits until it is scanned. With foreign keys: SHARE ROW EXCLUSIVE on the tables that they point to, writes there wait for a moment",
        "A DEFAULT partition is scanned for rows that would belong here, and there must be none. Owner, rights and tablespace are not copied. Adapt the name to yours.",
    )
}

/// Sets a setting of the server that takes effect without a restart.
pub fn set(name: &str, value: &str) -> Remedy {
    let synced = match name {
        "fsync" => " What was written before is safe only once the system has written it out (sync).",
        _ => "",
    };
    remedy(
        format!("ALTER SYSTEM SET {name} = '{value}';\nSELECT pg_catalog.pg_reload_conf();"),
        "none",
        &format!(
            "Takes a superuser. It is written to postgresql.auto.conf, which wins over postgresql.conf; a managed service has its own place for settings. Other changes of the files take effect with it. Somebody may have had a reason.{synced}"
        ),
    )
}

/// Widens a sequence, and the column that it feeds, as far as they are narrow.
pub fn widen(row: &sequences::Row) -> Option<Remedy> {
    let narrow = |kind: &str| matches!(kind, "integer" | "smallint");
    let feeds = row.table_schema.as_deref().zip(row.table_name.as_deref()).zip(row.column_name.as_deref());
    let column =
        feeds.filter(|_| row.column_type.as_deref().is_some_and(narrow)).map(|((schema, table), column)| {
            format!("ALTER TABLE {} ALTER COLUMN {} TYPE bigint;", qualified(schema, table), ident(column))
        });
    // The type of a serial column's sequence is its own: without this, inserts go on failing.
    let sequence = narrow(&row.data_type)
        .then(|| format!("ALTER SEQUENCE {} AS bigint;", qualified(&row.schema, &row.name)));
    match (column, sequence) {
        (Some(column), sequence) => {
            let (sequence, beside) = match sequence {
                Some(sql) => (format!("\n{sql}"), "; SHARE ROW EXCLUSIVE on the sequence"),
                None => (String::new(), ""),
            };
            Some(remedy(
                format!("{column}{sequence}"),
                &format!("ACCESS EXCLUSIVE on the table: nothing goes on until it is rewritten{beside}"),
                "Rewrites the table and its indexes. For a large one: add a bigint column, fill it in portions, then swap. Columns that refer to it need the same, and so does the code that reads it.",
            ))
        }
        (None, Some(sequence)) => Some(remedy(
            sequence,
            "SHARE ROW EXCLUSIVE on the sequence: whoever wants its next value waits for a moment",
            "Whatever stores its values has to take a bigint, the code too. A MAXVALUE that was set by hand stays.",
        )),
        (None, None) => None,
    }
}

/// What writes to tables or catalogs: on a standby it has to be run elsewhere, and says so.
pub fn on_primary(source: &Source<'_>, remedy: Remedy) -> Remedy {
    if role_of(source.own) != Role::Standby {
        return remedy;
    }
    Remedy {
        sql: format!("-- to be run on the primary: this server is a standby, and read-only\n{}", remedy.sql),
        lock: format!("on the primary: {}", remedy.lock),
        risk: format!("To be run on the primary, it fails here. {}", remedy.risk),
    }
}
