//! How much of a table or index a rewrite would give back: from what pgstattuple measured, or from the
//! planner's statistics alone.
//!
//! The estimates build the relation anew on paper: so many rows of such a width, so many to a page.

/// A page's header.
const PAGE_HEADER: f64 = 24.0;
/// What a page spends on each row besides the row itself.
const LINE_POINTER: f64 = 4.0;
/// A row's header without its null bitmap.
const ROW_HEADER: f64 = 23.0;
/// An index entry's header, and what a null bitmap adds to it.
const ENTRY_HEADER: f64 = 8.0;
/// The end of each btree page.
const BTREE_SPECIAL: f64 = 16.0;
/// A row's address, of which an entry for many equal rows holds a list.
const ROW_ADDRESS: f64 = 6.0;
/// The largest such entry that building an index makes, as a share of a page.
const LARGEST_LIST: f64 = 0.1;
/// How full pages above the leaves are left.
const INTERNAL_FILL: f64 = 0.7;

/// A column with what the statistics tell of it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(super) struct Column {
    pub(super) relid: i64,
    /// Bytes, or -1 if it varies.
    pub(super) length: i32,
    pub(super) alignment: String,
    pub(super) dropped: bool,
    pub(super) equal_is_same: bool,
    pub(super) null_fraction: Option<f64>,
    /// Bytes on average.
    pub(super) width: Option<i32>,
    /// How many different values; if negative, as a share of the rows.
    pub(super) distinct_values: Option<f64>,
}

/// A table or index as the catalog describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) block_size: f64,
    pub(super) rows: f64,
    /// Columns, dropped ones included.
    pub(super) attributes: i32,
    /// 0-1.
    pub(super) fill: f64,
    /// Whether an index keeps equal entries as one.
    pub(super) deduplicates: bool,
}

/// Bytes of a table beyond what its live rows would take at the fillfactor.
pub(super) fn table_bloat(bytes: f64, dead: f64, free: f64, fill: f64) -> f64 {
    let used = (bytes - dead - free).max(0.0);
    (bytes - used / fill).max(0.0)
}

/// Bytes of an index beyond what the content of its pages would take at the fillfactor.
pub(super) fn index_bloat(bytes: f64, internal: f64, leaves: f64, density: Option<f64>, shape: Shape) -> f64 {
    let share = density.map_or(1.0, |d| (d / shape.fill).clamp(0.0, 1.0));
    let needed = 1.0 + ((internal + leaves) * share).ceil();
    (bytes - needed * shape.block_size).max(0.0)
}

/// Pages that a table's rows would take; `None` if the statistics do not cover all its columns.
pub(super) fn table_pages(shape: Shape, columns: &[Column]) -> Option<f64> {
    let row = Layout::of(columns)?;
    let has_bitmap = row.nulls > 0.0 || columns.iter().any(|c| c.dropped);
    let bitmap = if has_bitmap { (f64::from(shape.attributes) / 8.0).ceil() } else { 0.0 };
    let item = align(align(ROW_HEADER + bitmap, 8.0) + row.bytes, 8.0) + LINE_POINTER;
    let usable = shape.block_size * shape.fill - PAGE_HEADER;
    let per_page = (usable / item).floor().max(1.0);
    known_rows(shape).map(|rows| (rows / per_page).ceil())
}

/// Pages that a btree index's entries would take; `None` if the statistics do not cover all its columns.
pub(super) fn index_pages(shape: Shape, columns: &[Column]) -> Option<f64> {
    let rows = known_rows(shape)?;
    let entry = Layout::of(columns)?;
    let key = align(ENTRY_HEADER + ENTRY_HEADER * entry.nulls + entry.bytes, 8.0);
    let one_each = rows * (key + LINE_POINTER);
    let bytes = if shape.deduplicates && columns.iter().all(|c| c.equal_is_same) {
        lists(rows, key, columns, shape.block_size).min(one_each)
    } else {
        one_each
    };
    // Each leaf ends with a copy of the first key to its right.
    let usable = shape.block_size * shape.fill - PAGE_HEADER - BTREE_SPECIAL - key;
    let leaves = (bytes / usable.max(key)).ceil().max(1.0);
    let fan_out = (shape.block_size * INTERNAL_FILL / (key + LINE_POINTER)).floor().max(2.0);
    let (mut pages, mut level) = (1.0 + leaves, leaves);
    while level > 1.0 {
        level = (level / fan_out).ceil();
        pages += level;
    }
    Some(pages)
}

/// Bytes of entries that hold lists of row addresses, one or more for each value.
fn lists(rows: f64, key: f64, columns: &[Column], block_size: f64) -> f64 {
    // As if the columns had nothing to do with each other: at worst too many values, so too little bloat.
    let values: f64 = columns
        .iter()
        .map(|c| match c.distinct_values {
            Some(n) if n < 0.0 => -n * rows,
            Some(n) if n > 0.0 => n,
            _ => rows,
        })
        .product();
    let values = values.clamp(1.0, rows.max(1.0));
    let rows_each = rows / values;
    let longest = ((block_size * LARGEST_LIST - key) / ROW_ADDRESS).floor().max(1.0);
    rows * ROW_ADDRESS + values * (rows_each / longest).ceil() * (key + LINE_POINTER)
}

/// Rows, if they were ever counted.
fn known_rows(shape: Shape) -> Option<f64> {
    (shape.rows >= 0.0).then_some(shape.rows)
}

/// What a row's columns take on average.
struct Layout {
    bytes: f64,
    /// The largest share of nulls in a column.
    nulls: f64,
}

impl Layout {
    fn of(columns: &[Column]) -> Option<Self> {
        let mut layout = Self { bytes: 0.0, nulls: 0.0 };
        for column in columns.iter().filter(|c| !c.dropped) {
            let (width, nulls) = (f64::from(column.width?), column.null_fraction?);
            // A short value of varying length is not aligned.
            let aligned = column.length > 0 || width >= 127.0;
            let step = match column.alignment.as_str() {
                "d" => 8.0,
                "i" => 4.0,
                "s" => 2.0,
                _ => 1.0,
            };
            let at = if aligned { align(layout.bytes, step) } else { layout.bytes };
            layout.bytes = at + (1.0 - nulls) * width;
            layout.nulls = layout.nulls.max(nulls);
        }
        Some(layout)
    }
}

fn align(bytes: f64, step: f64) -> f64 {
    (bytes / step).ceil() * step
}
