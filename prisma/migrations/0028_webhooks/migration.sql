-- Webhooks: the endpoints, and the deliveries of events to them. New tables only; no other table is locked but for the moment of a foreign key.

CREATE TABLE "webhook_endpoints" (
    "id" INTEGER GENERATED ALWAYS AS IDENTITY,
    "url" TEXT NOT NULL,
    -- Empty: every type.
    "types" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "description" TEXT NOT NULL DEFAULT '',
    -- Readable, since it signs.
    "secret" TEXT NOT NULL,
    "previous_secret" TEXT,
    "previous_secret_expires_at" TIMESTAMPTZ(3),
    -- The id and the time, in milliseconds since 1970, of the audit event whose events are done for this endpoint.
    "cursor" TEXT NOT NULL,
    "disabled_at" TIMESTAMPTZ(3),
    "disabled_reason" TEXT,
    -- The first failed attempt since the last successful one.
    "unavailable_since" TIMESTAMPTZ(3),
    -- When a delivery first failed finally, without a successful attempt since.
    "failing_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "webhook_endpoints_previous_secret_check" CHECK (("previous_secret" IS NULL) = ("previous_secret_expires_at" IS NULL))
);

CREATE TABLE "webhook_deliveries" (
    -- In the order of the events: an earlier delivery of the same endpoint and order key is sent first.
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "endpoint_id" INTEGER NOT NULL,
    "event_id" TEXT NOT NULL,
    "event_type" TEXT NOT NULL,
    "event_at" TIMESTAMPTZ(3) NOT NULL,
    -- Events with the same key are delivered in their order: those of one group.
    "order_key" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    -- Attempts that have started.
    "attempts" INTEGER NOT NULL DEFAULT 0,
    -- While the delivery is claimed by a server, the end of its lease.
    "next_attempt_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "is_claimed" BOOLEAN NOT NULL DEFAULT false,
    "last_attempt_at" TIMESTAMPTZ(3),
    "response_status" INTEGER,
    "response_body" TEXT,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "webhook_deliveries_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoints" ("id")
        ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "webhook_deliveries_status_check" CHECK ("status" IN ('pending', 'delivered', 'failed')),
    CONSTRAINT "webhook_deliveries_next_attempt_check" CHECK (("status" = 'pending') = ("next_attempt_at" IS NOT NULL)),
    CONSTRAINT "webhook_deliveries_finished_check" CHECK (("status" = 'pending') = ("finished_at" IS NULL))
);

CREATE UNIQUE INDEX "webhook_deliveries_endpoint_id_event_id_key" ON "webhook_deliveries" ("endpoint_id", "event_id");
CREATE INDEX "webhook_deliveries_finished_at_idx" ON "webhook_deliveries" ("finished_at") WHERE "finished_at" IS NOT NULL;
-- Those whose last attempt failed, for `webhooks deliveries --failed`.
CREATE INDEX "webhook_deliveries_failed_idx" ON "webhook_deliveries" ("id") WHERE "last_error" IS NOT NULL;
CREATE INDEX "webhook_deliveries_due_idx" ON "webhook_deliveries" ("endpoint_id", "next_attempt_at") WHERE "status" = 'pending';
CREATE INDEX "webhook_deliveries_order_idx" ON "webhook_deliveries" ("endpoint_id", "order_key", "id") WHERE "status" = 'pending';
