//! A table or index: what is known of it, what was measured, and what there is to say.

use super::estimate::{self, Column, Shape};

/// One table or index.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "BloatRow")]
pub struct Row {
    /// `table` or `index`.
    pub kind: &'static str,
    /// Its schema.
    pub schema_name: String,
    /// Its name.
    pub name: String,
    /// The table of an index.
    pub table_name: Option<String>,
    /// `pgstattuple`, `pgstattuple_approx`, `pgstatindex` or `statistics`; none if it is not known.
    pub method: Option<&'static str>,
    /// Its size without TOAST, bytes.
    pub size_bytes: f64,
    /// What a rewrite would give back, bytes; what the fillfactor keeps free is not counted.
    pub bloat_bytes: Option<f64>,
    /// The same as a share of its size, 0-1.
    pub bloat_ratio: Option<f64>,
    /// Dead rows in a table, bytes, where measured.
    pub dead_bytes: Option<i64>,
    /// Free space in a table, bytes, where measured.
    pub free_bytes: Option<i64>,
    /// How full the leaves of an index are, 0-1, where measured.
    pub leaf_density_ratio: Option<f64>,
    /// Why it was not measured, where it was not.
    pub not_measured: Option<&'static str>,
}

/// A relation that the first statement found.
#[derive(sqlx::FromRow)]
pub(super) struct Candidate {
    pub(super) kind: String,
    pub(super) relid: i64,
    pub(super) schema_name: String,
    pub(super) name: String,
    pub(super) table_name: Option<String>,
    pub(super) pages: i64,
    /// Pages of a table on which reading may set hint bits.
    pub(super) unseen_pages: Option<i64>,
    pub(super) rows: f64,
    pub(super) attributes: i32,
    pub(super) fillfactor: f64,
    pub(super) deduplicates: bool,
}

#[derive(sqlx::FromRow)]
pub(super) struct TableMeasure {
    pub(super) bytes: i64,
    pub(super) dead_bytes: i64,
    pub(super) free_bytes: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct IndexMeasure {
    pub(super) bytes: i64,
    pub(super) internal_pages: i64,
    pub(super) leaf_pages: i64,
    pub(super) leaf_density_percent: f64,
}

pub(super) enum Measure {
    Table(TableMeasure),
    Index(IndexMeasure),
}

/// What became of a candidate.
pub(super) enum Fate {
    Waiting,
    Measured(&'static str, Measure),
    Not(&'static str),
}

/// What there is to say of a candidate.
pub(super) fn describe(candidate: &Candidate, fate: &Fate, columns: &[Column], block_size: f64) -> Row {
    let shape = Shape {
        block_size,
        rows: candidate.rows,
        attributes: candidate.attributes,
        fill: (candidate.fillfactor / 100.0).clamp(0.1, 1.0),
        deduplicates: candidate.deduplicates,
    };
    let is_index = candidate.kind == "index";
    let mut row = Row {
        kind: if is_index { "index" } else { "table" },
        schema_name: candidate.schema_name.clone(),
        name: candidate.name.clone(),
        table_name: candidate.table_name.clone(),
        method: None,
        size_bytes: candidate.pages as f64 * shape.block_size,
        bloat_bytes: None,
        bloat_ratio: None,
        dead_bytes: None,
        free_bytes: None,
        leaf_density_ratio: None,
        not_measured: None,
    };
    match fate {
        Fate::Measured(method, Measure::Table(m)) => {
            row.size_bytes = m.bytes as f64;
            row.method = Some(method);
            row.bloat_bytes = Some(estimate::table_bloat(
                m.bytes as f64,
                m.dead_bytes as f64,
                m.free_bytes as f64,
                shape.fill,
            ));
            row.dead_bytes = Some(m.dead_bytes);
            row.free_bytes = Some(m.free_bytes);
        }
        Fate::Measured(method, Measure::Index(m)) => {
            row.size_bytes = m.bytes as f64;
            row.method = Some(method);
            // NaN if there is no leaf.
            let density = Some(m.leaf_density_percent / 100.0).filter(|d| d.is_finite());
            let (internal, leaves) = (m.internal_pages as f64, m.leaf_pages as f64);
            row.bloat_bytes = Some(estimate::index_bloat(m.bytes as f64, internal, leaves, density, shape));
            row.leaf_density_ratio = density;
        }
        Fate::Waiting => row.not_measured = Some("no time was left"),
        Fate::Not(why) => {
            row.not_measured = Some(why);
            let columns: Vec<Column> =
                columns.iter().filter(|c| c.relid == candidate.relid).cloned().collect();
            let needed = if columns.is_empty() {
                None
            } else if is_index {
                estimate::index_pages(shape, &columns)
            } else {
                estimate::table_pages(shape, &columns)
            };
            row.method = needed.map(|_| "statistics");
            row.bloat_bytes = needed.map(|pages| (row.size_bytes - pages * shape.block_size).max(0.0));
        }
    }
    row.bloat_ratio = row.bloat_bytes.filter(|_| row.size_bytes > 0.0).map(|b| b / row.size_bytes);
    row
}
