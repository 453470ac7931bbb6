-- The retirement of a plan: the server deletes it once "retires_at" has come and its last active subscriber has ended.
-- "retirement" has the rest, as src/groups/retirement.ts describes it. Both are NULL for every other group, so that no row is
-- rewritten. NOT VALID: existing rows need no check, and are not read under this lock.
ALTER TABLE "groups"
    ADD COLUMN "retires_at" TIMESTAMPTZ(3),
    ADD COLUMN "retirement" JSONB,
    ADD CONSTRAINT "groups_retirement_check" CHECK (
        ("retires_at" IS NULL) = ("retirement" IS NULL)
        AND coalesce("retires_at" >= '0001-01-01Z' AND "retires_at" < '10000-01-01Z', true)
    ) NOT VALID;

-- Without the reason of the retirement: the archive, the audit log and stored responses have rows as JSON, in which the erasure of a
-- username does not search free texts.
CREATE OR REPLACE FUNCTION "group_row"("groups") RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (to_jsonb($1) #- '{retirement,reason}') || jsonb_build_object('price', ($1)."price"::text)
$$;
