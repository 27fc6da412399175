-- Rights to create or change anything but relations and functions that are granted to the roles $1
-- or to PUBLIC: of each kind the first $2 (of PUBLIC's the first $3), and how many there are.
-- TEMP on databases is left out: PUBLIC has it everywhere, and a READ ONLY transaction refuses it.
WITH granted AS (
       SELECT 'database' AS kind, pg_catalog.quote_ident(d.datname) AS object, NULL::text AS detail,
              d.datdba AS owner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_database AS d
        CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS x
       UNION ALL
       SELECT 'schema', pg_catalog.quote_ident(n.nspname), NULL::text,
              n.nspowner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS x
       UNION ALL
       SELECT 'tablespace', pg_catalog.quote_ident(t.spcname), NULL::text,
              t.spcowner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_tablespace AS t
        CROSS JOIN LATERAL pg_catalog.aclexplode(t.spcacl) AS x
       UNION ALL
       -- With USAGE one makes a user mapping of one's own.
       SELECT 'foreign_server', pg_catalog.quote_ident(s.srvname), NULL::text,
              s.srvowner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_foreign_server AS s
        CROSS JOIN LATERAL pg_catalog.aclexplode(s.srvacl) AS x
       UNION ALL
       SELECT 'foreign_data_wrapper', pg_catalog.quote_ident(w.fdwname), NULL::text,
              w.fdwowner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_foreign_data_wrapper AS w
        CROSS JOIN LATERAL pg_catalog.aclexplode(w.fdwacl) AS x
       UNION ALL
       SELECT 'user_mapping', pg_catalog.quote_ident(m.srvname), NULL::text,
              0::oid, m.umuser, 'USAGE', false
         FROM pg_catalog.pg_user_mappings AS m
       UNION ALL
       -- There may be millions: those of roles are found by their dependency, PUBLIC's in a table that is small.
       SELECT 'large_object', l.oid::text, NULL::text,
              l.lomowner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_largeobject_metadata AS l
        CROSS JOIN LATERAL pg_catalog.aclexplode(l.lomacl) AS x
        WHERE l.oid IN (SELECT p.objid
                          FROM pg_catalog.pg_shdepend AS p
                         WHERE p.refclassid = 'pg_catalog.pg_authid'::regclass
                           AND p.refobjid = ANY ($1::oid[])
                           AND p.deptype = 'a'
                           AND p.classid = 'pg_catalog.pg_largeobject'::regclass
                           AND p.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b
                                          WHERE b.datname = pg_catalog.current_database()))
       UNION ALL
       SELECT 'large_object', l.oid::text, NULL::text,
              l.lomowner, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_largeobject_metadata AS l
        CROSS JOIN LATERAL pg_catalog.aclexplode(l.lomacl) AS x
        WHERE l.lomacl IS NOT NULL
          AND x.grantee = 0
          AND (SELECT c.reltuples FROM pg_catalog.pg_class AS c
                WHERE c.oid = 'pg_catalog.pg_largeobject_metadata'::regclass) < 100000
       UNION ALL
       SELECT 'default_privileges',
              pg_catalog.format('ROLE %I', r.rolname)
                  || COALESCE(' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname), ''),
              CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'n' THEN 'SCHEMAS'
                                   WHEN 'L' THEN 'LARGE OBJECTS' END,
              a.defaclrole, x.grantee, x.privilege_type, x.is_grantable
         FROM pg_catalog.pg_default_acl AS a
         JOIN pg_catalog.pg_roles AS r ON r.oid = a.defaclrole
         LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = a.defaclnamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) AS x
        WHERE a.defaclobjtype IN ('r', 'S', 'n', 'L')
          AND (x.is_grantable OR NOT (a.defaclobjtype = 'n' AND x.privilege_type = 'USAGE'))),
per_object AS (
       SELECT g.kind, g.object, g.detail, g.grantee,
              pg_catalog.array_agg(DISTINCT g.privilege_type ORDER BY g.privilege_type) AS privileges,
              pg_catalog.bool_or(g.is_grantable) AS grantable
         FROM granted AS g
        WHERE ((g.grantee = 0 AND g.owner <> ALL ($1::oid[]))
               OR (g.grantee = ANY ($1::oid[]) AND g.owner <> g.grantee))
          AND (g.is_grantable
               OR g.privilege_type IN ('CREATE', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                                       'TRIGGER', 'MAINTAIN')
               OR (g.privilege_type = 'USAGE' AND g.kind <> 'schema'))
        GROUP BY g.kind, g.object, g.detail, g.grantee),
ranked AS (
       SELECT o.kind, o.object, o.detail, o.grantee, o.privileges, o.grantable,
              pg_catalog.count(*) OVER (PARTITION BY o.kind, o.grantee = 0) AS total,
              pg_catalog.row_number() OVER (PARTITION BY o.kind, o.grantee = 0
                                            ORDER BY pg_catalog.array_position($1::oid[], o.grantee),
                                                     o.object, o.detail) AS place
         FROM per_object AS o)
SELECT r.kind::text AS kind,
       r.object::text AS object,
       r.detail::text AS detail,
       r.grantee AS grantee,
       r.privileges::text[] AS privileges,
       r.grantable::bool AS grantable,
       r.total::int8 AS total
  FROM ranked AS r
 WHERE r.place <= CASE WHEN r.grantee = 0 THEN $3::int8 ELSE $2::int8 END
 ORDER BY r.kind, r.place
