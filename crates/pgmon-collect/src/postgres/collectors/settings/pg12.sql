-- Every setting of the server, without the values that may hold credentials; what our own session sets shows the server's value.
SELECT s.name::text AS name,
       CASE WHEN h.hidden THEN NULL WHEN s.source = 'session' THEN s.reset_val ELSE s.setting END::text AS setting,
       s.unit::text AS unit,
       s.source::text AS source,
       CASE WHEN h.hidden THEN NULL ELSE s.boot_val END::text AS boot_value,
       s.pending_restart::bool AS pending_restart,
       h.hidden::bool AS hidden,
       -- A change of a hidden value can be told without seeing it.
       CASE WHEN h.hidden THEN pg_catalog.hashtextextended(s.setting, 0) END::int8 AS fingerprint
  FROM pg_catalog.pg_settings AS s
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
