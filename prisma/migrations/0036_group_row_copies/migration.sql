-- The same JSON, built with fewer copies of the row: `||` and `#-` copy it once each, and only a retired group has a reason to remove.
CREATE OR REPLACE FUNCTION "group_row"("groups") RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_set(
        CASE WHEN ($1)."retirement" IS NULL THEN to_jsonb($1) ELSE to_jsonb($1) #- '{retirement,reason}' END,
        '{price}', to_jsonb(($1)."price"::text)
    )
$$;
