//! Bytes that a ZooKeeper sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgmon_collect::clusters::fuzzing::zookeeper_answers(bytes));
