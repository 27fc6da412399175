-- The shortest question there is: how long the server takes to answer at all.
SELECT 1::int4 AS one
