-- Runs outside a transaction. See 0021_partition_bounds.
-- The times are in an expression that the primary key does not have: the planner would read all of that key to find them.
CREATE INDEX CONCURRENTLY "audit_events_before_partitions_time_idx" ON "audit_events" USING BRIN
    (("at" AT TIME ZONE 'UTC'), ("id" / 1)) WITH (autosummarize = on);
