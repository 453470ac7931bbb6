import type pg from 'pg';
import { readTables } from '../database/tables.ts';
import { failed, passed, warned, type CheckResult } from './check-result.ts';

const name = 'radius';

const viewNames = ['radcheck', 'radgroupcheck', 'radgroupreply', 'radreply', 'radusergroup'];

/** The views of the server, whose role reads them. */
const internalViews = ['radius_subscriptions', 'radius_group_attributes', 'radius_units'];

/** The functions of the server that the views call, with the privileges of the reader. */
const calledFunctions = [
  'is_running',
  'radius_attributes',
  'download_upload_bits',
  'daily_bytes',
  'radius_ip_kind',
  'mikrotik_rate',
];

type View = { readonly oid: number; readonly schema: string; readonly view: string };

/** A role that may read a view or use the schema of the views, apart from their owner and the role of the server. */
type Reader = {
  readonly role: string;
  readonly isSuperuser: boolean;
  /** The statements that grant it what it lacks. */
  readonly grants: readonly string[];
  /** The tables, and the views of the server, on which it has a privilege. */
  readonly tables: readonly string[];
  /** The owners of tables of which it is a member. */
  readonly owners: readonly string[];
};

/**
 * Checks the views that FreeRADIUS reads, and the roles that read them: each may read all five, and nothing else.
 * Before the migration that creates the views there is nothing to check.
 */
export async function checkRadius(client: pg.Pool): Promise<CheckResult[]> {
  const { rows: migrated } = await client.query(
    "SELECT WHERE to_regclass('radius_subscriptions') IS NOT NULL",
  );
  if (migrated.length === 0) return [];
  const views = await readViews(client);
  const missing = viewNames.filter((view) => !views.some((one) => one.view === view));
  if (missing.length > 0)
    return [
      failed(
        name,
        `The database lacks the RADIUS views ${missing.join(', ')}. Restore a backup with their schema`,
      ),
    ];
  const [{ schema }] = views as [View];
  const readers = await readReaders(client, views);
  if (readers.length === 0)
    return [
      passed(
        name,
        `FreeRADIUS' views are in the schema ${schema}. No role may read them yet: see docs/radius.md`,
      ),
    ];
  return readers.map((reader) => checkReader(reader, schema));
}

function checkReader({ role, isSuperuser, grants, tables, owners }: Reader, schema: string): CheckResult {
  if (role === 'public') {
    const revoke = `REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM PUBLIC; REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC`;
    return warned(name, `Every role may use the schema of the RADIUS views: ${revoke}`);
  }
  if (isSuperuser)
    return warned(name, `${role} is a superuser, and reads everything: ALTER ROLE ${role} NOSUPERUSER`);
  if (grants.length > 0)
    return failed(
      name,
      `${role} lacks privileges, so that FreeRADIUS rejects every user: ${grants.join('; ')}`,
    );
  if (owners.length > 0) {
    const list = owners.join(', ');
    return warned(name, `${role} is a member of ${list}, which owns tables: REVOKE ${list} FROM ${role}`);
  }
  if (tables.length > 0)
    return warned(
      name,
      `${role} needs no privileges on tables, but has some: REVOKE ALL ON ${tables.join(', ')} FROM ${role}`,
    );
  return passed(name, `${role} may read FreeRADIUS' views in the schema ${schema}, and no table`);
}

/** The views by what they depend on: the schema of the tables may have been renamed since. */
async function readViews(client: pg.Pool): Promise<View[]> {
  const { rows } = await client.query<View>(
    `SELECT DISTINCT c.oid, quote_ident(nspname) AS schema, relname::text AS view
     FROM pg_depend JOIN pg_rewrite r ON classid = 'pg_rewrite'::regclass AND r.oid = objid
     JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE refclassid = 'pg_class'::regclass AND relname = ANY ($1::text[])
       AND refobjid IN (to_regclass('radius_subscriptions'), to_regclass('radius_group_attributes'))
     ORDER BY 2, 3`,
    [viewNames],
  );
  return rows;
}

