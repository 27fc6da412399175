//! What a server of Redis' protocol sends, taken apart without one.

use super::figures;
use super::info::Info;
use super::{LARGEST, Said, found_loading, resp};
use crate::services::probe::Found;
use pgmon_core::metric::Value;
use std::time::Duration;

/// Samples that one server has at most, whatever it says.
const MOST_SAMPLES: usize = 500;

/// Takes bytes for replies, and each text among them for `INFO`.
pub fn replies(mut bytes: &[u8]) {
    while let Ok(Some((reply, length))) = resp::parse(bytes, LARGEST) {
        assert!(length > 0 && length <= bytes.len(), "{length} of {}", bytes.len());
        if let resp::Reply::Text(Some(text)) | resp::Reply::Status(text) | resp::Reply::Error(text) = reply {
            info(&String::from_utf8_lossy(text));
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
}

/// Takes a text for what a server says of itself, and of its cluster.
pub fn info(text: &str) {
    let parsed = Info::parse(text);
    let mut refused = None;
    for _ in 0..2 {
        let mut found = Found::default();
        let _ = figures::take(&parsed, Some(text), Duration::ZERO, &mut refused, &mut found);
        let families = found.families.into_vec();
        let samples = || families.iter().flat_map(|family| &family.samples);
        assert!(samples().count() <= MOST_SAMPLES, "{} samples", samples().count());
        for sample in samples() {
            assert!(matches!(sample.value, Value::Number(number) if number.is_finite()), "{sample:?}");
            for label in &*sample.labels {
                assert!(label.chars().count() <= 64 && !label.contains(char::is_control), "{label:?}");
            }
        }
    }
    let _ = found_loading(&Said::Text(text.to_owned()));
}
