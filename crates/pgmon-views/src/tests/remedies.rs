//! What is offered to be run, and where.

use super::*;
use crate::pages::{partitions, storage, wraparound};
use collectors::indexes::Row as Index;

const DAY: f64 = 86_400.0;

pub(super) fn standby() -> Snapshot {
    let mut of = snapshot();
    let server = of.server.take().unwrap();
    Snapshot { server: Some(Arc::new(ServerInfo { in_recovery: true, ..(*server).clone() })), ..of }
}

fn orders(name: &str, change: impl Fn(&mut Index)) -> Index {
    let mut row = Index::default();
    (row.schema, row.name) = ("public".into(), name.into());
    (row.bytes, row.stats_age_seconds) = (Some(1 << 30), Some(30.0 * DAY));
    change(&mut row);
    row
}

fn offered(of: Snapshot, rows: Vec<Index>) -> Vec<(String, String)> {
    let of = Snapshot { collectors: vec![found("indexes", rows)], ..of };
    let page = indexes::page(&source(&of, &rules(), 101));
    let rows = page.panels.indexes.rows.unwrap();
    rows.into_iter().filter_map(|r| Some((r.row.name.clone(), r.remedy?.sql))).collect()
}

#[test]
fn whoever_drops_all_that_is_offered_keeps_an_index() {
    let instead = |r: &mut Index, other: &str| (r.is_unused, r.instead) = (true, Some(other.into()));
    let rows = || {
        vec![
            orders("orders_cust_note", |r| r.is_unused = true),
            orders("orders_cust", |r| {
                instead(r, "orders_cust_note");
                r.is_prefix = true;
            }),
            orders("orders_cust2", |r| {
                instead(r, "orders_cust");
                r.is_duplicate = true;
            }),
            orders("ring", |r| (r.is_duplicate, r.instead) = (true, Some("ring2".into()))),
            orders("ring2", |r| (r.is_duplicate, r.instead) = (true, Some("ring".into()))),
        ]
    };
    let drops = offered(snapshot(), rows());
    let names: Vec<_> = drops.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["orders_cust", "orders_cust2"]);
    for (_, sql) in drops {
        assert!(
            sql.starts_with("-- only if public.orders_cust_note stays:\nDROP INDEX CONCURRENTLY"),
            "{sql}"
        );
    }
    assert_eq!(offered(standby(), rows()), [], "a standby does not know what the primary scans");
}

#[test]
fn an_unused_index_may_go_once_it_was_unused_for_long() {
    let of = |age: Option<f64>| {
        let row = orders("i", |r| (r.is_unused, r.stats_age_seconds) = (true, age));
        offered(snapshot(), vec![row]).len()
    };
    assert_eq!([None, Some(302.0), Some(6.9 * DAY), Some(7.1 * DAY)].map(of), [0, 0, 0, 1]);
}

#[test]
fn an_invalid_index_is_built_again_or_dropped() {
    let rows = vec![
        orders("u", |r| (r.is_invalid, r.is_unique) = (true, true)),
        orders("u_ccnew1", |r| (r.is_invalid, r.is_unique) = (true, true)),
        orders("pk_ccold", |r| (r.is_invalid, r.is_constraint) = (true, true)),
    ];
    let said = offered(snapshot(), rows.clone());
    let sql: Vec<_> = said.iter().map(|(_, sql)| sql.as_str()).collect();
    let rebuild = "REINDEX INDEX CONCURRENTLY \"public\".\"u\";\n-- or, if it cannot be built or is not needed:\n-- DROP INDEX CONCURRENTLY \"public\".\"u\";";
    let drop = "DROP INDEX CONCURRENTLY \"public\".\"u_ccnew1\";";
    assert_eq!(sql, [rebuild, drop, "REINDEX INDEX CONCURRENTLY \"public\".\"pk_ccold\";"]);
    for (_, sql) in offered(standby(), rows) {
        assert!(sql.starts_with("-- to be run on the primary"), "{sql}");
    }
}

