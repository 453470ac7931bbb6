-- Runs outside a transaction.
CREATE INDEX CONCURRENTLY "groups_created_at_filters_idx" ON "groups"("created_at", "id", "hidden", "duration", "price", "service_group_id", "tag_name");
