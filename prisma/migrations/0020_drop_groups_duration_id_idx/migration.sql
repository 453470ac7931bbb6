-- Runs outside a transaction.
-- The index with the filters begins with the same columns.
DROP INDEX CONCURRENTLY IF EXISTS "groups_duration_id_idx";
