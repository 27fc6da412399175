-- Every role whose rights ours can use, one row each: itself, and along chains of memberships.
-- From 16 on each membership says for itself what it gives: INHERIT its rights, SET ROLE to it, or
-- ADMIN, with which the member can grant itself the other two. SET ROLE works only along a chain of
-- SET from the session's role: what is behind an INHERIT alone is inherited, but cannot be assumed.
WITH RECURSIVE reach (oid, assumable) AS (
       SELECT r.oid, true
         FROM pg_catalog.pg_roles AS r
        WHERE r.rolname IN (session_user, current_user)
        UNION
       SELECT m.roleid, m.admin_option OR (m.set_option AND x.assumable)
         FROM reach AS x
         JOIN pg_catalog.pg_auth_members AS m ON m.member = x.oid
        WHERE m.inherit_option
           OR m.admin_option
           OR (m.set_option AND x.assumable))
SELECT r.oid AS oid,
       r.rolname::text AS name,
       (r.rolname IN (session_user, current_user))::bool AS own,
       pg_catalog.bool_or(x.assumable)::bool AS assumable,
       r.rolsuper::bool AS superuser,
       r.rolcreatedb::bool AS createdb,
       r.rolcreaterole::bool AS createrole,
       r.rolreplication::bool AS replication,
       r.rolbypassrls::bool AS bypassrls,
       ARRAY(SELECT DISTINCT h.rolname::text
               FROM pg_catalog.pg_auth_members AS m
               JOIN reach AS y ON y.oid = m.member
               JOIN pg_catalog.pg_roles AS h ON h.oid = m.member
              WHERE m.roleid = r.oid
                AND (m.inherit_option OR m.admin_option OR (m.set_option AND y.assumable))
              ORDER BY 1) AS members,
       ARRAY(SELECT DISTINCT h.rolname::text
               FROM pg_catalog.pg_auth_members AS m
               JOIN reach AS y ON y.oid = m.member
               JOIN pg_catalog.pg_roles AS h ON h.oid = m.member
              WHERE m.roleid = r.oid
                AND m.admin_option
              ORDER BY 1) AS admins,
       -- To whom of ours the role was granted, and (in the same order) by whom: a REVOKE must name the
       -- grantor, unless it is the bootstrap superuser.
       ARRAY(SELECT h.rolname::text
               FROM pg_catalog.pg_auth_members AS m
               JOIN pg_catalog.pg_roles AS h ON h.oid = m.member
               JOIN pg_catalog.pg_roles AS g ON g.oid = m.grantor
              WHERE m.roleid = r.oid
                AND m.member IN (SELECT y.oid FROM reach AS y)
                AND m.grantor <> 10
              ORDER BY h.rolname, g.rolname) AS granted_to,
       ARRAY(SELECT g.rolname::text
               FROM pg_catalog.pg_auth_members AS m
               JOIN pg_catalog.pg_roles AS h ON h.oid = m.member
               JOIN pg_catalog.pg_roles AS g ON g.oid = m.grantor
              WHERE m.roleid = r.oid
                AND m.member IN (SELECT y.oid FROM reach AS y)
                AND m.grantor <> 10
              ORDER BY h.rolname, g.rolname) AS granted_by
  FROM pg_catalog.pg_roles AS r
  JOIN reach AS x ON x.oid = r.oid
 GROUP BY r.oid, r.rolname, r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls
 ORDER BY r.rolname
