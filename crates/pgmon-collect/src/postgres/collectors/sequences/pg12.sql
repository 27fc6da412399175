-- Of the sequences after oid $1, the next $2: the $3 that are used up most, one row each, and in every
-- row how many were looked at, the last one's oid, and how many of them may not be read.
-- In portions, because reading a sequence holds a lock on it until the end of the transaction.
WITH portion AS MATERIALIZED (
    SELECT s.seqrelid, s.seqtypid, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,
           c.relname, c.relnamespace,
           COALESCE(pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT')
                    OR pg_catalog.has_sequence_privilege(s.seqrelid, 'USAGE'), false) AS may,
           s.seqrelid IN (SELECT l.relation
                            FROM pg_catalog.pg_locks AS l
                           WHERE l.locktype = 'relation'
                             AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                             AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                                                WHERE d.datname = pg_catalog.current_database())) AS is_locked,
           -- An unlogged sequence has no file on a standby.
           NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery()) AS is_here
      FROM pg_catalog.pg_sequence AS s
      JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
     WHERE s.seqrelid > $1::int8::oid
       AND c.relpersistence <> 't'
     ORDER BY s.seqrelid
     LIMIT $2::int8
), owned AS MATERIALIZED (
    SELECT p.seqrelid, p.seqtypid, p.seqstart, p.seqincrement, p.seqmin, p.seqmax, p.seqcycle,
           p.relname, p.relnamespace, p.may, p.is_locked,
           CASE WHEN p.may AND NOT p.is_locked AND p.is_here THEN pg_catalog.pg_sequence_last_value(p.seqrelid::regclass) END AS last_value,
           COALESCE(o.refobjid, d.adrelid) AS table_oid,
           COALESCE(o.refobjsubid, d.adnum) AS attnum
      FROM portion AS p
      -- The column of a serial or an identity ...
      LEFT JOIN LATERAL (
           SELECT e.refobjid, e.refobjsubid
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass
              AND e.objid = p.seqrelid
              AND e.refclassid = 'pg_catalog.pg_class'::regclass
              AND e.refobjsubid > 0
              AND e.deptype IN ('a', 'i')
            LIMIT 1) AS o ON true
      -- ... or one whose default takes its values from here.
      LEFT JOIN LATERAL (
           SELECT f.adrelid, f.adnum
             FROM pg_catalog.pg_depend AS e
             JOIN pg_catalog.pg_attrdef AS f ON f.oid = e.objid
            WHERE o.refobjid IS NULL
              AND e.refclassid = 'pg_catalog.pg_class'::regclass
              AND e.refobjid = p.seqrelid
              AND e.classid = 'pg_catalog.pg_attrdef'::regclass
            ORDER BY f.oid
            LIMIT 1) AS d ON true
), bounded AS MATERIALIZED (
    SELECT s.seqrelid, s.seqtypid, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,
           s.relname, s.relnamespace, s.may, s.is_locked, s.last_value, s.table_oid, a.attname, a.atttypid,
           -- What ends first: the sequence or the column's type.
           CASE a.atttypid WHEN 'pg_catalog.int2'::regtype THEN LEAST(s.seqmax, 32767)
                           WHEN 'pg_catalog.int4'::regtype THEN LEAST(s.seqmax, 2147483647)
                           ELSE s.seqmax END::float8 AS highest,
           CASE a.atttypid WHEN 'pg_catalog.int2'::regtype THEN GREATEST(s.seqmin, -32768)
                           WHEN 'pg_catalog.int4'::regtype THEN GREATEST(s.seqmin, -2147483648)
                           ELSE s.seqmin END::float8 AS lowest
      FROM owned AS s
      LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = s.table_oid AND a.attnum = s.attnum
), used AS MATERIALIZED (
    SELECT b.seqrelid, b.seqtypid, b.seqstart, b.seqincrement, b.seqmin, b.seqmax, b.seqcycle,
           b.relname, b.relnamespace, b.may, b.is_locked, b.last_value, b.table_oid, b.attname, b.atttypid,
           -- From zero on (or from the start, where that lies below) to where it ends.
           CASE WHEN b.seqincrement > 0
                THEN (b.last_value - GREATEST(b.lowest, LEAST(b.seqstart, 0)))
                     / NULLIF(b.highest - GREATEST(b.lowest, LEAST(b.seqstart, 0)), 0)
                ELSE (LEAST(b.highest, GREATEST(b.seqstart, 0)) - b.last_value)
                     / NULLIF(LEAST(b.highest, GREATEST(b.seqstart, 0)) - b.lowest, 0) END AS ratio,
           CASE WHEN b.seqincrement > 0 THEN b.highest - b.last_value ELSE b.last_value - b.lowest END
           / pg_catalog.abs(b.seqincrement::float8) AS remaining
      FROM bounded AS b
), counted AS MATERIALIZED (
    SELECT u.seqrelid, u.seqtypid, u.seqstart, u.seqincrement, u.seqmin, u.seqmax, u.seqcycle,
           u.relname, u.relnamespace, u.may, u.is_locked, u.last_value, u.table_oid, u.attname, u.atttypid,
           -- LEAST and GREATEST pass over NULL: unknown would become 0.
           CASE WHEN u.ratio IS NOT NULL THEN LEAST(GREATEST(u.ratio, 0), 1) END AS ratio,
           CASE WHEN u.remaining IS NOT NULL THEN GREATEST(u.remaining, 0) END AS remaining,
           pg_catalog.count(*) OVER () AS looked_at,
           pg_catalog.max(u.seqrelid::int8) OVER () AS last_oid,
           pg_catalog.count(*) FILTER (WHERE NOT u.may) OVER () AS hidden
      FROM used AS u
     ORDER BY u.ratio DESC NULLS LAST, u.may, u.seqrelid
     LIMIT $3::int8
)
SELECT u.seqrelid::int8 AS oid,
       n.nspname::text AS schema,
       u.relname::text AS name,
       pg_catalog.format_type(u.seqtypid, NULL)::text AS data_type,
       u.seqincrement::int8 AS increment,
       u.seqmin::int8 AS min_value,
       u.seqmax::int8 AS max_value,
       u.seqcycle::bool AS cycles,
       u.last_value::int8 AS last_value,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       u.attname::text AS column_name,
       pg_catalog.format_type(u.atttypid, NULL)::text AS column_type,
       u.ratio::float8 AS used_ratio,
       u.remaining::float8 AS remaining,
       u.may::bool AS readable,
       u.is_locked::bool AS locked,
       u.looked_at::int8 AS looked_at,
       u.last_oid::int8 AS last_oid,
       u.hidden::int8 AS hidden
  FROM counted AS u
  JOIN pg_catalog.pg_namespace AS n ON n.oid = u.relnamespace
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid = u.table_oid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
 ORDER BY u.ratio DESC NULLS LAST, u.may, u.seqrelid
