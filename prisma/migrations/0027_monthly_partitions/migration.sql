-- Makes the existing tables the first partitions of new ones with the same names: see 0021. Nothing here reads rows: the validated
-- constraints prove the bound of the first partition, and each index of a new table finds its equal in the existing table.

-- The end of the months of the existing table, as 0021 has computed it, and the next id.
CREATE TEMPORARY TABLE "before_partitions" ON COMMIT DROP AS
    SELECT relname AS "name", relowner AS "owner", relacl AS "acl",
        (SELECT relacl FROM pg_class WHERE oid = pg_get_serial_sequence(quote_ident(t.relname), 'id')::regclass) AS "sequence_acl",
        substring(pg_get_constraintdef(c.oid) FROM '''([^'']+)''')::timestamptz AS "bound",
        nextval(pg_get_serial_sequence(quote_ident(relname), 'id')) AS "next_id"
    FROM pg_class t JOIN pg_constraint c ON conrelid = t.oid
    WHERE conname = 'before_partitions_check' AND t.oid IN ('"audit_events"'::regclass, '"subscriber_history"'::regclass);

ALTER TABLE "audit_events" RENAME TO "audit_events_before_partitions";
ALTER TABLE "audit_events_before_partitions" ALTER "id" DROP IDENTITY;
ALTER TABLE "audit_events_before_partitions" DROP CONSTRAINT "audit_events_pkey";
ALTER TABLE "audit_events_before_partitions" ADD CONSTRAINT "audit_events_before_partitions_pkey"
    PRIMARY KEY USING INDEX "audit_events_before_partitions_pkey";
ALTER INDEX "audit_events_first_target_idx" RENAME TO "audit_events_before_partitions_first_target_idx";
ALTER INDEX "audit_events_second_target_idx" RENAME TO "audit_events_before_partitions_second_target_idx";
ALTER INDEX "audit_events_more_targets_idx" RENAME TO "audit_events_before_partitions_more_targets_idx";
ALTER INDEX "audit_events_account_idx" RENAME TO "audit_events_before_partitions_account_idx";
ALTER INDEX "audit_events_operation_idx" RENAME TO "audit_events_before_partitions_operation_idx";
ALTER INDEX "audit_events_request_id_id_idx" RENAME TO "audit_events_before_partitions_request_id_id_idx";
-- "audit_events_at_id_idx" remains an index of the first partition only: servers of the previous version summarize it by this name.

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
    "outcome" TEXT NOT NULL,
    "error_code" TEXT,
    "reason" TEXT,
    "before" JSONB,
    "after" JSONB,

    CONSTRAINT "audit_events_outcome_check" CHECK ("outcome" IN ('done', 'refused', 'dry-run', 'replayed')),
    CONSTRAINT "audit_events_pkey" PRIMARY KEY ("id", "at")
) PARTITION BY RANGE ("at");

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
CREATE INDEX "audit_events_request_id_id_idx" ON "audit_events"("request_id", "id");
CREATE INDEX "audit_events_time_idx" ON "audit_events" USING BRIN
    (("at" AT TIME ZONE 'UTC'), ("id" / 1)) WITH (autosummarize = on);

ALTER TABLE "subscriber_history" RENAME TO "subscriber_history_before_partitions";
ALTER TABLE "subscriber_history_before_partitions" ALTER "id" DROP IDENTITY;
ALTER TABLE "subscriber_history_before_partitions" DROP CONSTRAINT "subscriber_history_pkey";
ALTER TABLE "subscriber_history_before_partitions" ADD CONSTRAINT "subscriber_history_before_partitions_pkey"
    PRIMARY KEY USING INDEX "subscriber_history_before_partitions_pkey";
ALTER INDEX "subscriber_history_group_id_idx" RENAME TO "subscriber_history_before_partitions_group_id_idx";
ALTER INDEX "subscriber_history_username_idx" RENAME TO "subscriber_history_before_partitions_username_idx";

CREATE TABLE "subscriber_history" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "group_id" INTEGER NOT NULL,
    "username" TEXT NOT NULL,
    "starts_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "removed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "subscriber_history_pkey" PRIMARY KEY ("id", "removed_at")
) PARTITION BY RANGE ("removed_at");

CREATE INDEX "subscriber_history_group_id_idx" ON "subscriber_history"("group_id");
CREATE INDEX "subscriber_history_username_idx" ON "subscriber_history"("username");

-- The only change that the audit log permits is the erasure of a username, which announces itself by this setting. It needs the
-- privilege UPDATE, which the server's documented role does not have.
CREATE OR REPLACE FUNCTION "refuse_audit_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('group_api.erasure', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER "audit_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_events"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();

-- The partitions of a table with the end of their months; the default partition has none. The end of a month without a partition is
-- where the next one starts.
CREATE FUNCTION "month_partitions"("parent" regclass) RETURNS TABLE ("partition" regclass, "until" timestamptz) LANGUAGE sql STABLE AS $$
    SELECT c.oid::regclass, substring(pg_get_expr(relpartbound, c.oid) FROM ' TO \(''([^'']+)''\)')::timestamptz
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    WHERE inhparent = $1
$$;

