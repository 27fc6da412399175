-- One row: the files of pg_wal, and those that wait to be archived (it reads the directories: not often).
SELECT pg_catalog.count(*)::int8 AS files,
       COALESCE(pg_catalog.sum(f.size), 0)::float8 AS bytes,
       CASE WHEN pg_catalog.current_setting('archive_mode') <> 'off'
            THEN (SELECT pg_catalog.count(*) FROM pg_catalog.pg_ls_archive_statusdir() AS s WHERE s.name ~ '\.ready$')
            END::int8 AS ready_files
  FROM pg_catalog.pg_ls_waldir() AS f
