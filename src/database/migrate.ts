import { createHash, randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { StartError } from '../errors.ts';

/** The number that `prisma migrate` locks too, so that neither works while the other does. */
const migrationLock = 72_707_369;

const insufficientPrivilege = '42501';

/** The table that `prisma migrate` keeps, to the letter, so that both know what the other has done. */
const createMigrationsTable = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`;

type Queryable = pg.Pool | pg.PoolClient;
type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

/** The migrations that come with this version. Found beside `src` and beside `dist` alike. */
const migrationsDir = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/**
 * Brings a database to this version: applies, in order and in one transaction, the migrations that it lacks. Of several
 * servers that start at once, one does it and the others wait. Answers the names of those that it applied.
 * @throws StartError where the database belongs to a newer version, or a migration was changed after it was applied.
 */
export async function migrate(pool: pg.Pool): Promise<string[]> {
  const migrations = await readMigrations();
  if (findPending(migrations, await readApplied(pool)).length === 0) return [];

  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    // Another server may take long to migrate.
    await client.query('SET LOCAL lock_timeout = 0');
    await client.query(`SELECT pg_advisory_xact_lock(${migrationLock})`);
    await client.query(createMigrationsTable);
    // Read again: another server may have migrated while this one waited for the lock.
    const pending = findPending(migrations, await readApplied(client));
    for (const { name, sql, checksum } of pending) {
      await client.query(sql);
      await client.query(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
         VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp(), 1)`,
        [randomUUID(), checksum, name],
      );
    }
    await client.query('COMMIT');
    return pending.map(({ name }) => name);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if ((error as pg.DatabaseError).code !== insufficientPrivilege) throw error;
    throw new StartError(
      `The database's user may not create what is needed (${(error as Error).message}). ` +
        'Run `group-api migrate` once as the owner of the database: see docs/operations.md',
    );
  } finally {
    client.release();
  }
}

/** The migrations that come with this version, in order. */
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

async function readApplied(client: Queryable): Promise<Map<string, string>> {
  const { rows: tables } = await client.query(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists`,
  );
  if (!tables[0].exists) return new Map();
  const { rows } = await client.query(
    'SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
  );
  return new Map(rows.map((row) => [row.migration_name, row.checksum]));
}

/** @throws StartError */
function findPending(migrations: Migration[], applied: Map<string, string>): Migration[] {
  const { unknown, changed, pending } = compareMigrations(migrations, applied);
  if (unknown[0] !== undefined) throw new StartError(describeUnknown(unknown[0]));
  if (changed[0] !== undefined) throw new StartError(describeChanged(changed[0]));
  return migrations.filter(({ name }) => pending.includes(name));
}

/** The names of migrations, by how a database stands to this version. */
export type MigrationState = {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Of a newer version. */
  readonly unknown: readonly string[];
  readonly changed: readonly string[];
};

/** Tells how a database stands to this version, and changes nothing. */
export async function inspectMigrations(client: Queryable): Promise<MigrationState> {
  return compareMigrations(await readMigrations(), await readApplied(client));
}

function compareMigrations(migrations: Migration[], applied: Map<string, string>): MigrationState {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  const names = [...applied.keys()];
  return {
    applied: names,
    pending: migrations.map(({ name }) => name).filter((name) => !applied.has(name)),
    unknown: names.filter((name) => !known.has(name)),
    changed: names.filter((name) => known.has(name) && known.get(name)!.checksum !== applied.get(name)),
  };
}

export function describeUnknown(name: string): string {
  return `The database has the migration ${name}, which this version of group-api does not know. Update group-api`;
}

export function describeChanged(name: string): string {
  return `The migration ${name} was changed after it was applied to this database. Restore its file`;
}
