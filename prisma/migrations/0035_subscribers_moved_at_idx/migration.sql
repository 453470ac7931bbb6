-- Runs outside a transaction.
-- The subscribers that a move has moved: those whose sessions RADIUS changes are read by the time of the move.
CREATE INDEX CONCURRENTLY "subscribers_moved_at_idx" ON "subscribers"("moved_at") WHERE "moved_at" IS NOT NULL;