-- Creates the missing partitions of the audit log or of the history of subscribers, up to that of the third month from now, and
-- returns their number. SECURITY DEFINER: the server's role may call it although it may not create tables. Names are qualified, since
-- the caller chooses the search_path. A month whose rows are in the default partition already stays there.
-- A statement that reads for long makes this one fail rather than wait: it would block all others.
CREATE FUNCTION "create_month_partitions"("parent" regclass) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE
    "schema" name;
    "table" name;
    "column" name;
    "month" timestamptz;
    "partition" text;
    "is_taken" boolean;
    "created" integer := 0;
BEGIN
    SELECT nspname, relname, CASE relname WHEN 'audit_events' THEN 'at' ELSE 'removed_at' END
    INTO "schema", "table", "column"
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE pg_class.oid = "parent" AND relkind = 'p' AND relname IN ('audit_events', 'subscriber_history')
        AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user);
    IF "schema" IS NULL THEN
        RAISE EXCEPTION '% must be audit_events or subscriber_history, and have the owner of this function, %', "parent", current_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('SELECT max("until") FROM %I.month_partitions($1)', "schema") INTO "month" USING "parent";
    IF "month" <= date_trunc('month', now()) + interval '3 months' THEN
        -- Another server may be creating them.
        EXECUTE format('LOCK TABLE ONLY %I.%I IN SHARE UPDATE EXCLUSIVE MODE', "schema", "table");
        EXECUTE format('SELECT max("until") FROM %I.month_partitions($1)', "schema") INTO "month" USING "parent";
    END IF;
    WHILE "month" <= date_trunc('month', now()) + interval '3 months' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.%2$I WHERE %3$I >= $1 AND %3$I < $1 + interval ''1 month'')',
            "schema", "table" || '_default', "column") INTO "is_taken" USING "month";
        IF NOT "is_taken" THEN
            "partition" := "table" || to_char("month", '_YYYY_MM');
            EXECUTE format('CREATE TABLE %1$I.%2$I PARTITION OF %1$I.%3$I FOR VALUES FROM (%4$L) TO (%5$L)',
                "schema", "partition", "table", "month", "month" + interval '1 month');
            -- A trigger for statements on the parent does not protect a partition from statements that name the partition.
            IF "table" = 'audit_events' THEN
                EXECUTE format('CREATE TRIGGER "audit_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON %1$I.%2$I
                    FOR EACH STATEMENT EXECUTE FUNCTION %1$I.refuse_audit_change()', "schema", "partition");
            END IF;
            "created" := "created" + 1;
        END IF;
        "month" := "month" + interval '1 month';
    END LOOP;
    RETURN "created";
END
$$;

DO $$
DECLARE
    "before" record;
    "granted" record;
BEGIN
    FOR "before" IN SELECT * FROM "before_partitions" LOOP
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)',
            "before"."name", "before"."name" || '_before_partitions', "before"."bound");
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT "before_partitions_check"', "before"."name" || '_before_partitions');
        -- For rows of months without a partition: a write never fails for lack of one.
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', "before"."name" || '_default', "before"."name");
        PERFORM setval(pg_get_serial_sequence(quote_ident("before"."name"), 'id'), "before"."next_id", false);
        FOR "granted" IN SELECT * FROM aclexplode("before"."acl") LOOP
            EXECUTE format('GRANT %s ON %I TO %s %s', "granted"."privilege_type", "before"."name",
                CASE "granted"."grantee" WHEN 0 THEN 'PUBLIC' ELSE "granted"."grantee"::regrole::text END,
                CASE WHEN "granted"."is_grantable" THEN 'WITH GRANT OPTION' ELSE '' END);
        END LOOP;
        FOR "granted" IN SELECT * FROM aclexplode("before"."sequence_acl") LOOP
            EXECUTE format('GRANT %s ON SEQUENCE %I TO %s %s', "granted"."privilege_type", "before"."name" || '_id_seq',
                CASE "granted"."grantee" WHEN 0 THEN 'PUBLIC' ELSE "granted"."grantee"::regrole::text END,
                CASE WHEN "granted"."is_grantable" THEN 'WITH GRANT OPTION' ELSE '' END);
        END LOOP;
    END LOOP;
END
$$;

CREATE TRIGGER "audit_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_events_default"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();

-- A superuser may migrate the tables of another role.
DO $$
DECLARE
    "before" record;
BEGIN
    FOR "before" IN SELECT * FROM "before_partitions" WHERE "owner" <> (SELECT oid FROM pg_roles WHERE rolname = current_user) LOOP
        EXECUTE format('ALTER TABLE %I OWNER TO %s', "before"."name", "before"."owner"::regrole);
        EXECUTE format('ALTER TABLE %I OWNER TO %s', "before"."name" || '_default', "before"."owner"::regrole);
        EXECUTE format('ALTER FUNCTION "create_month_partitions"(regclass) OWNER TO %s', "before"."owner"::regrole);
    END LOOP;
    PERFORM "create_month_partitions"('"audit_events"'), "create_month_partitions"('"subscriber_history"');
END
$$;
