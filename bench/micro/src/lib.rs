//! A page as large as an exporter's of 2,000 tables and 3,000 indexes.

use pgmon_core::metric::{Desc, Families, Family};
use pgmon_core::text::{Format, Writer};

const TABLES: u32 = 2_000;
const INDEXES: u32 = 3_000;

macro_rules! descs {
    ($($name:literal),+) => { [$(Desc::gauge($name, "A figure of a relation, as its view has it.", &["relation"])),+] };
}

static OF_TABLES: [Desc; 22] = descs!(
    "pg_a", "pg_b", "pg_c", "pg_d", "pg_e", "pg_f", "pg_g", "pg_h", "pg_i", "pg_j", "pg_k", "pg_l", "pg_m",
    "pg_n", "pg_o", "pg_p", "pg_q", "pg_r", "pg_s", "pg_t", "pg_u", "pg_v"
);

static OF_INDEXES: [Desc; 5] = [
    Desc::gauge("pg_ia", "A figure of an index, as its view has it.", &["relation", "index"]),
    Desc::gauge("pg_ib", "A figure of an index, as its view has it.", &["relation", "index"]),
    Desc::gauge("pg_ic", "A figure of an index, as its view has it.", &["relation", "index"]),
    Desc::gauge("pg_id", "A figure of an index, as its view has it.", &["relation", "index"]),
    Desc::gauge("pg_ie", "A figure of an index, as its view has it.", &["relation", "index"]),
];

/// 59,000 samples.
pub fn families() -> Vec<Family> {
    let mut out = Families::new();
    for (i, desc) in (0_u32..).zip(&OF_TABLES) {
        for table in 0..TABLES {
            // Half are counts, half are not whole.
            let value = f64::from(table * 7919 + i) * if i % 2 == 0 { 1.0 } else { 0.137 };
            out.push(desc, &[&format!("public.orders_{table}")], value);
        }
    }
    for desc in &OF_INDEXES {
        for index in 0..INDEXES {
            let table = format!("public.orders_{}", index % TABLES);
            out.push(desc, &[&table, &format!("orders_{index}_created_at_idx")], f64::from(index * 31));
        }
    }
    out.into_vec()
}

/// The families as a page of the classic format.
pub fn page(families: &[Family], capacity: usize) -> String {
    let before = [("cluster", "production"), ("db", "shop")];
    let mut writer = Writer::new(Format::Text, capacity);
    for family in families {
        writer.family(&family.desc, family.samples.iter().map(|sample| (before, sample)));
    }
    writer.finish()
}
