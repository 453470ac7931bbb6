-- Runs outside a transaction. See 0021_partition_bounds.
ALTER TABLE "audit_events" VALIDATE CONSTRAINT "before_partitions_check";
