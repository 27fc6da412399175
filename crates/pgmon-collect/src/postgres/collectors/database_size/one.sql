-- The size of the database with oid $1; sent for each if taking all sizes at once failed.
SELECT pg_catalog.pg_database_size($1::int8::oid)::int8 AS bytes
