-- Parameters that the roles $1 or PUBLIC may SET or ALTER SYSTEM although only a superuser may by
-- default: the first $2 (of PUBLIC's the first $3), and how many there are.
WITH per_object AS (
       SELECT p.parname, x.grantee,
              pg_catalog.array_agg(DISTINCT x.privilege_type ORDER BY x.privilege_type) AS privileges,
              pg_catalog.bool_or(x.is_grantable) AS grantable
         FROM pg_catalog.pg_parameter_acl AS p
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) AS x
        WHERE x.grantee = 0 OR x.grantee = ANY ($1::oid[])
        GROUP BY p.parname, x.grantee),
ranked AS (
       SELECT o.parname, o.grantee, o.privileges, o.grantable,
              pg_catalog.count(*) OVER (PARTITION BY o.grantee = 0) AS total,
              pg_catalog.row_number() OVER (PARTITION BY o.grantee = 0
                                            ORDER BY pg_catalog.array_position($1::oid[], o.grantee),
                                                     o.parname) AS place
         FROM per_object AS o)
SELECT 'parameter'::text AS kind,
       r.parname::text AS object,
       NULL::text AS detail,
       r.grantee AS grantee,
       r.privileges::text[] AS privileges,
       r.grantable::bool AS grantable,
       r.total::int8 AS total
  FROM ranked AS r
 WHERE r.place <= CASE WHEN r.grantee = 0 THEN $3::int8 ELSE $2::int8 END
 ORDER BY r.place
