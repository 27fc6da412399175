//! Objects: many of them, partitioned, oddly named, useless, broken, nearly used up.

use anyhow::{Result, bail};

use crate::{Server, quote_ident, quote_literal};

/// Creates `tables` small tables `many.t0`, ... and `indexes` indexes spread over them.
pub async fn many_tables(server: &Server, database: &str, tables: u32, indexes: u32) -> Result<()> {
    server.exec(database, "CREATE SCHEMA many").await?;
    // Each object is a lock until the end of its transaction: so not all in one.
    const BATCH: u32 = 500;
    for (count, create) in [
        (tables, "format('CREATE TABLE many.t%s (a int, b int, c int)', i)".to_owned()),
        (
            indexes,
            format!(
                "format('CREATE INDEX i%s ON many.t%s (%s)', i, i % {0}, chr(97 + i / {0} % 3))",
                tables.max(1)
            ),
        ),
    ] {
        for from in (0..count).step_by(usize::try_from(BATCH)?) {
            let to = count.min(from + BATCH);
            let sql =
                format!("DO $$ BEGIN FOR i IN {from}..{to} - 1 LOOP EXECUTE {create}; END LOOP; END $$");
            server.exec(database, &sql).await?;
        }
    }
    Ok(())
}

/// The partitioned tables that [`partitions`] creates in schema `part`, with the number of their
/// partitions.
pub const PARTITIONED: [(&str, i64); 9] = [
    ("by_day", 7),
    ("by_day_with_default", 4),
    ("by_hash", 4),
    ("by_int", 3),
    ("by_list", 3),
    ("by_month", 3),
    ("by_timestamptz", 5),
    ("by_two_columns", 2),
    ("nested", 2),
];

/// Creates a partitioned table of every kind in schema `part`; see [`PARTITIONED`].
///
/// `by_day` (date) ends after today + 3 days, `by_timestamptz` after today + 1, `by_month`
/// (timestamp) after the next month. `by_day_with_default` ends after today + 1, and its default
/// partition holds 100 rows. `nested` is by list, one of its partitions by range of two.
pub async fn partitions(server: &Server, database: &str) -> Result<()> {
    server
        .exec(
            database,
            r"
CREATE SCHEMA part;
CREATE TABLE part.by_day (at date, v int) PARTITION BY RANGE (at);
CREATE TABLE part.by_day_with_default (at date, v int) PARTITION BY RANGE (at);
CREATE TABLE part.by_timestamptz (at timestamptz, v int) PARTITION BY RANGE (at);
CREATE TABLE part.by_month (at timestamp, v int) PARTITION BY RANGE (at);
CREATE TABLE part.by_int (at int, v int) PARTITION BY RANGE (at);
CREATE TABLE part.by_two_columns (a int, at date) PARTITION BY RANGE (a, at);
CREATE TABLE part.by_list (region text, v int) PARTITION BY LIST (region);
CREATE TABLE part.by_hash (id int, v int) PARTITION BY HASH (id);
CREATE TABLE part.nested (region text, at date) PARTITION BY LIST (region);
DO $$
DECLARE d date; m date := date_trunc('month', current_date);
BEGIN
  FOR i IN -3..3 LOOP
    d := current_date + i;
    EXECUTE format('CREATE TABLE part.by_day_%s PARTITION OF part.by_day FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYYMMDD'), d, d + 1);
    IF i BETWEEN -3 AND 1 THEN
      EXECUTE format('CREATE TABLE part.by_timestamptz_%s PARTITION OF part.by_timestamptz FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYYMMDD'), d::timestamptz, (d + 1)::timestamptz);
    END IF;
    IF i BETWEEN -1 AND 1 THEN
      EXECUTE format('CREATE TABLE part.by_day_with_default_%s PARTITION OF part.by_day_with_default FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYYMMDD'), d, d + 1);
      d := m + make_interval(months => i);
      EXECUTE format('CREATE TABLE part.by_month_%s PARTITION OF part.by_month FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYYMM'), d, d + interval '1 month');
    END IF;
  END LOOP;
