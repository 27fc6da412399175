//! Where a web server redirects to.
#![no_main]

libfuzzer_sys::fuzz_target!(|location: &str| pgmon_collect::services::fuzzing::http_redirect(location));
