//! Rendered pages, kept until the next snapshot.
//!
//! A scrape takes a finished page. While somebody scrapes, a task renders every new snapshot, at most
//! once a second and only in the formats that are asked for; when nobody has scraped for a while it
//! stops, and the next scrape renders its own page.

use crate::exposition::{self, Look, Page};
use crate::gzip::Gzip;
use crate::telemetry::Telemetry;
use arc_swap::{ArcSwap, ArcSwapOption};
use pgmon_collect::poller::fleet::Fleet;
use pgmon_collect::poller::timer::Timer;
use pgmon_core::metric::Groups;
use pgmon_core::text::{Format, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// Pages are rendered at most this often.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// And not so often that it takes more than this part of the time: the page of hundreds of databases is
/// some seconds old rather than costing a tenth of a core.
const PART_OF_THE_TIME: u32 = 50;

/// What takes longer than this to render is rendered on a thread of its own: a worker that is busy with a
/// page answers nobody else meanwhile. A small page is not worth the thread.
const BRIEF: Duration = Duration::from_millis(2);

/// So many databases have a page that takes longer, before there is one to go by.
const MANY: usize = 8;

/// A page that nobody asked for in this time is rendered no longer.
const IDLE: Duration = Duration::from_secs(300);

/// Values age even if no snapshot comes: a page is rendered again after this time.
const AT_LEAST_EVERY: Duration = Duration::from_secs(10);

/// A page that is compressed is not held as text: so much of it at a time.
const PIECE: usize = 16 << 10;

/// Room for the first page.
const FIRST_GUESS: usize = 64 << 10;

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
    /// How long the rendering took.
    took: Duration,
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
    others: ArcSwap<Vec<Arc<dyn Groups>>>,
    slots: [Slot; 4],
    /// Who has it renders; with what compresses, of which one is enough.
    rendering: Mutex<Option<Gzip>>,
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
            others: ArcSwap::default(),
            slots: Default::default(),
            rendering: Mutex::new(None),
        }
    }

    /// Replaces what is the same for all pages.
    pub fn set_look(&self, look: Look) {
        if **self.look.load() != look {
            self.look.store(Arc::new(look));
            self.looks.fetch_add(1, Ordering::Release);
        }
    }

    /// Shows a source that is no database as well.
    pub fn show(&self, source: Arc<dyn Groups>) {
        let mut others = Vec::clone(&self.others.load());
        others.push(source);
        self.others.store(Arc::new(others));
        self.looks.fetch_add(1, Ordering::Release);
    }

    /// Rises with whatever is new of sources that are no databases.
    fn news(&self) -> u64 {
        self.others.load().iter().map(|source| source.version()).sum()
    }

    /// Rises whenever a page that was rendered before is out of date, however young it is.
    fn layout(&self) -> u64 {
        let others: u64 = self.others.load().iter().map(|source| source.layout()).sum();
        self.fleet.layout() + self.looks.load(Ordering::Acquire) + others
    }

    /// The current page.
    pub async fn get(self: &Arc<Self>, variant: Variant) -> Arc<Ready> {
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
        let mut gzip = self.rendering.lock().await;
        match slot.ready.load_full() {
            Some(ready)
                if ready.layout == self.layout()
                    && self.timer.mono().saturating_sub(ready.rendered) < AT_MOST_EVERY =>
            {
                ready
            }
            _ => self.render(variant, &mut gzip).await,
        }
    }

    /// Renders new snapshots for those who scrape, until the process stops.
    pub async fn keep_fresh(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut version = self.fleet.subscribe();
        let mut seen = self.news();
        loop {
            let latest = self.timer.mono() + AT_LEAST_EVERY;
            loop {
                // Sources that are no databases are looked at, as they need not tell.
                let look =
                    if self.news() == 0 { latest } else { latest.min(self.timer.mono() + AT_MOST_EVERY) };
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    changed = version.changed() => if changed.is_err() { return } else { break },
                    () = self.timer.sleep_until(look) => {}
                }
                if self.news() != seen || self.timer.mono() >= latest {
                    break;
                }
            }
            seen = self.news();
            let now = self.timer.mono();
            let wanted = |v: &Variant| {
                let at = self.slot(*v).wanted.load(Ordering::Relaxed);
                at > 0 && now.saturating_sub(Duration::from_millis(at - 1)) < IDLE
            };
            let (variants, idle): (Vec<_>, Vec<_>) = Variant::ALL.into_iter().partition(wanted);
            for variant in idle {
                self.slot(variant).ready.store(None);
            }
            {
                let mut gzip = self.rendering.lock().await;
                for variant in &variants {
                    self.render(*variant, &mut gzip).await;
                }
                if !variants.iter().any(|v| v.gzip) {
                    *gzip = None;
                }
            }
            if variants.is_empty() {
                continue;
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

    async fn render(self: &Arc<Self>, variant: Variant, gzip: &mut Option<Gzip>) -> Arc<Ready> {
        let long = match self.slot(variant).ready.load_full() {
            Some(last) => last.took > BRIEF,
            None => self.fleet.cells().len() > MANY,
        };
        if !long {
            return self.render_here(variant, gzip);
        }
        let (pages, mut packer) = (self.clone(), gzip.take());
        let rendering = tokio::task::spawn_blocking(move || {
            let ready = pages.render_here(variant, &mut packer);
            (ready, packer)
        });
        match rendering.await {
            Ok((ready, packer)) => {
                *gzip = packer;
                ready
            }
            // The runtime stops, or the rendering panicked: then it does so where it is seen.
            Err(_) => self.render_here(variant, gzip),
        }
    }

    fn render_here(&self, variant: Variant, gzip: &mut Option<Gzip>) -> Arc<Ready> {
        let rendered = self.timer.mono();
        let layout = self.layout();
        let slot = self.slot(variant);
        let last = slot.ready.load_full().map_or(FIRST_GUESS, |last| last.body.len());
        let look = self.look.load();
        let others: Vec<_> = self.others.load().iter().flat_map(|source| source.groups()).collect();
        let more = |out: &mut _| self.telemetry.families(out);
        let write = |writer: Writer<'_>| {
            exposition::render(&self.fleet, &others, rendered, self.version, &look, writer, &more)
        };
        let (body, Page { families, samples, .. }) = if variant.gzip {
            gzip.get_or_insert_with(Gzip::new)
                .pack(last, |drain| write(Writer::draining(variant.format, PIECE, drain)))
        } else {
            let mut page = write(Writer::new(variant.format, last + last / 16));
            (std::mem::take(&mut page.text).into(), page)
        };
        let took = self.timer.mono().saturating_sub(rendered);
        let ready = Arc::new(Ready { body, rendered, families, samples, took, layout });
        slot.ready.store(Some(ready.clone()));
        ready
    }
}