END $$;
CREATE TABLE part.by_day_with_default_rest PARTITION OF part.by_day_with_default DEFAULT;
INSERT INTO part.by_day_with_default SELECT current_date + 30, i FROM generate_series(1, 100) i;
INSERT INTO part.by_day SELECT current_date + i % 4, i FROM generate_series(1, 100) i;
CREATE TABLE part.by_int_0 PARTITION OF part.by_int FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE part.by_int_1 PARTITION OF part.by_int FOR VALUES FROM (1000) TO (2000);
CREATE TABLE part.by_int_2 PARTITION OF part.by_int FOR VALUES FROM (2000) TO (MAXVALUE);
CREATE TABLE part.by_two_columns_0 PARTITION OF part.by_two_columns FOR VALUES FROM (0, MINVALUE) TO (10, MINVALUE);
CREATE TABLE part.by_two_columns_1 PARTITION OF part.by_two_columns FOR VALUES FROM (10, MINVALUE) TO (20, MAXVALUE);
CREATE TABLE part.by_list_eu PARTITION OF part.by_list FOR VALUES IN ('eu', 'uk');
CREATE TABLE part.by_list_us PARTITION OF part.by_list FOR VALUES IN ('us');
CREATE TABLE part.by_list_none PARTITION OF part.by_list FOR VALUES IN (NULL);
CREATE TABLE part.by_hash_0 PARTITION OF part.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE part.by_hash_1 PARTITION OF part.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE part.by_hash_2 PARTITION OF part.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE part.by_hash_3 PARTITION OF part.by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE TABLE part.nested_eu PARTITION OF part.nested FOR VALUES IN ('eu') PARTITION BY RANGE (at);
CREATE TABLE part.nested_eu_past PARTITION OF part.nested_eu FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE part.nested_eu_now PARTITION OF part.nested_eu FOR VALUES FROM ('2020-01-01') TO ('2120-01-01');
CREATE TABLE part.nested_us PARTITION OF part.nested FOR VALUES IN ('us');
",
        )
        .await
}

/// Creates, for each name that a monitor must get right, a schema, in it a table of that name
/// with a row, and on it an index; answers the names.
pub async fn hostile_names(server: &Server, database: &str) -> Result<Vec<String>> {
    let names = [
        "Upper Case".to_owned(),
        "quo\"te".to_owned(),
        "it's".to_owned(),
        "new\nline".to_owned(),
        "tab\tbed".to_owned(),
        "back\\slash".to_owned(),
        "100%s %n".to_owned(),
        "dot.ted".to_owned(),
        "semi; DROP TABLE x; --".to_owned(),
        "{a=\"b\"}".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        "größe 表 🐘".to_owned(),
        // 63 bytes are the most; with two bytes a letter a cut in the middle is near.
        "x".repeat(63),
        format!("x{}", "ü".repeat(31)),
    ];
    let mut sql = String::new();
    for name in &names {
        let (ident, index) = (quote_ident(name), quote_ident(&format!("i{name}")));
        sql += &format!(
            "CREATE SCHEMA {ident}; CREATE TABLE {ident}.{ident} ({ident} int); \
             INSERT INTO {ident}.{ident} VALUES (1); CREATE INDEX {index} ON {ident}.{ident} ({ident});"
        );
    }
    server.exec(database, &sql).await?;
    Ok(names.into())
}

/// A table `unused_index` of `public` whose index `unused_index_n` has never been scanned.
pub async fn unused_index(server: &Server, database: &str) -> Result<()> {
    let sql = "CREATE TABLE public.unused_index (id int PRIMARY KEY, n int); \
               INSERT INTO public.unused_index SELECT i, i FROM generate_series(1, 20000) i; \
               CREATE INDEX unused_index_n ON public.unused_index (n)";
    server.exec(database, sql).await
}

/// A table `duplicate_index` of `public` with the equal indexes `duplicate_index_a` and `_b`.
pub async fn duplicate_index(server: &Server, database: &str) -> Result<()> {
    let sql = "CREATE TABLE public.duplicate_index (id int, n int); \
               INSERT INTO public.duplicate_index SELECT i, i FROM generate_series(1, 1000) i; \
               CREATE INDEX duplicate_index_a ON public.duplicate_index (n); \
               CREATE INDEX duplicate_index_b ON public.duplicate_index (n)";
    server.exec(database, sql).await
}

/// A table `invalid_index` of `public` with an index `invalid_index_n` that could not be built.
pub async fn invalid_index(server: &Server, database: &str) -> Result<()> {
    let sql = "CREATE TABLE public.invalid_index (n int); INSERT INTO public.invalid_index VALUES (1), (1)";
    server.exec(database, sql).await?;
    let build = "CREATE UNIQUE INDEX CONCURRENTLY invalid_index_n ON public.invalid_index (n)";
    match server.exec(database, build).await {
        Ok(()) => bail!("the index was expected to fail on duplicates"),
        Err(error) if is_unique_violation(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_unique_violation(error: &anyhow::Error) -> bool {
    let of_database = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    of_database.is_some_and(|error| error.is_unique_violation())
}

/// A sequence of `public` of type int that has this many values left.
pub async fn sequence_nearly_exhausted(server: &Server, database: &str, name: &str, left: i32) -> Result<()> {
    let ident = quote_ident(name);
    let sql = format!(
        "CREATE SEQUENCE public.{ident} AS int; SELECT setval({}::regclass, {})",
        quote_literal(&format!("public.{ident}")),
        i32::MAX - left
    );
    server.exec(database, &sql).await
}
