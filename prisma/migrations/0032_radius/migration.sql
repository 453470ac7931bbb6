-- RADIUS: what FreeRADIUS' rlm_sql reads, computed from plans and subscribers. docs/decisions/0089-radius-views.md has the reasons.
-- Function bodies are SQL-standard ones, or have a fixed search_path: a caller's search_path cannot replace an operator in them.

-- The settings of the servers that the views need. A server writes the row when it starts with settings that differ; without a row, the
-- defaults below apply.
CREATE TABLE "radius_settings" (
    "id" BOOLEAN NOT NULL DEFAULT true CHECK ("id"),
    "rate_unit" TEXT NOT NULL CHECK ("rate_unit" IN ('bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s')),
    "quota_unit" TEXT NOT NULL CHECK ("quota_unit" IN ('B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB')),

    CONSTRAINT "radius_settings_pkey" PRIMARY KEY ("id")
);

-- A running subscription has started and not ended. Not is_active(), which includes those that have not started; and whose body the
-- caller's search_path resolves.
CREATE FUNCTION "is_running"("starts_at" TIMESTAMPTZ, "expires_at" TIMESTAMPTZ) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN "starts_at" <= now() AND coalesce("expires_at" > now(), true);

-- "<download>/<upload>" as bits per second, download first; NULL if it is unlimited or not understood. "unit" is that of numbers without
-- one. A unit with a name ("100/50 Mbit/s") after the second number counts for both; the letters K, M and G belong to their number, and
-- both have one or none. Bytes ("MB/s") are not understood: many write them for bits.
CREATE FUNCTION "download_upload_bits"("text" TEXT, "unit" TEXT DEFAULT 'Mbit/s') RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    "parts" text[];
    "download_unit" text;
    "upload_unit" text;
    "download" numeric;
    "upload" numeric;
BEGIN
    IF octet_length("text") > 256 THEN
        RETURN NULL;
    END IF;
    "parts" := regexp_match(
        translate("text", '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', '01234567890123456789'),
        '^ *([0-9]{1,15}(?:\.[0-9]{1,6})?) *([KMGkmg]|[KMGkmg]?(?:[Bb]its?(?:/s)?|bps|b(?:/s)?))? *'
        '/ *([0-9]{1,15}(?:\.[0-9]{1,6})?) *([KMGkmg]|[KMGkmg]?(?:[Bb]its?(?:/s)?|bps|b(?:/s)?))? *$'
    );
    "upload_unit" := "parts"[4];
    "download_unit" := coalesce("parts"[2], CASE WHEN length("upload_unit") > 1 THEN "upload_unit" END);
    IF "parts" IS NULL OR ("download_unit" IS NULL) <> ("upload_unit" IS NULL) THEN
        RETURN NULL;
    END IF;
    "download" := trunc("parts"[1]::numeric
        * CASE lower(left(coalesce("download_unit", "unit"), 1)) WHEN 'k' THEN 1000 WHEN 'm' THEN 1000000 WHEN 'g' THEN 1000000000 ELSE 1 END);
    "upload" := trunc("parts"[3]::numeric
        * CASE lower(left(coalesce("upload_unit", "unit"), 1)) WHEN 'k' THEN 1000 WHEN 'm' THEN 1000000 WHEN 'g' THEN 1000000000 ELSE 1 END);
    -- No network knows a speed of 0: to Mikrotik, it is unlimited.
    IF least("download", "upload") < 1 OR greatest("download", "upload") > 9223372036854775807 THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY["download", "upload"]::bigint[];
END
$$;

-- A daily quota as bytes; NULL if it is unlimited or not understood. "unit" is that of a number without one. K, M, G and T are decimal,
-- Ki, Mi, Gi and Ti binary. "Gb" is not understood, since it may be a gigabit.
CREATE FUNCTION "daily_bytes"("text" TEXT, "unit" TEXT DEFAULT 'MB') RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    "parts" text[];
    "prefix" text;
    "bytes" numeric;
BEGIN
    IF octet_length("text") > 256 THEN
        RETURN NULL;
    END IF;
    "parts" := regexp_match(
        translate("text", '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', '01234567890123456789'),
        '^ *([0-9]{1,18}(?:\.[0-9]{1,6})?) *([KMGTkmgt]i?B?|[kmgt]i?b|B|[Bb]ytes?)? *$'
    );
    IF "parts" IS NULL THEN
        RETURN NULL;
    END IF;
    "prefix" := lower(coalesce("parts"[2], "unit"));
    "bytes" := trunc("parts"[1]::numeric
        * power(CASE WHEN substr("prefix", 2, 1) = 'i' THEN 1024 ELSE 1000 END::numeric, strpos('kmgt', left("prefix", 1))));
    IF "bytes" < 1 OR "bytes" > 9223372036854775807 THEN
        RETURN NULL;
    END IF;
    RETURN "bytes"::bigint;
