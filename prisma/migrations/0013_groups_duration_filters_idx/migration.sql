-- Runs outside a transaction.
CREATE INDEX CONCURRENTLY "groups_duration_filters_idx" ON "groups"("duration", "id", "hidden", "price", "service_group_id", "tag_name");
