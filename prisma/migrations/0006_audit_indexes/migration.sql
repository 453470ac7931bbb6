-- Indexes for the pages of the audit: every filter, alone or with others, at any number of entries. In each B-tree the entries
-- with the same values are in the order of their ids, which is the order of the pages. A planner without statistics does not know
-- which index is the right one. So each index has the id in an expression that no other index has, and
-- src/audit/audit-statements.ts orders by the expression of the index that is right.

-- The GIN index over the targets of all entries cost more than any other, and returned no order. Almost every entry has one
-- target, a few have two; only those with more need a GIN index.
DROP INDEX "audit_events_target_ids_idx";
CREATE INDEX "audit_events_first_target_idx" ON "audit_events"
    (("target_ids"[1]), "operation", "outcome", (coalesce("error_code", '')), ("id" * 1), "account");
CREATE INDEX "audit_events_second_target_idx" ON "audit_events"
    (("target_ids"[2]), "operation", "outcome", (coalesce("error_code", '')), ("id" * 1), "account")
    WHERE "target_ids"[2] IS NOT NULL;
CREATE INDEX "audit_events_more_targets_idx" ON "audit_events" USING GIN ("target_ids")
    WHERE cardinality("target_ids") > 2;

CREATE INDEX "audit_events_account_idx" ON "audit_events"
    ("account", "operation", "outcome", (coalesce("error_code", '')), ("id" - 0));
CREATE INDEX "audit_events_operation_idx" ON "audit_events"
    ("operation", "outcome", (coalesce("error_code", '')), ("id" + 0));

-- A client may send the same request id with every request.
DROP INDEX "audit_events_request_id_idx";
CREATE INDEX "audit_events_request_id_id_idx" ON "audit_events"("request_id", "id");

-- Ids grow with the time nearly, but not exactly: the entry of a long transaction has an earlier time than those before it. BRIN
-- finds the few block ranges with such entries, and costs inserts nothing.
DROP INDEX "audit_events_at_idx";
CREATE INDEX "audit_events_at_id_idx" ON "audit_events" USING BRIN ("at", ("id" / 1)) WITH (autosummarize = on);
