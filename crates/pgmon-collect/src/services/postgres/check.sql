-- What a check of a service asks: connections of clients, how many there may be, the version, and whether it is a
-- standby. Without pg_monitor the kind of others' backends is hidden; those in a database are taken for clients.
SELECT
    (SELECT pg_catalog.count(*)
       FROM pg_catalog.pg_stat_activity AS a
      WHERE a.datid IS NOT NULL
        AND COALESCE(a.backend_type, 'client backend') = 'client backend')::pg_catalog.int8 AS connections,
    pg_catalog.current_setting('max_connections')::pg_catalog.int8 AS max_connections,
    pg_catalog.current_setting('server_version')::pg_catalog.text AS version,
    pg_catalog.pg_is_in_recovery()::pg_catalog.bool AS in_recovery
