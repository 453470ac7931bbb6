-- Creates the missing partitions of the audit log or of the history of subscribers, between existing ones and up to that of the third
-- month from now, and returns their number. SECURITY DEFINER: the server's role may call it although it may not create tables. Names are
-- qualified, since the caller chooses the search_path. A month whose rows are in the default partition already stays there.
-- A statement that reads for long makes this one fail rather than wait: it would block all others.
CREATE OR REPLACE FUNCTION "create_month_partitions"("parent" regclass) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE
    "bounds" CONSTANT text := $bounds$
        SELECT coalesce(substring("bound" FROM 'FROM \(''([^'']+)''')::timestamptz, '-infinity') AS "since",
            coalesce(substring("bound" FROM 'TO \(''([^'']+)''')::timestamptz, 'infinity') AS "until"
        FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid, pg_get_expr(relpartbound, c.oid) AS "bound"
        WHERE inhparent = $1 AND "bound" <> 'DEFAULT'
    $bounds$;
    "schema" name;
    "table" name;
    "column" name;
    "month" timestamptz;
    "partition" text;
    "is_taken" boolean;
    "is_locked" boolean := false;
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
    FOR "month" IN EXECUTE format('WITH "bounds" AS (%s) SELECT "first" FROM generate_series((SELECT min("until") FROM "bounds"),
            date_trunc(''month'', now()) + interval ''3 months'', interval ''1 month'') AS "first"
        WHERE NOT EXISTS (SELECT FROM "bounds" WHERE "since" < "first" + interval ''1 month'' AND "until" > "first") ORDER BY 1', "bounds")
        USING "parent"
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.%2$I WHERE %3$I >= $1 AND %3$I < $1 + interval ''1 month'')',
            "schema", "table" || '_default', "column") INTO "is_taken" USING "month";
        CONTINUE WHEN "is_taken";
        IF NOT "is_locked" THEN
            EXECUTE format('LOCK TABLE ONLY %I.%I IN SHARE UPDATE EXCLUSIVE MODE', "schema", "table");
            "is_locked" := true;
        END IF;
        -- Another server may have created it before the lock.
        EXECUTE format('SELECT EXISTS (SELECT FROM (%s) AS "bounds" WHERE "since" < $2 + interval ''1 month'' AND "until" > $2)', "bounds")
            INTO "is_taken" USING "parent", "month";
        CONTINUE WHEN "is_taken";
        "partition" := "table" || to_char("month", '_YYYY_MM');
        EXECUTE format('CREATE TABLE %1$I.%2$I PARTITION OF %1$I.%3$I FOR VALUES FROM (%4$L) TO (%5$L)',
            "schema", "partition", "table", "month", "month" + interval '1 month');
        -- A trigger for statements on the parent does not protect a partition from statements that name the partition.
        IF "table" = 'audit_events' THEN
            EXECUTE format('CREATE TRIGGER "audit_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON %1$I.%2$I
                FOR EACH STATEMENT EXECUTE FUNCTION %1$I.refuse_audit_change()', "schema", "partition");
        END IF;
        "created" := "created" + 1;
    END LOOP;
    RETURN "created";
END
$$;

-- Summarizes the new blocks in the BRIN indexes of the audit log's times, and returns their number. Only the owner of an index may do
-- that. SECURITY DEFINER: the server's role may call it although it does not own them.
CREATE FUNCTION "summarize_audit_times"("parent" regclass) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = "parent" AND relname = 'audit_events'
        AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)) THEN
        RAISE EXCEPTION '% must be audit_events, and have the owner of this function, %', "parent", current_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN (
        SELECT coalesce(sum(brin_summarize_new_values(indexrelid)), 0)
        FROM pg_partition_tree("parent") JOIN pg_index ON indrelid = relid
            JOIN pg_class c ON c.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
        WHERE amname = 'brin' AND relkind = 'i'
    );
END
$$;

-- A superuser may migrate the tables of another role.
DO $$
DECLARE
    "owner" name := (SELECT rolname FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE pg_class.oid = '"audit_events"'::regclass);
BEGIN
    IF "owner" <> current_user THEN
        EXECUTE format('ALTER FUNCTION "summarize_audit_times"(regclass) OWNER TO %I', "owner");
    END IF;
END
$$;
