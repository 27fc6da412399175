//! Bytes that a Redis sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgmon_collect::services::fuzzing::redis_replies(bytes));
