//! What Patroni's members answer, taken apart without one.

use super::model::{Asked, Lags, View};
use super::{http, outage, rest};
use crate::clusters::fuzzing::assert_sound;
use jiff::Timestamp;
use std::time::Duration;

/// Takes lines for answers: to `/cluster`, to `/history`, and those after them to `/patroni` of each member.
pub fn patroni_answers(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (cluster, history) = (rest::cluster(next()), rest::history(next()));
    let member = |(n, line): (usize, &[u8])| {
        let url = format!("http://127.0.0.1:{}", 8008 + n % 1000).parse().ok()?;
        let status = rest::status(line).map_err(|error| error.to_string());
        let name = status.as_ref().ok().and_then(|status| status.name.clone());
        Some(Asked { url, configured: n % 2 == 0, name, status, body: None })
    };
    let asked: Vec<Asked> = lines.enumerate().filter_map(member).collect();
    let Ok(cluster) = cluster else { return };
    let mut lags = Lags::default();
    for now in 1..3 {
        let now = Duration::from_secs(now);
        let told = outage::told(&cluster, &asked);
        for (cluster, unread) in [(&cluster, None), (&told, Some("away"))] {
            let wall = Timestamp::UNIX_EPOCH;
            let view = View { cluster, asked: &asked, history: &history, unread, now, wall };
            assert_sound(view.cluster("s", "u", &mut lags));
        }
    }
}

/// Takes bytes for what a member sends: head and body.
pub fn patroni_http(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    assert!(runtime.is_ok(), "there is nothing to try it with");
    let Ok(runtime) = runtime else { return };
    if let Some(Ok(body)) = runtime.block_on(http::take(bytes)) {
        assert!(body.len() <= bytes.len(), "{} of {}", body.len(), bytes.len());
    }
}
