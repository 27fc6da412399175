//! Rendered pages, kept until the next snapshot.
//!
//! A scrape takes a finished page. While somebody scrapes, a task renders every new snapshot, at most
//! once a second and only in the formats that are asked for; when nobody has scraped for a while it
//! stops, and the next scrape renders its own page.

use crate::exposition::{self, Look, Page};
use crate::telemetry::Telemetry;
use arc_swap::{ArcSwap, ArcSwapOption};
use flate2::{Compression, write::GzEncoder};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::Timer;
use pgmon_core::text::Format;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// Pages are rendered at most this often.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// And not so often that it takes more than this part of the time: the page of hundreds of databases is
/// some seconds old rather than costing a tenth of a core.
const PART_OF_THE_TIME: u32 = 50;

/// A page that nobody asked for in this time is rendered no longer.
const IDLE: Duration = Duration::from_secs(300);

/// Values age even if no snapshot comes: a page is rendered again after this time.
const AT_LEAST_EVERY: Duration = Duration::from_secs(10);

/// A page as it is sent.
#[derive(Debug)]
pub struct Ready {
    /// The bytes, compressed if asked for.
    pub body: axum::body::Bytes,
    /// Monotonic time of the rendering.
    pub rendered: Duration,
    /// Families in it.
    pub families: usize,
    /// Samples in it.
    pub samples: usize,
    /// Of which set of databases, and how, it was made.
    layout: u64,
}

/// One combination of format and encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The text format.
    pub format: Format,
    /// Whether the body is compressed with gzip.
    pub gzip: bool,
}

impl Variant {
    const ALL: [Self; 4] = [
        Self { format: Format::Text, gzip: false },
        Self { format: Format::Text, gzip: true },
        Self { format: Format::OpenMetrics, gzip: false },
        Self { format: Format::OpenMetrics, gzip: true },
    ];
}

#[derive(Default)]
struct Slot {
    ready: ArcSwapOption<Ready>,
    /// Monotonic milliseconds of the last request, plus one; 0 if there was none.
    wanted: AtomicU64,
}

/// The pages of all variants.
pub struct Pages {
    fleet: Arc<Fleet>,
    timer: Arc<dyn Timer>,
    version: &'static str,
    telemetry: Arc<Telemetry>,
    look: ArcSwap<Look>,
    looks: AtomicU64,
    slots: [Slot; 4],
    rendering: Mutex<()>,
}

impl Pages {
    /// No page yet.
    pub fn new(
        fleet: Arc<Fleet>,
        timer: Arc<dyn Timer>,
        version: &'static str,
        telemetry: Arc<Telemetry>,
        look: Look,
    ) -> Self {
        Self {
            fleet,
            timer,
            version,
            telemetry,
            look: ArcSwap::from_pointee(look),
            looks: AtomicU64::new(0),
            slots: Default::default(),
            rendering: Mutex::new(()),
        }
    }

    /// Replaces what is the same for all pages.
    pub fn set_look(&self, look: Look) {
        if **self.look.load() != look {
            self.look.store(Arc::new(look));
            self.looks.fetch_add(1, Ordering::Release);
        }
    }

    /// Rises whenever a page that was rendered before is out of date, however young it is.
    fn layout(&self) -> u64 {
        self.fleet.layout() + self.looks.load(Ordering::Acquire)
    }

    /// The current page.
    pub async fn get(&self, variant: Variant) -> Arc<Ready> {
        let slot = self.slot(variant);
        let now = self.timer.mono();
        let was_wanted = slot.wanted.swap(millis(now) + 1, Ordering::Relaxed);
        let kept_fresh = was_wanted > 0 && now.saturating_sub(Duration::from_millis(was_wanted - 1)) < IDLE;
        // Should the rendering task have ended, an old page is not served for ever.
        // A database that was taken off the configuration is gone at once.
        if let Some(ready) = slot.ready.load_full()
            && ready.layout == self.layout()
            && now.saturating_sub(ready.rendered) < AT_LEAST_EVERY * 2
            && (kept_fresh || now.saturating_sub(ready.rendered) < AT_MOST_EVERY)
        {
            return ready;
        }
        // Scrapes that come together share one rendering.
        let _rendering = self.rendering.lock().await;
        match slot.ready.load_full() {
            Some(ready)
                if ready.layout == self.layout()
                    && self.timer.mono().saturating_sub(ready.rendered) < AT_MOST_EVERY =>
            {
                ready
            }
            _ => self.render(variant),
        }
    }

    /// Renders new snapshots for those who scrape, until the process stops.
    pub async fn keep_fresh(&self, mut stop: watch::Receiver<bool>) {
        let mut version = self.fleet.subscribe();
        loop {
            let latest = self.timer.mono() + AT_LEAST_EVERY;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                changed = version.changed() => if changed.is_err() { return },
                () = self.timer.sleep_until(latest) => {}
            }
            let now = self.timer.mono();
            let wanted = |v: &Variant| {
                let at = self.slot(*v).wanted.load(Ordering::Relaxed);
                at > 0 && now.saturating_sub(Duration::from_millis(at - 1)) < IDLE
            };
            let variants: Vec<Variant> = Variant::ALL.into_iter().filter(wanted).collect();
            if variants.is_empty() {
                continue;
            }
            {
                let _rendering = self.rendering.lock().await;
                for variant in variants {
                    self.render(variant);
                }
            }
            let took = self.timer.mono().saturating_sub(now);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.timer.sleep_until(now + pause(took)) => {}
            }
        }
    }

    fn slot(&self, variant: Variant) -> &Slot {
        let [text, text_gzip, open, open_gzip] = &self.slots;
        match (variant.format, variant.gzip) {
            (Format::Text, false) => text,
            (Format::Text, true) => text_gzip,
            (Format::OpenMetrics, false) => open,
            (Format::OpenMetrics, true) => open_gzip,
        }
    }

    fn render(&self, variant: Variant) -> Arc<Ready> {
        let rendered = self.timer.mono();
        let layout = self.layout();
        let slot = self.slot(variant);
        let capacity = match slot.ready.load_full() {
            Some(last) if !variant.gzip => last.body.len() + last.body.len() / 16,
            _ => 64 << 10,
        };
        let look = self.look.load();
        let more = |out: &mut _| self.telemetry.families(out);
        let Page { text, families, samples } =
            exposition::render(&self.fleet, rendered, self.version, &look, variant.format, capacity, &more);
        let body = if variant.gzip { gzip(text.as_bytes()) } else { text.into() };
        let ready = Arc::new(Ready { body, rendered, families, samples, layout });
        slot.ready.store(Some(ready.clone()));
        ready
    }
}

/// The time from the start of one rendering, which took so long, to the start of the next.
fn pause(took: Duration) -> Duration {
    (took * PART_OF_THE_TIME).clamp(AT_MOST_EVERY, AT_LEAST_EVERY)
}

pub(crate) fn gzip(text: &[u8]) -> axum::body::Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 12), Compression::fast());
    // Writing to memory does not fail; if it did, an empty body would be a visible error.
    let done = encoder.write_all(text).and_then(|()| encoder.finish());
    done.unwrap_or_default().into()
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_takes_long_is_rendered_less_often() {
        let pause = |ms| pause(Duration::from_millis(ms)).as_millis();
        assert_eq!((pause(1), pause(20), pause(60), pause(5000)), (1000, 1000, 3000, 10_000));
    }
}
