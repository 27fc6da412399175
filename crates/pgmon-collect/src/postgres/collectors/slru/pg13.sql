-- Accesses to the small caches (SLRU) for transaction status and the like since their last reset; one row each,
-- up to 16 under the names that they have from 17 on.
SELECT (CASE s.name
            WHEN 'CommitTs' THEN 'commit_timestamp'
            WHEN 'MultiXactMember' THEN 'multixact_member'
            WHEN 'MultiXactOffset' THEN 'multixact_offset'
            WHEN 'Notify' THEN 'notify'
            WHEN 'Serial' THEN 'serializable'
            WHEN 'Subtrans' THEN 'subtransaction'
            WHEN 'Xact' THEN 'transaction'
            ELSE s.name
        END)::text AS name,
       s.blks_zeroed::int8 AS blks_zeroed,
       s.blks_hit::int8 AS blks_hit,
       s.blks_read::int8 AS blks_read,
       s.blks_written::int8 AS blks_written,
       s.blks_exists::int8 AS blks_exists,
       s.flushes::int8 AS flushes,
       s.truncates::int8 AS truncates
  FROM pg_catalog.pg_stat_slru AS s
