-- Accounts: who calls the API, with which credentials, and what they may do. They take the place of the single key.

CREATE TABLE "accounts" (
    "username" TEXT NOT NULL CHECK ("username" ~ '^[A-Za-z0-9._@+-]{1,64}$'),
    "api_key_hash" BYTEA CHECK (octet_length("api_key_hash") = 32),
    "password_hash" TEXT,
    "requires_both" BOOLEAN NOT NULL DEFAULT false,
    -- Prisma makes no list NOT NULL.
    "scopes" TEXT[] CHECK ("scopes" IS NOT NULL),
    "allowed_networks" TEXT[] DEFAULT ARRAY[]::TEXT[] CHECK ("allowed_networks" IS NOT NULL),
    "disabled" BOOLEAN NOT NULL DEFAULT false,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "accounts_pkey" PRIMARY KEY ("username"),
    CONSTRAINT "accounts_requires_both_check" CHECK (NOT "requires_both" OR ("api_key_hash" IS NOT NULL AND "password_hash" IS NOT NULL))
);

CREATE UNIQUE INDEX "accounts_api_key_hash_key" ON "accounts"("api_key_hash");

INSERT INTO "accounts" ("username", "api_key_hash", "scopes", "created_at")
    SELECT "name", "hash", '{*}', "created_at" FROM "api_keys";

DROP TABLE "api_keys";
