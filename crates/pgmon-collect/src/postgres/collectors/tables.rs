//! Dead and live tuples, scans and changes of tables, and how near each is to its next autovacuum.

use crate::postgres::collector::{Collector, Cx, Scope, Settings, Spec, pg};
use crate::postgres::topn::TopN;
use pgmon_core::label;
use pgmon_core::metric::{Desc, Families};
use pgmon_core::snapshot::{Blind, Loop};
use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use std::collections::BTreeMap;
use std::time::Duration;
use trigger::{Triggers, pressure};

#[cfg(test)]
mod tests;
mod trigger;
pub use trigger::turns_autovacuum_off;

/// A table, with what happened to it since its statistics were reset.
///
/// A standby counts its own scans and nothing else: there all that tells of changes and vacuums is absent.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "TablesRow")]
pub struct Row {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its name in labels.
    #[sqlx(skip)]
    pub relation: String,
    /// Pages at the last vacuum or analyze.
    pub pages: i64,
    /// All-frozen pages at the last vacuum (18+).
    pub frozen_pages: Option<i64>,
    /// Rows at the last vacuum or analyze; absent if there was none (14+).
    pub estimated_rows: Option<f64>,
    /// Its storage options, each `name=value`.
    pub options: Option<Vec<String>>,
    /// Whether the counts of live and dead tuples can be trusted. They cannot where the statistics were
    /// lost (a crash, an upgrade, a reset) and no vacuum or analyze has come since.
    #[sqlx(skip)]
    pub counts_known: bool,
    /// Live tuples; absent if unknown.
    pub live_tuples: Option<i64>,
    /// Dead tuples; absent if unknown.
    pub dead_tuples: Option<i64>,
    /// Dead tuples of all tuples, percent (0-100); absent if unknown or if there are none.
    #[sqlx(skip)]
    pub pct_dead: Option<f64>,
    /// Dead tuples of its TOAST table.
    pub toast_dead_tuples: Option<i64>,
    /// Tuples changed since the last analyze.
    pub modified_since_analyze: Option<i64>,
    /// Tuples inserted since the last vacuum (13+).
    pub inserted_since_vacuum: Option<i64>,
    /// Whether autovacuum comes at all, by the server's settings and the table's options.
    #[sqlx(skip)]
    pub autovacuum_enabled: Option<bool>,
    /// Dead tuples that bring a vacuum.
    #[sqlx(skip)]
    pub vacuum_trigger: Option<f64>,
    /// Dead tuples in relation to those that bring a vacuum: 1 = due.
    #[sqlx(skip)]
    pub vacuum_pressure: Option<f64>,
    /// Inserted tuples in relation to those that bring a vacuum: 1 = due (13+).
    #[sqlx(skip)]
    pub insert_pressure: Option<f64>,
    /// Changed tuples in relation to those that bring an analyze: 1 = due.
    #[sqlx(skip)]
    pub analyze_pressure: Option<f64>,
    /// For how long it has been due for a vacuum, by dead or inserted tuples, without one, seconds: since pgmon saw
    /// it first; absent if it is not due.
    #[sqlx(skip)]
    pub vacuum_due_seconds: Option<f64>,
    /// Tuples inserted.
    pub tuples_inserted: Option<i64>,
    /// Tuples updated.
    pub tuples_updated: Option<i64>,
    /// Tuples deleted.
    pub tuples_deleted: Option<i64>,
    /// Tuples updated within their page, without touching an index (HOT).
    pub tuples_hot_updated: Option<i64>,
    /// Tuples whose new version went to another page (16+).
    pub tuples_newpage_updated: Option<i64>,
    /// HOT updates of all updates, 0-1; absent if there were none.
    #[sqlx(skip)]
    pub hot_ratio: Option<f64>,
    /// Sequential scans.
    pub seq_scans: i64,
    /// Tuples that sequential scans read.
    pub seq_tuples_read: i64,
    /// Index scans; absent without an index. Those of an index that was dropped since stay counted.
    pub idx_scans: Option<i64>,
    /// Tuples that index scans fetched.
    pub idx_tuples_fetched: Option<i64>,
    /// Vacuums by hand.
    pub vacuums: Option<i64>,
    /// Vacuums by autovacuum.
    pub autovacuums: Option<i64>,
    /// Analyzes by hand.
    pub analyzes: Option<i64>,
    /// Analyzes by autovacuum.
    pub autoanalyzes: Option<i64>,
    /// Seconds since the last vacuum by hand; absent if there was none.
    pub vacuumed_seconds_ago: Option<f64>,
    /// Seconds since the last vacuum by autovacuum; absent if there was none.
    pub autovacuumed_seconds_ago: Option<f64>,
    /// Seconds since the last analyze by hand; absent if there was none.
    pub analyzed_seconds_ago: Option<f64>,
    /// Seconds since the last analyze by autovacuum; absent if there was none.
    pub autoanalyzed_seconds_ago: Option<f64>,
}

