use super::{REGISTERED, Row, default_rows};
use crate::postgres::collector::Settings;
use crate::postgres::testing::{Probe, Round, on_all_majors};
use pgmon_testkit::workload::{self, PARTITIONED};
use pgmon_testkit::{Server, Tier};
use std::time::Duration;

const DAY: f64 = 86_400.0;

/// A family's value for a table of schema `part`.
fn of(round: &Round, family: &str, table: &str) -> Option<f64> {
    round.value(&format!("pg_partition_{family}"), &[&format!("part.{table}")])
}

fn count(round: &Round, table: &str) -> Option<f64> {
    round.value("pg_partitions", &[&format!("part.{table}")])
}

fn row<'a>(round: &'a Round, table: &str) -> &'a serde_json::Value {
    let rows = round.data.as_array().unwrap();
    rows.iter().find(|r| r["name"] == table).unwrap_or_else(|| panic!("no row of {table}"))
}

fn within(value: Option<f64>, from: f64, to: f64) -> bool {
    value.is_some_and(|v| (from..=to).contains(&v))
}

#[test]
fn rows_of_the_default_partition() {
    let row = Row { default_oid: Some(1), default_bytes: Some(8192), ..Row::default() };
    assert_eq!(default_rows(&row), None, "there is something, nobody knows how much");
    assert_eq!(default_rows(&Row { default_estimated_rows: Some(7.0), ..row.clone() }), Some(7.0));
    let counted = Row { default_live_tuples: Some(9), default_estimated_rows: Some(7.0), ..row.clone() };
    assert_eq!(default_rows(&counted), Some(9.0));
    assert_eq!(default_rows(&Row { default_bytes: Some(0), ..row.clone() }), Some(0.0));
    assert_eq!(default_rows(&Row { default_oid: None, ..row }), None, "there is none");
}

