//! What is in Manatee's nodes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgmon_collect::clusters::fuzzing::manatee_nodes(bytes));
