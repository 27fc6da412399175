//! What the history takes: bytes as it counts them, and memory that the process really has for them.
//!
//! `cargo run --release -p pgmon-micro-benches --bin history-memory [DATABASES [DAYS]]`

use pgmon_core::history::{History, Id, Round, Source, Tier};
use pgmon_core::metric::{Desc, Families};

// The one that pgmon has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HOUR: i64 = 3_600_000;
const TIERS: [Tier; 2] =
    [Tier { step: 60_000, keep: 24 * HOUR }, Tier { step: 600_000, keep: 7 * 24 * HOUR }];
const COUNTER: Desc = Desc::counter("pg_x_total", "X.", &["which"]);
const GAUGE: Desc = Desc::gauge("pg_y", "Y.", &["which"]);
const OF_TABLES: Desc = Desc::counter("pg_table_x_total", "X.", &["relation", "which"]);
const OF_STATEMENTS: Desc = Desc::counter("pg_stmt_x_total", "X.", &["queryid", "which"]);

/// A loop: its collector, interval and number of series, and how many of a hundred change in a round.
struct Kind {
    collector: &'static str,
    interval: i64,
    desc: &'static Desc,
    series: u32,
    busy: u32,
}

/// What a page of a database with 20 tables and 90 shown statements has.
const KINDS: [Kind; 6] = [
    Kind { collector: "activity", interval: 15_000, desc: &GAUGE, series: 90, busy: 30 },
    Kind { collector: "wal", interval: 15_000, desc: &COUNTER, series: 60, busy: 40 },
    Kind { collector: "io", interval: 60_000, desc: &COUNTER, series: 210, busy: 30 },
    Kind { collector: "statements", interval: 60_000, desc: &OF_STATEMENTS, series: 720, busy: 25 },
    Kind { collector: "tables", interval: 60_000, desc: &OF_TABLES, series: 500, busy: 20 },
    Kind { collector: "sizes", interval: 600_000, desc: &OF_TABLES, series: 180, busy: 30 },
];

fn main() {
    let mut numbers = std::env::args().skip(1).map(|a| a.parse::<u32>().unwrap_or(1));
    let (databases, days) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(0));
    let ids: Vec<Id> = (0..databases).map(|n| Id::new("c", &format!("db{n}"))).collect();
    let limit = (1 << 20) + 3 * 1024 * 1024 / 10 * usize::try_from(databases).unwrap_or(1);
    let mut history = History::new(limit, HOUR).with_tiers(TIERS);
    let before = resident();
    let end = i64::from(days) * 24 * HOUR + HOUR + HOUR / 4;
    let mut random = 88_172_645_463_325_252_u64;
    let mut values = vec![vec![0_u32; 800]; KINDS.len()];
    for at in (0..end).step_by(15_000) {
        for (kind, values) in KINDS.iter().zip(&mut values).filter(|(kind, _)| at % kind.interval == 0) {
            let mut f = Families::new();
            for (n, value) in (0..kind.series).zip(values.iter_mut()) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let noise = u32::try_from(random >> 52).unwrap_or(0);
                if n % 100 < kind.busy {
                    *value += if kind.desc.kind == GAUGE.kind { noise % 40 } else { noise };
                }
                let shown = if kind.desc.kind == GAUGE.kind { *value % 97 } else { *value };
                let (object, which) = (format!("schema.table_{}", n / 20), format!("figure {}", n % 20));
                // A part of them are no whole numbers: times, ratios.
                let shown = f64::from(shown) / if n % 5 == 0 { 1000.0 } else { 1.0 };
                match kind.desc.labels.len() {
                    1 => f.push(kind.desc, &[&format!("{which} of {object}")], shown),
                    _ => f.push(kind.desc, &[&object, &which], shown),
                }
            }
            let source = Source { collector: kind.collector, datname: None, server_wide: false };
            let families = f.into_vec();
            for id in &ids {
                let round = Round { source, at, interval: kind.interval, families: &families };
                if let Err(error) = history.record(id, round) {
                    eprintln!("{error}");
                }
            }
        }
        history.expire(at);
    }
    let stats = history.stats();
    let per_database = stats.bytes / usize::try_from(databases).unwrap_or(1);
    println!("{databases} databases, {days} days and an hour: {} series", stats.series);
    println!(
        "counted   {:>10} bytes, {per_database} a database; older than an hour: {}",
        stats.bytes, stats.folded
    );
    println!("resident  {:>10} bytes more than before", resident().saturating_sub(before));
    println!("limit     {limit:>10} bytes; values that went early: {}", stats.dropped);
}

/// Bytes of memory that the process has of its own.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}
