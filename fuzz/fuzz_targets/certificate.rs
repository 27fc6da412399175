//! A certificate that a service shows.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgmon_collect::services::fuzzing::certificate(input));
