import { afterEach, beforeEach, expect } from '@jest/globals';
import { createCommandLine } from './command-line.ts';
import { openTestApp, type TestApp } from './test-app.ts';
import { createTestDatabase, useTestDatabase, type TestDatabase } from './test-database.ts';

/** Creates an empty database for each test of the file, and returns what tests of its schemas use. */
export function useSchemaProbes() {
  const database = {} as TestDatabase;
  beforeEach(async () => {
    Object.assign(database, await createTestDatabase({ isEmpty: true }));
  });
  afterEach(() => database.drop());
  let url = '';
  const { run } = createCommandLine(() => ({ url }));
  const withParameters = (parameters: Record<string, string>) => {
    const changed = new URL(database.url);
    for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value);
    return changed.href;
  };
  const readSchemas = async () =>
    (
      await database.sql<{ schema: string }>(
        `SELECT DISTINCT relnamespace::regnamespace::text AS schema FROM pg_class
       WHERE relname IN ('groups', '_prisma_migrations', 'audit_events', 'number_groups', 'groups_id_seq') ORDER BY 1`,
      )
    ).map(({ schema }) => schema);
  /** Runs the server, `migrate`, `doctor`, an export and an import on one URL. */
  const expectEverythingToWork = async (givenUrl: string): Promise<void> => {
    url = givenUrl;
    const migrated = await run('migrate', '--json');
    expect([migrated.stderr, migrated.code]).toStrictEqual(['', 0]);
    const app = await openTestApp({ DATABASE_URL: url }, { ...useTestDatabase(url), url });
    try {
      await tryEverything(app);
    } finally {
      await app.close();
    }
    const examined = await run('doctor');
    expect([examined.stdout, examined.code]).toStrictEqual([expect.not.stringMatching(/^wrong/m), 0]);
    const exported = await run('groups', 'export');
    expect([exported.stderr, exported.code]).toStrictEqual([expect.any(String), 0]);
  };
  return { database, withParameters, readSchemas, expectEverythingToWork };
}

/** Runs calls that use every table, with Prisma and with raw SQL. */
async function tryEverything(app: TestApp): Promise<void> {
  const statuses: number[] = [];
  const call = async (path: string, body: object) => {
    const answer = await app.post(path, body);
    statuses.push(answer.status);
    return answer.body;
  };
  const id = await app.createGroup();
  const other = await app.createGroup();
  await call('/subscribe', { username: 'ali', groupId: id });
  await call('/deleteGroup', { id, moveSubscribersTo: other });
  await call('/deletedGroups', {});
  await call('/restoreGroup', { id });
  await call('/searchGroups', { filter: { text: 'plain' } });
  await call('/deleteGroup', { id });
  await call('/auditEvents', {});
  await call('/allGroups', {});
  const added = await call('/api/v4/autodialer/groups/add', { name: 'numbers', numbers: ['1111'] });
  await call('/api/v4/autodialer/groups/remove', { _id: added.data._id });
  expect(statuses).toStrictEqual(statuses.map(() => 200));
}
