//! What the customers and the staff of the shop do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use pgmon_testkit::{PgConnection, Server, workload};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::JoinSet;
use tokio::time::sleep;

const SHOP: &str = "shop";

/// Starts everything; it ends with the set.
pub(crate) fn start(server: &Arc<Server>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        forever(&mut tasks, server, "buyer", async |server| {
            buy(&mut session(&server, "checkout").await?).await
        });
    }
    forever(&mut tasks, server, "browser", async |server| {
        browse(&mut session(&server, "storefront").await?).await
    });
    forever(&mut tasks, server, "carts", async |server| {
        fill_carts(&mut session(&server, "carts").await?).await
    });
    forever(&mut tasks, server, "report", async |server| {
        report(&mut session(&server, "reporting").await?).await
    });
    forever(&mut tasks, server, "blocked sessions", async |server| block(&server).await);
    forever(&mut tasks, server, "forgotten transaction", async |server| forget_transaction(&server).await);
    if pgmon_testkit::program("pgbench").is_some() {
        forever(&mut tasks, server, "pgbench", async |server| bench(&server).await);
    }
    tasks
}

/// Begins again after an error, such as a connection that was terminated by hand.
fn forever<F>(
    tasks: &mut JoinSet<()>,
    server: &Arc<Server>,
    name: &'static str,
    work: impl Fn(Arc<Server>) -> F + Send + 'static,
) where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let server = Arc::clone(server);
    tasks.spawn(async move {
        loop {
            if let Err(error) = work(Arc::clone(&server)).await {
                eprintln!("demo: {name}: {error:#}");
            }
            sleep(Duration::from_secs(2)).await;
        }
    });
}

/// A session of the application, on the unix socket.
async fn session(server: &Server, name: &str) -> Result<PgConnection> {
    let options = server.connect_options(SHOP).username("shop_app").application_name(name);
    Ok(options.disable_statement_logging().connect().await?)
}

async fn pause(milliseconds: std::ops::Range<u64>) {
    sleep(Duration::from_millis(fastrand::u64(milliseconds))).await;
}

async fn buy(session: &mut PgConnection) -> Result<()> {
    loop {
        let customer = fastrand::i32(1..=20_000);
        let mut order = session.begin().await?;
        let id: i64 = sqlx::query_scalar("INSERT INTO orders (customer_id) VALUES ($1) RETURNING id")
            .bind(customer)
            .fetch_one(&mut *order)
            .await?;
        // In the order of their ids: two buyers never wait for each other in a circle.
        let mut products: Vec<i32> = (0..fastrand::usize(1..4)).map(|_| fastrand::i32(1..=1000)).collect();
        products.sort_unstable();
        for (line, product) in (0_i32..).zip(products) {
            sqlx::query("UPDATE products SET stock = stock - 1 WHERE id = $1")
                .bind(product)
                .execute(&mut *order)
                .await?;
            sqlx::query(
                "INSERT INTO order_items (order_id, line, product_id, quantity) VALUES ($1, $2, $3, 1)",
            )
            .bind(id)
            .bind(line)
            .bind(product)
            .execute(&mut *order)
            .await?;
        }
        sqlx::query("INSERT INTO events (at, customer_id, kind) VALUES (now(), $1, 'order')")
            .bind(customer)
            .execute(&mut *order)
            .await?;
        sqlx::query("SELECT nextval('invoice_number')").execute(&mut *order).await?;
        order.commit().await?;
        pause(50..250).await;
    }
}

async fn browse(session: &mut PgConnection) -> Result<()> {
    loop {
        for _ in 0..20 {
            sqlx::query(
                "SELECT id, ordered_at, status FROM orders WHERE customer_id = $1 ORDER BY id DESC LIMIT 10",
            )
            .bind(fastrand::i32(1..=20_000))
            .fetch_all(&mut *session)
            .await?;
            pause(20..100).await;
        }
        sqlx::query(
            "SELECT id, name, price FROM products WHERE name LIKE '%' || $1 || '%' ORDER BY price LIMIT 20",
        )
        .bind(format!("{:x}", fastrand::u8(..)))
        .fetch_all(&mut *session)
        .await?;
        sqlx::query("SELECT sum(quantity) FROM order_items WHERE product_id = $1")
            .bind(fastrand::i32(1..=1000))
            .fetch_all(&mut *session)
            .await?;
    }
}

async fn fill_carts(session: &mut PgConnection) -> Result<()> {
    loop {
        let first = fastrand::i32(1..19_900);
        sqlx::query("UPDATE carts SET changed_at = now() WHERE customer_id BETWEEN $1 AND $1 + 100")
            .bind(first)
            .execute(&mut *session)
            .await?;
        pause(2_000..5_000).await;
    }
}

/// A report that sorts more than it may keep in memory.
async fn report(session: &mut PgConnection) -> Result<()> {
    sqlx::query("SET work_mem = '256kB'").execute(&mut *session).await?;
    loop {
        sqlx::query(
            "SELECT c.name, o.ordered_at, i.product_id, rank() OVER (PARTITION BY i.product_id ORDER BY o.ordered_at) \
             FROM order_items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer_id \
             ORDER BY c.name, o.ordered_at LIMIT 100",
        )
        .fetch_all(&mut *session)
        .await?;
        pause(15_000..25_000).await;
    }
}

/// Each minute some sessions wait for another one, each time in another way.
async fn block(server: &Server) -> Result<()> {
    for round in 0_u8.. {
        pause(5_000..10_000).await;
        let blocked = match round % 3 {
            0 => workload::lock_chain(server, SHOP, 3).await?,
            1 => workload::ddl_queue(server, SHOP).await?,
            _ => workload::prepared_xact_blocker(server, SHOP).await?,
        };
        pause(10_000..40_000).await;
        blocked.stop().await?;
        pause(10_000..20_000).await;
    }
    Ok(())
}

async fn forget_transaction(server: &Server) -> Result<()> {
    loop {
        let forgotten = workload::idle_in_transaction(server, SHOP).await?;
        pause(120_000..240_000).await;
        forgotten.stop().await?;
        pause(30_000..60_000).await;
    }
}

async fn bench(server: &Server) -> Result<()> {
    if !server.databases().await?.iter().any(|database| database == "bench") {
        server.create_database("bench").await?;
    }
    let _bench = workload::pgbench(server, "bench", 1, 2, 20).await?;
    std::future::pending().await
}
