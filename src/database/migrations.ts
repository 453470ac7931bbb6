import { createHash, randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { OperatorError } from '../errors.ts';
import { defaultSchema, searchPathOf } from '../postgres/database-url.ts';
import { changeSettings } from '../postgres/transaction-settings.ts';
import { withMigrationLock, type Report } from './migration-lock.ts';
import { explainMigrationError, findMigrationProblems, type MigrationState } from './migration-problems.ts';
import { isStandalone, runStandaloneMigration } from './standalone-migration.ts';

/** The same table as that of `prisma migrate`, so that both can be used. */
const createMigrationsTable = (schema: string) => `
  CREATE TABLE IF NOT EXISTS ${migrationsTable(schema)} (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`;

/**
 * The schema comes first, so that all objects are created and found there. The schemas of extensions, which managed
 * services install separately, follow for the names of operator classes.
 */
const readSearchPath = `
  SELECT concat_ws(', ', $1::text, (
    SELECT string_agg(DISTINCT quote_ident(nspname), ', ') FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
    WHERE extname = ANY ($2::text[]) AND nspname NOT IN ($3, 'pg_catalog')
  )) AS path`;

type Queryable = pg.Pool | pg.ClientBase;
type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

const lockTimeoutMs = 1000;
const lockRetryMs = 500;
/** PostgreSQL's code for a lock that was not available within `lock_timeout`. */
const lockNotAvailable = '55P03';

/** The folder of this version's migrations, next to both `src` and `dist`. */
const migrationsDir = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/**
 * Applies the pending migrations to `schema`, in order: those up to the next one that runs outside a transaction share
 * a transaction. If several servers start concurrently, one migrates and the others wait. Migrations after `last` stay
 * pending. Returns the names of the applied migrations.
 * @throws OperatorError if the applied migrations do not match this version, or if a migration fails.
 */
export async function migrate(
  pool: pg.Pool,
  schema = defaultSchema,
  report: Report = () => undefined,
  last?: string,
): Promise<string[]> {
  if ((await findPending(pool, schema, last)).length === 0) return [];
  return withMigrationLock(pool, report, async (client) => {
    // Check again: another server may have migrated while this one waited for the lock.
    const pending = await findPending(client, schema, last);
    for (const step of splitSteps(pending)) {
      if (isStandalone(step[0]!)) await applyStandalone(client, schema, step[0]!, report);
      else await applyWithoutQueue(client, schema, step, report);
    }
    return pending.map(({ name }) => name);
  });
}

/** Splits migrations into steps: consecutive ones that share a transaction, or a single one outside a transaction. */
function splitSteps(migrations: readonly Migration[]): Migration[][] {
  const steps: Migration[][] = [];
  for (const migration of migrations) {
    const previous = steps.at(-1);
    if (previous && !isStandalone(previous[0]!) && !isStandalone(migration)) previous.push(migration);
    else steps.push([migration]);
  }
  return steps;
}

/**
 * Applies migrations in one transaction, which waits for a lock for a second at most: statements of servers would queue
 * up after it. If a lock is not available, rolls back and tries again.
 */
async function applyWithoutQueue(
  client: pg.ClientBase,
  schema: string,
  migrations: readonly Migration[],
  report: Report,
): Promise<void> {
  for (let isWaiting = false; ; isWaiting = true) {
    try {
      return await applyInTransaction(client, schema, migrations);
    } catch (error) {
      if ((error as Partial<pg.DatabaseError>).code !== lockNotAvailable) throw error;
      if (!isWaiting) report('Waiting for a transaction of another program that locks a table');
      await sleep(lockRetryMs);
    }
  }
}

async function applyInTransaction(
  client: pg.ClientBase,
  schema: string,
  migrations: readonly Migration[],
): Promise<void> {
  let current: string | undefined;
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    await client.query(createMigrationsTable(schema));
    for (const { name, sql, checksum } of migrations) {
      current = name;
      await prepareSearchPath(client, schema);
      await client.query(sql);
      await client.query(
        `INSERT INTO ${migrationsTable(schema)}
           (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
         VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), 1)`,
        [randomUUID(), checksum, name],
      );
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw explainMigrationError(error, { schema, migration: current });
  }
}

async function applyStandalone(
  client: pg.ClientBase,
  schema: string,
  migration: Migration,
  report: Report,
): Promise<void> {
  try {
    await prepareSearchPath(client, schema);
    await runStandaloneMigration(client, { schema, table: migrationsTable(schema) }, migration, report);
  } catch (error) {
    throw explainMigrationError(error, { schema, migration: migration.name, isStandalone: true });
  }
}

/** Called before every migration, since the previous one may have added an extension. */
async function prepareSearchPath(client: pg.ClientBase, schema: string): Promise<void> {
  const extensions = findExtensions((await readMigrations()).map(({ sql }) => sql).join('\n'));
  const { rows } = await client.query<{ path: string }>(readSearchPath, [
    searchPathOf(schema),
    extensions,
    schema,
  ]);
  await changeSettings(client, { search_path: rows[0]!.path });
}

/** Returns the names of the extensions that the SQL of migrations requires. */
export function findExtensions(sql: string): string[] {
  return [...sql.matchAll(/\bCREATE EXTENSION IF NOT EXISTS "(\w+)"/g)].map(([, name]) => name!);
}

/** Reads the migrations of this version, in order. */
export async function readMigrations(): Promise<Migration[]> {
  const entries = await readdir(migrationsDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.toSorted().map(async (name) => {
      const sql = await readFile(join(migrationsDir, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** @throws OperatorError */
async function findPending(
  client: Queryable,
  schema: string,
  last: string | undefined,
): Promise<Migration[]> {
  const migrations = await readMigrations();
  const state = await inspectMigrations(client, schema);
  const [problem] = findMigrationProblems(state, schema);
  if (problem !== undefined) throw new OperatorError(problem);
  return migrations.filter(
    ({ name }) => state.pending.includes(name) && (last === undefined || name <= last),
  );
}

/**
 * Compares the migrations of a database with those of this version, without changes.
 * @throws OperatorError if the table of migrations cannot be read.
 */
export async function inspectMigrations(client: Queryable, schema = defaultSchema): Promise<MigrationState> {
  const migrations = await readMigrations();
  const history = await readHistory(client, schema);
  const finished = history.filter(({ isFailed }) => !isFailed);
  const checksums = new Map(finished.map(({ name, checksum }) => [name, checksum]));
  const isApplied = ({ name }: Migration) => checksums.has(name);
  const ownMigrations = new Map(migrations.map((migration) => [migration.name, migration]));
  const names = [...checksums.keys()];
  const pending = migrations.filter((migration) => !isApplied(migration));
  const unfinished = history.filter(({ isFailed }) => isFailed).map(({ name }) => name);
  const isRepeatable = (name: string) => pending.some((one) => one.name === name && isStandalone(one));
  return {
    applied: names,
    pending: pending.map(({ name }) => name),
    unknown: names.filter((name) => !ownMigrations.has(name)),
    changed: names.filter(
      (name) => ownMigrations.has(name) && ownMigrations.get(name)!.checksum !== checksums.get(name),
    ),
    failed: unfinished.filter((name) => !isRepeatable(name)),
    interrupted: unfinished.filter(isRepeatable),
    ownNames: [...ownMigrations.keys()],
    obstacles: await findObstacles(client, schema, pending, migrations.filter(isApplied)),
  };
}

type AppliedMigration = { readonly name: string; readonly checksum: string; readonly isFailed: boolean };

async function readHistory(client: Queryable, schema: string): Promise<AppliedMigration[]> {
  const { rows: tables } = await client.query('SELECT to_regclass($1) IS NOT NULL AS exists', [
    migrationsTable(schema),
  ]);
  if (!tables[0].exists) return [];
  try {
    const { rows } = await client.query<AppliedMigration>(
      `SELECT migration_name AS name, checksum, finished_at IS NULL AS "isFailed" FROM ${migrationsTable(schema)}
       WHERE rolled_back_at IS NULL ORDER BY migration_name`,
    );
    return rows;
  } catch (error) {
    throw explainMigrationError(error, { schema, migration: undefined });
  }
}

async function findObstacles(
  client: Queryable,
  schema: string,
  pending: readonly Migration[],
  applied: readonly Migration[],
): Promise<string[]> {
  if (pending.length === 0) return [];
  const findNames = (searched: readonly Migration[], kind: 'TABLE' | 'FUNCTION') =>
    searched
      .flatMap(({ sql }) => [...sql.matchAll(/\bCREATE (\w+) "(\w+)"/g)])
      .flatMap(([, objectKind, name]) => (objectKind === kind ? [name!] : []));
  const findNew = (kind: 'TABLE' | 'FUNCTION') => {
    const earlier = new Set(findNames(applied, kind));
    return findNames(pending, kind).filter((name) => !earlier.has(name));
  };
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname = $1 AND relname = ANY ($2::text[])
     UNION SELECT format('the function %s', proname) FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
     WHERE nspname = $1 AND proname = ANY ($3::text[]) ORDER BY 1`,
    [schema, findNew('TABLE'), findNew('FUNCTION')],
  );
  return rows.map(({ name }) => name);
}

function migrationsTable(schema: string): string {
  return `${pg.escapeIdentifier(schema)}._prisma_migrations`;
}
