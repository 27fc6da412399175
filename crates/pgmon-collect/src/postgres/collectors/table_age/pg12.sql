-- Tables nearest to a forced vacuum by their own limits, with their TOAST tables: at most $1 rows, worst first.
SELECT r.schema_name::text AS schema_name,
       r.table_name::text AS table_name,
       r.temporary::bool AS temporary,
       r.xid_age::int8 AS xid_age,
       r.mxid_age::int8 AS mxid_age,
       r.xid_of_toast::bool AS xid_of_toast,
       r.freeze_max_age::int8 AS freeze_max_age,
       r.multixact_freeze_max_age::int8 AS multixact_freeze_max_age,
       r.ratio::float8 AS ratio
  FROM (SELECT n.nspname AS schema_name,
               c.relname AS table_name,
               c.oid AS relid,
               c.relpersistence = 't' AS temporary,
               GREATEST(a.xid, a.toast_xid) AS xid_age,
               GREATEST(a.mxid, a.toast_mxid) AS mxid_age,
               COALESCE(a.toast_xid > a.xid, false) AS xid_of_toast,
               l.freeze_max_age,
               l.multixact_freeze_max_age,
               GREATEST(a.xid / l.freeze_max_age::float8,
                        a.mxid / l.multixact_freeze_max_age::float8,
                        a.toast_xid / l.toast_freeze_max_age::float8,
                        a.toast_mxid / l.toast_multixact_freeze_max_age::float8) AS ratio
          FROM pg_catalog.pg_class AS c
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid AND c.reltoastrelid <> 0
               -- 2147483647 is what a frozen or missing XID "ages" to.
         CROSS JOIN LATERAL (SELECT NULLIF(pg_catalog.age(c.relfrozenxid), 2147483647) AS xid,
                                    NULLIF(pg_catalog.mxid_age(c.relminmxid), 2147483647) AS mxid,
                                    NULLIF(pg_catalog.age(t.relfrozenxid), 2147483647) AS toast_xid,
                                    NULLIF(pg_catalog.mxid_age(t.relminmxid), 2147483647) AS toast_mxid) AS a
               -- A table's own limit can only lower the server's; what TOAST does not set it takes from its table.
         CROSS JOIN LATERAL (
               SELECT LEAST(s.age, o.age) AS freeze_max_age,
                      LEAST(s.mxid_age, o.mxid_age) AS multixact_freeze_max_age,
                      LEAST(s.age, COALESCE(o.toast_age, o.age)) AS toast_freeze_max_age,
                      LEAST(s.mxid_age, COALESCE(o.toast_mxid_age, o.mxid_age)) AS toast_multixact_freeze_max_age
                 FROM (SELECT pg_catalog.current_setting('autovacuum_freeze_max_age')::int8 AS age,
                              pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::int8 AS mxid_age) AS s
                CROSS JOIN (
                      SELECT CASE WHEN c.reloptions IS NOT NULL THEN
                                  (SELECT x.option_value::int8 FROM pg_catalog.pg_options_to_table(c.reloptions) AS x
                                    WHERE x.option_name = 'autovacuum_freeze_max_age') END AS age,
                             CASE WHEN c.reloptions IS NOT NULL THEN
                                  (SELECT x.option_value::int8 FROM pg_catalog.pg_options_to_table(c.reloptions) AS x
                                    WHERE x.option_name = 'autovacuum_multixact_freeze_max_age') END AS mxid_age,
                             CASE WHEN t.reloptions IS NOT NULL THEN
                                  (SELECT x.option_value::int8 FROM pg_catalog.pg_options_to_table(t.reloptions) AS x
                                    WHERE x.option_name = 'autovacuum_freeze_max_age') END AS toast_age,
                             CASE WHEN t.reloptions IS NOT NULL THEN
                                  (SELECT x.option_value::int8 FROM pg_catalog.pg_options_to_table(t.reloptions) AS x
                                    WHERE x.option_name = 'autovacuum_multixact_freeze_max_age') END AS toast_mxid_age
                      ) AS o
               ) AS l
         WHERE c.relkind IN ('r', 'm')) AS r
 WHERE r.xid_age IS NOT NULL
 ORDER BY r.ratio DESC, r.relid
 LIMIT $1::int8
