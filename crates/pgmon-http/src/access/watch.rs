//! Reads keys, users and certificates again when their files change.

use super::Access;
use crate::app::App;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What a file looks like from outside. Follows links, as Kubernetes swaps one for all files of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print(Option<(u64, u64, u64, i64, i64)>);

impl Print {
    pub fn of(path: &Path) -> Self {
        let print = |m: std::fs::Metadata| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec());
        Self(std::fs::metadata(path).ok().map(print))
    }
}

/// Watches until the process stops. What is not usable is told once, and the last good stays in use.
pub(crate) async fn watch(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut refused: Option<Vec<Print>> = None;
    loop {
        // Listens before it looks, so that no change is missed.
        let changed = app.access_set.notified();
        let access = app.access();
        let next = app.timer.mono() + EVERY;
        let pause = async {
            if access.files.is_empty() {
                std::future::pending::<()>().await;
            }
            app.timer.sleep_until(next).await;
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = changed => {
                refused = None;
                continue;
            }
            () = pause => {}
        }
        // A file system may hang: not on a thread that answers others.
        let (looker, seen) = (app.clone(), access.clone());
        let mut known = refused.take();
        let look = tokio::task::spawn_blocking(move || {
            look(&looker, &seen, &mut known);
            known
        });
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            known = look => refused = known.unwrap_or_default(),
        }
    }
}

fn look(app: &App, access: &Arc<Access>, refused: &mut Option<Vec<Print>>) {
    let now: Vec<Print> = access.files.iter().map(|(path, _)| Print::of(path)).collect();
    if access.files.iter().map(|(_, print)| print).eq(&now) {
        // Back to what is in use.
        if refused.take().is_some() {
            app.unusable.store(None);
            app.telemetry.reloaded(true);
        }
        return;
    }
    if refused.as_ref() == Some(&now) {
        return;
    }
    match Access::build(&access.settings) {
        Ok(new) => {
            app.renew_access(access, new);
            app.unusable.store(None);
            app.telemetry.reloaded(true);
            *refused = None;
            tracing::info!("keys, users or certificates changed and were read again");
        }
        Err(error) => {
            app.telemetry.reloaded(false);
            app.unusable.store(Some(Arc::new(error.to_string().replace('\n', "; "))));
            *refused = Some(now);
            tracing::error!(
                error = error.to_string().replace('\n', "; "),
                "keys, users or certificates changed and are not usable; those before stay in use"
            );
        }
    }
}
