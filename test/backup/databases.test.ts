import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digestTables, readSequences, withoutRestore } from '../support/backup.ts';
import { createCommandLine } from '../support/command-line.ts';
import { createOlderDatabase } from '../support/older-database.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

// Which databases can be backed up and restored into, and which are rejected without a change.

const folder = useTestFolder();
const file = join(folder, 'plans.backup');
const addGroup = (database: TestDatabase) =>
  database.sql(`INSERT INTO groups (name, tag_name, duration, price) VALUES ('Plan', 't', 30, 9.9)`);
const run = async (database: { readonly url: string }, ...args: string[]) => {
  const { code, stdout, stderr } = await createCommandLine(() => database).run(...args);
  return { code, stdout, message: stderr.replace(/^group-api: /, '').trimEnd() };
};

let full: TestDatabase;
beforeAll(async () => {
  full = await createTestDatabase();
  await addGroup(full);
  expect(await run(full, 'backup', file)).toMatchObject({ code: 0, message: '' });
});
afterAll(() => full.drop());

test('an existing file is kept without --force and replaced with it; a failed backup leaves no file', async () => {
  const existing = join(folder, 'existing');
  await writeFile(existing, 'text');
  expect(await run(full, 'backup', existing)).toMatchObject({
    code: 1,
    message: `${existing} already exists: choose another name, or pass --force`,
  });
  expect(await run(full, 'backup', existing, '--force', '--json')).toMatchObject({ code: 0, message: '' });
  const before = await readdir(folder);
  const nowhere = { url: 'postgresql://127.0.0.1:1/none' };
  expect(await run(nowhere, 'backup', join(folder, 'none'))).toMatchObject({
    code: 1,
    message: expect.stringMatching(/^Cannot connect to PostgreSQL at 127\.0\.0\.1:1\/none/),
  });
  expect(await readdir(folder)).toStrictEqual(before);
  expect(await run(full, 'backup', '-', '--json')).toMatchObject({
    code: 1,
    message: expect.stringContaining('"--json requires a file: the backup goes to standard output"'),
  });
});

test('a database with rows is rejected by the names of its tables, and stays as it is', async () => {
  const before = [await digestTables(full), await readSequences(full)];
  expect(await run(full, 'restore', file)).toStrictEqual({
    code: 1,
    stdout: '',
    message: expect.stringMatching(
      /^PostgreSQL at .* is not empty: there are rows in groups\. Restore into an empty database: create one with CREATE DATABASE, or set DATA_DIR to a new folder$/,
    ),
  });
  expect([await digestTables(full), await readSequences(full)]).toStrictEqual(before);
});

describe('a database of an older version', () => {
  test.each(['0002_trusted_deletion', '0005_text_rules'])(
    'at %s: it is backed up without a migration, and migrated after the restore',
    async (lastMigration) => {
      const older = await createOlderDatabase(lastMigration);
      await addGroup(older);
      if (lastMigration === '0002_trusted_deletion')
        await older.sql(`INSERT INTO api_keys (name, hash) VALUES ('shop', $1)`, [randomBytes(32)]);
      const olderFile = join(folder, `${lastMigration}.backup`);
      const backup = await run(older, 'backup', olderFile, '--json');
      expect(JSON.parse(backup.stdout)).toMatchObject({ lastMigration });
      const applied = await older.sql('SELECT migration_name FROM _prisma_migrations ORDER BY 1');
      expect(applied.at(-1)).toStrictEqual({ migration_name: lastMigration });

      const target = await createTestDatabase({ isEmpty: true });
      const restored = await run(target, 'restore', olderFile, '--json');
      // Later migrations may report what they do.
      expect(restored.code).toBe(0);
      // The same as if the older database was migrated itself.
      const { applied: later } = JSON.parse((await run(older, 'migrate', '--json')).stdout);
      expect(JSON.parse(restored.stdout)).toMatchObject({ lastMigration, applied: later });
      const digests = [await digestTables(target, withoutRestore), await digestTables(older)];
      for (const digest of digests) {
        delete digest._prisma_migrations;
        // The migration that creates the table of accounts gives them its own time.
        delete digest.accounts.md5;
      }
      expect(digests[0]).toStrictEqual(digests[1]);
      // The times of the older migrations are those of the older database.
      const times =
        'SELECT migration_name, finished_at::text FROM _prisma_migrations WHERE migration_name <= $1 ORDER BY 1';
      expect(await target.sql(times, [lastMigration])).toStrictEqual(await older.sql(times, [lastMigration]));
      await older.drop();
      await target.drop();
    },
  );

  test('its backup is rejected by a database with later migrations, which stays as it is', async () => {
    const older = await createOlderDatabase('0007_restore_defaults');
    const olderFile = join(folder, 'older.backup');
    expect(await run(older, 'backup', olderFile)).toMatchObject({ code: 0, message: '' });
    await older.drop();
    const target = await createTestDatabase();
    expect(await run(target, 'restore', olderFile)).toMatchObject({
      code: 1,
      message: expect.stringMatching(
        /^PostgreSQL at .* already has the migration 0008_moved_subscribers, which is not in the backup\. Restore into an empty database: /,
      ),
    });
    await target.drop();
  });
});

test('a database without tables of group-api has nothing to back up, and an embedded one that does not exist is not created', async () => {
  const nothing = await createTestDatabase({ isEmpty: true });
  expect((await run(nothing, 'backup', join(folder, 'none'))).message).toMatch(
    /^PostgreSQL at .* has no tables of group-api in the schema public: nothing to back up$/,
  );
  await nothing.drop();
  const embedded = createCommandLine(() => ({ url: '' }));
  embedded.environment['DATA_DIR'] = join(folder, 'data');
  delete embedded.environment['DATABASE_URL'];
  const { code, stderr } = await embedded.run('backup', join(folder, 'none'));
  expect([code, stderr]).toStrictEqual([
    1,
    expect.stringMatching(
      /^group-api: There is no database in .*\/data\. Set DATA_DIR, or DATABASE_URL, to that of the server/,
    ),
  ]);
  expect(existsSync(join(folder, 'data'))).toBe(false);
  expect(existsSync(join(folder, 'none'))).toBe(false);
});

test('settings of the database and another schema change neither a backup nor a restore', async () => {
  const settings = {
    timezone: 'Asia/Tehran',
    datestyle: 'German',
    intervalstyle: 'iso_8601',
    extra_float_digits: '-15',
    bytea_output: 'escape',
    default_transaction_isolation: 'serializable',
    search_path: 'pg_catalog',
    schema: 'plans',
  };
  const database = await createTestDatabase({ isEmpty: true, settings });
  const restored = await run(database, 'restore', file);
  expect(restored).toMatchObject({ code: 0, message: '' });
  const again = join(folder, 'again.backup');
  expect(await run(database, 'backup', again)).toMatchObject({ code: 0, message: '' });
  const other = await createTestDatabase({ isEmpty: true });
  expect(await run(other, 'restore', again)).toMatchObject({ code: 0, message: '' });
  expect(await digestTables(other, withoutRestore)).toStrictEqual(await digestTables(full));
  await database.drop();
  await other.drop();
});