#[test]
fn every_kind_of_partitioned_table() {
    on_all_majors(async |major| {
        let server = Server::builder(major).setting("autovacuum", "off").start().await.unwrap();
        workload::partitions(&server, "postgres").await.unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let dsn = server.dsn_as("pgmon", &monitor, "postgres");
        let mut probe = Probe::new(&dsn, REGISTERED).await;
        let seen = "SELECT pg_stat_get_live_tuples('part.by_day_with_default_rest'::regclass) = 100";
        server.wait_until("postgres", seen).await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 2);

        for (table, partitions) in PARTITIONED {
            assert_eq!(count(&round, table), Some(partitions as f64), "{table} on {major}");
        }
        assert_eq!(count(&round, "nested_eu"), Some(2.0));
        // by_day ends with today + 3, by_timestamptz with today + 1; midnight may be near.
        assert!(within(of(&round, "horizon_seconds", "by_day"), 3.0 * DAY - 60.0, 4.0 * DAY), "{major}");
        assert!(within(of(&round, "horizon_seconds", "by_timestamptz"), DAY - 60.0, 2.0 * DAY), "{major}");
        assert!(within(of(&round, "horizon_seconds", "by_month"), 27.0 * DAY, 63.0 * DAY));
        assert!(within(of(&round, "oldest_seconds", "by_day"), 2.0 * DAY - 60.0, 3.0 * DAY + 60.0));
        assert_eq!(of(&round, "missing", "by_day"), Some(1.0), "seven days are asked for");
        assert_eq!(of(&round, "missing", "by_month"), Some(0.0));
        assert_eq!(of(&round, "missing", "nested_eu"), Some(0.0));
        for table in ["by_int", "by_two_columns", "by_list", "by_hash", "nested"] {
            assert_eq!(of(&round, "missing", table), None, "{table} is not by time");
            assert_eq!(of(&round, "horizon_seconds", table), None, "{table} is not by time");
        }
        for table in ["by_day", "by_int", "by_two_columns", "by_hash", "by_month", "nested_eu"] {
            assert_eq!(of(&round, "gaps", table), Some(0.0), "{table} on {major}");
        }
        assert_eq!(of(&round, "gaps", "by_list"), None);
        assert_eq!(of(&round, "default_rows", "by_day_with_default"), Some(100.0), "{major}");
        assert_eq!(round.samples("pg_partition_default_rows").len(), 1);
        let intervals = [("by_day", "1 day"), ("by_month", "1 month"), ("by_int", "1000")];
        for (table, interval) in intervals {
            assert_eq!(row(&round, table)["interval"], interval, "{table} on {major}");
        }
        assert_eq!(row(&round, "by_timestamptz")["key_type"], "timestamp with time zone");
        assert_eq!(row(&round, "by_int")["newest_upper"], "MAXVALUE");

        // Nothing has changed: the bounds are not read again.
        assert_eq!(probe.round().await.executed.len(), 1);

        // DDL on a partition and on its parent: nobody waits, nothing is missing.
        let mut ddl = server.connect("postgres").await.unwrap();
        let lock = "BEGIN; LOCK TABLE part.by_day, part.by_day_with_default_rest IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut ddl).await.unwrap();
        let mut fresh = Probe::new(&dsn, REGISTERED).await;
        let locked = fresh.round().await;
        assert_eq!(locked.executed.len(), 2, "a statement met the lock and was sent again");
        assert!(of(&locked, "horizon_seconds", "by_day").is_some());
        assert_eq!(of(&locked, "default_rows", "by_day_with_default"), Some(100.0));
        drop(ddl);

        // A partition in the middle goes: that shows at once.
        let drop_today = "DO $$ BEGIN EXECUTE format('DROP TABLE part.by_day_%s', to_char(current_date + 1, 'YYYYMMDD')); END $$";
        server.exec("postgres", drop_today).await.unwrap();
        let round = probe.round().await;
        assert_eq!(round.executed.len(), 2);
        assert_eq!((of(&round, "gaps", "by_day"), count(&round, "by_day")), (Some(1.0), Some(6.0)));
        assert_eq!(row(&round, "by_day")["gap_list"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn what_ended_a_year_ago_is_not_healthy() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        server.set("timezone", "Asia/Kolkata").await.unwrap();
        let setup = "
            CREATE SCHEMA part;
            CREATE TABLE part.over (at timestamptz) PARTITION BY RANGE (at);
            CREATE TABLE part.ahead (at timestamptz) PARTITION BY RANGE (at);
            CREATE TABLE part.endless (at timestamp) PARTITION BY RANGE (at);
            CREATE TABLE part.endless_1 PARTITION OF part.endless FOR VALUES FROM (MINVALUE) TO ('infinity');
            CREATE TABLE part.young (at date) PARTITION BY RANGE (at);
            CREATE TABLE part.young_default PARTITION OF part.young DEFAULT;
            CREATE TABLE part.expression (at timestamptz) PARTITION BY RANGE ((at::date::text));
            CREATE TABLE part.by_text (day text) PARTITION BY RANGE (day);
            CREATE TABLE part.by_text_1 PARTITION OF part.by_text FOR VALUES FROM ('it''s, (a)') TO (E'z\\\\z');
            CREATE DOMAIN part.day AS date;
            CREATE TABLE part.by_domain (at part.day) PARTITION BY RANGE (at);
            CREATE TABLE part.\"new
line\" (at date) PARTITION BY RANGE (at);
            CREATE TABLE part.listed_days (at date) PARTITION BY LIST (at);
            CREATE TABLE part.listed_days_rest PARTITION OF part.listed_days DEFAULT;
            CREATE TABLE part.listed_hours (at timestamptz) PARTITION BY LIST (at);
            CREATE TABLE part.listed_epochs (at bigint) PARTITION BY LIST (at);
            DO $$ DECLARE m timestamptz; BEGIN
              FOR i IN 0..11 LOOP
                m := date_trunc('month', now() AT TIME ZONE 'America/New_York' - interval '24 months' + make_interval(months => i)) AT TIME ZONE 'America/New_York';
                EXECUTE format('CREATE TABLE part.over_%s PARTITION OF part.over FOR VALUES FROM (%L) TO (%L)', i, m, (m AT TIME ZONE 'America/New_York' + interval '1 month') AT TIME ZONE 'America/New_York');
              END LOOP;
              FOR i IN -1..9 LOOP
                EXECUTE format('CREATE TABLE part.ahead_%s PARTITION OF part.ahead FOR VALUES FROM (%L) TO (%L)', i + 1, date_trunc('hour', now()) + make_interval(days => i), date_trunc('hour', now()) + make_interval(days => i + 1));
              END LOOP;
              FOR i IN 0..2 LOOP
                EXECUTE format('CREATE TABLE part.listed_days_%s PARTITION OF part.listed_days FOR VALUES IN (%L, %L)', i, current_date - 2 + 2 * i, current_date - 1 + 2 * i);
                EXECUTE format('CREATE TABLE part.listed_hours_%s PARTITION OF part.listed_hours FOR VALUES IN (%L)', i, date_trunc('hour', now()) + make_interval(hours => i));
                EXECUTE format('CREATE TABLE part.listed_epochs_%s PARTITION OF part.listed_epochs FOR VALUES IN (%s)', i, extract(epoch FROM current_date + i)::int8);
              END LOOP;
              EXECUTE format('CREATE TABLE part.by_domain_1 PARTITION OF part.by_domain FOR VALUES FROM (%L) TO (%L)', current_date - 3, current_date + 30);
              EXECUTE format('CREATE TABLE part.\"new
line1\" PARTITION OF part.\"new
line\" FOR VALUES FROM (%L) TO (%L)', current_date - 3, current_date + 30);
            END $$;";
        server
            .exec(
                "postgres",
                &setup.replace(
                    "PARTITION BY RANGE ((at::date::text))",
                    "PARTITION BY RANGE ((date_trunc('day', at AT TIME ZONE 'UTC')))",
                ),
            )
            .await
            .unwrap();
        server
            .exec("postgres", "DO $$ BEGIN EXECUTE format('CREATE TABLE part.expression_1 PARTITION OF part.expression FOR VALUES FROM (%L) TO (%L)', current_date - 9, current_date - 7); END $$")
            .await
            .unwrap();
        let monitor = server.create_monitor("pgmon", Tier::T0).await.unwrap();
        let settings = Settings { partition_horizon: Duration::from_secs(3 * 86_400), ..Settings::default() };
        let mut probe =
            Probe::with(&server.dsn_as("pgmon", &monitor, "postgres"), REGISTERED, settings).await;
        let round = probe.round().await;
        let truth = "SELECT extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'America/New_York' - interval '12 months') AT TIME ZONE 'America/New_York' - now())::float8";
        let truth: f64 = server.query("postgres", truth).await.unwrap();
        assert!(
            within(of(&round, "horizon_seconds", "over"), truth - 10.0, truth + 10.0),
            "{major} {:?} {truth}",
            of(&round, "horizon_seconds", "over")
        );
        assert!(truth < -333.0 * DAY);
        assert_eq!(of(&round, "missing", "over"), Some(1.0));
        assert_eq!(row(&round, "over")["interval"], "1 month", "{}", row(&round, "over"));
        assert_eq!(of(&round, "gaps", "over"), Some(0.0));
        // Nine days ahead, three are asked for.
        assert_eq!(of(&round, "missing", "ahead"), Some(0.0), "{}", row(&round, "ahead"));
        assert!(within(of(&round, "horizon_seconds", "ahead"), 9.0 * DAY - 3700.0, 10.0 * DAY));
        assert_eq!(
            (of(&round, "missing", "endless"), of(&round, "horizon_seconds", "endless")),
            (Some(0.0), None)
        );
        // Only a default partition: nobody has begun to partition by time.
        assert_eq!((of(&round, "missing", "young"), of(&round, "default_rows", "young")), (None, Some(0.0)));
        assert_eq!(of(&round, "missing", "expression"), Some(1.0), "{}", row(&round, "expression"));
        assert_eq!((of(&round, "missing", "by_text"), of(&round, "gaps", "by_text")), (None, Some(0.0)));
        assert_eq!(of(&round, "missing", "by_domain"), Some(0.0));
        assert_eq!(row(&round, "by_text")["unreadable_bounds"], 0);
        // Lists of dates end with the newest date, here in three days; numbers may count anything.
        assert!(within(of(&round, "horizon_seconds", "listed_days"), 3.0 * DAY - 60.0, 4.0 * DAY), "{major}");
        assert!(within(of(&round, "oldest_seconds", "listed_days"), -60.0, DAY + 60.0), "{major}");
        assert!(within(of(&round, "horizon_seconds", "listed_hours"), 7200.0 - 60.0, 10_800.0), "{major}");
        let missing = ["listed_days", "listed_hours", "listed_epochs"].map(|t| of(&round, "missing", t));
        assert_eq!(missing, [Some(0.0), Some(1.0), None], "three days are asked for");
        assert_eq!(of(&round, "horizon_seconds", "listed_epochs"), None);
        assert_eq!(count(&round, "listed_epochs"), Some(3.0));
        let lines = round
            .samples("pg_partition_missing")
            .into_iter()
            .filter(|(l, _)| l[0].starts_with("part.new_line~"));
        assert_eq!(lines.map(|(_, v)| v).collect::<Vec<_>>(), [0.0]);
    });
}

#[test]
fn partitions_of_partitions_need_not_reach_beyond_their_own_bounds() {
    on_all_majors(async |major| {
        let server = Server::start(major).await.unwrap();
        let setup = "
            CREATE SCHEMA part;
            CREATE TABLE part.months (at date) PARTITION BY RANGE (at);
            DO $$ DECLARE m date := date_trunc('month', current_date); BEGIN
              FOR i IN -2..1 LOOP
                EXECUTE format('CREATE TABLE part.month_%s PARTITION OF part.months FOR VALUES FROM (%L) TO (%L) PARTITION BY RANGE (at)',
                               i + 2, (m + make_interval(months => i))::date, (m + make_interval(months => i + 1))::date);
                FOR d IN 0..30 LOOP
                  CONTINUE WHEN (m + make_interval(months => i))::date + d >= (m + make_interval(months => i + 1))::date;
                  -- The month after this one has lost its last days.
                  CONTINUE WHEN i = 1 AND d > 20;
                  EXECUTE format('CREATE TABLE part.day_%s_%s PARTITION OF part.month_%s FOR VALUES FROM (%L) TO (%L)',
                                 i + 2, d, i + 2, (m + make_interval(months => i))::date + d, (m + make_interval(months => i))::date + d + 1);
                END LOOP;
              END LOOP;
            END $$;
            CREATE TABLE part.old_style (at date);
            CREATE TABLE part.child_1 (CHECK (at < '2024-01-01')) INHERITS (part.old_style);
            CREATE TABLE part.child_2 () INHERITS (part.old_style);
            CREATE TABLE part.had_children (at date);
            CREATE TABLE part.orphan () INHERITS (part.had_children);
            DROP TABLE part.orphan;";
        server.exec("postgres", setup).await.unwrap();
        let settings =
            Settings { partition_horizon: Duration::from_secs(70 * 86_400), ..Settings::default() };
        let round = Probe::with(&server.dsn("postgres"), REGISTERED, settings).await.round().await;
        for past in ["month_0", "month_1", "month_2"] {
            assert_eq!(of(&round, "missing", past), Some(0.0), "{past} is complete on {major}");
            assert_eq!(of(&round, "horizon_seconds", past), None, "{past} is complete");
        }
        assert_eq!(of(&round, "missing", "month_3"), Some(1.0), "{major}");
        assert_eq!(of(&round, "missing", "months"), Some(1.0), "it ends within 70 days");
        assert_eq!(count(&round, "months"), Some(4.0));
        // Before declarative partitioning: children, and nothing known of bounds.
        assert_eq!(count(&round, "old_style"), Some(2.0));
        assert_eq!((of(&round, "gaps", "old_style"), of(&round, "missing", "old_style")), (None, None));
        assert_eq!(row(&round, "old_style")["strategy"], "inheritance");
        assert_eq!(count(&round, "had_children"), None);
        // Those that are not partitions themselves come first.
        assert!(round.data[0]["parent_oid"].is_null() && round.data[1]["parent_oid"].is_null());
    });
}
