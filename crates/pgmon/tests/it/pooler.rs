//! Through PgBouncer in transaction mode.

use crate::agent::Agent;
use anyhow::Result;
use pgmon_testkit::{PgBouncer, Server, Tier, on_each_major};
use sqlx::{Connection as _, Row as _};
use std::time::{Duration, Instant};

on_each_major! { [pg12 12, pg18 18]
    async fn an_application_writes_through_the_same_pool_of_one_connection(major: Major) -> Result<()> {
        let server = Server::builder(major).statements().start().await?;
        server.create_database("shop").await?;
        server.exec("shop", "CREATE TABLE t (n int); CREATE ROLE app LOGIN PASSWORD 'a'; GRANT ALL ON t TO app").await?;
        server.exec("shop", "CREATE SCHEMA app AUTHORIZATION app").await?;
        let password = server.create_monitor("pgmon", Tier::T0).await?;
        // One server connection for all clients of the database, whoever they are.
        let pooler = PgBouncer::builder(&server)
            .user("app", "a")
            .user("pgmon", &password)
            .setting("max_db_connections", 1)
            .setting("server_idle_timeout", 1)
            .start()
            .await?;
        let databases = format!("[{{dsn: '{}', pooled: true}}]", pooler.dsn_as("pgmon", &password, "shop"));
        let agent = Agent::start(&[("PGMON_DATABASES", &databases)]);
        agent.wait_for_all_loops();
        let mut app = sqlx::PgConnection::connect_with(
            &pooler.dsn_as("app", "a", "shop").parse::<sqlx::postgres::PgConnectOptions>()?.extra_float_digits(None),
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
        let page = agent.wait_for_all_loops();
        assert_eq!(page.value("pgmon_errors_total", &[("loop", "hot_path")]), Some(0.0), "{}", agent.log());
        Ok(())
    }
}