pub(super) fn events(horizon: f64) -> collectors::partitions::Parent {
    let time = |text: &str| pgmon_collect::postgres::decode::Time(text.parse().unwrap());
    collectors::partitions::Parent {
        oid: 1,
        schema: "public".into(),
        name: "events".into(),
        relation: "events".into(),
        parent_oid: None,
        strategy: "range".into(),
        key_columns: Some(1),
        key_column: Some("at".into()),
        key_type: Some("timestamptz".into()),
        partitions: 2,
        partitioned_partitions: 0,
        default_partition: None,
        default_rows: None,
        default_bytes: None,
        oldest_lower: None,
        oldest_upper: None,
        newest_upper: Some("2026-01-03".into()),
        interval: Some("1 day".into()),
        horizon_seconds: Some(horizon),
        oldest_seconds: None,
        missing: Some(true),
        missing_from: None,
        next_upper: Some(time("2026-01-04T00:00:00Z")),
        gaps: None,
        gap_list: Vec::new(),
        unreadable_bounds: 0,
    }
}

#[test]
fn the_next_partition_is_attached_without_locking_out_readers() {
    let remedy = |of: Snapshot| {
        let of = Snapshot { collectors: vec![found("partitions", vec![events(47.0)])], ..of };
        partitions::page(&source(&of, &rules(), 101)).problems.remove(0).remedy.unwrap()
    };
    let here = remedy(snapshot());
    assert_eq!(
        here.sql,
        "CREATE TABLE \"public\".\"events_p2026_01_03\" (LIKE \"public\".\"events\" INCLUDING ALL EXCLUDING IDENTITY);\nALTER TABLE \"public\".\"events\" ATTACH PARTITION \"public\".\"events_p2026_01_03\"\n  FOR VALUES FROM ('2026-01-03') TO ('2026-01-04T00:00:00Z');"
    );
    let there = remedy(standby());
    assert_eq!(there.sql.lines().skip(1).collect::<Vec<_>>().join("\n"), here.sql);
    assert!(there.sql.starts_with("-- to be run on the primary") && there.risk.contains("on the primary"));
}

#[test]
fn a_table_of_one_database_is_no_remedy_for_another() {
    let database = |name: &str, xids: i64, multixacts: i64| collectors::wraparound::Row {
        datname: name.into(),
        xid_age: xids,
        mxid_age: multixacts,
        freeze_max_age: 200_000_000,
        multixact_freeze_max_age: 400_000_000,
        ..Default::default()
    };
    let table = collectors::table_age::Row {
        schema_name: "public".into(),
        table_name: "orders".into(),
        temporary: false,
        xid_age: 2_000_000_000,
        mxid_age: None,
        xid_of_toast: false,
        freeze_max_age: 200_000_000,
        multixact_freeze_max_age: 400_000_000,
        ratio: 10.0,
    };
    let rows = vec![database("shop", 2_000_000_000, 5), database("other", 5_000_000, 1_900_000_000)];
    let collectors = vec![found("wraparound", rows), found("table_age", vec![table])];
    let of = Snapshot { collectors, ..snapshot() };
    let page = wraparound::page(&source(&of, &rules(), 101));
    let by = |name: &str| page.problems.iter().find(|p| p.object.as_deref() == Some(name)).unwrap();
    assert!(by("shop").remedy.as_ref().unwrap().sql.contains("\"orders\""));
    assert_eq!(by("other").remedy, None);
    assert_eq!(by("other").title, "Multixacts run out");
    assert!(by("other").evidence.starts_with("the oldest multixact of other is 1.9 billion old"));
    assert!(by("shop").evidence.starts_with("the oldest transaction id of shop is 2.0 billion old"));
}

#[test]
fn what_is_narrow_is_widened() {
    let sql = |kind: &str, column: Option<&str>| {
        let mut row = collectors::sequences::Row::default();
        (row.schema, row.name, row.data_type) = ("public".into(), "s".into(), kind.into());
        (row.used_ratio, row.readable) = (Some(0.93), true);
        if let Some(column) = column {
            (row.table_schema, row.table_name) = (Some("public".into()), Some("t".into()));
            (row.column_name, row.column_type) = (Some("id".into()), Some(column.into()));
        }
        let of = Snapshot { collectors: vec![found("sequences", vec![row])], ..snapshot() };
        let page = storage::page(&source(&of, &rules(), 101));
        page.problems[0].remedy.as_ref().map(|m| m.sql.clone())
    };
    let table = "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"id\" TYPE bigint;";
    let alone = "ALTER SEQUENCE \"public\".\"s\" AS bigint;";
    assert_eq!(sql("integer", Some("integer")), Some(format!("{table}\n{alone}")));
    assert_eq!(sql("bigint", Some("integer")).as_deref(), Some(table));
    assert_eq!(sql("integer", Some("bigint")).as_deref(), Some(alone));
    assert_eq!(sql("smallint", None).as_deref(), Some(alone));
    assert_eq!(sql("bigint", Some("bigint")), None);
}
