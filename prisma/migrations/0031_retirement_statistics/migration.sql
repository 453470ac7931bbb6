-- Without statistics, the planner assumes that most groups are retired, and reads the index of an order to its end to find the few
-- that are. The column of an existing table is empty, which autovacuum would find out after many changes only. Not on a small table:
-- statistics of an empty one make sessions store plans that read all of it, until autovacuum analyzes it after it has grown.
DO $$
BEGIN
    IF EXISTS (SELECT FROM "groups" OFFSET 1000) THEN
        ANALYZE "groups" ("retires_at");
    END IF;
END
$$;
