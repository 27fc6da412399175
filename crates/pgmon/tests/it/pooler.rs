//! Through PgBouncer in transaction mode.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{PgBouncer, Server, on_each_major};
use sqlx::{Connection as _, Row as _};
use std::time::{Duration, Instant};

on_each_major! { [pg12 12, pg18 18]
    async fn an_application_writes_through_the_same_pool_of_one_connection(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("shop").await?;
        // pgmon and the application share a role, and so PgBouncer's one connection: whatever one leaves
        // behind in it, the other meets. (Such a role can write, which pgmon refuses unless told not to.)
        let password = server.create_role("app").await?;
        server
            .exec(
                "shop",
                "CREATE TABLE t (n int); GRANT ALL ON t TO app; GRANT pg_monitor TO app; CREATE SCHEMA app AUTHORIZATION app",
            )
            .await?;
        let pooler = PgBouncer::builder(&server).user("app", &password).start().await?;
        let databases = format!("[{{dsn: '{}', pooled: true}}]", pooler.dsn_as("app", &password, "shop"));
        let agent = Agent::start(&[("PGMON_DATABASES", &databases), ("PGMON_SECURITY_READ_ONLY_ENFORCE", "false")]);
        agent.wait_for_all_loops();
        let mut app = sqlx::PgConnection::connect_with(
            &pooler.dsn_as("app", &password, "shop").parse::<sqlx::postgres::PgConnectOptions>()?.extra_float_digits(None),
        )
        .await?;
        let deadline = Instant::now() + Duration::from_secs(6);
        let mut written = 0;
        while Instant::now() < deadline {
            sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&mut app).await?;
            sqlx::raw_sql("CREATE TABLE app.x (); DROP TABLE app.x").execute(&mut app).await?;
            written += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.query::<i64>("shop", "SELECT count(*) FROM t").await?, written);
        // Nothing of pgmon's transactions stays behind in the pooled connection.
        let mut settings: Vec<String> = Vec::new();
        for name in ["statement_timeout", "lock_timeout", "default_transaction_read_only", "search_path"] {
            let sql = format!("SELECT current_setting('{name}') AS value");
            let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut app).await?;
            settings.push(row.try_get("value")?);
        }
        assert_eq!(settings, ["0", "0", "off", "\"$user\", public"]);
        let backends = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
        assert_eq!(server.query::<i64>("postgres", backends).await?, 1, "both work through one connection");
        let kept = sqlx::raw_sql("SELECT count(*) AS n FROM pg_prepared_statements").fetch_one(&mut app).await?;
        assert_eq!(kept.try_get::<i64, _>("n")?, 0, "named statements left in the pool");
        let page = agent.wait_for_all_loops();
        assert_eq!(page.value("pgmon_errors_total", &[("loop", "hot_path")]), Some(0.0), "{}", agent.log());
        Ok(())
    }
}
