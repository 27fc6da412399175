-- The bounds of pg_stat_monitor's histograms, milliseconds, as it writes them: one row. They are fixed at the
-- server's start.
SELECT get_histogram_timings()::text AS bounds
