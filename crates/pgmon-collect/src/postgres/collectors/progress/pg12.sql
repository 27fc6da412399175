-- Whether anything is at work that reports its progress: one row.
SELECT (
           EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_vacuum AS p)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index AS p)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_cluster AS p)
       )::bool AS at_work
