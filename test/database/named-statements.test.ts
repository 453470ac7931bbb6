import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommandLine } from '../support/command-line.ts';
import { openRenamingProxy, type RenamingProxy } from '../support/renaming-proxy.ts';
import { openTestApp } from '../support/test-app.ts';
import { createTestDatabase, useTestDatabase, type TestDatabase } from '../support/test-database.ts';

let database: TestDatabase;
let pooler: RenamingProxy;
const { run, environment } = createCommandLine(() => pooler);
beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true });
  pooler = await openRenamingProxy(database.url);
});
afterAll(async () => {
  await pooler.close();
  await database.drop();
});

test.each([
  ['true', /^ok +pooler +A pooler is between .* statements are prepared by name$/m],
  ['false', /^ok +pooler +A pooler is between .* DATABASE_PREPARED_STATEMENTS=true saves planning them$/m],
])(
  'through a pooler that keeps prepared statements, DATABASE_PREPARED_STATEMENTS=%s decides whether deletes prepare them',
  async (value, line) => {
    environment['DATABASE_PREPARED_STATEMENTS'] = value;
    await run('migrate');
    const { stdout } = await run('doctor');
    expect(stdout).toMatch(line);

    const app = await openTestApp(
      { DATABASE_PREPARED_STATEMENTS: value === 'true' },
      useTestDatabase(pooler.url),
    );
    try {
      const before = pooler.names.size;
      const ids = await Promise.all([1, 2, 3, 4].map(() => app.createGroup()));
      const deleted = await Promise.all(ids.map((id) => app.post('/deleteGroup', { id })));
      expect(deleted.map(({ status }) => status)).toStrictEqual([200, 200, 200, 200]);
      expect((await app.post('/deleteGroup', { id: ids[0] })).status).toBe(404);
      expect(pooler.names.size > before).toBe(value === 'true');
    } finally {
      await app.close();
    }
  },
);
