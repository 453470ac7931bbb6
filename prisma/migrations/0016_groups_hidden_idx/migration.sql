-- Runs outside a transaction.
CREATE INDEX CONCURRENTLY "groups_hidden_idx" ON "groups"("hidden");
