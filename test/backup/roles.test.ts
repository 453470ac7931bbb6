import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestTables } from '../support/backup.ts';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

// What a role of the database may do: read everything, or own the tables.

const folder = useTestFolder();
const file = join(folder, 'plans.backup');
const role = `reader_${randomBytes(4).toString('hex')}`;
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD '…'`);
});
afterAll(async () => {
  await database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await database.drop();
});
const { run } = createCommandLine(() => {
  const url = new URL(database.url);
  if (url.searchParams.has('user')) url.searchParams.set('user', role);
  else Object.assign(url, { username: role, password: '…' });
  return { url: url.href };
});

/** The GRANTs that docs/operations.md has for the role of the server. */
const documentedGrants = () => {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, statements] = /```sql\nCREATE ROLE group_api [^\n]+\n([^`]+)```/.exec(text)!;
  return statements!.replaceAll('group_api', role);
};

test('the documented role of the server makes a backup; a restore names the owner that it requires, and changes nothing', async () => {
  await database.sql(documentedGrants());
  expect(await run('backup', file)).toMatchObject({ code: 0, stderr: '' });
  const before = await digestTables(database);
  expect(await run('restore', file)).toStrictEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(
        `^group-api: A restore requires the owner of the tables, and the user ${role} does not own "public"\\.\\S+\\. ` +
          'Set DATABASE_URL to the role postgres, as for `group-api migrate`\n$',
      ),
    ),
  });
  expect(await digestTables(database)).toStrictEqual(before);
});

test('a backup by a role that may not read a table or a sequence names the GRANTs, with which it works', async () => {
  await database.sql(documentedGrants());
  await database.sql(
    `REVOKE ALL ON accounts FROM ${role}; REVOKE ALL ON SEQUENCE groups_id_seq FROM ${role}`,
  );
  const { code, stderr } = await run('backup', file, '--force');
  const [, grants] = /^group-api: The database user may not read all tables\. As their owner: (.*)\n$/.exec(
    stderr,
  )!;
  expect([code, grants]).toStrictEqual([
    1,
    `GRANT SELECT ON TABLE "public"."accounts" TO ${role}; GRANT SELECT ON SEQUENCE "public"."groups_id_seq" TO ${role}`,
  ]);
  await database.sql(grants!);
  expect(await run('backup', file, '--force')).toMatchObject({ code: 0, stderr: '' });
});

test('a read-only database is backed up, and rejected by a restore with what to do', async () => {
  const readOnly = await createTestDatabase({ settings: { default_transaction_read_only: 'on' } });
  const there = createCommandLine(() => readOnly);
  expect(await there.run('backup', file, '--force')).toMatchObject({ code: 0, stderr: '' });
  expect((await there.run('restore', file)).stderr).toMatch(
    /^group-api: Cannot write to PostgreSQL at .*\. It is read-only: ALTER DATABASE \w+ RESET default_transaction_read_only\n$/,
  );
  await readOnly.drop();
});
