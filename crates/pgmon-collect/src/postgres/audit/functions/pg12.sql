-- Functions that act for the roles $1 beyond their own rights: of each kind the first $2 (of those
-- executable by PUBLIC the first $3), and how many there are. `security_definer`: run as another
-- role, callable by ours (triggers are not). `admin_function` and `statistics_reset`: withheld from
-- PUBLIC by the server or an extension, and granted all the same.
WITH granted AS (
       SELECT 'security_definer' AS kind, p.oid, r.rolname AS owner, x.grantee, x.is_grantable
         FROM pg_catalog.pg_proc AS p
         JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
        CROSS JOIN LATERAL pg_catalog.aclexplode(
              COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS x
        WHERE p.prosecdef
          AND p.oid >= 16384
          AND p.prorettype NOT IN ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
          AND p.proowner <> x.grantee
          AND (x.grantee <> 0 OR p.proowner <> ALL ($1::oid[]))
          AND EXISTS (SELECT 1
                        FROM pg_catalog.unnest($1::oid[]) AS u (oid)
                       WHERE pg_catalog.has_schema_privilege(u.oid, p.pronamespace, 'USAGE'))
       UNION ALL
       SELECT CASE WHEN p.proname LIKE 'pg\_stat\_%reset%' THEN 'statistics_reset' ELSE 'admin_function' END,
              p.oid, NULL::name, x.grantee, x.is_grantable
         FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS x
        WHERE p.proacl IS NOT NULL
          AND NOT p.prosecdef
          AND (p.proname IN ('lo_import', 'lo_export', 'pg_file_write', 'pg_file_rename', 'pg_file_unlink',
                             'pg_file_sync', 'dblink_connect_u', 'pg_promote', 'pg_reload_conf',
                             'pg_rotate_logfile', 'pg_rotate_logfile_old', 'pg_switch_wal',
                             'pg_create_restore_point', 'pg_start_backup', 'pg_stop_backup',
                             'pg_backup_start', 'pg_backup_stop', 'pg_wal_replay_pause',
                             'pg_wal_replay_resume', 'pg_log_standby_snapshot', 'pg_sync_replication_slots',
                             'pg_import_system_collations', 'heap_force_kill', 'heap_force_freeze',
                             'pg_truncate_visibility_map')
               OR p.proname LIKE 'pg\_replication\_origin\_%'
               OR p.proname LIKE 'pg\_buffercache\_evict%'
               OR p.proname LIKE 'pg\_stat\_%reset%')),
per_object AS (
       SELECT g.kind, g.oid, g.owner, g.grantee, pg_catalog.bool_or(g.is_grantable) AS grantable
         FROM granted AS g
        WHERE g.grantee = 0 OR g.grantee = ANY ($1::oid[])
        GROUP BY g.kind, g.oid, g.owner, g.grantee),
ranked AS (
       SELECT o.kind, o.oid, o.owner, o.grantee, o.grantable,
              pg_catalog.count(*) OVER (PARTITION BY o.kind, o.grantee = 0) AS total,
              pg_catalog.row_number() OVER (PARTITION BY o.kind, o.grantee = 0
                                            ORDER BY pg_catalog.array_position($1::oid[], o.grantee),
                                                     n.nspname, p.proname, o.oid) AS place
         FROM per_object AS o
         JOIN pg_catalog.pg_proc AS p ON p.oid = o.oid
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace)
SELECT r.kind::text AS kind,
       i.identity::text AS object,
       pg_catalog.quote_ident(r.owner)::text AS detail,
       r.grantee AS grantee,
       ARRAY['EXECUTE']::text[] AS privileges,
       r.grantable::bool AS grantable,
       r.total::int8 AS total
  FROM ranked AS r
 CROSS JOIN LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_proc'::regclass, r.oid, 0) AS i
 WHERE r.place <= CASE WHEN r.grantee = 0 THEN $3::int8 ELSE $2::int8 END
 ORDER BY r.kind, r.place
