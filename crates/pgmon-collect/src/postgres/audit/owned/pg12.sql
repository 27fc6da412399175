-- What the roles $1 own, here and in the server's other databases: the first $2 objects with their
-- names (in the order of $1), of other databases only how many, and how many in all.
-- Whoever owns an object may change or drop it, whatever its grants say. User mappings are reported
-- as such; default privileges are nobody's data.
WITH here AS (
       SELECT b.oid
         FROM pg_catalog.pg_database AS b
        WHERE b.datname = pg_catalog.current_database()),
owned AS (
       SELECT s.dbid, s.classid, s.objid, s.objsubid, s.refobjid,
              (s.dbid = 0 OR s.dbid = h.oid) AS nameable
         FROM pg_catalog.pg_shdepend AS s
        CROSS JOIN here AS h
        WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass
          AND s.refobjid = ANY ($1::oid[])
          AND s.deptype = 'o'
          AND s.classid NOT IN ('pg_catalog.pg_user_mapping'::regclass, 'pg_catalog.pg_default_acl'::regclass)),
ranked AS (
       SELECT o.classid, o.objid, o.objsubid, o.refobjid,
              pg_catalog.count(*) OVER () AS total,
              pg_catalog.row_number() OVER (
                  ORDER BY pg_catalog.array_position($1::oid[], o.refobjid), o.classid, o.objid) AS place
         FROM owned AS o
        WHERE o.nameable)
SELECT 'ownership'::text AS kind,
       (i.type || ' ' || i.identity)::text AS object,
       NULL::text AS detail,
       r.refobjid AS grantee,
       ARRAY['owner']::text[] AS privileges,
       false AS grantable,
       r.total::int8 AS total
  FROM ranked AS r
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(r.classid, r.objid, r.objsubid) AS i
 WHERE r.place <= $2::int8
UNION ALL
SELECT 'ownership_elsewhere'::text,
       pg_catalog.quote_ident(d.datname)::text,
       pg_catalog.count(*)::text,
       o.refobjid,
       ARRAY['owner']::text[],
       false,
       (pg_catalog.count(*) OVER ())::int8
  FROM owned AS o
  JOIN pg_catalog.pg_database AS d ON d.oid = o.dbid
 WHERE NOT o.nameable
 GROUP BY d.datname, o.refobjid
 ORDER BY 1, 2
