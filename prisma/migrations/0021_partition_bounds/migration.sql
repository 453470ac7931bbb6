-- 0021 to 0027 partition the audit log and the history of subscribers by month, so that old months can be dropped as a whole. The
-- existing table becomes the first partition as it is: no row is copied, and no lock is held while rows are read.
--
-- This step limits the existing tables to the months before a bound, which is the end of the next month, or later if there are later
-- rows. NOT VALID: existing rows are not read under this lock, but by the next two steps.
DO $$
DECLARE
    "audit_end" timestamptz := (SELECT greatest(now(), max("at")) FROM "audit_events");
    "history_end" timestamptz := (SELECT greatest(now(), max("removed_at")) FROM "subscriber_history");
    "add_bound" text := 'ALTER TABLE %I ADD CONSTRAINT "before_partitions_check" CHECK (%I < %L) NOT VALID';
BEGIN
    "audit_end" := (date_trunc('month', "audit_end" AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC';
    "history_end" := (date_trunc('month', "history_end" AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC';
    EXECUTE format("add_bound", 'audit_events', 'at', "audit_end");
    EXECUTE format("add_bound", 'subscriber_history', 'removed_at', "history_end");
END
$$;
