-- Every role whose rights ours can use, one row each: itself, and along any chain of memberships.
-- SET ROLE needs no INHERIT, so NOINHERIT hides nothing here.
WITH RECURSIVE reach AS (
       SELECT r.oid
         FROM pg_catalog.pg_roles AS r
        WHERE r.rolname IN (session_user, current_user)
        UNION
       SELECT m.roleid
         FROM reach AS x
         JOIN pg_catalog.pg_auth_members AS m ON m.member = x.oid)
SELECT r.oid AS oid,
       r.rolname::text AS name,
       (r.rolname IN (session_user, current_user))::bool AS own,
       true AS assumable,
       r.rolsuper::bool AS superuser,
       r.rolcreatedb::bool AS createdb,
       r.rolcreaterole::bool AS createrole,
       r.rolreplication::bool AS replication,
       r.rolbypassrls::bool AS bypassrls,
       ARRAY(SELECT h.rolname::text
               FROM pg_catalog.pg_auth_members AS m
               JOIN reach AS x ON x.oid = m.member
               JOIN pg_catalog.pg_roles AS h ON h.oid = m.member
              WHERE m.roleid = r.oid
              ORDER BY 1) AS members,
       ARRAY(SELECT h.rolname::text
               FROM pg_catalog.pg_auth_members AS m
               JOIN reach AS x ON x.oid = m.member
               JOIN pg_catalog.pg_roles AS h ON h.oid = m.member
              WHERE m.roleid = r.oid
                AND m.admin_option
              ORDER BY 1) AS admins,
       -- Before 16 there is one grant of a membership, and whoever revokes it need not name the grantor.
       ARRAY[]::text[] AS granted_to,
       ARRAY[]::text[] AS granted_by
  FROM pg_catalog.pg_roles AS r
  JOIN reach AS x ON x.oid = r.oid
 ORDER BY r.rolname
