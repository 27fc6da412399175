//! The cluster's state: whoever of the members can reach its store reads it for us.

use super::at;
use super::http::{Credentials, Getter};
use super::rest::{self, ClusterAnswer};
use futures::stream::{FuturesUnordered, StreamExt as _};
use pgmon_config::HttpUrl;

/// The state, and who has told it.
pub(super) struct Found {
    pub(super) url: HttpUrl,
    pub(super) cluster: ClusterAnswer,
    /// As it was sent.
    pub(super) body: Vec<u8>,
    /// The answer to `/history`.
    pub(super) history: Result<Vec<u8>, String>,
}

/// Asks the first one, and all others as well if it fails or takes half of the time: each of them may wait for a
/// store that is away. Returns why nobody could tell, without credentials.
pub(super) async fn read(
    getter: &Getter<'_>,
    urls: &[&HttpUrl],
    credentials: &Credentials,
) -> Result<Found, String> {
    let one = |url: &HttpUrl| {
        let url = url.clone();
        async move {
            let get = |path| getter.get(&url, path, Some(credentials));
            let (body, history) = futures::join!(get("/cluster"), get("/history"));
            let body = body.map_err(|error| format!("{}: {error}", at(&url, "")))?;
            let cluster = rest::cluster(&body).map_err(|error| format!("{}: {error}", at(&url, "")))?;
            Ok::<Found, String>(Found { url, cluster, body, history })
        }
    };
    let mut others = urls.iter().copied();
    let mut asking: FuturesUnordered<_> = others.next().into_iter().map(&one).collect();
    let patience = getter.timer.sleep_until(getter.until.saturating_sub(getter.timeout / 2));
    let mut patience = std::pin::pin!(patience);
    let mut failures: Vec<String> = Vec::new();
    let mut waits = true;
    loop {
        tokio::select! {
            answer = asking.next() => match answer {
                Some(Ok(found)) => return Ok(found),
                Some(Err(error)) => failures.push(error),
                None if others.len() == 0 => return Err(failures.join("; ")),
                None => {}
            },
            () = &mut patience, if waits => waits = false,
        }
        if !waits || !failures.is_empty() {
            asking.extend(others.by_ref().map(&one));
        }
    }
}
