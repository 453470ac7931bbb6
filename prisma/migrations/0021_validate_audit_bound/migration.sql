-- Runs outside a transaction. See 0020_partition_bounds.
ALTER TABLE "audit_events" VALIDATE CONSTRAINT "before_partitions_check";
