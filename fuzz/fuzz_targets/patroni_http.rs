//! Bytes that a member of Patroni sends: head and body.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgmon_collect::clusters::fuzzing::patroni_http(input));
