import type pg from 'pg';
import { readTables } from '../database/tables.ts';
import { failed, passed, warned, type CheckResult } from './check-result.ts';

const name = 'radius';

/** The role of FreeRADIUS in docs/radius.md. */
const role = 'group_api_radius';

const viewNames = ['radcheck', 'radgroupcheck', 'radgroupreply', 'radreply', 'radusergroup'];

/** The views of the server, whose role reads them. */
const internalViews = ['radius_subscriptions', 'radius_group_attributes', 'radius_units'];

type View = { readonly schema: string; readonly view: string };

/**
 * Checks the views that FreeRADIUS reads, and the privileges of its role, if the role exists: SELECT on each view, and
 * nothing on the tables. Before the migration that creates the views there is nothing to check.
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
  const summary = `The views of FreeRADIUS are in the schema ${views[0]!.schema}`;
  const { rows: roles } = await client.query<{ isSuperuser: boolean }>(
    'SELECT rolsuper AS "isSuperuser" FROM pg_roles WHERE rolname = $1',
    [role],
  );
  const [radiusRole] = roles;
  if (radiusRole === undefined)
    return [passed(name, `${summary}. There is no role ${role}, which FreeRADIUS needs: see docs/radius.md`)];
  if (radiusRole.isSuperuser)
    return [warned(name, `${role} is a superuser, and reads everything: ALTER ROLE ${role} NOSUPERUSER`)];
  const problems = [...(await checkGrants(client, views)), ...(await checkTables(client))];
  return problems.length > 0 ? problems : [passed(name, `${summary}, and ${role} can read nothing else`)];
}

/** The views by what they depend on: the schema of the tables may have been renamed since. */
async function readViews(client: pg.Pool): Promise<View[]> {
  const { rows } = await client.query<View>(
    `SELECT DISTINCT quote_ident(nspname) AS schema, relname::text AS view
     FROM pg_depend JOIN pg_rewrite r ON classid = 'pg_rewrite'::regclass AND r.oid = objid
     JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE refclassid = 'pg_class'::regclass AND relname = ANY ($1::text[])
       AND refobjid IN (to_regclass('radius_subscriptions'), to_regclass('radius_group_attributes'))
     ORDER BY 1, 2`,
    [viewNames],
  );
  return rows;
}

async function checkGrants(client: pg.Pool, views: readonly View[]): Promise<CheckResult[]> {
  const { rows } = await client.query<{ grants: string[] }>(
    `SELECT array_remove(ARRAY[
         CASE WHEN NOT has_database_privilege($1, current_database(), 'CONNECT')
           THEN format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text) END,
         CASE WHEN NOT has_schema_privilege($1, min(schema), 'USAGE')
           THEN format('GRANT USAGE ON SCHEMA %s TO %I', min(schema), $1::text) END,
         (SELECT format('GRANT SELECT ON %s TO %I', string_agg(schema || '.' || view, ', ' ORDER BY view), $1::text)
          FROM unnest($2::text[], $3::text[]) AS other (schema, view)
          WHERE NOT has_table_privilege($1, to_regclass(schema || '.' || view), 'SELECT') HAVING count(*) > 0)
       ], NULL) AS grants
     FROM unnest($2::text[], $3::text[]) AS one (schema, view)`,
    [role, views.map(({ schema }) => schema), views.map(({ view }) => view)],
  );
  const { grants } = rows[0]!;
  return grants.length > 0
    ? [failed(name, `${role} lacks privileges, so that FreeRADIUS rejects every user: ${grants.join('; ')}`)]
    : [];
}

/** A privilege on a table or another view: with it, one sees the usernames of ended subscribers, at least. */
async function checkTables(client: pg.Pool): Promise<CheckResult[]> {
  const { rows } = await client.query<{ tables: string[]; owners: string[] }>(
    `SELECT coalesce(array_agg(c.oid::regclass::text ORDER BY relname) FILTER (WHERE
         has_table_privilege($1, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
         OR has_any_column_privilege($1, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')), '{}') AS tables,
       coalesce(array_agg(DISTINCT relowner::regrole::text) FILTER (WHERE pg_has_role($1, relowner, 'MEMBER')), '{}') AS owners
     FROM pg_class c JOIN unnest($2::text[]) AS name ON to_regclass(name) IN (c.oid, pg_partition_root(c.oid))`,
    [role, [...(await readTables()), '_prisma_migrations', ...internalViews]],
  );
  const { tables, owners } = rows[0]!;
  if (owners.length > 0)
    return [
      warned(
        name,
        `${role} is a member of ${owners.join(', ')}, which owns tables: REVOKE ${owners.join(', ')} FROM ${role}`,
      ),
    ];
  return tables.length > 0
    ? [
        warned(
          name,
          `${role} needs no privileges on tables, but has some: REVOKE ALL ON ${tables.join(', ')} FROM ${role}`,
        ),
      ]
    : [];
}
