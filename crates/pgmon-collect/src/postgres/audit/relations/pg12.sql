-- Rights to change tables, views, columns and sequences of this database that are granted to the
-- roles $1 or to PUBLIC: of each kind the first $2 in the order of $1 (of PUBLIC's the first $3), and
-- how many there are.
-- What a role owns is left out of its grants: that is reported as ownership. PUBLIC's rights on what initdb made
-- are the server's own (UPDATE on pg_settings stands for SET).
WITH in_column AS (
       -- Grants to roles are found by their dependency, so that pg_attribute is only read as a whole,
       -- for PUBLIC's, where it is not huge.
       SELECT d.objid AS relid, d.objsubid::int2 AS attnum
         FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
          AND d.refobjid = ANY ($1::oid[])
          AND d.deptype = 'a'
          AND d.classid = 'pg_catalog.pg_class'::regclass
          AND d.objsubid > 0
          AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b
                         WHERE b.datname = pg_catalog.current_database())
        UNION
       SELECT a.attrelid, a.attnum
         FROM pg_catalog.pg_attribute AS a
        WHERE a.attacl IS NOT NULL
          AND (SELECT c.reltuples FROM pg_catalog.pg_class AS c
                WHERE c.oid = 'pg_catalog.pg_attribute'::regclass) < 1000000),
acl AS (
       -- Thousands of tables share a handful of lists: each is taken apart once.
       SELECT l.list, x.grantee, x.privilege_type, x.is_grantable
         FROM (SELECT DISTINCT c.relacl AS list
                 FROM pg_catalog.pg_class AS c
                WHERE c.relacl IS NOT NULL) AS l
        CROSS JOIN LATERAL pg_catalog.aclexplode(l.list) AS x
        WHERE x.grantee = 0
           OR x.grantee = ANY ($1::oid[])),
granted AS (
       SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
              c.oid AS relid, NULL::name AS attname, x.grantee, x.privilege_type, x.is_grantable
         FROM acl AS x
         JOIN pg_catalog.pg_class AS c ON c.relacl = x.list
        WHERE c.relowner <> x.grantee
          AND (x.grantee <> 0 OR c.relowner <> ALL ($1::oid[]))
          AND (x.grantee <> 0 OR c.oid >= 16384)
          AND (x.is_grantable OR x.privilege_type <> 'SELECT')
       UNION ALL
       SELECT 'column', c.oid, a.attname, x.grantee, x.privilege_type, x.is_grantable
         FROM in_column AS i
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.relid AND a.attnum = i.attnum
         JOIN pg_catalog.pg_class AS c ON c.oid = i.relid
        CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS x
        WHERE a.attacl IS NOT NULL
          AND NOT a.attisdropped
          AND c.relowner <> x.grantee
          AND (x.grantee <> 0 OR c.relowner <> ALL ($1::oid[]))
          AND (x.grantee = ANY ($1::oid[]) OR (x.grantee = 0 AND c.oid >= 16384))),
per_object AS (
       SELECT g.kind, g.relid, g.attname, g.grantee,
              pg_catalog.array_agg(DISTINCT g.privilege_type ORDER BY g.privilege_type) AS privileges,
              pg_catalog.bool_or(g.is_grantable) AS grantable
         FROM granted AS g
        WHERE g.is_grantable
           OR g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER',
                                   'MAINTAIN', 'USAGE')
        GROUP BY g.kind, g.relid, g.attname, g.grantee),
ranked AS (
       SELECT o.kind, n.nspname, c.relname, o.attname, o.grantee, o.privileges, o.grantable,
              pg_catalog.count(*) OVER (PARTITION BY o.kind, o.grantee = 0) AS total,
              pg_catalog.row_number() OVER (PARTITION BY o.kind, o.grantee = 0
                                            ORDER BY pg_catalog.array_position($1::oid[], o.grantee),
                                                     n.nspname, c.relname, o.attname) AS place
         FROM per_object AS o
         JOIN pg_catalog.pg_class AS c ON c.oid = o.relid
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace)
SELECT r.kind::text AS kind,
       pg_catalog.format('%I.%I', r.nspname, r.relname)::text AS object,
       pg_catalog.quote_ident(r.attname)::text AS detail,
       r.grantee AS grantee,
       r.privileges::text[] AS privileges,
       r.grantable::bool AS grantable,
       r.total::int8 AS total
  FROM ranked AS r
 WHERE r.place <= CASE WHEN r.grantee = 0 THEN $3::int8 ELSE $2::int8 END
 ORDER BY r.kind, r.place
