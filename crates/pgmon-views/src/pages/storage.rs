//! What grows?

use crate::judge::{Judgement, level, problem};
use crate::page::{Figure, Level, Page, PageName, Panel, Unit};
use crate::source::Source;
use crate::thresholds::{self, DAY};
use crate::{remedy, words};
use pgmon_collect::postgres::collectors::{database_size, relations, sequences, wal_files};
use schemars::JsonSchema;
use serde::Serialize;

/// Panels of `storage`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Storage")]
pub struct Panels {
    /// The largest tables and materialised views.
    pub tables: Panel<TableSize>,
    /// The server's databases.
    pub databases: Panel<database_size::Database>,
    /// The server's tablespaces.
    pub tablespaces: Panel<database_size::Tablespace>,
    /// The WAL directory.
    pub wal: Panel<wal_files::Row>,
    /// Sequences, those that are used up most first.
    pub sequences: Panel<sequences::Row>,
}

/// A table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TableSize {
    /// Its share of the database, 0-1.
    pub share: Option<f64>,
    /// Growth in a day at the rate since the last round, bytes; negative if it shrank.
    pub growth_bytes_per_day: Option<f64>,
    /// All that was read.
    #[serde(flatten)]
    pub row: relations::Row,
}

/// The collectors behind it.
pub const ON: &[&str] = &["relations", "database_size", "wal_files", "sequences"];

/// What is wrong with storage.
pub fn judge(s: &Source<'_>) -> Judgement {
    let size = size(s);
    let fastest = s
        .list::<relations::Row>("relations")
        .iter()
        .filter_map(|r| r.growth_bytes_per_second.map(|growth| (growth, r)))
        .filter(|(growth, _)| *growth > 0.0)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let good = match (size, fastest) {
        (Some(size), Some((growth, row))) => format!(
            "The databases take up {}; {} grows most, by {} a day.",
            words::bytes(size),
            remedy::shown(&row.schema, &row.name),
            words::bytes(growth * DAY)
        ),
        (Some(size), None) => {
            format!("The databases take up {}, and no table is seen to grow.", words::bytes(size))
        }
        _ => "Nothing is wrong with what can be seen of the storage.".to_owned(),
    };
    let mut found = Judgement::new(good).rests_on(s, &["relations", "sequences"]);
    for row in s.list::<sequences::Row>("sequences") {
        let Some(used) = row.used_ratio.filter(|_| !row.cycles) else { continue };
        let level = level(used, thresholds::sequences::WARN, thresholds::sequences::CRIT);
        if level == Level::Ok {
            continue;
        }
        let name = remedy::shown(&row.schema, &row.name);
        let feeds = match (&row.table_schema, &row.table_name, &row.column_name) {
            (Some(schema), Some(table), Some(column)) => {
                let kind = row.column_type.as_deref().unwrap_or(&row.data_type);
                format!(", which feeds {}.{column} ({kind})", remedy::shown(schema, table))
            }
            _ => String::new(),
        };
        let evidence = format!("{} of the range of {name}{feeds} is used", words::percent(used));
        let mend = remedy::widen(row).map(|mend| remedy::on_primary(s, mend));
        found.push(
            problem(format!("sequence:{name}"), level, PageName::Storage, "A sequence runs out", evidence)
                .about(name)
                .remedy(mend),
        );
    }
    found
}

/// The size of the server's databases.
pub fn size(s: &Source<'_>) -> Option<f64> {
    let sizes: &database_size::Sizes = s.current("database_size")?;
    let known: Vec<i64> = sizes.databases.iter().filter_map(|d| d.bytes).collect();
    (!known.is_empty()).then(|| known.iter().sum::<i64>() as f64)
}

/// The page.
pub fn page(s: &Source<'_>) -> Page<Panels> {
    let sizes = s.rows::<database_size::Sizes>("database_size");
    let database = s.database();
    let own =
        sizes.and_then(|all| all.databases.iter().find(|d| Some(d.name.as_str()) == database.as_deref()));
    let whole = own.and_then(|d| d.bytes).filter(|bytes| *bytes > 0).map(|bytes| bytes as f64);
    let hidden = |name: &str| s.rules.hide_postgres_defaults && pgmon_core::label::is_postgres_default(name);
    let panels = Panels {
        tables: s.panel("Largest tables", &["relations"], "There is no table.", || {
            let rows: &Vec<relations::Row> = s.rows("relations")?;
            Some(rows.iter().map(|row| table(row, whole)).collect())
        }),
        databases: s.panel("Databases", &["database_size"], "There is none.", || {
            let mut rows: Vec<_> = sizes?.databases.iter().filter(|d| !hidden(&d.name)).cloned().collect();
            rows.sort_by_key(|d| std::cmp::Reverse(d.bytes));
            Some(rows)
        }),
        tablespaces: s
            .panel("Tablespaces", &["database_size"], "There is none.", || Some(sizes?.tablespaces.clone())),
        wal: s.plain("WAL directory", "wal_files", "It is empty."),
        sequences: s.panel("Sequences", &["sequences"], "There is no sequence.", || {
            let mut rows: Vec<sequences::Row> = s.rows::<Vec<sequences::Row>>("sequences")?.clone();
            rows.sort_by(|a, b| b.used_ratio.unwrap_or(-1.0).total_cmp(&a.used_ratio.unwrap_or(-1.0)));
            Some(rows)
        }),
    };
    judge(s).page(s, figures(s), panels)
}

fn figures(s: &Source<'_>) -> Vec<Figure> {
    let growth = s
        .current::<Vec<relations::Row>>("relations")
        .and_then(|rows| rows.iter().filter_map(|r| r.growth_bytes_per_second).reduce(|a, b| a + b));
    let wal = s.metric("wal_files", "pg_wal_directory_bytes", &[]);
    vec![
        Figure::new("size", "Size of all databases", Unit::Bytes, size(s)),
        Figure::new("growth", "Growth of the largest tables", Unit::BytesPerSecond, growth),
        Figure::new("wal_directory", "WAL directory", Unit::Bytes, wal).gauge("pg_wal_directory_bytes", &[]),
    ]
}

fn table(row: &relations::Row, whole: Option<f64>) -> TableSize {
    let bytes = row.total_bytes.unwrap_or(row.estimated_bytes) as f64;
    TableSize {
        share: whole.map(|whole| bytes / whole),
        growth_bytes_per_day: row.growth_bytes_per_second.map(|growth| growth * DAY),
        row: row.clone(),
    }
}