const RELATION: &[&str] = &["relation"];
const DEAD: Desc = Desc::gauge(
    "pg_table_dead_tuples",
    "Dead tuples of a table (n_dead_tup); absent if the statistics were lost and not taken anew since.",
    RELATION,
);
const LIVE: Desc = Desc::gauge(
    "pg_table_live_tuples",
    "Live tuples of a table (n_live_tup); absent if the statistics were lost and not taken anew since.",
    RELATION,
);
const PCT_DEAD: Desc = Desc::gauge(
    "pg_table_pct_dead",
    "Dead tuples of all tuples of a table, percent (0-100); absent if unknown or if there are none.",
    RELATION,
);
const PRESSURE: Desc = Desc::gauge(
    "pg_table_autovacuum_pressure",
    "Dead tuples in relation to those that bring an autovacuum by the table's own settings: 1 = due. Also where autovacuum is off.",
    RELATION,
);
const INSERT_PRESSURE: Desc = Desc::gauge(
    "pg_table_autovacuum_insert_pressure",
    "Tuples inserted since the last vacuum in relation to those that bring an autovacuum: 1 = due (13+).",
    RELATION,
);
const ANALYZE_PRESSURE: Desc = Desc::gauge(
    "pg_table_analyze_pressure",
    "Tuples changed since the last analyze in relation to those that bring an autoanalyze: 1 = due.",
    RELATION,
);
const MODIFIED: Desc = Desc::gauge(
    "pg_table_modified_since_analyze_tuples",
    "Tuples changed since the last analyze of a table (n_mod_since_analyze).",
    RELATION,
);
const SEQ_SCANS: Desc =
    Desc::counter("pg_table_seq_scans_total", "Sequential scans of a table (seq_scan).", RELATION);
const SEQ_READ: Desc = Desc::counter(
    "pg_table_seq_tuples_read_total",
    "Tuples that sequential scans of a table read (seq_tup_read).",
    RELATION,
);
const IDX_SCANS: Desc = Desc::counter(
    "pg_table_idx_scans_total",
    "Index scans of a table (idx_scan); those of dropped indexes stay counted while pgmon runs.",
    RELATION,
);
const IDX_FETCHED: Desc = Desc::counter(
    "pg_table_idx_tuples_fetched_total",
    "Tuples that index scans of a table fetched (idx_tup_fetch); those of dropped indexes stay counted while pgmon runs.",
    RELATION,
);
const INSERTED: Desc =
    Desc::counter("pg_table_tuples_inserted_total", "Tuples inserted into a table (n_tup_ins).", RELATION);
const UPDATED: Desc =
    Desc::counter("pg_table_tuples_updated_total", "Tuples of a table updated (n_tup_upd).", RELATION);
const DELETED: Desc =
    Desc::counter("pg_table_tuples_deleted_total", "Tuples of a table deleted (n_tup_del).", RELATION);
const HOT: Desc = Desc::counter(
    "pg_table_tuples_hot_updated_total",
    "Tuples of a table updated within their page, without touching an index (n_tup_hot_upd).",
    RELATION,
);

/// See the module's head.
pub struct Tables {
    top: TopN<i64>,
    /// By oid: the scans of indexes that are gone, and since when a vacuum is due.
    scans: BTreeMap<i64, Scans>,
    /// When the server that they belong to started.
    started_at: Option<jiff::Timestamp>,
}

/// A relation that fell out of the ranking is remembered for so many intervals.
const REMEMBER_INTERVALS: u32 = 6;

/// What is remembered of a table: what its indexes had counted when it was seen last. The server adds up the indexes that are there
/// now: without the others a counter would go down at DROP INDEX and look as if it had begun anew.
#[derive(Default)]
struct Scans {
    seen: Duration,
    seq: (i64, i64),
    idx: [Carried; 2],
    /// Since when it has been due for a vacuum, and how many it had had by then.
    due: Option<(Duration, i64)>,
}

/// A sum, and what is added to it so that it does not go down.
#[derive(Default)]
struct Carried {
    last: i64,
    gone: i64,
}

