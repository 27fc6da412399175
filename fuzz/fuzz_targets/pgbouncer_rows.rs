//! What the console of a PgBouncer shows.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| pgmon_collect::services::fuzzing::pgbouncer_rows(input));