async function readReaders(client: pg.Pool, views: readonly View[]): Promise<Reader[]> {
  const { rows } = await client.query<Reader>(
    `WITH view AS (
       SELECT c.oid, schema, schema || '.' || view AS name, relacl, relowner
       FROM unnest($1::text[], $2::text[], $3::oid[]) AS one (schema, view, oid) JOIN pg_class c ON c.oid = one.oid
     ),
     reader AS (
       SELECT oid FROM (
         SELECT grantee AS oid FROM view, aclexplode(relacl) WHERE grantee <> relowner
         UNION SELECT grantee FROM pg_namespace n, aclexplode(nspacl)
         WHERE quote_ident(nspname) = (SELECT min(schema) FROM view) AND grantee <> nspowner
       ) AS grantees WHERE oid <> (SELECT r.oid FROM pg_roles r WHERE rolname = current_user)
     ),
     called AS (
       SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
       WHERE quote_ident(nspname) = (SELECT min(schema) FROM view)
           AND (proname = 'usernames_in' OR proname IN (SELECT relname || '_for' FROM view JOIN pg_class c ON c.oid = view.oid))
         OR pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('radius_subscriptions')) AND proname = ANY ($5::text[])
     ),
     other AS (
       SELECT c.oid, relowner FROM pg_class c
       JOIN unnest($4::text[]) AS name ON to_regclass(name) IN (c.oid, pg_partition_root(c.oid))
     )
     SELECT CASE oid WHEN 0 THEN 'public' ELSE oid::regrole::text END AS role,
       coalesce((SELECT rolsuper FROM pg_roles r WHERE r.oid = reader.oid), false) AS "isSuperuser",
       CASE oid WHEN 0 THEN '{}' ELSE array_remove(ARRAY[
         (SELECT format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), oid::regrole)
          WHERE NOT has_database_privilege(oid, current_database(), 'CONNECT')),
         (SELECT format('GRANT USAGE ON SCHEMA %s TO %s', min(schema), reader.oid::regrole)
          FROM view WHERE NOT has_schema_privilege(reader.oid, to_regnamespace(schema), 'USAGE') HAVING count(*) > 0),
         (SELECT format('GRANT SELECT ON %s TO %s', string_agg(name, ', ' ORDER BY name), reader.oid::regrole)
          FROM view WHERE NOT has_table_privilege(reader.oid, view.oid, 'SELECT') HAVING count(*) > 0),
         (SELECT format('GRANT EXECUTE ON FUNCTION %s TO %s',
            string_agg(called.oid::regprocedure::text, ', ' ORDER BY called.oid::regprocedure::text), reader.oid::regrole)
          FROM called WHERE NOT has_function_privilege(reader.oid, called.oid, 'EXECUTE') HAVING count(*) > 0)
       ], NULL) END AS grants,
       CASE oid WHEN 0 THEN '{}' ELSE ARRAY(
         SELECT other.oid::regclass::text FROM other
         WHERE has_table_privilege(reader.oid, other.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
           OR has_any_column_privilege(reader.oid, other.oid, 'SELECT, INSERT, UPDATE, REFERENCES') ORDER BY 1
       ) END AS tables,
       CASE oid WHEN 0 THEN '{}' ELSE ARRAY(
         SELECT DISTINCT relowner::regrole::text FROM other WHERE pg_has_role(reader.oid, relowner, 'MEMBER') ORDER BY 1
       ) END AS owners
     FROM reader ORDER BY 1`,
    [
      views.map(({ schema }) => schema),
      views.map(({ view }) => view),
      // Not by their names, which a role without USAGE on the schema cannot look up.
      views.map(({ oid }) => oid),
      [...(await readTables()), '_prisma_migrations', ...internalViews],
      calledFunctions,
    ],
  );
  return rows;
}
