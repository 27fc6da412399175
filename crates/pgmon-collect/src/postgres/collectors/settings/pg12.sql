-- Every setting of the server, without the values that may hold credentials; what our own session sets shows the server's value.
SELECT s.name::text AS name,
       CASE WHEN h.hidden THEN NULL WHEN s.source = 'session' THEN s.reset_val ELSE s.setting END::text AS setting,
       s.unit::text AS unit,
       s.source::text AS source,
       CASE WHEN h.hidden THEN NULL ELSE s.boot_val END::text AS boot_value,
       s.pending_restart::bool AS pending_restart,
       (own.name IS NOT NULL OR s.source IN ('global', 'database', 'user', 'database user'))::bool AS overridden,
       h.hidden::bool AS hidden,
       -- A change of a hidden value can be told without seeing it.
       CASE WHEN h.hidden THEN pg_catalog.hashtextextended(s.setting, 0) END::int8 AS fingerprint
  FROM pg_catalog.pg_settings AS s
  -- What a session of our role in our database starts with instead of the server's value. The source alone
  -- does not tell: where our session sets the value too, that is its source.
  LEFT JOIN (SELECT DISTINCT pg_catalog.lower(pg_catalog.split_part(o.opt, '=', 1)) AS name
               FROM pg_catalog.pg_db_role_setting AS r
              CROSS JOIN LATERAL pg_catalog.unnest(r.setconfig) AS o(opt)
              WHERE r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
                AND r.setrole IN (0, (SELECT u.oid FROM pg_catalog.pg_roles AS u WHERE u.rolname = session_user))) AS own
         ON own.name = pg_catalog.lower(s.name)
 CROSS JOIN LATERAL (
       -- Patterns are dear: each is tried only where it can match.
       SELECT CASE WHEN s.name LIKE '%\_command' OR s.name LIKE '%\_conninfo' THEN true
                   WHEN s.name LIKE '%.%' AND s.name ~* '\..*(pass|secret|token|key|credential|auth|dsn|url|uri|conn)' THEN true
                   WHEN s.setting LIKE '%=%' AND s.setting ~* '(password|passwd|pwd|secret|token)[[:space:]]*=' THEN true
                   WHEN s.setting LIKE '%://%' AND s.setting ~ '://[^/@[:space:]]*:[^/@[:space:]]*@' THEN true
                   ELSE false END AS hidden) AS h
       -- What belongs to our session or transaction says nothing of the server.
 WHERE s.source <> 'client'
   AND s.name NOT IN ('application_name', 'client_encoding', 'in_hot_standby', 'is_superuser', 'role', 'session_authorization',
                      'transaction_deferrable', 'transaction_isolation', 'transaction_read_only')
 ORDER BY 1
