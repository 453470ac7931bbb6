-- Ids are identities: assigned by the database, never reused, and restorable with OVERRIDING SYSTEM VALUE.
-- Every limit of the API is a CHECK too, so that no other writer can store what the API would refuse.

CREATE TABLE "service_groups" (
    "id" INTEGER GENERATED ALWAYS AS IDENTITY,
    "name" TEXT NOT NULL CHECK (char_length("name") BETWEEN 1 AND 128 AND "name" ~ '\S' AND "name" !~ '[[:cntrl:]]'),
    "description" TEXT NOT NULL DEFAULT '' CHECK (char_length("description") <= 2000 AND "description" !~ '[[:cntrl:]]'),
    "language" TEXT CHECK (char_length("language") BETWEEN 1 AND 64 AND "language" ~ '\S' AND "language" !~ '[[:cntrl:]]'),
    "discount" DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK ("discount" BETWEEN 0 AND 100),

    CONSTRAINT "service_groups_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "groups" (
    "id" INTEGER GENERATED ALWAYS AS IDENTITY,
    "name" TEXT NOT NULL CHECK (char_length("name") BETWEEN 1 AND 128 AND "name" ~ '\S' AND "name" !~ '[[:cntrl:]]'),
    "description" TEXT NOT NULL DEFAULT '' CHECK (char_length("description") <= 2000 AND "description" !~ '[[:cntrl:]]'),
    "tag_name" TEXT NOT NULL CHECK (char_length("tag_name") BETWEEN 1 AND 64 AND "tag_name" ~ '\S' AND "tag_name" !~ '[[:cntrl:]]'),
    "duration" INTEGER NOT NULL CHECK ("duration" >= 0),
    "price" DECIMAL(16,4) NOT NULL CHECK ("price" >= 0 AND "price" < 1000000000000), -- NaN is above every number
    "username_postfix" TEXT CHECK (char_length("username_postfix") <= 64 AND "username_postfix" !~ '[[:cntrl:]]'),
    "username_postfix_id" TEXT CHECK (char_length("username_postfix_id") <= 64 AND "username_postfix_id" !~ '[[:cntrl:]]'),
    "daily_bandwidth" TEXT NOT NULL DEFAULT 'unlimited' CHECK (char_length("daily_bandwidth") BETWEEN 1 AND 64 AND "daily_bandwidth" ~ '\S' AND "daily_bandwidth" !~ '[[:cntrl:]]'),
    "multi_login_count" INTEGER NOT NULL DEFAULT 1 CHECK ("multi_login_count" >= 0),
    "download_upload" TEXT NOT NULL DEFAULT 'unlimited' CHECK (char_length("download_upload") BETWEEN 1 AND 64 AND "download_upload" ~ '\S' AND "download_upload" !~ '[[:cntrl:]]'),
    "ip" TEXT CHECK ("ip" ~ '^(STATIC|DYNAMIC|[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?)$'),
    "hidden" BOOLEAN NOT NULL DEFAULT false,
    "protected" BOOLEAN NOT NULL DEFAULT false,
    "version" INTEGER NOT NULL DEFAULT 1 CHECK ("version" >= 1),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "service_group_id" INTEGER,

    CONSTRAINT "groups_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "groups_service_group_id_fkey" FOREIGN KEY ("service_group_id") REFERENCES "service_groups"("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE INDEX "groups_service_group_id_idx" ON "groups"("service_group_id");
CREATE INDEX "groups_name_id_idx" ON "groups"("name", "id");
CREATE INDEX "groups_price_id_idx" ON "groups"("price", "id");
CREATE INDEX "groups_duration_id_idx" ON "groups"("duration", "id");
CREATE INDEX "groups_created_at_id_idx" ON "groups"("created_at", "id");

CREATE TABLE "api_keys" (
    "name" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("name")
);
