import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { failed, passed, warned, type CheckResult } from './check-result.ts';
import { readMigrationActivity } from '../database/migration-lock.ts';
import { findExtensions, inspectMigrations, readMigrations } from '../database/migrations.ts';
import { readTables } from '../database/tables.ts';
import type { MigrationState } from '../database/migration-problems.ts';
import { findMigrationProblems } from '../database/migration-problems.ts';

const name = 'migrations';

/**
 * Checks the migrations: all are applied and their tables exist, or `user`, the database user, may apply those that are
 * pending.
 */
export async function checkMigrations(pool: pg.Pool, schema: string, user: string): Promise<CheckResult[]> {
  let state: MigrationState;
  try {
    state = await inspectMigrations(pool, schema);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [failed(name, error.message)];
  }
  const { applied, pending } = state;
  const problems = findMigrationProblems(state, schema);
  if (problems.length > 0) return problems.map((problem) => failed(name, problem));
  if (pending.length === 0)
    return [passed(name, `All ${applied.length} migrations are applied`), await checkTables(pool)];
  const progress = [
    `${applied.length} migrations are applied, pending: ${pending.join(', ')}`,
    ...(await describeInterrupted(pool, state)),
  ].join('. ');
  const missing = await findMissingPrivileges(pool, schema, await readSql(pending));
  return missing.length > 0
    ? [
        failed(
          name,
          `${progress}. Run \`group-api migrate\` as the owner of the database, since ${user} lacks ${missing.join(', ')}`,
        ),
      ]
    : [warned(name, `${progress}. The next start or \`group-api migrate\` applies them`)];
}

async function describeInterrupted(pool: pg.Pool, { interrupted }: MigrationState): Promise<string[]> {
  const [migration] = interrupted;
  if (migration === undefined) return [];
  const { isMigrating, phase } = await readMigrationActivity(pool);
  return isMigrating
    ? [`Another program is applying ${migration}${phase === null ? '' : ` (${phase})`}`]
    : [`${migration} was interrupted; it is repeated, without what it left unfinished`];
}

async function checkTables(pool: pg.Pool): Promise<CheckResult> {
  const { rows } = await pool.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL',
    [await readTables()],
  );
  const missing = rows.map((row) => `the table ${row.name}`);
  return missing.length > 0
    ? failed('tables', `The database lacks ${missing.join(', ')}. Restore a backup`)
    : passed('tables', 'All tables of this version exist');
}

async function readSql(names: readonly string[]): Promise<string> {
  const migrations = await readMigrations();
  return migrations
    .filter((migration) => names.includes(migration.name))
    .map(({ sql }) => sql)
    .join('\n');
}

/** Finds what the current user lacks to run the SQL of migrations, as far as the statements show it. */
async function findMissingPrivileges(pool: pg.Pool, schema: string, sql: string): Promise<string[]> {
  const namesAfter = (pattern: RegExp) => [...sql.matchAll(pattern)].map(([, match]) => match!);
  const { rows } = await pool.query<{ missing: string }>(
    `WITH extension AS (
       SELECT needed FROM unnest($1::text[]) AS needed WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = needed)
     )
     SELECT format('CREATE on the schema %I', $4::text) AS missing WHERE NOT has_schema_privilege($4, 'CREATE')
     UNION ALL
     SELECT format('CREATE on the database, for the extension %s', needed) FROM extension
     WHERE NOT has_database_privilege(current_database(), 'CREATE')
     UNION ALL
     SELECT format('CREATE on the database, for the schema %I of the RADIUS views', needed)
     FROM (SELECT CASE $4 WHEN 'public' THEN 'radius' ELSE $4 || '_radius' END AS needed) AS views
     WHERE $5 AND to_regnamespace(quote_ident(needed)) IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
     UNION ALL
     SELECT format('the files of the extension %s, which some systems install by the package postgresql-contrib', needed)
     FROM extension WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = needed)
     UNION ALL
     SELECT privilege || ' on _prisma_migrations' FROM unnest(ARRAY['INSERT', 'UPDATE']) AS privilege
     WHERE NOT has_table_privilege(to_regclass('_prisma_migrations'), privilege)
     UNION ALL
     SELECT DISTINCT 'REFERENCES on ' || name FROM unnest($2::text[]) AS name
     WHERE NOT has_table_privilege(to_regclass(name), 'REFERENCES')
     UNION ALL
     SELECT DISTINCT 'the ownership of ' || name FROM unnest($3::text[]) AS name, pg_class AS c
     WHERE c.oid = to_regclass(name) AND NOT pg_has_role(relowner, 'USAGE')`,
    [
      findExtensions(sql),
      namesAfter(/\bREFERENCES "(\w+)"/g),
      namesAfter(/\b(?:(?:ALTER|DROP) TABLE|ON) "(\w+)"/g),
      schema,
      sql.includes('CREATE SCHEMA %I'),
    ],
  );
  return rows.map(({ missing }) => missing);
}