impl Carried {
    fn next(&mut self, sum: i64) -> i64 {
        self.gone = self.gone.saturating_add(self.last.saturating_sub(sum).max(0));
        self.last = sum;
        sum.saturating_add(self.gone)
    }
}

impl Tables {
    /// Adds the scans of indexes that were dropped.
    fn carry(&mut self, row: &mut Row, at: Duration) {
        let scans = self.scans.entry(row.oid).or_default();
        let seq = (row.seq_scans, row.seq_tuples_read);
        if seq.0 < scans.seq.0 || seq.1 < scans.seq.1 {
            // No index took part in these: the statistics were reset.
            *scans = Scans { due: scans.due, ..Scans::default() };
        }
        (scans.seen, scans.seq) = (at, seq);
        let [of_scans, of_fetched] = &mut scans.idx;
        row.idx_scans = row.idx_scans.map(|n| of_scans.next(n));
        row.idx_tuples_fetched = row.idx_tuples_fetched.map(|n| of_fetched.next(n));
    }

    /// Notes for how long a table has been due for a vacuum.
    fn wait(&mut self, row: &mut Row, at: Duration) {
        let due = &mut self.scans.entry(row.oid).or_default().due;
        let is_due = [row.vacuum_pressure, row.insert_pressure].into_iter().any(|p| p >= Some(1.0));
        let had = row.vacuums.unwrap_or(0).saturating_add(row.autovacuums.unwrap_or(0));
        *due = match *due {
            _ if !is_due => None,
            Some((since, before)) if before == had => Some((since, before)),
            _ => Some((at, had)),
        };
        row.vacuum_due_seconds = due.map(|(since, _)| at.saturating_sub(since).as_secs_f64());
    }
}

impl Row {
    /// Leaves what a standby knows: its own scans and the catalog.
    fn forget_changes(&mut self) {
        *self = Self {
            oid: self.oid,
            schema: std::mem::take(&mut self.schema),
            name: std::mem::take(&mut self.name),
            relation: std::mem::take(&mut self.relation),
            pages: self.pages,
            frozen_pages: self.frozen_pages,
            estimated_rows: self.estimated_rows,
            options: self.options.take(),
            seq_scans: self.seq_scans,
            seq_tuples_read: self.seq_tuples_read,
            idx_scans: self.idx_scans,
            idx_tuples_fetched: self.idx_tuples_fetched,
            ..Self::default()
        };
    }
}

impl Collector for Tables {
    type Row = Row;

