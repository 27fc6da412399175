//! What a Redis says of itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| pgmon_collect::services::fuzzing::redis_info(text));
