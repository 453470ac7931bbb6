-- Runs outside a transaction.
-- For values that few groups have, or none.
CREATE INDEX CONCURRENTLY "groups_tag_name_idx" ON "groups"("tag_name");
