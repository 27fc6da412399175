//! Bytes that a web server sends: head and body.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgmon_collect::services::fuzzing::http_answer(bytes));
