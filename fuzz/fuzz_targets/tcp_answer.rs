//! What a port says.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgmon_collect::services::fuzzing::tcp_answer(input));