    const SPEC: &'static Spec = &Spec {
        name: "tables",
        title: "Tables: dead tuples and vacuum",
        in_loop: Loop::Storage,
        scope: Scope::Database,
        queries: &[
            pg(12, include_str!("tables/pg12.sql")),
            pg(13, include_str!("tables/pg13.sql")),
            pg(16, include_str!("tables/pg16.sql")),
            pg(18, include_str!("tables/pg18.sql")),
        ],
        follow_ups: &[],
        families: &[
            &DEAD,
            &LIVE,
            &PCT_DEAD,
            &PRESSURE,
            &INSERT_PRESSURE,
            &ANALYZE_PRESSURE,
            &MODIFIED,
            &SEQ_SCANS,
            &SEQ_READ,
            &IDX_SCANS,
            &IDX_FETCHED,
            &INSERTED,
            &UPDATED,
            &DELETED,
            &HOT,
        ],
        needs: &[],
        blind_effect: "dead tuples, scans and vacuums of tables",
    };

    fn new(settings: &Settings) -> Self {
        Self { top: TopN::new(settings.top_relations), scans: BTreeMap::new(), started_at: None }
    }

    fn args(&self, _cx: &Cx) -> Result<PgArguments, BoxDynError> {
        let mut args = PgArguments::default();
        args.add(self.top.limit())?;
        Ok(args)
    }

    fn complete(&mut self, rows: &mut [Row], cx: &Cx) {
        let server = Triggers::of_server(&cx.facts);
        if self.started_at.replace(cx.facts.started_at) != Some(cx.facts.started_at) {
            self.scans.clear();
        }
        for row in rows {
            row.relation = label::relation(&row.schema, &row.name);
            self.carry(row, cx.mono);
            if cx.facts.in_recovery {
                row.forget_changes();
                continue;
            }
            row.counts_known = counts_known(row);
            // What autovacuum goes by, even if it is not all that there is.
            let counted_dead = row.dead_tuples.unwrap_or(0);
            if !row.counts_known {
                (row.live_tuples, row.dead_tuples) = (None, None);
            }
            row.pct_dead = row.live_tuples.zip(row.dead_tuples).and_then(|(live, dead)| {
                let all = live.saturating_add(dead);
                (all > 0).then(|| dead as f64 / all as f64 * 100.0)
            });
            row.hot_ratio = row
                .tuples_hot_updated
                .zip(row.tuples_updated.filter(|n| *n > 0))
                .map(|(hot, all)| (hot as f64 / all as f64).min(1.0));
            let Some(server) = &server else { continue };
            let own = server.with(row.options.as_deref().unwrap_or_default());
            let (rows, trigger) = (row.estimated_rows, own.vacuum(row.estimated_rows));
            let unfrozen = match row.frozen_pages {
                Some(frozen) if row.pages > 0 => (1.0 - frozen as f64 / row.pages as f64).clamp(0.0, 1.0),
                _ => 1.0,
            };
            row.autovacuum_enabled = Some(own.enabled());
            row.vacuum_trigger = Some(trigger);
            row.vacuum_pressure = Some(pressure(counted_dead, trigger));
            row.insert_pressure =
                row.inserted_since_vacuum.zip(own.insert(rows, unfrozen)).map(|(n, t)| pressure(n, t));
            row.analyze_pressure = row.modified_since_analyze.map(|n| pressure(n, own.analyze(rows)));
            self.wait(row, cx.mono);
        }
        self.scans.retain(|_, s| cx.mono.saturating_sub(s.seen) <= cx.interval * REMEMBER_INTERVALS);
    }

    fn samples(&mut self, rows: &[Row], cx: &Cx, out: &mut Families) -> Vec<Blind> {
        if cx.facts.setting_on("track_counts") == Some(false) {
            return vec![Blind {
                collector: Self::SPEC.name.into(),
                needs: "track_counts".into(),
                effect: "tuples, scans and changes of tables; autovacuum does not work either".into(),
                remedy: Some("ALTER SYSTEM SET track_counts = on;\nSELECT pg_reload_conf();".into()),
            }];
        }
        let shown = self.top.keep(rows.iter().map(|r| r.oid));
        for row in rows.iter().filter(|r| shown.contains(&r.oid)) {
            let label = [row.relation.as_str()];
            out.push_opt(&DEAD, &label, row.dead_tuples.map(|n| n as f64));
            out.push_opt(&LIVE, &label, row.live_tuples.map(|n| n as f64));
            out.push_opt(&PCT_DEAD, &label, row.pct_dead);
            out.push_opt(&PRESSURE, &label, row.vacuum_pressure);
            out.push_opt(&INSERT_PRESSURE, &label, row.insert_pressure);
            out.push_opt(&ANALYZE_PRESSURE, &label, row.analyze_pressure);
            out.push_opt(&MODIFIED, &label, row.modified_since_analyze.map(|n| n as f64));
            out.push(&SEQ_SCANS, &label, row.seq_scans as f64);
            out.push(&SEQ_READ, &label, row.seq_tuples_read as f64);
            out.push_opt(&IDX_SCANS, &label, row.idx_scans.map(|n| n as f64));
            out.push_opt(&IDX_FETCHED, &label, row.idx_tuples_fetched.map(|n| n as f64));
            out.push_opt(&INSERTED, &label, row.tuples_inserted.map(|n| n as f64));
            out.push_opt(&UPDATED, &label, row.tuples_updated.map(|n| n as f64));
            out.push_opt(&DELETED, &label, row.tuples_deleted.map(|n| n as f64));
            out.push_opt(&HOT, &label, row.tuples_hot_updated.map(|n| n as f64));
        }
        if cx.facts.in_recovery {
            return vec![Blind {
                collector: Self::SPEC.name.into(),
                needs: "primary".into(),
                effect: "changes, dead tuples and vacuums of tables: a standby counts its own scans only"
                    .into(),
                remedy: None,
            }];
        }
        Vec::new()
    }
}

/// Whether live and dead tuples count the table and not only what happened since the statistics were lost.
///
/// A vacuum or analyze counts the table. Without one on record the counters must have seen every row come:
/// they have not if none was inserted, if the catalog knows of more rows than were inserted, or if more
/// were deleted than inserted.
fn counts_known(row: &Row) -> bool {
    let counted =
        [row.vacuums, row.autovacuums, row.analyzes, row.autoanalyzes].into_iter().any(|n| n > Some(0));
    let (inserted, deleted) = (row.tuples_inserted.unwrap_or(0), row.tuples_deleted.unwrap_or(0));
    let seen_all = inserted > 0
        && deleted <= inserted
        && row.estimated_rows.is_none_or(|rows| rows * 0.9 <= inserted as f64);
    counted || seen_all
}