END
$$;

-- What the field "ip" of a group is: 'IPv4', 'IPv6', 'IPv4 block', 'IPv6 block', or NULL. A cast to inet would fail for what is none of
-- them, and a value that FreeRADIUS cannot parse makes it reject the user.
CREATE FUNCTION "radius_ip_kind"("ip" TEXT) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    "ipv4" CONSTANT text := '(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
    "groups" CONSTANT text := '[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*';
    "address" text;
BEGIN
    IF octet_length("ip") > 64 THEN
        RETURN NULL;
    ELSIF "ip" ~ ('^' || "ipv4" || '$') THEN
        RETURN 'IPv4';
    ELSIF "ip" ~ ('^' || "ipv4" || '/(?:3[0-2]|[12]?[0-9])$') THEN
        RETURN 'IPv4 block';
    END IF;
    -- The last two groups of an IPv6 address may be written as an IPv4 address.
    "address" := regexp_replace(lower(split_part("ip", '/', 1)), ':' || "ipv4" || '$', ':0:0');
    IF NOT (
        "address" ~ '^(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$'
        OR "address" ~ ('^(?:' || "groups" || ')?::(?:' || "groups" || ')?$')
            AND cardinality(array_remove(string_to_array("address", ':'), '')) <= 7
    ) THEN
        RETURN NULL;
    ELSIF strpos("ip", '/') = 0 THEN
        RETURN 'IPv6';
    ELSIF "ip" ~ '^[^/]*/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])$' THEN
        RETURN 'IPv6 block';
    END IF;
    RETURN NULL;
END
$$;

-- A rate as Mikrotik's RouterOS reads it.
CREATE FUNCTION "mikrotik_rate"("bits" BIGINT) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN "bits" % 1000000 = 0 THEN ("bits" / 1000000)::text || 'M' WHEN "bits" % 1000 = 0 THEN ("bits" / 1000)::text || 'k'
        ELSE "bits"::text END;

-- The RADIUS attributes of a group, each with its stable position below 100. The views and the API's radiusAttributes both read them
-- here. WISPr attributes have 32 bits: more is as much as they can say. RADIUS servers reject a user for one value that is too large.
CREATE FUNCTION "radius_attributes"(
    "id" INTEGER, "download_upload" TEXT, "daily_bandwidth" TEXT, "multi_login_count" INTEGER, "ip" TEXT, "rate_unit" TEXT, "quota_unit" TEXT
) RETURNS TABLE ("position" INTEGER, "is_reply" BOOLEAN, "attribute" TEXT, "op" TEXT, "value" TEXT)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
    -- Two parts, so that a reader of one of them does not pay for the texts of the other.
    SELECT c."position", false, c."attribute", ':='::text, c."value"
    FROM (
        VALUES (1, 'Simultaneous-Use'::text, CASE WHEN $4 > 0 THEN $4::text END),
            (2, 'Max-Daily-Octets', "daily_bytes"($3, $7)::text)
    ) AS c ("position", "attribute", "value")
    WHERE c."value" IS NOT NULL
    UNION ALL
    SELECT r."position", true, r."attribute", ':='::text, r."value"
    FROM (
        SELECT "download_upload_bits"($2, $6) AS "bits", "radius_ip_kind"($5) AS "ip_kind" OFFSET 0
    ) AS parsed CROSS JOIN LATERAL (
        VALUES (3, 'Mikrotik-Rate-Limit'::text, "mikrotik_rate"("bits"[2]) || '/' || "mikrotik_rate"("bits"[1])),
            (4, 'WISPr-Bandwidth-Max-Down', CASE WHEN "bits"[1] IS NOT NULL THEN least("bits"[1], 4294967295)::text END),
            (5, 'WISPr-Bandwidth-Max-Up', CASE WHEN "bits"[2] IS NOT NULL THEN least("bits"[2], 4294967295)::text END),
            (6, 'Framed-IP-Address', CASE WHEN "ip_kind" = 'IPv4' THEN $5 END),
            (7, 'Framed-IPv6-Address', CASE WHEN "ip_kind" = 'IPv6' THEN $5 END),
            (8, 'Framed-Pool', CASE WHEN "ip_kind" = 'IPv4 block' THEN 'group-' || $1::text END),
            (9, 'Framed-IPv6-Pool', CASE WHEN "ip_kind" = 'IPv6 block' THEN 'group-' || $1::text END)
    ) AS r ("position", "attribute", "value")
    WHERE r."value" IS NOT NULL;
