-- Runs outside a transaction.
-- The retired groups, in the order in which the server examines them; empty unless groups are retired.
CREATE INDEX CONCURRENTLY "groups_retires_at_id_idx" ON "groups"("retires_at", "id") WHERE "retires_at" IS NOT NULL;
