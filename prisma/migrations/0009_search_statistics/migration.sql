-- Of a value that is not in the statistics, the planner assumes as many rows as of an average one, and reads an index of an order to its
-- end for a value that no group has. Effective from the next ANALYZE, which autovacuum runs.
ALTER TABLE "groups" ALTER COLUMN "tag_name" SET STATISTICS 1000, ALTER COLUMN "service_group_id" SET STATISTICS 1000;
