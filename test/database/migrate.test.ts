import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../src/database/migrations.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { waitUntil } from '../support/wait-until.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
  pool = new pg.Pool({ connectionString: database.url, max: 10 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** The migrations of this version, in order. */
const names = readdirSync(new URL('../../prisma/migrations', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .toSorted();

test('of eight servers that start concurrently on an empty database, one migrates it', async () => {
  const applied = await Promise.all(Array.from({ length: 8 }, () => migrate(pool)));

  expect(applied.flat()).toStrictEqual(names);
  const rows = await database.sql(
    'SELECT migration_name, applied_steps_count FROM _prisma_migrations ORDER BY 1',
  );
  expect(rows).toStrictEqual(
    applied.flat().map((migration_name) => ({ migration_name, applied_steps_count: 1 })),
  );
});

test('a server waits while another server migrates', async () => {
  const empty = await createTestDatabase({ isEmpty: true });
  const impatient = new pg.Pool({ connectionString: empty.url, max: 1, lock_timeout: 200 });
  const migrating = await openSecondConnection(empty);
  await migrating.query('SELECT pg_advisory_lock(72707369)');
  const lines: string[] = [];
  const waiting = migrate(impatient, 'public', (line) => lines.push(line));
  await waitUntil(() => lines.includes('Waiting for another program that is migrating the database'));
  await migrating.close();
  expect(await waiting).toStrictEqual(names);
  await impatient.end();
  await empty.drop();
});

test('the migrations produce the tables of schema.prisma', async () => {
  const bySchema = await createTestDatabase({ isEmpty: true });
  try {
    // Prisma's schema language supports extensions only as a preview feature.
    await bySchema.sql('CREATE EXTENSION pg_trgm');
    await bySchema.sql(await writeSqlOfSchema());
    expect(await database.sql(describeTables)).toStrictEqual(await bySchema.sql(describeTables));
  } finally {
    await bySchema.drop();
  }
});

test("Prisma's engine applies migrations that run outside a transaction; group-api then has none to apply", async () => {
  const byPrisma = await createTestDatabase();
  // The indexes of searches, and the drops of those that they replace.
  const outsideTransaction = names.filter((name) => name >= '0015' && name < '0021');
  await byPrisma.sql('DELETE FROM _prisma_migrations WHERE migration_name = ANY ($1)', [outsideTransaction]);
  await byPrisma.sql('DROP INDEX groups_tag_name_idx, groups_hidden_idx');
  const ownPool = new pg.Pool({ connectionString: byPrisma.url, max: 2 });
  const setTimer = jest.spyOn(globalThis, 'setTimeout');
  try {
    const schemaEngine = await openSchemaEngine(ownPool);
    const baseDir = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));
    const { appliedMigrationNames } = await schemaEngine.applyMigrations({
      migrationsList: {
        baseDir,
        lockfile: {
          path: 'migration_lock.toml',
          content: readFileSync(join(baseDir, 'migration_lock.toml'), 'utf8'),
        },
        shadowDbInitScript: '',
        migrationDirectories: names.map((path) => ({
          path,
          migrationFile: {
            path: 'migration.sql',
            content: { tag: 'ok', value: readFileSync(join(baseDir, path, 'migration.sql'), 'utf8') },
          },
        })),
      },
      filters: { externalTables: [], externalEnums: [] },
    });
    expect(appliedMigrationNames).toStrictEqual(outsideTransaction);
    expect(await byPrisma.sql(describeTables)).toStrictEqual(await database.sql(describeTables));
    expect(await migrate(ownPool)).toStrictEqual([]);
  } finally {
    // The engine does not clear the timer of its time limit for the lock, which would keep the process running.
    for (const { value } of setTimer.mock.results) clearTimeout(value as NodeJS.Timeout);
    setTimer.mockRestore();
    await ownPool.end();
    await byPrisma.drop();
  }
});

describe('rejected databases', () => {
  test('migrate rejects a database that a newer version has migrated', async () => {
    await database.sql(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '9999_future', now())`,
    );
    await expect(migrate(pool)).rejects.toThrow(
      'the migration 9999_future, which is unknown to this version of group-api',
    );
    await database.sql(`DELETE FROM _prisma_migrations WHERE id = 'x'`);
  });

  test('migrate rejects a database whose migrations were changed after they were applied', async () => {
    const [row] = await database.sql('SELECT id, checksum FROM _prisma_migrations ORDER BY migration_name');
    await database.sql(`UPDATE _prisma_migrations SET checksum = 'other' WHERE id = $1`, [row!['id']]);
    await expect(migrate(pool)).rejects.toThrow('was changed after it was applied');
    await database.sql('UPDATE _prisma_migrations SET checksum = $2 WHERE id = $1', [
      row!['id'],
      row!['checksum'],
    ]);
  });
});

describe('constraints of the database', () => {
  const plain = { name: 'n', tag_name: 't', duration: 1, price: 1 };
  test.each([
    ['name', ''],
    ['name', ' '],
    ['name', 'n'.repeat(129)],
    ['name', 'a\nb'],
    ['name', null],
    ['description', 'd'.repeat(2001)],
    ['tag_name', ''],
    ['tag_name', 't'.repeat(65)],
    ['duration', -1],
    ['price', -0.01],
    ['price', '1000000000000'],
    ['price', 'NaN'],
    ['username_postfix', 'p'.repeat(65)],
    ['username_postfix_id', 'i'.repeat(65)],
    ['daily_bandwidth', ''],
    ['multi_login_count', -1],
    ['download_upload', 'u'.repeat(65)],
    ['ip', 'somewhere'],
    ['service_group_id', 1],
    ['version', 0],
    ['id', 1],
  ])('a constraint rejects groups.%s = %j', async (column, value) => {
    const row: Record<string, unknown> = { ...plain, [column]: value };
    const columns = Object.keys(row);
    const insert = `INSERT INTO groups (${columns.join(', ')}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')})`;
    await expect(database.sql(insert, Object.values(row))).rejects.toThrow(/violates|overflow|cannot insert/);
  });

  test.each([
    ['name', ''],
    ['language', ''],
    ['discount', -1],
    ['discount', 100.01],
    ['discount', 'NaN'],
  ])('a constraint rejects service_groups.%s = %j', async (column, value) => {
    const row: Record<string, unknown> = { name: 'n', [column]: value };
    const columns = Object.keys(row);
    const insert = `INSERT INTO service_groups (${columns.join(', ')}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')})`;
    await expect(database.sql(insert, Object.values(row))).rejects.toThrow('violates');
  });
});

/** Node has this function; its types in this version do not. */
const { WebAssembly: webAssembly } = globalThis as unknown as {
  WebAssembly: {
    instantiate(bytes: Buffer, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>;
  };
};

const schemaFile = { path: 'schema.prisma', content: readFileSync('prisma/schema.prisma', 'utf8') };

/** The module has one memory, so that it is loaded once. */
let loading: Promise<void> | undefined;

async function loadEngine(): Promise<void> {
  // The package exports its entry for bundlers only, so that the WebAssembly is loaded by its path.
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const wasm = await webAssembly.instantiate(readFileSync(entry.replace(/\.js$/, '.wasm')), {
    './schema_engine_bg.js': engine,
  });
  engine.__wbg_set_wasm(wasm.instance.exports);
  (wasm.instance.exports['__wbindgen_start'] as () => void)();
}

/** Opens Prisma's engine, which is WebAssembly. */
async function openSchemaEngine(ownPool: pg.Pool): Promise<engine.SchemaEngine> {
  await (loading ??= loadEngine());
  return engine.SchemaEngine.new(
    { datamodels: [[schemaFile.path, schemaFile.content]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(new PrismaPg(ownPool)),
  );
}

/** Returns the SQL with which Prisma's engine creates the tables of schema.prisma. */
async function writeSqlOfSchema(): Promise<string> {
  const schemaEngine = await openSchemaEngine(pool);
  const { stdout } = await schemaEngine.diff({
    from: { tag: 'empty' },
    to: { tag: 'schemaDatamodel', files: [schemaFile] },
    script: true,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return stdout!;
}

/**
 * The parts of tables that Prisma describes: columns, indexes of whole columns, primary and foreign keys. Defaults of
 * ids and generated columns are ours.
 */
const describeTables = `
  SELECT format('%s.%s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod)) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
    || CASE WHEN attname = 'id' OR attgenerated <> '' THEN '' ELSE coalesce(' default ' || pg_get_expr(adbin, adrelid), '') END AS line
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped AND relname <> '_prisma_migrations'
  UNION ALL SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index JOIN pg_class c ON c.oid = indrelid
  WHERE NOT relispartition AND relnamespace = 'public'::regnamespace AND relname <> '_prisma_migrations' AND indexprs IS NULL AND indpred IS NULL
  UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
  WHERE contype IN ('p', 'f') AND NOT EXISTS (SELECT FROM pg_class WHERE oid = conrelid AND relispartition) AND connamespace = 'public'::regnamespace AND conrelid::regclass::text <> '_prisma_migrations'
  ORDER BY 1`;
