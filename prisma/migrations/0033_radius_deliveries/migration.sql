-- Disconnect- and CoA-Requests: which subscribers a move has moved, and the requests for their open sessions. A new column without a
-- default, which reads and writes no row, and new tables.

-- When a move has brought the subscriber to this group, the time of the move's audit event; null: by a subscription.
ALTER TABLE "subscribers" ADD COLUMN "moved_at" TIMESTAMPTZ(3);

-- One row, as soon as a server has sent requests.
CREATE TABLE "radius_feed" (
    "id" BOOLEAN NOT NULL DEFAULT true,
    -- The id and the time, in milliseconds since 1970, of the audit event whose events are done.
    "cursor" TEXT NOT NULL,
    -- The process that sends, and until when no other may.
    "sender" TEXT,
    "sender_until" TIMESTAMPTZ(3),

    CONSTRAINT "radius_feed_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "radius_feed_id_check" CHECK ("id")
);

-- No secret is stored here: the secret of a NAS is read from its row in "nas" for each attempt.
CREATE TABLE "radius_deliveries" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "event_id" TEXT NOT NULL,
    "event_type" TEXT NOT NULL,
    "event_at" TIMESTAMPTZ(3) NOT NULL,
    -- The user name of the session, with the postfix of the plan.
    "username" TEXT NOT NULL,
    "session_id" TEXT NOT NULL,
    -- AcctUniqueId of the session in "radacct".
    "unique_id" TEXT NOT NULL,
    "nas_address" TEXT NOT NULL,
    -- Whether the session must end; otherwise a CoA-Request may change it.
    "must_disconnect" BOOLEAN NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    -- Attempts that have ended.
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "last_attempt_at" TIMESTAMPTZ(3),
    -- The last request that was sent, and its response; null if there was none.
    "request" TEXT,
    "response" TEXT,
    "error_cause" INTEGER,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "radius_deliveries_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "radius_deliveries_status_check" CHECK ("status" IN ('pending', 'delivered', 'failed')),
    CONSTRAINT "radius_deliveries_request_check" CHECK ("request" IN ('disconnect', 'coa')),
    CONSTRAINT "radius_deliveries_response_check" CHECK ("response" IN ('ack', 'nak')),
    CONSTRAINT "radius_deliveries_next_attempt_check" CHECK (("status" = 'pending') = ("next_attempt_at" IS NOT NULL)),
    CONSTRAINT "radius_deliveries_finished_check" CHECK (("status" = 'pending') = ("finished_at" IS NULL))
);

CREATE UNIQUE INDEX "radius_deliveries_unique_id_event_id_key" ON "radius_deliveries" ("unique_id", "event_id");
CREATE INDEX "radius_deliveries_finished_at_idx" ON "radius_deliveries" ("finished_at") WHERE "finished_at" IS NOT NULL;
-- Those whose last attempt failed, for `radius deliveries --failed`.
CREATE INDEX "radius_deliveries_failed_idx" ON "radius_deliveries" ("id") WHERE "last_error" IS NOT NULL;
CREATE INDEX "radius_deliveries_due_idx" ON "radius_deliveries" ("nas_address", "next_attempt_at") WHERE "status" = 'pending';
