-- Runs outside a transaction.
CREATE INDEX CONCURRENTLY "groups_price_filters_idx" ON "groups"("price", "id", "hidden", "duration", "service_group_id", "tag_name");