END;

-- The running subscriptions with their RADIUS user names. Not for other roles.
CREATE VIEW "radius_subscriptions" AS
    SELECT s."username" || coalesce(g."username_postfix", '') AS "username", s."username" AS "subscriber", s."group_id",
        s."starts_at", s."expires_at"
    FROM "subscribers" s JOIN "groups" g ON g."id" = s."group_id"
    WHERE "is_running"(s."starts_at", s."expires_at");

-- The units of numbers without one: one row.
CREATE VIEW "radius_units" AS
    SELECT coalesce(max("rate_unit"), 'Mbit/s') AS "rate_unit", coalesce(max("quota_unit"), 'MB') AS "quota_unit" FROM "radius_settings";

-- The attributes of all groups. Not for other roles.
CREATE VIEW "radius_group_attributes" AS
    SELECT g."id" AS "group_id", a."position", a."is_reply", a."attribute", a."op", a."value"
    FROM "groups" g CROSS JOIN "radius_units" AS "units"
    CROSS JOIN LATERAL "radius_attributes"(
        g."id", g."download_upload", g."daily_bandwidth", g."multi_login_count", g."ip", "units"."rate_unit", "units"."quota_unit"
    ) AS a;

-- The views of FreeRADIUS, in the schema radius, or plans_radius for tables in the schema plans: several schemas of group-api can share a
-- database. Each view has a function with the same rows for one user or group, which uses the indexes of the tables: a condition on a
-- user name alone, which is computed from two tables, cannot. A caller's expression may have another collation than the indexes:
-- convert_from has that of its argument 'UTF8', whose type is name.
DO $do$
DECLARE
    "own" CONSTANT text := current_schema();
    "views" CONSTANT text := CASE WHEN current_schema() = 'public' THEN 'radius' ELSE current_schema() || '_radius' END;
    "taken" text;
