-- Runs outside a transaction. See 0021_partition_bounds.
ALTER TABLE "subscriber_history" VALIDATE CONSTRAINT "before_partitions_check";
