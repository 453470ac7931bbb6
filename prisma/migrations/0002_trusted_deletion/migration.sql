-- Subscribers, the archive of deleted groups, the audit and idempotency keys: what makes a delete one to trust.

CREATE TABLE "subscribers" (
    "group_id" INTEGER NOT NULL,
    "username" TEXT NOT NULL CHECK (char_length("username") BETWEEN 1 AND 128 AND "username" ~ '\S' AND "username" !~ '[[:cntrl:]]'),
    "starts_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP CHECK ("starts_at" >= '0001-01-01Z'),
    "expires_at" TIMESTAMPTZ(3) CHECK ("expires_at" > "starts_at" AND "expires_at" < '10000-01-01Z'),

    CONSTRAINT "subscribers_pkey" PRIMARY KEY ("group_id", "username"),
    -- The last word of every delete: a group with a subscriber cannot go, whoever comes at the same moment.
    CONSTRAINT "subscribers_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE INDEX "subscribers_group_id_expires_at_idx" ON "subscribers"("group_id", "expires_at");
CREATE INDEX "subscribers_username_idx" ON "subscribers"("username");

CREATE TABLE "subscriber_history" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "group_id" INTEGER NOT NULL,
    "username" TEXT NOT NULL,
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "removed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subscriber_history_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "subscriber_history_group_id_idx" ON "subscriber_history"("group_id");
CREATE INDEX "subscriber_history_username_idx" ON "subscriber_history"("username");

CREATE TABLE "deleted_groups" (
    "id" INTEGER NOT NULL,
    "group_row" JSONB NOT NULL,
    "deleted_at" TIMESTAMPTZ(3) NOT NULL,
    "deleted_by" TEXT NOT NULL,
    "reason" TEXT,
    "purge_at" TIMESTAMPTZ(3) NOT NULL,
    "subscribers_moved" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "deleted_groups_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "deleted_groups_deleted_at_id_idx" ON "deleted_groups"("deleted_at", "id");
CREATE INDEX "deleted_groups_purge_at_idx" ON "deleted_groups"("purge_at");

CREATE TABLE "audit_events" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "account" TEXT NOT NULL,
    "credential" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "user_agent" TEXT,
    "request_id" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "target_ids" TEXT[],
    "outcome" TEXT NOT NULL CHECK ("outcome" IN ('done', 'refused', 'dry-run', 'replayed')),
    "error_code" TEXT,
    "reason" TEXT,
    "before" JSONB,
    "after" JSONB,

    CONSTRAINT "audit_events_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "audit_events_target_ids_idx" ON "audit_events" USING GIN ("target_ids");
CREATE INDEX "audit_events_request_id_idx" ON "audit_events"("request_id");
CREATE INDEX "audit_events_at_idx" ON "audit_events" USING BRIN ("at");

-- Append-only even for a role that owns the table; docs/operations.md has the grants for one that does not.
CREATE FUNCTION "refuse_audit_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER "audit_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_events"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();

CREATE TABLE "idempotency_keys" (
    "account" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "response" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("account", "operation", "key")
);

CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");

-- A group's whole row as JSON, from which jsonb_populate_record() makes the same row again. The price is a string, so
-- that no reader of the JSON turns it into a floating-point number.
CREATE FUNCTION "group_row"("groups") RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_jsonb($1) || jsonb_build_object('price', ($1)."price"::text)
$$;

-- Active is whoever has not ended; whoever has not started yet has a claim already. The one place that says so, which
-- PostgreSQL puts in line.
CREATE FUNCTION "is_active"("expires_at" TIMESTAMPTZ) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce("expires_at" > now(), true)
$$;
