-- Rows that were archived or exported as JSON get the defaults of columns that were added since, without a list of columns
-- that a later migration would have to extend.

-- The defaults of a table's columns as JSON, evaluated now. Decimals are strings, so that no reader of the JSON turns them into
-- floating-point numbers. Derived columns and identities have none.
CREATE FUNCTION "row_defaults"("target" regclass) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    "pairs" text;
    "defaults" jsonb;
BEGIN
    SELECT string_agg(format('%L, (%s)::%s%s', attname, pg_get_expr(adbin, adrelid), format_type(atttypid, atttypmod),
        CASE WHEN atttypid = 'numeric'::regtype THEN '::text' ELSE '' END), ', ')
    INTO "pairs"
    FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = "target" AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
    EXECUTE format('SELECT jsonb_build_object(%s)', "pairs") INTO "defaults";
    RETURN "defaults";
END
$$;

-- Inserts a row from JSON, with its id, and returns it. Columns that the JSON lacks get their defaults; derived columns are
-- derived again. Called as insert_row(NULL::groups, …).
CREATE FUNCTION "insert_row"("inserted" anyelement, "source" jsonb) RETURNS anyelement LANGUAGE plpgsql AS $$
DECLARE
    "target" regclass := (SELECT typrelid FROM pg_type WHERE oid = pg_typeof("inserted"));
    "columns" text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ') INTO "columns"
    FROM pg_attribute
    WHERE attrelid = "target" AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND "source" ? attname;
    EXECUTE format('INSERT INTO %1$s AS t (%2$s) OVERRIDING SYSTEM VALUE
        SELECT %2$s FROM jsonb_populate_record(NULL::%1$s, $1) RETURNING t.*', "target", "columns")
    INTO "inserted" USING "source";
    RETURN "inserted";
END
$$;