BEGIN
    IF octet_length("views") > 63 THEN
        RAISE EXCEPTION 'the name of the schema % is too long for a schema % of the RADIUS views: the limit is 63 bytes', "own", "views";
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = "views") THEN
        IF NOT has_database_privilege(current_database(), 'CREATE') THEN
            RAISE EXCEPTION 'the schema % of the RADIUS views does not exist. As the owner of the database: CREATE SCHEMA % AUTHORIZATION %',
                "views", quote_ident("views"), quote_ident(current_user) USING ERRCODE = 'insufficient_privilege';
        END IF;
        EXECUTE format('CREATE SCHEMA %I', "views");
    END IF;
    SELECT relname INTO "taken" FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = "views" AND relname IN ('radcheck', 'radreply', 'radusergroup', 'radgroupcheck', 'radgroupreply') LIMIT 1;
    IF "taken" IS NOT NULL THEN
        RAISE EXCEPTION 'the schema % has a table %, and group-api creates a view with this name. Rename the schema of the table, and in the '
            'settings of its programs: ALTER SCHEMA % RENAME TO freeradius', "views", "taken", quote_ident("views");
    END IF;

    -- The usernames that a RADIUS user name may begin with, for the index on usernames: a usernamePostfix has up to 64 characters.
    EXECUTE format($sql$
        CREATE OR REPLACE FUNCTION %1$I."usernames_in"("username" TEXT) RETURNS text[]
            LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            RETURN ARRAY(
                SELECT left($1, "length") FROM generate_series(greatest(1, length($1) - 64), least(128, length($1))) AS "length"
            );
        END
        $$
    $sql$, "views");

    -- The plan that started last has the priority 0.
    EXECUTE format($sql$
        CREATE VIEW %1$I."radusergroup" WITH (security_barrier) AS
            SELECT hashtextextended(s."subscriber", s."group_id") AS "id", s."username", 'group-' || s."group_id"::text AS "groupname",
                (
                    SELECT count(*)::integer FROM %2$I."radius_subscriptions" AS later
                    WHERE later."subscriber" = ANY (%1$I."usernames_in"(s."username")) AND later."username" = s."username"
                        AND (later."starts_at", later."group_id", later."subscriber") > (s."starts_at", s."group_id", s."subscriber")
                ) AS "priority",
                s."group_id", s."subscriber"
            FROM %2$I."radius_subscriptions" AS s
    $sql$, "views", "own");

    -- One row for each user: FreeRADIUS reads radreply only for a user who is in radcheck.
    EXECUTE format($sql$
        CREATE VIEW %1$I."radcheck" WITH (security_barrier) AS
            SELECT hashtextextended(s."subscriber", s."group_id") AS "id", s."username", 'User-Category'::text AS "attribute",
                ':='::varchar(2) AS "op", 'group-' || s."group_id"::text AS "value", s."group_id", s."subscriber"
            FROM %2$I."radius_subscriptions" AS s
            WHERE NOT EXISTS (
                SELECT FROM %2$I."radius_subscriptions" AS later
                WHERE later."subscriber" = ANY (%1$I."usernames_in"(s."username")) AND later."username" = s."username"
                    AND (later."starts_at", later."group_id", later."subscriber") > (s."starts_at", s."group_id", s."subscriber")
            )
    $sql$, "views", "own");

    -- The limit of what all network devices can count is 2^31 - 1 seconds, 68 years.
    EXECUTE format($sql$
        CREATE VIEW %1$I."radreply" WITH (security_barrier) AS
            SELECT hashtextextended(s."subscriber", s."group_id") AS "id", s."username", 'Session-Timeout'::text AS "attribute",
                ':='::varchar(2) AS "op",
                least(greatest(floor(extract(epoch FROM s."expires_at" - now())), 1), 2147483647)::bigint::text AS "value",
                s."group_id", s."subscriber"
            FROM %2$I."radius_subscriptions" AS s
            WHERE s."expires_at" IS NOT NULL AND NOT EXISTS (
                SELECT FROM %2$I."radius_subscriptions" AS later
                WHERE later."subscriber" = ANY (%1$I."usernames_in"(s."username")) AND later."username" = s."username"
                    AND (later."starts_at", later."group_id", later."subscriber") > (s."starts_at", s."group_id", s."subscriber")
            )
    $sql$, "views", "own");

    FOR "taken" IN SELECT unnest(ARRAY['check', 'reply']) LOOP
        EXECUTE format($sql$
            CREATE VIEW %1$I.%3$I WITH (security_barrier) AS
                SELECT "group_id"::bigint * 100 + "position" AS "id", 'group-' || "group_id"::text AS "groupname", "attribute",
                    "op"::varchar(2) AS "op", "value", "group_id"
                FROM %2$I."radius_group_attributes" WHERE "is_reply" = %4$L
        $sql$, "views", "own", 'radgroup' || "taken", "taken" = 'reply');
        EXECUTE format($sql$
            CREATE FUNCTION %1$I.%2$I("groupname" TEXT) RETURNS SETOF %1$I.%3$I LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 4
                SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
            BEGIN
                RETURN QUERY SELECT * FROM %1$I.%3$I AS v
                    WHERE v."group_id" = substring($1 FROM '^group-([1-9][0-9]{0,9})$')::bigint;
            END
            $$
        $sql$, "views", 'radgroup' || "taken" || '_for', 'radgroup' || "taken");
    END LOOP;

    FOR "taken" IN SELECT unnest(ARRAY['radcheck', 'radreply', 'radusergroup']) LOOP
        EXECUTE format($sql$
            CREATE FUNCTION %1$I.%2$I("username" TEXT) RETURNS SETOF %1$I.%3$I LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 1
                SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
            BEGIN
                RETURN QUERY SELECT * FROM %1$I.%3$I AS v
                    WHERE v."subscriber" = ANY (%1$I."usernames_in"($1 COLLATE "default")) AND v."username" = $1 COLLATE "default";
            END
            $$
        $sql$, "views", "taken" || '_for', "taken");
    END LOOP;

    -- A superuser may migrate the tables of another role.
    SELECT relowner::regrole::text INTO "taken" FROM pg_class
    WHERE oid = '"groups"'::regclass AND relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user);
    IF "taken" IS NOT NULL THEN
        EXECUTE format('ALTER TABLE "radius_settings" OWNER TO %s', "taken");
        EXECUTE format('ALTER VIEW "radius_subscriptions" OWNER TO %s', "taken");
        EXECUTE format('ALTER VIEW "radius_units" OWNER TO %s', "taken");
        EXECUTE format('ALTER VIEW "radius_group_attributes" OWNER TO %s', "taken");
        EXECUTE format('ALTER SCHEMA %I OWNER TO %s', "views", "taken");
        EXECUTE (
            SELECT string_agg(format('ALTER VIEW %s OWNER TO %s', pg_class.oid::regclass, "taken"), '; ')
            FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = "views" AND relkind = 'v'
        );
    END IF;
END
$do$;
