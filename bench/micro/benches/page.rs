//! Rendering and compressing a page of 59,000 samples.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use flate2::{Compression, write::GzEncoder};
use pgmon_core::metric::sample_count;
use pgmon_micro_benches::{families, page};
use std::io::Write as _;

fn main() {
    divan::main();
}

#[divan::bench]
fn render(bencher: Bencher) {
    let families = families();
    let bytes = page(&families, 0).len();
    bencher
        .counter(ItemsCount::new(sample_count(&families)))
        .counter(BytesCount::new(bytes))
        .bench(|| page(&families, bytes));
}

#[divan::bench]
fn make_samples(bencher: Bencher) {
    bencher.counter(ItemsCount::new(sample_count(&families()))).bench(families);
}

#[divan::bench(args = [1, 2, 3, 6])]
fn gzip(bencher: Bencher, level: u32) {
    let families = families();
    let text = page(&families, 0);
    bencher.counter(BytesCount::new(text.len())).bench(|| {
        let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 12), Compression::new(level));
        let written = encoder.write_all(text.as_bytes());
        (written.is_ok(), encoder.finish().map(|body| body.len()).unwrap_or_default())
    });
}
