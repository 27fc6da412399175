-- Is the server still the one that we know? One row; part of every hot_path round.
SELECT pg_catalog.pg_is_in_recovery()::bool AS in_recovery,
       pg_catalog.pg_postmaster_start_time()::timestamptz AS started_at
