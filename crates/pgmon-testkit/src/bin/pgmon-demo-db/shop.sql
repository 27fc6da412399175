-- A small shop, with the faults that a real one has: see the comments.
CREATE TABLE customers (
  id int PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO customers SELECT i, 'customer' || i || '@example.com', 'Customer ' || i FROM generate_series(1, 20000) i;

CREATE TABLE products (
  id int PRIMARY KEY,
  name text NOT NULL,
  price numeric(10, 2) NOT NULL,
  stock int NOT NULL
);
INSERT INTO products SELECT i, 'Product ' || md5(i::text), 1 + i % 100, 1000000 FROM generate_series(1, 1000) i;

CREATE TABLE orders (
  id bigserial PRIMARY KEY,
  customer_id int NOT NULL REFERENCES customers,
  ordered_at timestamptz NOT NULL DEFAULT now(),
  status text NOT NULL DEFAULT 'new',
  note text NOT NULL DEFAULT ''
);
INSERT INTO orders (customer_id, ordered_at, status)
SELECT 1 + i % 20000, now() - (60000 - i) * interval '1 minute', 'shipped' FROM generate_series(1, 60000) i;
CREATE INDEX orders_customer ON orders (customer_id);
-- The same once more, by another name, and one that no query uses.
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE INDEX orders_note ON orders (note);

-- order_items has no index on product_id: looking for the sales of a product reads all of it.
CREATE TABLE order_items (
  order_id bigint NOT NULL REFERENCES orders,
  line int NOT NULL,
  product_id int NOT NULL,
  quantity int NOT NULL,
  PRIMARY KEY (order_id, line)
);
INSERT INTO order_items SELECT 1 + i / 2, i % 2, 1 + i % 1000, 1 FROM generate_series(0, 119999) i;

-- Somebody turned autovacuum off for a bulk load and forgot about it.
CREATE TABLE carts (customer_id int PRIMARY KEY, content text NOT NULL, changed_at timestamptz NOT NULL DEFAULT now())
WITH (autovacuum_enabled = false);
INSERT INTO carts SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i;
UPDATE carts SET changed_at = now();

-- Partitions are made by hand, and only up to the day after tomorrow.
CREATE TABLE events (at timestamptz NOT NULL, customer_id int NOT NULL, kind text NOT NULL) PARTITION BY RANGE (at);
DO $$
BEGIN
  FOR i IN -6..2 LOOP
    EXECUTE format(
      'CREATE TABLE events_%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
      to_char(current_date + i, 'YYYYMMDD'), (current_date + i)::timestamptz, (current_date + i + 1)::timestamptz);
  END LOOP;
END $$;
INSERT INTO events SELECT current_date - i % 7 + interval '1 minute', i, 'login' FROM generate_series(1, 20000) i;

-- An int that counts more than anybody thought.
CREATE SEQUENCE invoice_number AS int;
SELECT setval('invoice_number', 1980000000);
ANALYZE;

CREATE ROLE shop_app LOGIN;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO shop_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO shop_app;
