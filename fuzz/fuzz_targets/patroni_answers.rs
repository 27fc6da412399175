//! What members of Patroni answer, a line each.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgmon_collect::clusters::fuzzing::patroni_answers(bytes));
