-- The subscribers that a delete moved to another group, so that a restore can move them back.

ALTER TABLE "deleted_groups" ADD COLUMN "moved_to" INTEGER;

CREATE TABLE "moved_subscribers" (
    "deleted_group_id" INTEGER NOT NULL,
    "username" TEXT NOT NULL,
    -- A subscriber who left the other group and subscribed to it again has another start.
    "starts_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "moved_subscribers_pkey" PRIMARY KEY ("deleted_group_id", "username")
);

-- Not a foreign key: subscribers move before the delete writes the archive, and a deferred key would be checked for each of them.
CREATE FUNCTION "delete_moved_subscribers"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM moved_subscribers USING removed WHERE deleted_group_id = removed.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER "deleted_groups_moved_subscribers" AFTER DELETE ON "deleted_groups"
    REFERENCING OLD TABLE AS "removed" FOR EACH STATEMENT EXECUTE FUNCTION "delete_moved_subscribers"();
