-- Runs outside a transaction. See 0021_partition_bounds.
CREATE UNIQUE INDEX CONCURRENTLY "subscriber_history_before_partitions_pkey" ON "subscriber_history"("id", "removed_at");
