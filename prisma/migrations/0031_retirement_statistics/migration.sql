-- Runs outside a transaction.
-- Without statistics, the planner assumes that most groups are retired, and reads the index of an order to its end to find the few
-- that are. The column of an existing table is empty, which autovacuum would find out after many changes only.
ANALYZE "groups" ("retires_at");
