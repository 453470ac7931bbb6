import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

const role = 'Grants "test"';
const quotedRole = '"Grants ""test"""';
let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
  url = database.url;
  await database.sql(`CREATE ROLE ${quotedRole} LOGIN`);
});
afterAll(async () => {
  await database.sql(`DROP OWNED BY ${quotedRole}; DROP ROLE ${quotedRole}`);
  await database.drop();
});
const { run } = createCommandLine(() => ({ url }));

test('migrate --grant-to lets a role run a server, but not change tables or the audit log; a second run is equal', async () => {
  const first = await run('migrate', '--grant-to', role, '--json');
  expect([first.code, first.stderr]).toStrictEqual([0, '']);
  expect(JSON.parse(first.stdout)).toMatchObject({ grantedTo: role, applied: expect.any(Array) });
  expect((await run('migrate', '--grant-to', role)).stdout).toMatch(
    /^Nothing to do: .*\nGranted to Grants "test": the privileges of a server\n$/,
  );

  const asRole = new URL(database.url);
  if (asRole.searchParams.has('user')) asRole.searchParams.set('user', role);
  else asRole.username = encodeURIComponent(role);
  url = asRole.href;
  const { stdout, stderr } = await run('doctor', '--json');
  expect(stderr).toBe('');
  url = database.url;
  const { isWrong, checks } = JSON.parse(stdout) as {
    isWrong: boolean;
    checks: { name: string; message: string }[];
  };
  expect(isWrong).toBe(false);
  expect(checks).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        name: 'audit',
        state: 'ok',
        message: expect.stringContaining('by its privileges'),
      }),
      expect.objectContaining({ name: 'sequences', state: 'warning' }),
    ]),
  );
});

test('migrate --grant-to rejects a role that does not exist, PUBLIC included, and grants nothing', async () => {
  for (const name of ['absent', 'public']) {
    const { code, stderr } = await run('migrate', '--grant-to', name);
    expect([code, stderr]).toStrictEqual([
      1,
      `group-api: --grant-to: the role ${name} does not exist. Create it: CREATE ROLE ${name} LOGIN PASSWORD '…'\n`,
    ]);
  }
  expect(
    await database.sql(`SELECT has_table_privilege('public', 'groups', 'SELECT') AS granted`),
  ).toStrictEqual([{ granted: false }]);
});
