-- Runs outside a transaction. See 0021_partition_bounds.
CREATE UNIQUE INDEX CONCURRENTLY "audit_events_before_partitions_pkey" ON "audit_events"("id", "at");
