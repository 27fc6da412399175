//! What a port says, heard without one.

use super::{HEARD, hear, lines};
use crate::services::redact::Redactor;
use tokio::io::AsyncWriteExt as _;

/// Takes bytes for what a port says in a conversation of three steps.
pub fn answer(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let expected = ["^220 .*$", "(a|b)+c", "[^x]*\r?\n"].map(lines);
    let redactor = Redactor::knowing("hunter2");
    assert!(expected.iter().all(Option::is_some), "there is nothing to try it with");
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let _ = theirs.write_all(bytes.get(..60 * 1024).unwrap_or(bytes)).await;
        drop(theirs);
        let (mut stream, mut heard): (super::Stream, _) = (Box::new(ours), Vec::new());
        for expect in expected.iter().flatten() {
            let Ok(shown) = hear(&mut stream, &mut heard, expect, &redactor).await else { continue };
            assert!(heard.len() <= HEARD, "{} bytes are kept", heard.len());
            assert!(!shown.contains("hunter2") && !shown.contains(char::is_control), "{shown:?}");
        }
    });
}
