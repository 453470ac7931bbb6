import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { checkStructure } from './check-structure.ts';
import { ok, warning, wrong, type Check } from './check-result.ts';
import {
  findExtensions,
  inspectMigrations,
  readMigrations,
  type MigrationState,
} from '../database/migrations.ts';
import { findMigrationProblems } from '../database/migration-problems.ts';

const name = 'migrations';

/** Checks the migrations and, if all are applied, that what they made is there. `user` is who is connected. */
export async function checkMigrations(pool: pg.Pool, schema: string, user: string): Promise<Check[]> {
  let state: MigrationState;
  try {
    state = await inspectMigrations(pool, schema);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [wrong(name, error.message)];
  }
  const { applied, pending } = state;
  const problems = findMigrationProblems(state, schema);
  if (problems.length > 0) return problems.map((problem) => wrong(name, problem));
  if (pending.length === 0) {
    return [
      ok(name, `All ${applied.length} are applied`),
      await checkStructure(pool, await readSql(applied)),
    ];
  }
  const found = `${applied.length} are applied, ${pending.join(', ')} are not`;
  const lacks = await findLacks(pool, schema, await readSql(pending));
  return lacks.length > 0
    ? [
        wrong(
          name,
          `${found}: run \`group-api migrate\` as the owner of the database, since ${user} lacks ${lacks.join(', ')}`,
        ),
      ]
    : [warning(name, `${found}: the next start applies them, or \`group-api migrate\``)];
}

async function readSql(names: readonly string[]): Promise<string> {
  const migrations = await readMigrations();
  return migrations
    .filter((each) => names.includes(each.name))
    .map(({ sql }) => sql)
    .join('\n');
}

/** What a user lacks to run the SQL of migrations, as far as their statements tell. */
async function findLacks(pool: pg.Pool, schema: string, sql: string): Promise<string[]> {
  const namesAfter = (pattern: RegExp) => [...sql.matchAll(pattern)].map(([, found]) => found!);
  const { rows } = await pool.query<{ lack: string }>(
    `WITH extension AS (
       SELECT needed FROM unnest($1::text[]) AS needed WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = needed)
     )
     SELECT format('CREATE on the schema %I', $4::text) AS lack WHERE NOT has_schema_privilege($4, 'CREATE')
     UNION ALL
     SELECT format('CREATE on the database, for the extension %s', needed) FROM extension
     WHERE NOT has_database_privilege(current_database(), 'CREATE')
     UNION ALL
     SELECT format('the files of the extension %s, which some systems have in a package postgresql-contrib', needed)
     FROM extension WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = needed)
     UNION ALL
     SELECT 'INSERT on _prisma_migrations'
     WHERE NOT has_table_privilege(to_regclass('_prisma_migrations'), 'INSERT')
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
    ],
  );
  return rows.map(({ lack }) => lack);
}