/// The time from the start of one rendering, which took so long, to the start of the next.
fn pause(took: Duration) -> Duration {
    (took * PART_OF_THE_TIME).clamp(AT_MOST_EVERY, AT_LEAST_EVERY)
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::tests::snapshot;
    use pgmon_core::clock::SystemClock;
    use std::io::Read as _;

    fn pages(databases: usize) -> Arc<Pages> {
        let start = (0..databases).map(|n| snapshot(&format!("d{n}"))).collect();
        let (fleet, timer) = (Arc::new(Fleet::new(start)), Arc::new(SystemClock::default()));
        Arc::new(Pages::new(fleet, timer, "1.2.3", Arc::default(), Look::default()))
    }

    /// Whether others on the same thread had a turn while the page was rendered.
    async fn others_had_a_turn(pages: &Arc<Pages>) -> bool {
        let turns = AtomicU64::new(0);
        let rendering = pages.get(Variant::ALL[0]);
        let other = async {
            turns.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            page = rendering => assert!(page.samples > 0),
            () = other => {}
        }
        turns.into_inner() > 0
    }

    #[tokio::test]
    async fn a_large_page_keeps_no_worker_busy() {
        assert!(others_had_a_turn(&pages(MANY + 1)).await);
        assert!(!others_had_a_turn(&pages(1)).await, "a thread for a page that is there at once");
    }

    #[tokio::test]
    async fn all_variants_say_the_same() {
        let pages = pages(MANY + 1);
        for format in [Format::Text, Format::OpenMetrics] {
            let plain = pages.get(Variant { format, gzip: false }).await;
            let packed = pages.get(Variant { format, gzip: true }).await;
            let mut text = String::new();
            flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
            let ups = |text: &str| -> Vec<String> {
                text.lines().filter(|l| l.starts_with("pg_up")).map(str::to_owned).collect()
            };
            assert_eq!(ups(&text), ups(std::str::from_utf8(&plain.body).unwrap()));
            assert_eq!(ups(&text).len(), MANY + 1);
            assert_eq!(plain.samples, packed.samples);
            assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
        }
    }

    #[test]
    fn a_page_that_takes_long_is_rendered_less_often() {
        let pause = |ms| pause(Duration::from_millis(ms)).as_millis();
        assert_eq!((pause(1), pause(20), pause(60), pause(5000)), (1000, 1000, 3000, 10_000));
    }
}
