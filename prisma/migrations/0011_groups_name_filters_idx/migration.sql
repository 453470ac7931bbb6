-- Runs outside a transaction.
CREATE INDEX CONCURRENTLY "groups_name_filters_idx" ON "groups"("name", "id", "hidden", "duration", "price", "service_group_id", "tag_name");
